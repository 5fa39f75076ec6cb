"""Deadlines of many calls on one timer, and times that nobody would wait for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable

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


class Timer:
    """What a loop gives for a timer."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """A loop whose clock the test moves; its timers run when they are due, and never early."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timers = [timer for timer in self.timers if not timer.cancelled]
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    @property
    def waiting(self) -> list[float]:
        return [timer.when for timer in self.timers if not timer.cancelled]

    def until(self, now: float) -> None:
        while due := [timer for timer in self.timers if not timer.cancelled and timer.when <= now]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = now


class Play:
    """Deadlines in such a loop, and when which of them came, in hundredths of a second."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.came: list[tuple[Hashable, int]] = []
        self.deadlines = Deadlines(self.loop, self._expired)  # type: ignore[arg-type]

    def _expired(self, key: Hashable) -> None:
        self.came.append((key, round((self.loop.now - 1000) * 100)))


def test_each_comes_at_its_time_whatever_the_order_they_were_made_in() -> None:
    play = Play()
    for key, timeout in (("c", 3), ("a", 1), ("d", 3), ("b", 2)):
        play.deadlines.add(key, timeout)
    assert len(play.loop.waiting) == 1
    play.loop.until(1010)
    assert play.came == [("a", 100), ("b", 200), ("c", 300), ("d", 300)]
    assert play.loop.waiting == []


def test_none_comes_early_and_none_more_than_a_hundredth_late() -> None:
    play = Play()
    asked = {number: 1 + number / 10_000 for number in range(300)}
    for number, timeout in asked.items():
        play.deadlines.add(number, timeout)
    play.loop.until(1010)
    assert len(play.came) == 300
    for number, came in play.came:
        assert 0 <= came / 100 - asked[number] < 0.01  # type: ignore[index]


def test_what_is_due_with_others_comes_with_them_though_the_loop_was_late() -> None:
    play = Play()
    for key, timeout in (("a", 1), ("b", 1.05), ("c", 5)):
        play.deadlines.add(key, timeout)
    [timer] = play.loop.timers
    play.loop.now = 1001.05
    play.loop.timers.clear()
    timer.callback()
    assert [key for key, _ in play.came] == ["a", "b"]
    assert play.loop.waiting == [1005.0]


def test_a_key_that_was_discarded_never_comes() -> None:
    play = Play()
    slot = play.deadlines.add("a", 1)
    play.deadlines.add("b", 1)
    play.deadlines.discard(slot, "a")
    play.deadlines.discard(slot, "a")
    play.loop.until(1002)
    assert play.came == [("b", 100)]
    play.deadlines.discard(slot, "b")


def test_a_time_that_was_emptied_is_used_again() -> None:
    play = Play()
    slot = play.deadlines.add("a", 1)
    play.deadlines.discard(slot, "a")
    assert play.deadlines.add("b", 1) == slot
    play.deadlines.add("c", 2)
    play.loop.until(1005)
    assert play.came == [("b", 100), ("c", 200)]
    assert play.deadlines.add("d", 1) > slot
    play.loop.until(1007)
    assert play.came[2:] == [("d", 600)]


def test_the_same_time_can_be_watched_once_it_has_come() -> None:
    play = Play()
    play.deadlines.add("a", 0)
    play.loop.until(1000)
    play.deadlines.add("b", 0)
    play.loop.until(1000)
    assert [key for key, _ in play.came] == ["a", "b"]


def test_who_fails_when_told_does_not_stop_the_clock() -> None:
    loop = Loop()
    told: list[Hashable] = []

    def expired(key: Hashable) -> None:
        told.append(key)
        if key == "a":
            raise RuntimeError("not today")

    deadlines = Deadlines(loop, expired)  # type: ignore[arg-type]
    deadlines.add("a", 1)
    deadlines.add("b", 2)
    with pytest.raises(RuntimeError):
        loop.until(1001)
    loop.until(1002)
    assert told == ["a", "b"]


def test_once_closed_nothing_comes() -> None:
    play = Play()
    play.deadlines.add("a", 1)
    play.deadlines.close()
    assert (play.loop.waiting, len(play.deadlines)) == ([], 0)


def test_finished_calls_with_long_deadlines_leave_nothing_behind() -> None:
    play = Play()
    for number in range(10_000):
        play.loop.now += 0.02
        play.deadlines.discard(play.deadlines.add(number, 86_400), number)
    assert len(play.deadlines) == 0
    assert len(play.deadlines._order) == len(play.deadlines._ordered) < 2_000
    assert len(play.loop.waiting) == 1


def test_the_times_of_finished_calls_are_not_looked_for_all_the_time() -> None:
    # As many as this are kept, or every call of few that are under way would walk through all of them.
    play = Play()
    for number in range(1000):
        play.loop.now += 0.02
        play.deadlines.discard(play.deadlines.add(number, 86_400), number)
    assert len(play.deadlines._order) == 1000
