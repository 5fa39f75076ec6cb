"""Notices a client for which too much waits and that takes nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 5.0


class ProgressWatch:
    """Looks from time to time whether something went on, as long as something is owed.

    Args:
        progress: how far it got, any value that is another one when something went on; None when nothing is owed.
        stuck: told when nothing went on for so long.
        patience_s: seconds.
    """

    __slots__ = ("_patience_s", "_progress", "_seen", "_since", "_stuck", "_timer")

    def __init__(self, progress: Callable[[], object], stuck: Callable[[], None], patience_s: float) -> None:
        self._progress = progress
        self._stuck = stuck
        self._patience_s = patience_s
        self._timer: asyncio.TimerHandle | None = None
        self._seen: object = None
        self._since = 0.0

    def begin(self) -> None:
        """Look from now on; harmless if it does already."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._seen, self._since = self._progress(), loop.time()
            self._timer = loop.call_later(min(_LOOK_S, self._patience_s), self._look)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        seen = self._progress()
        if seen is None:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if seen != self._seen:
            self._seen, self._since = seen, now
        left_s = self._since + self._patience_s - now
        if left_s <= 0:
            self._stuck()
        else:
            self._timer = loop.call_later(min(_LOOK_S, left_s), self._look)
