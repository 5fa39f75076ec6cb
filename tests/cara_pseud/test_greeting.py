"""What a peer says of itself, and what is made of nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from cara_pseud import greeting
from cara_pseud.greeting import Greeting

ID = b"i" * 16


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"version": 1}, Greeting(1)),
        ({"version": 2, "incarnation": ID}, Greeting(2, ID)),
        ({"version": 2, "incarnation": ID, "callback_timeout_s": 62.5}, Greeting(2, ID, 62.5)),
        ({"version": 7, "incarnation": ID, "more": {"of": "it"}}, Greeting(2, ID)),
        ({"version": 2, "incarnation": ID, "pipelines": True}, Greeting(2, ID, pipelines=True)),
        ({"version": 2, "incarnation": ID, "pipelines": 1}, Greeting(2, ID)),
        # Without a whole incarnation it is no version 2.
        ({"version": 2}, Greeting(1)),
        ({"version": 2, "incarnation": b"short"}, Greeting(1)),
        ({"version": 2, "incarnation": "i" * 16}, Greeting(1)),
        *[({"version": 2, "incarnation": ID, "callback_timeout_s": odd}, Greeting(2, ID))
          for odd in (0, -1, float("nan"), "5", None, [5])],
        # More patience than there is: as much as there is.
        *[({"version": 2, "incarnation": ID, "callback_timeout_s": much}, Greeting(2, ID, 3600.0))
          for much in (3600, 1e9, float("inf"))],
        *[(nonsense, Greeting(0)) for nonsense in (
            None, 5, "text", [], {}, {"version": 0}, {"version": -1}, {"version": "2"}, {"version": 1.5},
            {"version": True}, {b"version": 2})],
    ],
)  # fmt: skip
def test_what_is_said_is_read(said: Any, expected: Greeting) -> None:
    assert greeting.read(said) == expected


def test_what_is_written_is_read_alike() -> None:
    assert greeting.read(greeting.written(ID, patience_s=60)) == Greeting(2, ID, 60, True)
    assert greeting.read(greeting.written(ID)) == Greeting(2, ID, None, True)
    assert greeting.written(ID, version=1) == {"version": 1}
