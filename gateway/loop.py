"""The event loop of the gateway's process, whose turns are watched."""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Mapping
from typing import Any

from gateway.stalls import Stalls


def watched_loop(stalls: Stalls) -> asyncio.AbstractEventLoop:
    """Make a loop that tells how long its turns take."""
    return asyncio.SelectorEventLoop(_WatchedSelector(stalls))


class _WatchedSelector(selectors.DefaultSelector):
    """The platform's own selector. The loop asks it once in each turn, and waits nowhere else."""

    def __init__(self, stalls: Stalls) -> None:
        super().__init__()
        self._stalls = stalls

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        stalls = self._stalls
        stalls.turn_ends(stalls.clock())
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        stalls.turn_begins(stalls.clock())
        return ready


class CollectorWatch:
    """Tells when the garbage collector took long, which it does wherever something is made."""

    def __init__(self, stalls: Stalls) -> None:
        self._stalls = stalls
        self._began = 0.0

    def __enter__(self) -> None:
        gc.callbacks.append(self._look)

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._look)

    def _look(self, phase: str, info: Mapping[str, Any]) -> None:
        if info["generation"] < 2:
            return
        if phase == "start":
            self._began = self._stalls.clock()
        else:
            self._stalls.blame(self._stalls.clock() - self._began, "collecting garbage")
