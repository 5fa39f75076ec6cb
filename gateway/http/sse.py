"""Callbacks without a WebSocket: ``GET /api/events`` sends the services' calls as Server-Sent Events (the WHATWG's HTML
standard, section 9.2), ``POST /api/callbacks/{id}`` takes the answers.

Behind it is a stream like any other, in the session of the request, which is why it survives a lost connection too: the
browser's ``Last-Event-ID`` says what was received.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import tornado.iostream

from gateway.errors import GatewayError, Status, quote
from gateway.http.base import JSON_TYPE, PROBLEM_TYPE, Site
from gateway.http.rest import ApiHandler
from gateway.json.text import JSON, dump, parse
from gateway.protocols.jsonrpc.conversation import Conversation
from gateway.sessions.store import LiveSession

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT_HEADER: Final = "Last-Event-Id"
_HEARTBEAT_S: Final = 15.0
"""A comment after so much silence; proxies cut at 60 s."""
_KEPT_EVENTS: Final = 256
_KEPT_BYTES: Final = 1_048_576
"""So much can be sent again. Nobody confirms events, so what was written before that counts as received."""
_RETRY_MS: Final = 1000
_KINDS: Final = {"rpc.released": b"released", "rpc.cancel": b"cancel"}
"""The events of notifications; everything else is the call of a callback."""


class EventChannel:
    """One open ``/api/events``: a `gateway.protocols.jsonrpc.conversation.Channel` that only sends."""

    def __init__(self, session: LiveSession, site: Site, principal: str | None) -> None:
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._number = self._taken = 0
        self._kept: deque[tuple[int, int]] = deque()
        self._kept_bytes = 0
        self.conversation = Conversation(site.services, site.calls, site.sessions, site.limits, self, principal)
        self._session = session

    def begin(self, last_event: int | None) -> None:
        """Take the session's stream over behind the event of that number, or begin a new one."""
        known = self._session.events
        if known is not None and last_event is not None and known.can_resume(last_event):
            self._number = self._taken = last_event
            known.resume(self, None, last_event)
            return
        if known is not None:
            known.end()
        self._say("rpc.hello", {"protocol": 1, "session": self._session.id}, id=0)
        self._session.events = self.conversation

    def carry(self, conversation: Conversation) -> None:
        """See `gateway.protocols.jsonrpc.conversation.Channel`."""
        self.conversation = conversation

    def send(self, data: bytes) -> None:
        """See `gateway.protocols.jsonrpc.conversation.Channel`."""
        message = parse(data)
        method = message.get("method")
        if method is None or method == "rpc.ack":
            return  # hello's answer and acknowledgements are of no interest to a listener
        self._number += 1
        if method == "rpc.void":
            # No event for a browser, but its Last-Event-ID counts on.
            self._put(b"id: %d\n\n" % self._number)
        else:
            kind = _KINDS.get(method)
            told = data if kind is None else dump(message["params"])
            self._put(b"id: %d\nevent: %s\ndata: %s\n\n" % (self._number, kind or b"callback", told))
        self._kept.append((self._number, len(data)))
        self._kept_bytes += len(data)

    def close(self, code: int, reason: str) -> None:
        """See `gateway.protocols.jsonrpc.conversation.Channel`."""
        self._put(b"event: end\ndata: %s\n\n" % dump({"code": code, "reason": reason}))
        self._closed = True

    def abandon(self) -> None:
        """The listener is gone."""
        self._waiting.clear()
        self._closed = True
        self._wake.set()

    def _put(self, data: bytes) -> None:
        if not self._closed:
            self._waiting.append(data)
            self._wake.set()

    def _say(self, method: str, params: JSON, **members: Any) -> None:
        self.conversation.receive(dump({"jsonrpc": "2.0", "method": method, "params": params, **members}))

    async def next(self) -> bytes | None:
        """What is to be written next: events, or a comment when there are none for long. None: no more.

        To be called when what it gave the last time is written.
        """
        self._count_as_received()
        if not self._waiting and not self._closed:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), _HEARTBEAT_S)
            except TimeoutError:
                return b": still here\n\n"
        if not self._waiting:
            return None
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._taken = self._number
        return data

    def _count_as_received(self) -> None:
        received = 0
        kept = self._kept
        while kept and kept[0][0] <= self._taken and (len(kept) > _KEPT_EVENTS or self._kept_bytes > _KEPT_BYTES):
            received, size = kept.popleft()
            self._kept_bytes -= size
        if received:
            self._say("rpc.ack", {"received": received})


class EventsHandler(ApiHandler):
    """``/api/events``"""

    _channel: EventChannel | None = None
    _gone = False

    async def get(self) -> None:
        accept = self.sent.get("Accept", "*/*")
        if not any(kind in accept for kind in (EVENT_STREAM, "text/*", "*/*")):
            raise GatewayError(Status.NOT_ACCEPTABLE, f"events are sent as {EVENT_STREAM} only")
        last_event = self._last_event()
        self._channel = channel = EventChannel(self.required_session(), self.site, self.principal)
        channel.begin(last_event)
        self.set_header("Content-Type", EVENT_STREAM)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would gather events
        self.site.sockets.add(channel)
        try:
            await self._write(f"retry: {_RETRY_MS}\n\n".encode())
            while (data := await channel.next()) is not None:
                await self._write(data)
        except tornado.iostream.StreamClosedError:
            return
        finally:
            self.site.sockets.discard(channel)
            channel.conversation.channel_closed(channel)
        if not self._gone:
            self.finish()

    def on_connection_close(self) -> None:
        self._gone = True
        if self._channel is not None:
            self._channel.abandon()

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
        events = self.required_session().events
        if events is None or self._id not in events.stream.requests:
            detail = f"no callback waits for an answer under {quote(self._id)}; it may have been answered or expired"
            raise GatewayError(Status.NOT_FOUND, detail)
        events.receive(dump({"jsonrpc": "2.0", "id": self._id, **self._outcome()}))
        self.set_status(204)
        self.finish()

    def _outcome(self) -> dict[str, JSON]:
        kind = self.sent.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == PROBLEM_TYPE:
            problem = parse(self.request.body)
            if not isinstance(problem, dict):
                raise GatewayError.invalid("a problem must be an object")
            return {"error": {"code": 0, "message": problem.get("detail") or "", "data": problem}}
        if self.request.body and kind != JSON_TYPE:
            detail = f"the body must be {JSON_TYPE} with the results, or {PROBLEM_TYPE} with an error"
            raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, detail)
        body = self.body()
        if body is not None and not isinstance(body, dict):
            raise GatewayError.invalid("the results must be an object by name, or null for none")
        if isinstance(body, dict) and body.get("jsonrpc") == "2.0":  # the whole answer, as a WebSocket client gives it
            return {name: body[name] for name in ("result", "error") if name in body}
        return {"result": body}
