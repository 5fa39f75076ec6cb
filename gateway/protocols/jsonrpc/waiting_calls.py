"""Calls that wait for the answers of other calls, whose objects they need; their deadlines run meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from gateway.config.limits import Limits
from gateway.protocols.jsonrpc.events import CallWaits


class WaitingCalls:
    """Those of one stream, by its numbers.

    Args:
        expired: told of a call whose time is over; it is still to be ended.
        timeout_s: of calls whose message says none; None: as the limits say.

    Attributes:
        by_number: those that wait.
    """

    __slots__ = ("_default_s", "_expired", "_limits", "by_number")

    def __init__(self, limits: Limits, expired: Callable[[int], None], timeout_s: float | None = None) -> None:
        self._limits = limits
        self._expired = expired
        self._default_s = timeout_s or limits.default_call_timeout_s
        self.by_number: dict[int, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self.by_number)

    def __iter__(self) -> Iterator[int]:
        return iter(self.by_number)

    def begin(self, event: CallWaits) -> None:
        """Let a call wait until its deadline."""
        timeout_s = min(event.timeout_s or self._default_s, self._limits.max_call_timeout_s)
        self.by_number[event.call] = asyncio.get_running_loop().call_later(timeout_s, self._expired, event.call)

    def end(self, call: int) -> None:
        """A call waits no more."""
        timer = self.by_number.pop(call, None)
        if timer is not None:
            timer.cancel()

    def left_s(self, call: int, wished_s: float | None) -> float | None:
        """What a call, which begins now, has left of the time that its client gave it; None if that said none."""
        timer = self.by_number.pop(call, None)
        if timer is None:
            return wished_s
        timer.cancel()
        return None if wished_s is None else max(timer.when() - asyncio.get_running_loop().time(), 0.001)

    def clear(self) -> None:
        """None waits any more."""
        for timer in self.by_number.values():
            timer.cancel()
        self.by_number.clear()
