from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.reloads import Reloads


class Reading:
    """What reloads run: notes the state that it saw, and ends when it is told to."""

    def __init__(self) -> None:
        self.state = 0
        self.seen: list[int] = []
        self.under_way = 0
        self.most_at_once = 0
        self.may_end = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def run(self) -> None:
        self.seen.append(self.state)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await self.may_end.acquire()
        self.under_way -= 1
        if self.error is not None:
            raise self.error


def played(play: Callable[[Reading, Reloads], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        reading = Reading()
        async with asyncio.timeout(5):
            await play(reading, Reloads(reading.run))

    asyncio.run(main())


def asked(reloads: Reloads, times: int) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(reloads.ask()) for _ in range(times)]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0)


def test_what_is_asked_for_at_once_is_done_once() -> None:
    async def play(reading: Reading, reloads: Reloads) -> None:
        waiting = asked(reloads, 5)
        reading.may_end.release()
        await asyncio.gather(*waiting)
        assert reading.seen == [0]
        assert not reloads.is_busy

    played(play)


def test_who_asks_while_one_is_under_way_gets_one_that_sees_the_last_state() -> None:
    async def play(reading: Reading, reloads: Reloads) -> None:
        (first,) = asked(reloads, 1)
        await until(lambda: reading.under_way == 1)
        later = []
        for state in (1, 2, 3):
            reading.state = state
            later += asked(reloads, 1)
            await asyncio.sleep(0)
        reading.may_end.release()
        await first
        assert not any(task.done() for task in later)
        reading.may_end.release()
        await asyncio.gather(*later)
        assert reading.seen == [0, 3]
        assert reading.most_at_once == 1

    played(play)


def test_everybody_who_asked_is_told_that_it_failed_and_the_next_one_runs() -> None:
    async def play(reading: Reading, reloads: Reloads) -> None:
        reading.error = ValueError("a fault")
        waiting = asked(reloads, 2)
        reading.may_end.release()
        assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == ["a fault"] * 2
        reading.error = None
        reading.may_end.release()
        await reloads.ask()
        assert len(reading.seen) == 2

    played(play)


def test_who_stops_waiting_stops_nobody_else() -> None:
    async def play(reading: Reading, reloads: Reloads) -> None:
        one, other = asked(reloads, 2)
        await until(lambda: reading.under_way == 1)
        one.cancel()
        reading.may_end.release()
        await other
        assert one.cancelled()

    played(play)


def test_after_the_stop_nothing_is_under_way() -> None:
    async def play(reading: Reading, reloads: Reloads) -> None:
        waiting = asked(reloads, 1)
        await until(lambda: reading.under_way == 1)
        waiting += asked(reloads, 1)
        await asyncio.sleep(0)
        reloads.stop()
        for task in waiting:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert reading.seen == [0]

    played(play)
