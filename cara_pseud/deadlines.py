"""Deadlines of many calls on one timer. Knows no call: it hands expired keys to a function.

A timer per call costs more than a call may: instead, calls that expire in the same 10 ms share a bucket, and one
timer waits for the earliest bucket. A finished call is taken out of its bucket, so nothing outlives its call.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from math import ceil
from typing import Final

from cara_pseud.limits import LONGEST_TIMEOUT_S

_PER_SECOND: Final = 100
_SPARE_SLOTS: Final = 1024


class Deadlines:
    """Calls ``expired(key)`` for each key whose time came, at most 10 ms late.

    Belongs to one loop; `close` drops everything.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[Hashable], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._buckets: dict[int, dict[Hashable, None]] = {}
        # The heap keeps a slot until its time, also when its bucket was emptied and dropped; the set keeps it single.
        self._order: list[int] = []
        self._ordered: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_bucket = 0

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def add(self, key: Hashable, timeout: float) -> int:
        """Watch a key for ``timeout`` seconds from now; the answer is for `discard`.

        Raises:
            TypeError, ValueError: that is no number of seconds.
        """
        # Not min(): it costs as much as the rest of the line, for each call.
        slot = ceil((self._loop.time() + (LONGEST_TIMEOUT_S if timeout > LONGEST_TIMEOUT_S else timeout)) * _PER_SECOND)
        bucket = self._buckets.get(slot)
        if bucket is None:
            self._buckets[slot] = {key: None}
            if slot not in self._ordered:
                self._ordered.add(slot)
                heapq.heappush(self._order, slot)
                if len(self._order) > 2 * len(self._buckets) + _SPARE_SLOTS:
                    self._drop_empty()
            if self._timer is None or slot < self._timer_bucket:
                self._arm()
        else:
            bucket[key] = None
        return slot

    def discard(self, slot: int, key: Hashable) -> None:
        """Stop watching a key; no error if its time came already."""
        bucket = self._buckets.get(slot)
        if bucket is not None:
            bucket.pop(key, None)
            if not bucket:
                del self._buckets[slot]

    def close(self) -> None:
        """Forget every key and stop the timer."""
        self._buckets.clear()
        self._order.clear()
        self._ordered.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop_empty(self) -> None:
        """Forget the slots whose calls are finished: of calls that may take a day there would be millions."""
        self._order = list(self._buckets)
        heapq.heapify(self._order)
        self._ordered = set(self._order)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._order and self._order[0] not in self._buckets:
            self._ordered.discard(heapq.heappop(self._order))
        if self._order:
            self._timer_bucket = self._order[0]
            self._timer = self._loop.call_at(self._timer_bucket / _PER_SECOND, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time() * _PER_SECOND
        due: list[Hashable] = []
        while self._order and self._order[0] <= now:
            slot = heapq.heappop(self._order)
            self._ordered.discard(slot)
            due.extend(self._buckets.pop(slot, ()))
        self._arm()
        for key in due:
            self._expired(key)
