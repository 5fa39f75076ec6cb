"""Callbacks without a WebSocket: ``GET /api/events`` sends the services' calls as server-sent events,
``POST /api/callbacks/{id}`` takes the answers. Who listens is a `gateway.protocols.sse.listener.Listener`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import tornado.iostream
from tornado.iostream import IOStream

from gateway.describe.documents import JSON_TYPE
from gateway.errors import GatewayError, Status, quote
from gateway.http.base import PROBLEM_TYPE
from gateway.http.rest import ApiHandler
from gateway.http.site import Site
from gateway.http.tcp import give_up_after, untaken_bytes
from gateway.protocols import close_codes
from gateway.protocols.jsonrpc.messages import Answer
from gateway.protocols.sse.callback_answers import answer_of_problem, answer_of_results
from gateway.protocols.sse.event_log import PING_EVENT, end_event, opening
from gateway.protocols.sse.listener import Listener

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT_HEADER: Final = "Last-Event-Id"
HEARTBEAT_S: Final = 10.0
"""An event after so much silence, for scripts that want to know whether the connection lives; proxies cut at 60 s."""
_RETRY_MS: Final = 1000
_DEAD_S: Final = 60.0
"""A listener whose machine confirms nothing for so long is gone. Its silence says nothing: it never speaks."""
_FULL_BYTES: Final = 65_536
_FINISH_S: Final = 30.0
"""How long the end may take of a connection whose client reads slowly."""


class EventConnection:
    """One open ``/api/events``: a `gateway.protocols.sse.listener.EventSink`.

    Args:
        stream: what they are written to.

    Attributes:
        client: whose events it carries.
        waiting_bytes: how much of them is not written yet.
    """

    def __init__(self, client: Listener, stream: IOStream | None = None) -> None:
        self.client = client
        self._stream = stream
        self._written_bytes = 0
        self._cut: asyncio.TimerHandle | None = None
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._closed = self._said_full = False
        self.waiting_bytes = self._taken_bytes = 0
        self._number = self._taken = 0

    @property
    def progress(self) -> int:
        """See `EventSink`."""
        return self._written_bytes - (0 if self._stream is None else untaken_bytes(self._stream.socket))

    def put(self, data: bytes, number: int) -> bool:
        """See `EventSink`."""
        if not self._closed:
            self._waiting.append(data)
            self.waiting_bytes += len(data)
            self._number = max(self._number, number)
            self._wake.set()
        is_full = self.waiting_bytes > _FULL_BYTES
        self._said_full = self._said_full or is_full
        return is_full

    def finish(self) -> None:
        """See `EventSink`."""
        self._closed = True
        self._wake.set()
        if self._stream is not None and self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(_FINISH_S, self._stream.close)

    def lapse(self, reason: str) -> None:
        """The proof of who listens holds no more: what waits is kept for whoever comes back with a newer one."""
        if self._closed:
            return
        self._waiting.clear()
        self.waiting_bytes = self._taken_bytes
        self.put(end_event(close_codes.UNAUTHENTICATED, reason), 0)
        self.finish()
        self.client.closed(self)

    def over(self) -> None:
        """The connection is done."""
        if self._cut is not None:
            self._cut.cancel()

    def abandon(self) -> None:
        """The listener is gone."""
        self._waiting.clear()
        self.waiting_bytes = self._taken_bytes
        self.finish()

    async def next(self) -> bytes | None:
        """What is to be written next: events, or one that only shows life when there are none for long. None: no more.

        To be called when what it gave the last time is written.
        """
        self.client.log.written(self._taken)
        self.waiting_bytes -= self._taken_bytes
        self._written_bytes += self._taken_bytes
        self._taken_bytes = 0
        if self._said_full and not self._waiting and not self._closed:
            self._said_full = False
            self.client.drained()
        if not self._waiting and not self._closed:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_S)
            except TimeoutError:
                return PING_EVENT
        if not self._waiting:
            return None
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._taken, self._taken_bytes = self._number, len(data)
        return data


class EventsHandler(ApiHandler):
    """``/api/events``"""

    _connection: EventConnection | None = None
    _gone = False

    async def get(self) -> None:
        accept = self.sent.get("Accept", "*/*")
        if not any(kind in accept for kind in (EVENT_STREAM, "text/*", "*/*")):
            raise GatewayError(Status.NOT_ACCEPTABLE, f"events are sent as {EVENT_STREAM} only")
        last_event = self._last_event()
        site = self.site
        listener = Listener.of(self.required_session(), site.sessions, site.limits, last_event)
        stream = self.request.connection.stream
        give_up_after(stream.socket, _DEAD_S)
        self._connection = connection = EventConnection(listener, stream)
        listener.listen(connection, last_event)
        first = opening(_RETRY_MS, listener.log.counting.acknowledged)
        self.set_header("Content-Type", EVENT_STREAM)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would gather events
        site.sockets.add(connection)
        admission = self.admission()
        admission.begin(connection.lapse, site.limits.head_s)
        try:
            await self._write(first)
            while (data := await connection.next()) is not None:
                await self._write(data)
        except tornado.iostream.StreamClosedError:
            return
        finally:
            connection.over()
            admission.end()
            site.sockets.discard(connection)
            listener.closed(connection)
        if not self._gone:
            self.finish()

    def on_connection_close(self) -> None:
        self._gone = True
        if self._connection is not None:
            self._connection.abandon()

    async def _write(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    def _last_event(self) -> int | None:
        text = self.sent.get(LAST_EVENT_HEADER)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise GatewayError(Status.INVALID_ARGUMENT, "Last-Event-ID must be the number of an event")
        return int(text)


class CallbackAnswerHandler(ApiHandler):
    """``/api/callbacks/{id}``"""

    def initialize(self, site: Site, id: str) -> None:  # type: ignore[override]
        self.site = site
        self._id = id

    def post(self) -> None:
        attachment = self.required_session().listener
        listener = None if attachment is None else attachment.client
        if not isinstance(listener, Listener) or self._id not in listener.log.requests:
            detail = f"no callback waits for an answer under {quote(self._id)}; it may have been answered or expired"
            raise GatewayError(Status.NOT_FOUND, detail)
        answer = self._answer()
        listener.answered(self._id, answer.result, answer.error)
        self.set_status(204)
        self.finish()

    def _answer(self) -> Answer:
        kind = self.sent.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == PROBLEM_TYPE:
            return answer_of_problem(self._id, self.parsed(self.request.body))
        if self.request.body and kind != JSON_TYPE:
            detail = f"the body must be {JSON_TYPE} with the results, or {PROBLEM_TYPE} with an error"
            raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, detail)
        return answer_of_results(self._id, self.body())
