"""Callbacks without a WebSocket: ``GET /api/events`` sends the services' calls as server-sent events,
``POST /api/callbacks/{id}`` takes the answers. Who listens is a `gateway.protocols.sse.listener.Listener`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import tornado.iostream

from gateway.describe.documents import JSON_TYPE
from gateway.errors import GatewayError, Status, quote
from gateway.http.base import PROBLEM_TYPE, Site
from gateway.http.rest import ApiHandler
from gateway.json.text import parse
from gateway.protocols.jsonrpc.messages import Answer
from gateway.protocols.sse.callback_answers import answer_of_problem, answer_of_results
from gateway.protocols.sse.listener import Listener

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT_HEADER: Final = "Last-Event-Id"
HEARTBEAT_S: Final = 15.0
"""A comment after so much silence; proxies cut at 60 s."""
_RETRY_MS: Final = 1000


class EventConnection:
    """One open ``/api/events``: a `gateway.protocols.sse.listener.EventSink`.

    Attributes:
        client: whose events it carries.
        waiting_bytes: how much of them is not written yet.
    """

    def __init__(self, client: Listener) -> None:
        self.client = client
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.waiting_bytes = self._taken_bytes = 0
        self._number = self._taken = 0

    def put(self, data: bytes, number: int) -> None:
        """See `EventSink`."""
        if not self._closed:
            self._waiting.append(data)
            self.waiting_bytes += len(data)
            self._number = max(self._number, number)
            self._wake.set()

    def finish(self) -> None:
        """See `EventSink`."""
        self._closed = True
        self._wake.set()

    def abandon(self) -> None:
        """The listener is gone."""
        self._waiting.clear()
        self.waiting_bytes = self._taken_bytes
        self.finish()

    async def next(self) -> bytes | None:
        """What is to be written next: events, or a comment when there are none for long. None: no more.

        To be called when what it gave the last time is written.
        """
        self.client.log.written(self._taken)
        self.waiting_bytes -= self._taken_bytes
        self._taken_bytes = 0
        if not self._waiting and not self._closed:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_S)
            except TimeoutError:
                return b": still here\n\n"
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
        self._connection = connection = EventConnection(listener)
        listener.listen(connection, last_event)
        self.set_header("Content-Type", EVENT_STREAM)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would gather events
        site.sockets.add(connection)
        try:
            await self._write(f"retry: {_RETRY_MS}\n\n".encode())
            while (data := await connection.next()) is not None:
                await self._write(data)
        except tornado.iostream.StreamClosedError:
            return
        finally:
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
            return answer_of_problem(self._id, parse(self.request.body))
        if self.request.body and kind != JSON_TYPE:
            detail = f"the body must be {JSON_TYPE} with the results, or {PROBLEM_TYPE} with an error"
            raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, detail)
        return answer_of_results(self._id, self.body())
