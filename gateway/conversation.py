"""A client's stream at work: what its messages ask for is done, and what it must be told is sent.

The rules of the messages are in `gateway.protocol.stream`, which says what happened; here that becomes calls, handles
and callbacks. Knows no socket: text comes in through `receive`, and a `Channel` takes what goes out.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from cara_pseud.capabilities import Capability, IncomingCall
from cara_pseud.errors import DeadlineExceeded
from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway.callbacks import Callback, as_rpc_error
from gateway.calls import Calls, Wishes
from gateway.errors import GatewayError, Status, quote
from gateway.limits import Limits
from gateway.protocol import events
from gateway.protocol.describe import describe_handle, describe_interface, describe_service
from gateway.protocol.json_text import JSON
from gateway.protocol.stream import Stream
from gateway.references import Discard, StreamReferences
from gateway.services import Method, Service, find_service
from gateway.sessions import LiveSession, Sessions

_ID_BYTES: Final = 18
_ACKNOWLEDGE_S: Final = 1.0
SESSION_ENDED: Final = 4002
SHUTDOWN: Final = 1001


class Channel(Protocol):
    """What carries a stream's messages."""

    def send(self, data: bytes) -> None:
        """Send one text message; never waits and never fails."""

    def close(self, code: int, reason: str) -> None:
        """Send what is under way, then close with a code of RFC 6455 or ours."""


class Conversation:
    """One stream from its first message to its end.

    Attributes:
        stream: its rules.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        calls: Calls,
        sessions: Sessions,
        limits: Limits,
        channel: Channel,
        principal: str | None = None,
    ) -> None:
        self._services = services
        self._calls = calls
        self._sessions = sessions
        self._limits = limits
        self._channel = channel
        self._principal = principal
        self._session: LiveSession | None = None
        self._over = False
        self._draining = False
        self._running: dict[int, tuple[asyncio.Future[Any], StreamReferences | None]] = {}
        self._asked: dict[str, asyncio.Future[JSON]] = {}
        self._callbacks: dict[tuple[str, str], Callback] = {}
        self._acknowledging: asyncio.TimerHandle | None = None
        self._request_ids = (f"{self.stream_id[:8]}-{number}" for number in itertools.count(1))
        self.stream = Stream(secrets.token_urlsafe(_ID_BYTES), limits)
        self._actions: dict[type[Any], Callable[[Any], None]] = {
            events.Send: self._on_send,
            events.Close: self._on_close,
            events.Hello: self._on_hello,
            events.CallRequested: self._on_call,
            events.CallbackAnswered: self._on_callback_answered,
            events.CancelRequested: self._on_cancel,
            events.ReleaseRequested: self._on_release,
            events.DescribeRequested: self._on_describe,
            events.AnswerDropped: self._on_answer_dropped,
        }

    def receive(self, text: str | bytes) -> None:
        """Act on one message of the client."""
        if not self._over:
            self._run(self.stream.receive(text))
            if self._acknowledging is None and self.stream.greeted and not self._over:
                loop = asyncio.get_running_loop()
                self._acknowledging = loop.call_later(_ACKNOWLEDGE_S, self._acknowledge)

    def channel_closed(self) -> None:
        """The channel is gone, whoever closed it: the stream ends, calls are cancelled, callbacks fail."""
        if self._over:
            return
        self._over = True
        if self._acknowledging is not None:
            self._acknowledging.cancel()
        for future, _ in list(self._running.values()):
            future.cancel()
        for callback in self._callbacks.values():
            callback.orphan()
        for answer in self._asked.values():
            answer.cancel()
        self._asked.clear()
        session = self._session
        if session is None or session.ended:
            return
        session.core.end_callback(len(self._callbacks))
        if session in self._sessions:
            self._sessions.detach(session, self.stream_id)
        else:
            self._sessions.end(session, "its only stream ended")

    @property
    def is_busy(self) -> bool:
        """Whether calls are under way."""
        return bool(self._running)

    def drain(self) -> None:
        """Begin no more calls; those under way go on."""
        self._draining = True

    def shut_down(self) -> None:
        """The gateway stops."""
        self._close(SHUTDOWN, "the gateway shuts down")

    def session_ended(self, reason: str) -> None:
        """See `gateway.sessions.Door`."""
        self._close(SESSION_ENDED, f"the session has ended: {reason}")

    def callback_names(self) -> Collection[str]:
        """See `gateway.sessions.Door`."""
        return sorted({name for name, _ in self._callbacks})

    def _close(self, code: int, reason: str) -> None:
        if not self._over:
            self._channel.close(code, reason)
            self.channel_closed()

    def _run(self, happened: Iterable[events.Event]) -> None:
        actions = self._actions
        for event in happened:
            actions[type(event)](event)

    def _on_send(self, event: events.Send) -> None:
        self._channel.send(event.data)

    def _on_close(self, event: events.Close) -> None:
        self._close(event.code, event.reason)

    def _acknowledge(self) -> None:
        self._acknowledging = None
        if not self._over:
            self._run(self.stream.acknowledge())

    # Sessions.

    @property
    def stream_id(self) -> str:
        return self.stream.id

    def live_session(self) -> LiveSession:
        """See `gateway.references.StreamSide`."""
        if self._over:
            raise GatewayError(Status.UNAVAILABLE, "the stream has ended")
        if self._session is None:
            self._join(self._sessions.private(self._principal))
        assert self._session is not None
        return self._session

    def _join(self, session: LiveSession) -> None:
        session.core.add_stream(self.stream)
        self._session = session
        self._sessions.attach(session, self.stream_id, self)

    def _on_hello(self, hello: events.Hello) -> None:
        try:
            if hello.stream is not None:
                raise GatewayError(Status.NOT_FOUND, "the stream has ended with its socket", reason="stream")
            if hello.session is None:
                session = self._sessions.open(self._principal)
            else:
                session = self._sessions.find(hello.session, self._principal)
            self._join(session)
        except GatewayError as error:
            self._run(self.stream.fail(hello.call, error))
        else:
            self._run(self.stream.welcome(hello.call, session.id))

    # Calls of the client.

    def _on_call(self, event: events.CallRequested) -> None:
        wishes = event.meta
        request_id = wishes.request_id or next(self._request_ids)
        target = event.target
        try:
            if self._draining:
                raise GatewayError(Status.UNAVAILABLE, "the gateway shuts down")
            session = self.live_session()
            if type(target) is events.ServiceTarget:
                service = find_service(self._services, target.service)
                method = service.method(event.method)
                capability = service.upstream.root
            else:
                assert type(target) is events.HandleTarget
                handle = session.handles.get(target.token)
                service = self._services[handle.service]
                method = service.object_method(handle.interface, event.method)
                capability = handle.capability
            session.core.begin_call()
        except GatewayError as error:
            self._run(self.stream.fail(event.call, error.at(request_id=request_id)))
            return
        wished = Wishes(
            wishes.timeout_s, request_id, self._principal, wishes.traceparent, wishes.idempotency_key
        )
        self._begin(event, method, capability, wished)

    def _begin(self, event: events.CallRequested, method: Method, capability: Capability, wishes: Wishes) -> None:
        refs = StreamReferences(self, method.service) if method.has_references else None
        used = Discard(refs) if refs is not None and event.notification else refs
        try:
            future = self._calls.begin(method, capability, event.params, used, wishes, self.stream.unbox)
        except Exception as error:
            if refs is not None:
                refs.never_sent()
            self._end_call()
            self._run(self.stream.fail(event.call, self._calls.failure(error, method, wishes.request_id)))
            return
        self._running[event.call] = (future, refs)
        future.add_done_callback(partial(self._on_done, event.call, method, wishes.request_id, future.done()))

    def _on_done(
        self, call: int, method: Method, request_id: str | None, was_done_at_once: bool, future: asyncio.Future[Any]
    ) -> None:
        _, refs = self._running.pop(call)
        self._end_call()
        if self._over:
            if not future.cancelled():
                future.exception()
            return
        try:
            result = future.result()
        except (Exception, asyncio.CancelledError) as error:
            if refs is not None:
                refs.take_back()
                if was_done_at_once:
                    refs.never_sent()
            self._run(self.stream.fail(call, self._calls.failure(error, method, request_id)))
            return
        for event in self.stream.answer(call, result):
            if type(event) is events.AnswerDropped:
                if refs is not None:
                    refs.take_back()
            else:
                self._actions[type(event)](event)

    def _end_call(self) -> None:
        if self._session is not None:
            self._session.core.end_call()

    def _on_answer_dropped(self, event: events.AnswerDropped) -> None:
        """Nothing: only `answer` says this, and `_on_done` looks for it there."""

    def _on_cancel(self, event: events.CancelRequested) -> None:
        running = self._running.get(event.call)
        if running is not None:
            running[0].cancel()

    def _on_release(self, event: events.ReleaseRequested) -> None:
        if self._session is not None:
            self._session.handles.release(self.stream_id, event.token, event.count)

    def _on_describe(self, event: events.DescribeRequested) -> None:
        try:
            description = self._describe(event)
        except GatewayError as error:
            self._run(self.stream.fail(event.call, error))
        else:
            self._run(self.stream.answer(event.call, description))

    def _describe(self, event: events.DescribeRequested) -> JSON:
        if event.kind == "service":
            return describe_service(find_service(self._services, event.name).routes)
        if event.kind == "handle":
            handle = self.live_session().handles.get(event.name)
            return describe_handle(handle, self._services[handle.service].routes)
        only = None if event.service is None else find_service(self._services, event.service)
        for service in self._services.values() if only is None else (only,):
            node = service.schema.find(event.name)
            if isinstance(node, InterfaceNode):
                return describe_interface(service.routes, Type(Kind.INTERFACE, node.id))
        raise GatewayError(Status.NOT_FOUND, f"no service has an interface {quote(event.name)}")

    # Calls of services.

    def references(self, service: Service) -> StreamReferences:
        """See `gateway.callbacks.Client`."""
        return StreamReferences(self, service)

    @property
    def unboxes(self) -> bool:
        return self.stream.unbox

    def callback(self, name: str, service: Service, interface: Type | None) -> tuple[Callback, bool]:
        """See `gateway.references.StreamSide`."""
        known = self._callbacks.get((name, service.name))
        if known is not None:
            return known, False
        self.live_session().core.begin_callback()
        made = self._callbacks[name, service.name] = Callback(self, name, service, interface, self.stream_id)
        return made, True

    def callback_released(self, callback: Callback) -> None:
        """See `gateway.callbacks.Client`."""
        if self._over or self._callbacks.pop((callback.name, callback.service.name), None) is None:
            return
        self.live_session().core.end_callback()
        if not any(name == callback.name for name, _ in self._callbacks):
            reason = f"{callback.service.name} holds it no more"
            self._run(self.stream.released(callback=callback.name, code="released", reason=reason))

    def call_callback(self, name: str, method: str, params: list[JSON], call: IncomingCall) -> asyncio.Future[JSON]:
        """See `gateway.callbacks.Client`."""
        loop = asyncio.get_running_loop()
        key, happened = self.stream.call_callback(name, method, params)
        answer: asyncio.Future[JSON] = loop.create_future()
        self._asked[key] = answer
        longest = self._limits.default_call_timeout_s
        timeout_s = longest if call.deadline is None else min(longest, call.deadline - loop.time())
        timer = loop.call_later(timeout_s, self._callback_expired, key)

        def forget(_: asyncio.Future[JSON]) -> None:
            timer.cancel()
            if self._asked.pop(key, None) is not None:
                self.stream.forget(key)

        answer.add_done_callback(forget)
        self._run(happened)
        return answer

    def _callback_expired(self, key: str) -> None:
        answer = self._asked.get(key)
        if answer is not None and not answer.done():
            answer.set_exception(DeadlineExceeded("the client did not answer in time"))

    def _on_callback_answered(self, event: events.CallbackAnswered) -> None:
        answer = self._asked.pop(event.key, None)
        if answer is None or answer.done():
            return
        if event.error is not None:
            answer.set_exception(as_rpc_error(event.error))
        else:
            answer.set_result(event.result)
