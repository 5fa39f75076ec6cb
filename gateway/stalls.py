"""How long the turns of the event loop take, and what of a long one took longest. Knows no loop: it is told the times.

A turn is what the loop does between two waits; as long as it lasts, nobody else is served. Whoever does something that
may take long says so behind it (`Stalls.spent`): what passed since the last such word, or since the turn began, is his.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

_LOG: Final = logging.getLogger(__name__)

STALL_S: Final = 0.1
"""A turn that is longer is counted and told: people begin to notice, and calls of others wait for all of it."""
_WORTH_NAMING_S: Final = 0.02
_UNNAMED: Final = "something that nobody named"


class Stalls:
    """The turns of one loop.

    Attributes:
        began: when the turn under way began, by `clock`.
        count: the turns that were too long.
        seconds: what these took together.
        clock: the time in seconds.
    """

    __slots__ = ("_at", "_longest", "_what", "began", "clock", "count", "seconds")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.began = self._at = clock()
        self.count = 0
        self.seconds = 0.0
        self._longest = _WORTH_NAMING_S
        self._what: tuple[str, tuple[object, ...]] | None = None

    def spent(self, what: str, *details: object) -> None:
        """Say what was done just now: a text with the places of its details, as in logging."""
        now = self.clock()
        spent, self._at = now - self._at, now
        if spent > self._longest:
            self._longest, self._what = spent, (what, details)

    def interrupted(self, seconds: float, what: str) -> None:
        """Say what came in between for so long, and is no part of what is done."""
        self._at += seconds
        if seconds > self._longest:
            self._longest, self._what = seconds, (what, ())

    def turn_begins(self, now: float) -> None:
        """The loop has waited and goes on."""
        self.began = self._at = now

    def turn_ends(self, now: float) -> None:
        """The loop is about to wait."""
        if now - self.began > STALL_S:
            self._tell(now - self.began)
        if self._what is not None:
            self._longest, self._what = _WORTH_NAMING_S, None

    def _tell(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        # What took less than half of it does not explain it.
        what, details = (_UNNAMED, ()) if self._what is None or self._longest < seconds / 2 else self._what
        _LOG.warning("the event loop stood still for %.2f s: %s", seconds, what % details)
