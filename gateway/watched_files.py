"""Files that somebody may change: looked at a few times a second, in a thread, and told of when they are at rest.

They are asked for their times, which finds also what editors and Kubernetes do: another file takes the place, or a link
leads elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

POLL_S: Final = 0.25
"""Four times a second, for twenty files, is two thousandths of a processor's time."""
_COARSE_NS: Final = 50_000_000
"""File systems keep time less exactly than clocks."""
_RESTLESS_LOOKS: Final = 40
"""What changes at every look, such as a log in the same folder, is not waited for any longer."""

Stamp = tuple[int, int, int, int] | None
"""What tells one state of a file from another; None if there is none."""


class WatchedFiles:
    """Watches until its task is cancelled.

    Args:
        files: which ones, asked anew after each change; folders are watched for what appears and vanishes in them.
        changed: what is to be done about a change. While it is at it, nothing is looked at; what it does not see is a
            change afterwards.
        since_ns: when what is in use was read, in nanoseconds since 1970: what changed later is a change. None = now.
    """

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        changed: Callable[[], Awaitable[None]],
        poll_s: float = POLL_S,
        since_ns: int | None = None,
    ) -> None:
        self._files = files
        self._changed = changed
        self._poll_s = poll_s
        self._since_ns = since_ns

    async def run(self) -> None:
        """Watch."""
        watched, known = await asyncio.to_thread(self._first)
        since_ns = self._since_ns
        if since_ns is not None:
            known = {path: stamp if stamp is None or stamp[0] < since_ns else None for path, stamp in known.items()}
        while True:
            await asyncio.sleep(self._poll_s)
            found = await asyncio.to_thread(stamps, watched)
            if found == known:
                continue
            # Whoever writes several files, or one in pieces, shall be done.
            for _ in range(_RESTLESS_LOOKS):
                await asyncio.sleep(self._poll_s)
                before, found = found, await asyncio.to_thread(stamps, watched)
                if found == before:
                    break
            began_ns = time.time_ns() - _COARSE_NS
            await self._changed()
            watched, fresh = await asyncio.to_thread(self._first)
            # Of what was not watched before, nobody knows whether what it is now was seen.
            unseen = {path for path, stamp in fresh.items() if stamp is not None and stamp[0] >= began_ns}
            known = {path: found.get(path, None if path in unseen else stamp) for path, stamp in fresh.items()}

    def _first(self) -> tuple[list[Path], Mapping[Path, Stamp]]:
        watched = list(dict.fromkeys(self._files()))
        return watched, stamps(watched)


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """What each file is like now."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
