"""When a configuration is read again: one reading at a time, and whoever asks meanwhile gets the next one's outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Reloads:
    """Joins what is asked for at once. A reading that began before somebody asked may not have seen what he changed.

    Args:
        run: one reading; what it raises is told to all who asked for it.
    """

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._run = run
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether one is under way or to come."""
        return self._next is not None or (self._current is not None and not self._current.done())

    async def ask(self) -> None:
        """Have one run, and wait until one is over that began after this.

        Raises:
            Exception: what it raised.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
            self._next.add_done_callback(_looked_at)
        # Others may wait for it, too.
        await asyncio.shield(self._next)

    async def _after(self, current: asyncio.Task[None] | None) -> None:
        if current is not None:
            await asyncio.wait((current,))
        self._current, self._next = self._next, None
        await self._run()

    def stop(self) -> None:
        """Begin none any more, and break off the one under way."""
        for task in (self._current, self._next):
            if task is not None:
                task.cancel()


def _looked_at(task: asyncio.Task[None]) -> None:
    # Whoever asked may have left; then nobody else asks for its exception.
    if not task.cancelled():
        task.exception()
