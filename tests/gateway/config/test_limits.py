from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from gateway.config import limits
from gateway.config.limits import MOST_LEVELS, Limits
from gateway.json.text import dump
from gateway.protocols.jsonrpc import messages


def test_every_limit_gives_its_reason() -> None:
    source = inspect.getsource(limits)
    for field in dataclasses.fields(Limits):
        after = source.partition(f"    {field.name}:")[2].split("\n")[1].strip()
        assert after.startswith('"""'), field.name


def test_limits_are_frozen_and_settable_by_name() -> None:
    chosen = Limits(max_message_bytes=10)
    assert chosen.max_message_bytes == 10
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen.max_message_bytes = 11  # type: ignore[misc]


def test_clients_are_told_what_concerns_them() -> None:
    told = Limits(max_depth=3).public()
    assert told["max_depth"] == 3
    assert told["max_message_bytes"] == 1_048_576
    assert "max_sessions" not in told


def test_limits_become_others_all_at_once() -> None:
    in_force, others = Limits(max_depth=3), Limits(max_depth=5, max_sessions=7)
    in_force.adopt(others)
    assert in_force == others


def test_what_is_as_deep_as_may_be_can_be_written_in_every_message() -> None:
    value: Any = 1
    for _ in range(MOST_LEVELS):
        value = [value]
    assert dump([messages.request("g:1", "!a.b", value), messages.result(1, value)])
