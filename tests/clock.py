"""A loop's clock that a test moves."""

from __future__ import annotations

import asyncio
import math


class MovedClock:
    """The clock of a loop (None: the running one), put forward by `advance`; timers that are due then run.

    It goes on by itself as well, unless it is ``stopped``: then nothing may sleep for some time. It stands at a whole
    second, so that what comes after so many of them comes neither before nor after that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, stopped: bool = False) -> None:
        self._loop = asyncio.get_running_loop() if loop is None else loop
        now = float(math.ceil(self._loop.time()))
        self._real = (lambda: now) if stopped else self._loop.time
        self._ahead_s = 0.0
        self._loop.time = lambda: self._real() + self._ahead_s  # type: ignore[method-assign]

    async def advance(self, seconds: float, step_s: float = 5.0) -> None:
        """Put the clock forward, step by step, so that timers that follow each other all run."""
        while seconds > 0:
            self._ahead_s += min(step_s, seconds)
            seconds -= step_s
            for _ in range(3):
                await asyncio.sleep(0)
