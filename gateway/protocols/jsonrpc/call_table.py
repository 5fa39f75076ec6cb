"""The calls of one stream that have no answer yet, by the stream's own numbers and by the client's ids."""

from __future__ import annotations

from typing import NamedTuple

from gateway.protocols.jsonrpc.batch import BatchPlace
from gateway.protocols.jsonrpc.messages import Id, Request


class CallRecord(NamedTuple):
    """What an answer needs to know of its call: its id, whether it wants none, and where in a batch it goes."""

    id: Id
    notification: bool
    place: BatchPlace | None


class CallTable:
    """The table.

    Attributes:
        by_number: its calls.
        by_id: the numbers of those that have an id.
    """

    __slots__ = ("_last", "by_id", "by_number")

    def __init__(self) -> None:
        self.by_number: dict[int, CallRecord] = {}
        self.by_id: dict[Id, int] = {}
        self._last = 0

    def begin(self, message: Request, place: BatchPlace | None) -> int:
        """Enter a request; its number."""
        self._last = call = self._last + 1
        id, notification, _, _, _ = message
        self.by_number[call] = tuple.__new__(CallRecord, (id, notification, place))
        if id is not None:
            self.by_id[id] = call
        if place is not None and not notification:
            place.batch.expect()
        return call

    def end(self, call: int) -> CallRecord | None:
        """Strike a call out; None if it is not there any more."""
        record = self.by_number.pop(call, None)
        if record is not None:
            id, _, _ = record
            if id is not None:
                del self.by_id[id]
        return record
