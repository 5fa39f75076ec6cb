"""Whose sessions there are, and which of them may go when there are many. Knows no clock; times are seconds.

    opened by REST ── provisional ── named by a request ──► kept
                          │
                          └── old enough, and above half of a bound: evictable, the newest first

A client that keeps no cookies leaves a session behind with each answer that holds an object, so what REST opens may
not take the places that are kept for sockets, and is the first to go as long as nobody came back to it. The newest go
first: what was there before a flood outlives it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gateway.access.shares import Shares
from gateway.config.limits import Limits
from gateway.sessions.record import SessionRecord

_SOCKETS_PART = 4
"""One place in so many is for sessions that sockets open."""


class _Provisional:
    """Sessions that nobody came back to, by age."""

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: dict[str, tuple[SessionRecord, float]] = {}
        self._old: dict[str, SessionRecord] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, record: SessionRecord, now: float) -> None:
        self._young[record.id] = record, now

    def remove(self, id: str) -> None:
        self._young.pop(id, None)
        self._old.pop(id, None)

    def newest(self, opened_before: float) -> SessionRecord | None:
        """The last one that was opened before that time."""
        young = self._young
        while young:
            id, (record, opened_at) = next(iter(young.items()))
            if opened_at > opened_before:
                break
            del young[id]
            self._old[id] = record
        return self._old[next(reversed(self._old))] if self._old else None

    def oldest_opened_at(self) -> float | None:
        return next((opened_at for _, opened_at in self._young.values()), None)


class SessionShares:
    """The bounds of sessions over all and per address, sockets' and REST's.

    The address is that of who opened it; "" is nobody's and only counts over all.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all, self._rest = Shares(0, 0), Shares(0, 0)
        self.rebound()
        self._provisional = _Provisional()
        self._provisional_of: dict[str, _Provisional] = {}

    def rebound(self) -> None:
        """Hold the limits as they are now; sessions that are open stay."""
        most, most_each = self._limits.max_sessions, self._limits.max_sessions_per_address
        self._all.rebound(most, most_each)
        self._rest.rebound(most - most // _SOCKETS_PART, most_each - most_each // _SOCKETS_PART)

    def take(self, address: str, *, rest: bool) -> None:
        """Count a session, or a place for one."""
        self._all.take(address)
        if rest:
            self._rest.take(address)

    def give(self, address: str, *, rest: bool) -> None:
        """Count no more what `take` has."""
        self._all.give(address)
        if rest:
            self._rest.give(address)

    def opened(self, record: SessionRecord, now: float) -> None:
        """Count a session; one that REST opened is provisional."""
        self.take(record.address, rest=record.by_rest)
        if record.provisional:
            self._provisional.add(record, now)
            self._provisional_of.setdefault(record.address, _Provisional()).add(record, now)

    def came_back(self, record: SessionRecord) -> None:
        """Somebody named a session: it is no more provisional."""
        if not record.provisional:
            return
        record.provisional = False
        self._provisional.remove(record.id)
        own = self._provisional_of[record.address]
        own.remove(record.id)
        if not own:
            del self._provisional_of[record.address]

    def ended(self, record: SessionRecord) -> None:
        """A session is no more."""
        self.came_back(record)
        self.give(record.address, rest=record.by_rest)

    def evictable(self, address: str, now: float) -> Iterator[SessionRecord]:
        """The sessions that may go now for another one of that address, one after the other; each must be `ended`."""
        opened_before = now - self._limits.provisional_session_s
        own = self._provisional_of.get(address)
        while own and 2 * self._all.of(address) > self._all.limit_each:
            record = own.newest(opened_before)
            if record is None:
                break
            yield record
        while 2 * self._all.total > self._all.limit:
            record = self._provisional.newest(opened_before)
            if record is None:
                break
            yield record

    def full(self, address: str, *, rest: bool) -> tuple[str, int] | None:
        """The name of the bound that one more session would break, and how many there are; None if none would be."""
        for shares in (self._all, self._rest) if rest else (self._all,):
            if shares.is_full():
                return "max_sessions", shares.total
            if shares.is_full_for(address):
                return "max_sessions_per_address", shares.of(address)
        return None

    def retry_after_s(self, now: float) -> int:
        """In how many seconds it may be worth to ask again."""
        oldest = self._provisional.oldest_opened_at()
        wait_s = self._limits.provisional_session_s
        return max(1, math.ceil(wait_s if oldest is None else oldest + wait_s - now))
