"""Keeping Ctrl-C out of what must be done as a whole: it comes when that is over.

KeyboardInterrupt is raised between any two steps of the main thread. Between sending bytes and noting that they were
sent it would have them sent twice.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any


def whole(action: Callable[[], object]) -> None:
    """Do something that Ctrl-C does not end in its middle. What is done must not wait for anything."""
    if threading.current_thread() is not threading.main_thread():
        action()  # Python interrupts none but the main thread
        return
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        action()
        return
    came: list[tuple[int, Any]] = []
    # Changed for moments: to block the signal would not do, as Python hears of it through any thread.
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        action()
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])


class WholeTurns:
    """A loop's time, by which everything is done as a whole: a `cara_pseud.gateway.clock.Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time = loop.time
        self._loop = loop

    def call_later(self, delay: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        """See `cara_pseud.gateway.clock.Clock`."""
        return self._loop.call_later(delay, whole, callback)

    def call_soon(self, callback: Callable[[], object], /) -> asyncio.Handle:
        """See `cara_pseud.gateway.clock.Clock`."""
        return self._loop.call_soon(whole, callback)
