"""Places in values."""

from __future__ import annotations

import pytest

from gateway.json.codec.value_paths import Path, as_given, render, render_steps, steps_of


def path_of(*steps: str | int) -> Path | None:
    path: Path | None = None
    for step in steps:
        path = (path, step)
    return path


PLACES: list[tuple[tuple[str | int, ...], str]] = [
    ((), "$"),
    (("a",), "$.a"),
    ((0,), "$[0]"),
    (("items", 1, "qty"), "$.items[1].qty"),
    (("a", 0, 1, 2), "$.a[0][1][2]"),
    (("no name", "b"), '$["no name"].b'),
]


@pytest.mark.parametrize(("steps", "text"), PLACES)
def test_a_place_is_a_json_path(steps: tuple[str | int, ...], text: str) -> None:
    assert render(path_of(*steps)) == text


def test_the_outermost_member_may_stand_at_a_position() -> None:
    steps = steps_of(path_of("on", "on", 1))
    assert render_steps(as_given(steps, {"on": 4})) == "$[4].on[1]"


def test_steps_lead_from_a_place_to_one_within() -> None:
    origin = path_of("a", 1)
    assert steps_of(((origin, "b"), 2), origin) == [2, "b"]
    assert steps_of(origin, origin) == []
