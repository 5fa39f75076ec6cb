"""Whose references are whose, where users are verified: one holder for each process of a user, told by its incarnation.

A process may have several connections and lose them; 60 s after the last one its references are freed, whoever else of
the user is there. Peers that say no incarnation are one holder for each user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial

from cara_pseud.connection import Connection
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.link import HOLDER_GRACE_S

Key = tuple[bytes, bytes | None]
"""User and incarnation."""


class Holders:
    """The holders of a server. ``new_exports`` makes the table of one that has a quota."""

    def __init__(self, new_exports: Callable[[Quota], HolderExports], limit: int) -> None:
        self._new_exports = new_exports
        self._limit = limit
        self._exports: dict[Key, HolderExports] = {}
        self._quotas: dict[bytes, Quota] = {}
        self._connections: dict[Hashable, list[Connection]] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def join(self, connection: Connection, key: Key) -> None:
        """Make a connection one of a holder; what it has been given so far is the holder's, too."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        exports = self._exports.get(key)
        if exports is None:
            quota = self._quotas.get(key[0])
            if quota is None:
                quota = self._quotas[key[0]] = Quota(self._limit)
            exports = self._exports[key] = self._new_exports(quota)
        exports.absorb(connection.exports)
        connection.owner, connection.exports = key, exports
        self._connections.setdefault(key, []).append(connection)

    def leave(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Take a lost connection away; the last one of a holder gives it a while to come back."""
        key = connection.owner
        members = self._connections.get(key, [])
        if connection not in members or not isinstance(key, tuple):
            # It never got so far as to belong to one.
            connection.exports.clear()
            return
        members.remove(connection)
        if not members:
            del self._connections[key]
            self._timers[key] = loop.call_later(HOLDER_GRACE_S, partial(self._free, key))

    def newest(self, key: Hashable) -> Connection | None:
        """The newest live connection of a holder."""
        members = self._connections.get(key)
        return members[-1] if members else None

    def clear(self) -> None:
        """Free everything."""
        for timer in self._timers.values():
            timer.cancel()
        for exports in self._exports.values():
            exports.clear()
        self._timers.clear()
        self._exports.clear()
        self._quotas.clear()
        self._connections.clear()

    def _free(self, key: Key) -> None:
        del self._timers[key]
        self._exports.pop(key).clear()
        if not any(user == key[0] for user, _ in self._exports):
            del self._quotas[key[0]]
