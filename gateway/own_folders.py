"""Folders below the system's temporary one that belong to this process alone, and end with it, however it ends.

A process that is killed removes nothing. So each folder has a file that its process holds locked: of a folder whose
lock nobody holds the process is gone, and the next one that makes a folder removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_LOCK: Final = "lock"


class OwnFolder:
    """One of them, which nobody else may enter.

    Args:
        prefix: of its name; what others with that prefix have left behind is removed.
        place: the folder that it is made in; None is the system's.

    Attributes:
        path: where it is.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, prefix: str, place: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for other in self.path.parent.glob(f"{prefix}*"):
            if other != self.path:
                _remove_if_left(other)

    def remove(self) -> None:
        """Remove it, with all that is in it; idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_if_left(folder: Path) -> None:
    # Others' folders may be named alike, and vanish meanwhile; links lead anywhere.
    with contextlib.suppress(OSError):
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not folder.is_symlink() and os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
