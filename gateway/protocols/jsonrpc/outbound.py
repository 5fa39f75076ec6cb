"""What one stream says to its client, and how much of it may wait there for a client that reads slowly.

`send_buffer_bytes` is a mark, not an end: above it no new work is taken on, and what was begun is still answered, up to
`max_kept_bytes`. A client that is away is owed no more than the mark. What cannot be put off, such as errors and what
is said of handles, is always kept; it is short.
"""

from __future__ import annotations

from typing import Final

from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.error_text import write_error
from gateway.json.text import JSON, dump
from gateway.protocols.jsonrpc import messages
from gateway.protocols.jsonrpc.batch import Batch, BatchPlace
from gateway.protocols.jsonrpc.client_requests import ClientRequests, check_size
from gateway.protocols.jsonrpc.counting import Counting
from gateway.protocols.jsonrpc.events import BUFFER_FULL, Event, RequestDropped, Send
from gateway.protocols.jsonrpc.messages import Id
from gateway.sessions.kept_bytes import KeptBytes

_VOID: Final = dump(messages.notification("rpc.void", {}))
"""Stands for a request that was withdrawn, so that both sides count the same."""
_REPEATED_BYTES: Final = 65_536
"""So much is written to a new socket before it is asked whether it takes more."""
_SHORT_BYTES: Final = 2048
"""Of an error when there is no room for more; its text for people goes into that."""


class Outbound:
    """The messages of one stream on their way out.

    Attributes:
        counting: its counters; of a stream that does not count, only what is held.
        counts: whether the client said hello, so that messages are counted and kept until it confirms them.
        requests: what it is asked.
        answer_bytes: of the last answer.
    """

    __slots__ = (
        "_closed", "_limits", "_mark", "_over_all", "_small_bytes", "answer_bytes", "counting", "counts", "requests",
    )  # fmt: skip

    def __init__(self, limits: Limits, over_all: KeptBytes, record: StreamRecord | None = None) -> None:
        """Begin, or with ``record`` go on with what a client that said hello was not told yet."""
        self._limits = limits
        self._mark = limits.send_buffer_bytes
        # Nothing is to be asked of an answer up to that.
        self._small_bytes = min(limits.max_message_bytes, limits.send_buffer_bytes)
        self._over_all = over_all
        self._closed = False
        self.answer_bytes = 0
        self.counting = Counting(over_all) if record is None else Counting.restored(record, over_all)
        self.counts = record is not None
        self.requests = ClientRequests(limits.max_message_bytes, 0 if record is None else record.requests)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the client that it is to read first."""
        return self.counting.kept_bytes > self._mark

    def send(self, data: bytes) -> list[Event]:
        """Say something: `Send` comes where it is to be written now, `BufferFull` where too much waits."""
        if self._closed:
            return []
        counting = self.counting
        is_held = counting.written is not None
        if is_held or self.counts:
            counting.keep(data)
            if counting.kept_bytes > self._mark:
                return [BUFFER_FULL] if is_held else [tuple.__new__(Send, (data,)), BUFFER_FULL]
            if is_held:
                return []
        return [tuple.__new__(Send, (data,))]

    def answer(self, data: bytes) -> list[Event]:
        """Say the answer to a call.

        Raises:
            GatewayError: TOO_LARGE, for any client or for one that has so much to read already; nothing is said.
        """
        counting, over_all = self.counting, self._over_all
        kept = counting.kept_bytes
        self.answer_bytes = size = len(data)
        if kept + size > self._small_bytes or over_all.total + size > over_all.limit:
            self._check_large(data, size, kept)
        elif counting.written is None and not self._closed:
            if self.counts:
                counting.keep(data)  # with which it is not full, see the bound
            return [tuple.__new__(Send, (data,))]
        return self.send(data)

    def put(self, place: BatchPlace | None, data: bytes) -> list[Event]:
        """Answer a message that never became a call."""
        if place is None:
            return self.send(data)
        place.put(data)
        return []

    def reply(self, place: BatchPlace | None, data: bytes) -> list[Event]:
        """Answer a call."""
        events = self.put(place, data)
        return events if place is None else self.finish_one(place.batch)

    def finish_one(self, batch: Batch) -> list[Event]:
        """Wait for one message less of a batch; its answers, if that was the last."""
        answers = batch.finish_one(self._limits.max_message_bytes)
        return [] if answers is None else self.send(answers)

    def request(
        self, name: str, method: str, params: list[JSON], traceparent: str | None = None, *, marked: bool = False
    ) -> tuple[str, list[Event]]:
        """Ask the client's object ``name`` to run a method; the key under which it will answer.

        Raises:
            GatewayError: see `Stream.call_callback`.
        """
        key, data = self.requests.write(name, method, params, traceparent, marked=marked)
        self._check_request(data)
        happened = self.send(data)
        self.requests.sent(key, self.counting.sent)
        return key, happened

    def withdraw(self, key: str) -> list[Event]:
        """Give a request up; see `Stream.withdraw`."""
        number = self.requests.end(key)
        if not number or not self.counts or self._closed:
            return []
        if not self.counting.replace(number, _VOID):
            return [RequestDropped(key)]
        return self.send(dump(messages.notification("rpc.cancel", {"id": key})))

    def close(self) -> None:
        """The stream is over: nothing is said any more, and nothing kept."""
        self._closed = True
        self.counting.drop()

    def repeat(self) -> list[Event]:
        """Begin anew on another socket: the first of what the client has not received; `next` gives the rest."""
        self.counting.restart()
        return [Send(data) for data in self.counting.next(_REPEATED_BYTES)]

    def next(self, max_bytes: int) -> list[bytes]:
        """What was held and is to be written now; see `Counting.next`."""
        counting = self.counting
        found = counting.next(max_bytes)
        if not self.counts:  # nobody confirms it
            counting.acknowledge(counting.acknowledged + len(found))
        return found

    def _check_large(self, data: bytes, size: int, kept: int) -> None:
        limits, counting = self._limits, self.counting
        check_size(data, limits.max_message_bytes, "the result")
        if kept + size > self._mark:
            most = self._mark if counting.is_away else limits.max_kept_bytes
            if kept + size > most:
                where = "is away" if counting.is_away else "reads slowly"
                detail = (
                    f"the result has {size} bytes, {kept} wait for the client already, which {where}; "
                    f"at most {most} are kept for it"
                )
                raise GatewayError(Status.TOO_LARGE, detail, reason="slow")
        if not self._over_all.has_room(kept, size):
            detail = f"the result has {size} bytes, and the gateway keeps as much as it may for slow clients already"
            raise GatewayError(Status.TOO_LARGE, detail, reason="slow")

    def _check_request(self, data: bytes) -> None:
        kept = self.counting.kept_bytes
        if kept > self._mark or (self.counting.is_away and kept + len(data) > self._mark):
            detail = f"{kept} bytes wait for the client already; it is not asked above {self._mark}"
            raise GatewayError(Status.RESOURCE_EXHAUSTED, detail, reason="slow")
        if not self._over_all.has_room(kept, len(data)):
            detail = "the gateway keeps as much as it may for slow clients already"
            raise GatewayError(Status.RESOURCE_EXHAUSTED, detail, reason="slow")

    def error(self, id: Id, failure: GatewayError, place: BatchPlace | None = None) -> bytes:
        """The answer to a request that failed, as text that can be sent; ``place`` is where it goes in a batch."""
        limits = self._limits
        room = limits.max_kept_bytes - self.counting.kept_bytes
        max_bytes = limits.max_message_bytes if room > limits.max_message_bytes else max(room, _SHORT_BYTES)
        if place is not None:
            max_bytes = min(max_bytes, max(place.batch.room(limits.max_message_bytes), _SHORT_BYTES))
        return write_error(failure, lambda failed: messages.error(id, failed), max_bytes)
