"""Where sessions are kept as plain data. The memory store is for one process; others come behind the same protocol."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from gateway.sessions.record import SessionRecord


class SessionStore(Protocol):
    """All sessions' records, by their ids. Times are the caller's business: the store only keeps their order."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[SessionRecord]:
        """All records, the one that expires first at the front."""

    def open(self, record: SessionRecord) -> None:
        """Keep a new record."""

    def find(self, id: str) -> SessionRecord | None:
        """The record of that id, or None."""

    def touch(self, record: SessionRecord, expires_at: float) -> None:
        """Put the end of a record off; no other one ends later."""

    def drop(self, id: str) -> None:
        """Forget a record; harmless if there is none."""


class MemoryStore:
    """A `SessionStore` in this process."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, SessionRecord] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[SessionRecord]:
        return iter(list(self._records.values()))

    def open(self, record: SessionRecord) -> None:
        """See `SessionStore`."""
        self._records[record.id] = record

    def find(self, id: str) -> SessionRecord | None:
        """See `SessionStore`."""
        return self._records.get(id)

    def touch(self, record: SessionRecord, expires_at: float) -> None:
        """See `SessionStore`."""
        record.expires_at = expires_at
        self._records.move_to_end(record.id)

    def drop(self, id: str) -> None:
        """See `SessionStore`."""
        self._records.pop(id, None)
