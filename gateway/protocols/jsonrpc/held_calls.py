"""Calls of a client for which too much waits already: they are not begun before it has read, or their time is over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from gateway.protocols.jsonrpc.events import CallRequested, Question

Holdable: TypeAlias = "CallRequested | Question"


class _Held(NamedTuple):
    event: Holdable
    until: float
    timer: asyncio.TimerHandle


class HeldCalls:
    """Those of one stream, in the order in which they came.

    Args:
        expired: told of a call, by the stream's number, whose time is over; it is not held any more.

    Attributes:
        by_number: those that are held.
    """

    __slots__ = ("_expired", "by_number")

    def __init__(self, expired: Callable[[int], None]) -> None:
        self._expired = expired
        self.by_number: OrderedDict[int, _Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self.by_number)

    def put(self, event: Holdable, timeout_s: float) -> None:
        """Hold a call for so many seconds at the most."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(timeout_s, self._expire, event.call)
        self.by_number[event.call] = _Held(event, loop.time() + timeout_s, timer)

    def put_back(self, event: Holdable, left_s: float) -> None:
        """Hold a call that was taken: it is the first again."""
        self.put(event, left_s)
        self.by_number.move_to_end(event.call, last=False)

    def take(self) -> tuple[Holdable, float]:
        """The first call, and how many seconds it has left."""
        _, held = self.by_number.popitem(last=False)
        held.timer.cancel()
        return held.event, max(held.until - asyncio.get_running_loop().time(), 0.001)

    def drop(self, call: int) -> bool:
        """Forget a call; False if it is not held."""
        held = self.by_number.pop(call, None)
        if held is None:
            return False
        held.timer.cancel()
        return True

    def clear(self) -> list[int]:
        """Forget all; they are returned."""
        calls = list(self.by_number)
        for held in self.by_number.values():
            held.timer.cancel()
        self.by_number.clear()
        return calls

    def _expire(self, call: int) -> None:
        del self.by_number[call]
        self._expired(call)
