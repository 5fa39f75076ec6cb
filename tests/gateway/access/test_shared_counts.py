"""What is asked of a store that several gateways count in, and that a store that fails holds nobody up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.access.shared_counts import MOST_AT_ONCE, PATIENCE_S, PAUSE_S, CommonCounts, CountError
from gateway.config.rates import Rate
from tests.clock import MovedClock

RATE = Rate(5, 60)


class Store:
    """A store that a test answers for.

    Attributes:
        asked: callers and numbers of calls.
        left: how many calls there may be.
        fails: whether it does.
        is_silent: whether it never answers.
    """

    def __init__(self, left: int = 5) -> None:
        self.asked: list[tuple[str, int]] = []
        self.left = left
        self.fails = self.is_silent = self.is_closed = False
        self.under_way = self.most = 0

    async def take(self, policy: str, rate: Rate, caller: str, calls: int) -> tuple[int, float]:
        self.asked.append((caller, calls))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await (asyncio.Event().wait() if self.is_silent else asyncio.sleep(0))
        finally:
            self.under_way -= 1
        if self.fails:
            raise CountError("connection refused")
        permitted = min(self.left, calls)
        self.left -= permitted
        return permitted, 12.0

    async def close(self) -> None:
        self.is_closed = True


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def told(*asked: asyncio.Future[float]) -> list[float]:
    async with asyncio.timeout(1000):
        return [await each for each in asked]


def test_calls_that_come_during_a_question_are_asked_for_together() -> None:
    async def main() -> None:
        store = Store()
        counts = CommonCounts(store)
        first = counts.take("p", RATE, "ann")
        await asyncio.sleep(0)
        others = [counts.take("p", RATE, "ann") for _ in range(3)]
        assert await told(first, *others) == [0, 0, 0, 0]
        assert store.asked == [("ann", 1), ("ann", 3)]

    run(main())


def test_those_that_came_first_begin_and_the_others_are_told_when() -> None:
    async def main() -> None:
        counts = CommonCounts(Store(left=2))
        assert await told(*[counts.take("p", RATE, "ann") for _ in range(4)]) == [0, 0, 12, 12]
        assert counts.wait_s("p", "ann") == pytest.approx(12, abs=0.5)
        assert counts.wait_s("p", "bob") == counts.wait_s("other", "ann") == 0

    run(main())


def test_when_the_time_is_over_the_store_is_asked_again() -> None:
    async def main() -> None:
        clock, store = MovedClock(), Store(left=0)
        counts = CommonCounts(store)
        assert await told(counts.take("p", RATE, "ann")) == [12]
        await clock.advance(12.5)
        assert counts.wait_s("p", "ann") == 0
        store.left = 1
        assert await told(counts.take("p", RATE, "ann")) == [0]

    run(main())


@pytest.mark.parametrize("is_silent", [False, True])
def test_while_nobody_counts_every_call_begins_and_waits_only_once(
    is_silent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock, store = MovedClock(), Store()
        store.fails, store.is_silent = not is_silent, is_silent
        counts = CommonCounts(store)
        caplog.set_level(logging.INFO)
        asked = [counts.take("p", RATE, caller) for caller in ("ann", "bob", "ann")]
        await asyncio.sleep(0)
        asked.append(counts.take("p", RATE, "ann"))  # while a question is under way
        if is_silent:
            await clock.advance(PATIENCE_S + 0.1, step_s=1)
        assert await told(*asked) == [0, 0, 0, 0]
        assert not counts.is_up
        questions = len(store.asked)
        assert questions == 2
        # From here on nobody waits, and one question a second is enough.
        for _ in range(50):
            assert counts.take("p", RATE, "carol").done()
        await asyncio.sleep(0)
        assert len(store.asked) == questions
        await clock.advance(PAUSE_S)
        store.fails = store.is_silent = False
        for _ in range(50):
            assert counts.take("p", RATE, "carol").done()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert store.asked[questions:] == [("carol", 1)]
        assert counts.is_up
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        await counts.close()

    run(main())


def test_no_more_questions_are_under_way_than_there_may_be_connections() -> None:
    async def main() -> None:
        store = Store(left=1000)
        counts = CommonCounts(store)
        assert set(await told(*[counts.take("p", RATE, str(number)) for number in range(100)])) == {0}
        assert store.most == MOST_AT_ONCE

    run(main())


def test_who_has_given_up_is_not_asked_for_again() -> None:
    async def main() -> None:
        store = Store()
        counts = CommonCounts(store)
        first, second = counts.take("p", RATE, "ann"), counts.take("p", RATE, "ann")
        first.cancel()
        assert await told(second) == [0]

    run(main())


def test_whoever_waits_at_the_end_may_begin() -> None:
    async def main() -> None:
        store = Store()
        store.is_silent = True
        counts = CommonCounts(store)
        asked = [counts.take("p", RATE, "ann") for _ in range(2)]
        await asyncio.sleep(0)
        await counts.close()
        assert await told(*asked) == [0, 0]
        assert store.is_closed

    run(main())
