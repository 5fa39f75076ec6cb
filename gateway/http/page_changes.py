"""Pages that load themselves again when one of their files has changed: what they wait for. Knows no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Final

RELOAD: Final = "/.dev/reload.js"
CHANGES: Final = "/.dev/changes"
"""No page can be there, as no file's name that begins with a dot is one."""
VERSION: Final = "version"
"""The parameter of a query that says which pages a browser has."""


class PageChanges:
    """Which pages there are now, by a word; and who waits for others. Belongs to a loop."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(4)
        self._number = 0
        self._changed = asyncio.Event()

    @property
    def version(self) -> str:
        """Another one after each change, and of each process."""
        return f"{self._process}-{self._number}"

    def tell(self) -> None:
        """Say that pages have changed."""
        self._number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, known: str, patience_s: float) -> str:
        """The version, when it is another one than ``known`` or the time is over."""
        if known == self.version:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), patience_s)
        return self.version
