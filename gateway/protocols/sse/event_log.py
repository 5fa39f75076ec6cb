"""What a listener of server-sent events is told (the HTML standard, section 9.2), numbered, and kept for a while.

Pure: events are bytes. The browser's ``Last-Event-ID`` says what it has; nobody confirms anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.client import StreamRecord
from gateway.json.text import JSON, dump
from gateway.protocols.jsonrpc.client_requests import ClientRequests
from gateway.protocols.jsonrpc.counting import Counting
from gateway.sessions.kept_bytes import KeptBytes

_KEPT_EVENTS: Final = 256
_KEPT_BYTES: Final = 1_048_576
"""So much can be sent again. What was written before that counts as received."""


class EventLog:
    """The events of one listener, and the requests among them that it has not answered.

    Attributes:
        counting: the numbers of the events, and those that can be sent again.
    """

    def __init__(self, max_event_bytes: int, before: int = 0, over_all: KeptBytes | None = None) -> None:
        """Begin with no event.

        Args:
            before: the number in front of the first event's.
            over_all: where what is kept is counted together with that of others.
        """
        self.counting = Counting(over_all)
        self.counting.sent = self.counting.acknowledged = self._written = before
        self._requests = ClientRequests(max_event_bytes)

    @classmethod
    def restored(cls, record: StreamRecord, max_event_bytes: int, over_all: KeptBytes | None = None) -> EventLog:
        """The log of a record, which nobody listens to yet."""
        log = cls(max_event_bytes)
        log.counting = Counting.restored(record, over_all)
        log._requests = ClientRequests(max_event_bytes, record.requests)
        return log

    def record(self) -> StreamRecord:
        """What of it is plain data; requests under way are not."""
        return self.counting.record(False, self._requests.made)

    @property
    def requests(self) -> frozenset[str]:
        """The keys of the requests that wait for an answer."""
        return frozenset(self._requests.keys)

    def request(
        self, name: str, method: str, params: list[JSON], traceparent: str | None = None
    ) -> tuple[str, bytes]:
        """Ask the listener's object ``name`` to run a method: the key of the answer, and the event.

        Raises:
            GatewayError: TOO_LARGE or INTERNAL, the parameters cannot be sent; nothing was.
        """
        key, data = self._requests.write(name, method, params, traceparent)
        event = self._next(b"callback", data)
        self._requests.sent(key, self.counting.sent)
        return key, event

    def answered(self, key: str) -> bool:
        """Note that a request is answered; False if it did not wait for an answer."""
        return self._requests.end(key) is not None

    def withdraw(self, key: str) -> bytes | None:
        """Give a request up: the event that says so, or None if it was not written to anybody yet and never will be."""
        number = self._requests.end(key)
        assert number is not None  # the listener asks only of those that wait
        # No event for a browser, but its Last-Event-ID counts on.
        if not self.counting.replace(number, b"id: %d\n\n" % number):
            return None
        return self._next(b"cancel", dump({"id": key}))

    def released(self, told: dict[str, JSON]) -> bytes:
        """Tell that a handle or a callback is no more."""
        return self._next(b"released", dump(told))

    def written(self, number: int) -> None:
        """Note that everything up to that event was written, so that the oldest need not be kept."""
        self._written = max(self._written, number)
        self._forget_oldest(_KEPT_EVENTS, _KEPT_BYTES)

    def make_room(self, max_bytes: int) -> None:
        """Keep less of what was written, if more than so many bytes are kept."""
        self._forget_oldest(self.counting.sent, max_bytes)

    def _forget_oldest(self, max_events: int, max_bytes: int) -> None:
        counting = self.counting
        while counting.acknowledged < self._written and (
            counting.sent - counting.acknowledged > max_events or counting.kept_bytes > max_bytes
        ):
            counting.acknowledge(counting.acknowledged + 1)

    def _next(self, kind: bytes, data: bytes) -> bytes:
        event = b"id: %d\nevent: %s\ndata: %s\n\n" % (self.counting.sent + 1, kind, data)
        self.counting.keep(event)
        return event


PING_EVENT: Final = b"event: ping\ndata: {}\n\n"
"""A sign of life that scripts see, unlike a comment. It has no number: nobody goes on behind it."""


def opening(retry_ms: int, number: int) -> bytes:
    """The first words on a connection: how soon to come back after a loss, and behind which event.

    With the number a listener that is cut before its first event can say that it was there.
    """
    return b"retry: %d\nid: %d\n\n" % (retry_ms, number)


def reset_event(reason: str, callbacks: Sequence[str]) -> bytes:
    """Tells a listener that it does not go on where it was, and which of its objects nobody calls any more."""
    return b"event: reset\ndata: %s\n\n" % dump({"reason": reason, "callbacks": list(callbacks)})


def end_event(code: int, reason: str) -> bytes:
    """The last event of a listener: nothing more comes, and why. It has no number."""
    return b"event: end\ndata: %s\n\n" % dump({"code": code, "reason": reason})
