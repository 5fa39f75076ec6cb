"""Memory that is given back in a quiet moment: what clients left behind stays otherwise until others bring as much.

Whatever belonged to a socket refers to each other, so it is the garbage collector that frees it, and that comes only
when much more is made. What is freed then lies between what stays, so the C library keeps it for itself. Both are
asked here, when nobody waits for an answer.

    much more memory than there was once ── more than behind the last time, or clients have left since ──► reclaim
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOK_S: Final = 2.0
MUCH_MORE: Final = 1.1
PATIENCE: Final = 15
"""After so many looks in vain it is done although somebody waits: calls may take long, and some never end."""
_SHARE: Final = 100
"""What it takes is at most this part of the time: 160 ms, with 10,000 sessions, come every 16 s and not more often."""


class Reclaiming:
    """Decides when it is worth it.

    Args:
        resident_bytes: tells how much memory the process has.
        clients: tells how many there are.
        is_busy: tells whether somebody waits for an answer.
        reclaim: gives memory back.
        clock: the time in seconds.
    """

    def __init__(
        self,
        resident_bytes: Callable[[], int],
        clients: Callable[[], int],
        is_busy: Callable[[], bool],
        reclaim: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resident_bytes = resident_bytes
        self._clients = clients
        self._is_busy = is_busy
        self._reclaim = reclaim
        self._clock = clock
        self._least = self._behind = resident_bytes()
        self._most_clients = clients()
        self._not_before = clock()
        self._busy_looks = 0

    def look(self) -> bool:
        """Reclaim if it is time for it; whether it was."""
        now, clients = self._clock(), self._clients()
        have_left = clients < self._most_clients
        self._most_clients = max(self._most_clients, clients)
        size = self._resident_bytes()
        self._least, self._behind = min(self._least, size), min(self._behind, size)
        if size <= MUCH_MORE * self._least or now < self._not_before:
            return False
        if size <= MUCH_MORE * self._behind and not have_left:
            return False
        if self._is_busy() and self._busy_looks < PATIENCE:
            self._busy_looks += 1
            return False
        self._busy_looks = 0
        self._reclaim()
        self._behind, self._most_clients = self._resident_bytes(), clients
        self._not_before = now + _SHARE * (self._clock() - now)
        return True

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()


def resident_bytes() -> int:
    """How much memory of the process is there; 0 where the system does not tell (it is asked as on Linux)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def reclaim() -> None:
    """Free what nothing refers to any more, and have the C library give it back, where that can (glibc)."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
