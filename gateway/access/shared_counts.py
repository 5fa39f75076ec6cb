"""Counts that several gateways have in common, asked over a network: one question at a time for each caller.

    a call ── no question under way ──► asked ── answered ──► begins, or is refused; what came meanwhile is asked
       └── one under way: joins the next    └── not in time, or failed ──► begins

Where the counts cannot be had this gateway's own buckets are what holds, and nobody waits: once a second it is looked
whether they can be had again. Knows no protocol of a store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from gateway.config.rates import Rate

_LOG: Final = logging.getLogger(__name__)

PATIENCE_S: Final = 0.25
"""How long a call waits for the count. A store in the same network answers within a millisecond."""
PAUSE_S: Final = 1.0
"""How long a store is not asked that did not answer."""
MOST_AT_ONCE: Final = 8
"""Questions under way, each of which takes a connection to the store."""
_LEAST_S: Final = 0.001
_MOST_WAITS: Final = 10_000
"""Callers of whom it is remembered when they may call again."""


class CountError(Exception):
    """The counts cannot be had."""


class CountStore(Protocol):
    """Where the counts are."""

    async def take(self, policy: str, rate: Rate, caller: str, calls: int) -> tuple[int, float]:
        """Count so many calls, or as many as there may be.

        Returns:
            How many there may be, and in how many seconds there may be one more if that is less.

        Raises:
            CountError: they cannot be counted.
        """

    async def close(self) -> None:
        """Let go of connections."""


class CommonCounts:
    """The counts of one store: `gateway.access.rates.SharedCounts`.

    Attributes:
        is_up: whether the store answered when it was last asked.
    """

    def __init__(self, store: CountStore) -> None:
        self._store = store
        self.is_up = True
        self._ask_at = 0.0
        self._waiting: dict[tuple[str, str], list[asyncio.Future[float]]] = {}
        self._refused_until: dict[tuple[str, str], float] = {}
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._questions: set[asyncio.Task[None]] = set()

    def wait_s(self, policy: str, caller: str) -> float:
        """See `gateway.access.rates.SharedCounts`."""
        until = self._refused_until.get((policy, caller))
        if until is None:
            return 0.0
        left_s = until - asyncio.get_running_loop().time()
        if left_s <= 0.0:
            del self._refused_until[policy, caller]
            return 0.0
        return left_s

    def take(self, policy: str, rate: Rate, caller: str) -> asyncio.Future[float]:
        """See `gateway.access.rates.SharedCounts`."""
        loop, key = asyncio.get_running_loop(), (policy, caller)
        told: asyncio.Future[float] = loop.create_future()
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(told)
        elif self.is_up:
            self._waiting[key] = [told]
            self._begin(self._ask(key, rate))
        else:
            # As a future all the same: so nobody begins before those that were told in this turn of the loop.
            told.set_result(0.0)
            if loop.time() >= self._ask_at:
                self._ask_at = loop.time() + PAUSE_S
                self._begin(self._look(key, rate))
        return told

    def _begin(self, question: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(question)
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def close(self) -> None:
        """Ask nobody any more; whoever waits may begin."""
        for question in list(self._questions):
            question.cancel()
        await asyncio.gather(*self._questions, return_exceptions=True)
        await self._store.close()

    async def _ask(self, key: tuple[str, str], rate: Rate) -> None:
        waiting = self._waiting[key]
        try:
            while waiting and self.is_up:
                asked = waiting[: rate.calls]
                permitted, wait_s = await self._answer(key, rate, len(asked))
                del waiting[: len(asked)]
                for index, told in enumerate(asked):
                    _tell(told, 0.0 if index < permitted else max(wait_s, _LEAST_S))
        finally:
            del self._waiting[key]
            for told in waiting:
                _tell(told, 0.0)

    async def _look(self, key: tuple[str, str], rate: Rate) -> None:
        """Count a call that has begun, to see whether it is counted again."""
        await self._answer(key, rate, 1)

    async def _answer(self, key: tuple[str, str], rate: Rate, calls: int) -> tuple[int, float]:
        try:
            async with asyncio.timeout(PATIENCE_S), self._at_once:
                permitted, wait_s = await self._store.take(key[0], rate, key[1], calls)
        except (CountError, TimeoutError) as error:
            self._is_lost(str(error) or f"no answer within {PATIENCE_S:g} s")
            return calls, 0.0
        self._is_found()
        if permitted < calls:
            if len(self._refused_until) >= _MOST_WAITS:
                del self._refused_until[next(iter(self._refused_until))]
            self._refused_until[key] = asyncio.get_running_loop().time() + wait_s
        return permitted, wait_s

    def _is_lost(self, reason: str) -> None:
        self._ask_at = asyncio.get_running_loop().time() + PAUSE_S
        if self.is_up:
            self.is_up = False
            # As long as nobody counts for all, each has what it has here.
            self._refused_until.clear()
            _LOG.warning("the calls of [gateway.rates] are counted by this gateway alone: %s", reason)

    def _is_found(self) -> None:
        if not self.is_up:
            self.is_up = True
            _LOG.info("the calls of [gateway.rates] are counted in common again")


def _tell(told: asyncio.Future[float], wait_s: float) -> None:
    if not told.done():  # else the call was given up
        told.set_result(wait_s)
