"""Calls that wait until their client has read."""

from __future__ import annotations

from typing import Any

from gateway.protocols.jsonrpc.events import DescribeRequested
from gateway.protocols.jsonrpc.held_calls import HeldCalls


def call(number: int) -> DescribeRequested:
    return DescribeRequested(number, "service", "calculator")


def test_they_are_taken_in_the_order_in_which_they_came_with_the_time_they_have_left(fakes: Any) -> None:
    async def main() -> None:
        expired: list[int] = []
        held = HeldCalls(expired.append)
        for number in (3, 1, 2):
            held.put(call(number), 10.0)
        assert len(held) == 3
        await fakes.pass_time(4)
        event, left_s = held.take()
        assert event == call(3)
        assert 5.9 < left_s <= 6
        assert held.drop(1)
        assert not held.drop(1)
        assert not held.drop(3)
        assert held.take()[0] == call(2)
        assert len(held) == 0
        assert expired == []
        assert fakes.timers() == 0

    fakes.run(main())


def test_whose_time_is_over_is_held_no_longer(fakes: Any) -> None:
    async def main() -> None:
        expired: list[int] = []
        held = HeldCalls(expired.append)
        held.put(call(1), 10.0)
        held.put(call(2), 5.0)
        await fakes.pass_time(6)
        assert expired == [2]
        assert not held.drop(2)
        assert held.clear() == [1]
        assert len(held) == 0
        await fakes.pass_time(10)
        assert expired == [2]

    fakes.run(main())
