"""Deadlines of many calls on one timer, and times that nobody would wait for."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from cara_pseud.deadlines import Deadlines


def test_a_time_without_end_is_as_good_as_a_very_long_one() -> None:
    async def main() -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), lambda key: None)
        for timeout in (1e9, 1e300, math.inf):
            deadlines.add(timeout, timeout)
        assert len(deadlines) == 3
        with pytest.raises(ValueError, match="NaN"):
            deadlines.add("no number", math.nan)
        assert len(deadlines) == 3
        deadlines.close()

    asyncio.run(main())


def test_finished_calls_with_long_deadlines_leave_nothing_behind() -> None:
    class Loop:
        now = 0.0
        timers = 0

        def time(self) -> float:
            return self.now

        def call_at(self, when: float, callback: Any) -> Any:
            self.timers += 1
            return self

        def cancel(self) -> None:
            self.timers -= 1

    loop: Any = Loop()
    deadlines = Deadlines(loop, lambda key: None)
    for number in range(10_000):
        loop.now += 0.02
        deadlines.discard(deadlines.add(number, 86_400), number)
    assert len(deadlines) == 0
    assert len(deadlines._order) == len(deadlines._ordered) < 2_000
    assert loop.timers == 1
