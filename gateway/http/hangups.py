"""Whether clients left, behind bytes that nobody reads yet: the event loop itself tells only who reads.

A client may send its next request before it has the answer to this one. What it sent then waits in the kernel, and
behind it, unseen, the end of the connection. Linux can tell of that end alone; where it cannot, nothing is noticed. Nor
is it while so much was sent that the kernel here does not take it all: then the end has not come.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

_HUNG_UP: Final = getattr(select, "EPOLLRDHUP", 0)
_AT_ONCE: Final = 64


class Hangups:
    """Watches sockets in the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll: select.epoll | None = None
        self._watched: dict[int, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, descriptor: int, left: Callable[[], None]) -> None:
        """Call ``left`` once if the other side closes, unless `forget` comes first."""
        if not _HUNG_UP:
            return
        if self._epoll is None:
            # One descriptor for all: of an epoll the loop can be told, as of a socket, that something happened in it.
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._look)
        self._epoll.register(descriptor, _HUNG_UP)
        self._watched[descriptor] = left

    def forget(self, descriptor: int) -> None:
        """Watch a socket no more; to be called before it is closed."""
        if self._epoll is not None and self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Watch nothing more."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
            self._watched.clear()

    def _look(self) -> None:
        assert self._epoll is not None
        for descriptor, _ in self._epoll.poll(0, _AT_ONCE):
            left = self._watched.get(descriptor)
            self.forget(descriptor)
            if left is not None:
                left()
