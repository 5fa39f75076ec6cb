"""The event loop of the gateway's process, whose turns are watched."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import selectors
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from gateway.stalls import Stalls


def watched_loop(stalls: Stalls) -> asyncio.AbstractEventLoop:
    """Make a loop that tells how long its turns take, the first one from now on."""
    stalls.turn_begins(stalls.clock())
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


_THRESHOLDS: Final = (1_000, 5, 5)
"""After how many objects more than before the collector looks at the youngest, and how often at the older ones.

What belongs to a socket refers to each other, so after its end it stays until the collector comes. With Python's 700,
10, 10 that is after 70,000 objects, with these after 25,000, which is a thousand sockets less in memory. Everything is
looked at only if a quarter more has stayed. That took 19 ms for what is there when the gateway has started, which
`settle_collector` leaves out for ever, and with 10,000 sessions, which it cannot leave out, 160 ms of CPU.
"""


def settle_collector(stalls: Stalls) -> None:
    """Have the garbage collector pass over all that is there now: schemas, methods and code stay until the end.

    To be called before anybody is served, so that nobody waits for it: it is no stall.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    stalls.turn_begins(stalls.clock())


_M_MMAP_THRESHOLD: Final = -3
_LARGE_BLOCK_BYTES: Final = 262_144


def give_back_large_blocks() -> None:
    """Have large blocks of memory go back to the system as they are freed, where the C library can be told so (glibc).

    Left alone it takes them from its heap as soon as one was freed, between small ones that stay: thirty answers of ten
    megabytes left 280 MiB behind, and none like this. To ask the system costs a block some 10 us.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)


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
            self._stalls.interrupted(self._stalls.clock() - self._began, "collecting garbage")
