"""A client's stream at work: what its messages ask for is done, and what it must be told is sent.

The rules of the messages are in `gateway.protocols.jsonrpc.stream`, which says what happened; here that becomes calls,
handles and callbacks. Knows no socket: text comes in through `receive`, and a `Channel` takes what goes out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Protocol

from cara_pseud.capabilities import CallOptions, IncomingCall
from cara_pseud.errors import DeadlineExceeded
from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway.calls import Call, CallReferences, Calls
from gateway.catalogue import Service, find_service
from gateway.config.limits import Limits
from gateway.describe.descriptions import describe_handle, describe_interface, describe_service
from gateway.errors import GatewayError, Status, quote
from gateway.json.text import JSON
from gateway.protocols.jsonrpc import events, messages
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.callbacks import Callback, RequestReferences, as_rpc_error
from gateway.sessions.references import Discard, StreamReferences
from gateway.sessions.store import Door, LiveSession, Sessions

_ID_BYTES: Final = 18
_ACKNOWLEDGE_S: Final = 1.0
_NOT_ASKED: Final = (None, None)
_DONE_S: Final = 2.0
"""How long a stream is kept whose client closed with 1000: it is done, or its library knows no other code."""
NORMAL: Final = 1000
SHUTDOWN: Final = 1001
REPLACED: Final = 4001
SESSION_ENDED: Final = 4002


class Channel(Protocol):
    """What carries a stream's messages."""

    def send(self, data: bytes) -> None:
        """Send one text message; never waits and never fails."""

    def close(self, code: int, reason: str) -> None:
        """Send what is under way, then close with a code of RFC 6455 or ours. Nothing more is taken from the client."""

    def carry(self, conversation: Conversation) -> None:
        """Give what comes from now on to that conversation."""


class Conversation:
    """One stream from its first message to its end, over one channel after the other.

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
        self._channel: Channel | None = channel
        self._principal = principal
        self._session: LiveSession | None = None
        self._over = False
        self._draining = False
        self._running: dict[int, Call] = {}
        self._asked: dict[str, tuple[asyncio.Future[JSON], Callback]] = {}
        self._callbacks: dict[tuple[str, str], Callback] = {}
        self._waits: dict[int, asyncio.TimerHandle] = {}
        self._acknowledging: asyncio.TimerHandle | None = None
        self._away: asyncio.TimerHandle | None = None
        self.stream = Stream(secrets.token_urlsafe(_ID_BYTES), limits)
        self._request_prefix = self.stream.id[:8]
        self._actions: dict[type[Any], Callable[[Any], None]] = {
            events.Send: self._on_send,
            events.Close: self._on_close,
            events.Hello: self._on_hello,
            events.CallRequested: self._on_call,
            events.CallbackAnswered: self._on_callback_answered,
            events.CancelRequested: self._on_cancel,
            events.ReleaseRequested: self._on_release,
            events.DescribeRequested: self._on_describe,
            events.CallWaits: self._on_call_waits,
            events.WaitEnded: self._on_wait_ended,
        }

    def receive(self, text: str | bytes) -> None:
        """Act on one message of the client."""
        if not self._over:
            self._run(self.stream.receive(text))
            if self._acknowledging is None and self.stream.greeted and not self._over:
                loop = asyncio.get_running_loop()
                self._acknowledging = loop.call_later(_ACKNOWLEDGE_S, self._acknowledge)

    def channel_closed(self, channel: Channel, code: int | None = None) -> None:
        """The channel is gone, whoever closed it. A stream that said hello waits for another one; else it ends.

        Args:
            code: the client's close code, if it gave one.
        """
        if self._over or channel is not self._channel:
            return
        if not self.stream.greeted:
            self.end()
            return
        self._channel = None
        self.stream.counting.leave()
        self._stop_acknowledging()
        window_s = self._limits.resume_window_s
        if code == NORMAL:
            window_s = min(window_s, _DONE_S)
        self._away = asyncio.get_running_loop().call_later(window_s, self.end)

    def channel_failed(self, channel: Channel) -> None:
        """The channel is closed because of what the client sent or did not read: the stream is over."""
        if channel is self._channel:
            self.end()

    def end(self) -> None:
        """End the stream: calls are cancelled, callbacks fail, what only it held is released. Idempotent."""
        if self._over:
            return
        self._over = True
        self._channel = None
        self.stream.end()
        self._stop_acknowledging()
        if self._away is not None:
            self._away.cancel()
        for timer in self._waits.values():
            timer.cancel()
        self._waits.clear()
        for call in list(self._running.values()):
            call.cancel()
        for callback in self._callbacks.values():
            callback.orphan()
        for answer, _ in list(self._asked.values()):
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
        return bool(self._running or self._waits)

    @property
    def is_open(self) -> bool:
        """Whether there is a channel to the client."""
        return self._channel is not None

    def drain(self) -> None:
        """Begin no more calls; those under way go on."""
        self._draining = True

    def shut_down(self) -> None:
        """The gateway stops."""
        self._close(SHUTDOWN, "the gateway shuts down")

    def session_ended(self, reason: str) -> None:
        """See `gateway.sessions.store.Door`."""
        self._close(SESSION_ENDED, f"the session has ended: {reason}")

    def handle_lost(self, token: str, code: str, reason: str) -> None:
        """See `gateway.sessions.store.Door`."""
        self._run(self.stream.released(handle=token, code=code, reason=reason))

    def callback_names(self) -> Collection[str]:
        """See `gateway.sessions.store.Door`."""
        return sorted({name for name, _ in self._callbacks})

    def _close(self, code: int, reason: str) -> None:
        if not self._over:
            if self._channel is not None:
                self._channel.close(code, reason)
            self.end()

    def _run(self, happened: Iterable[events.Event]) -> None:
        actions = self._actions
        for event in happened:
            actions[type(event)](event)

    def _on_send(self, event: events.Send) -> None:
        if self._channel is not None:  # else it is kept for the next one
            self._channel.send(event.data)

    def _on_close(self, event: events.Close) -> None:
        self._close(event.code, event.reason)

    def _acknowledge(self) -> None:
        self._acknowledging = None
        self._run(self.stream.acknowledge())

    def _stop_acknowledging(self) -> None:
        if self._acknowledging is not None:
            self._acknowledging.cancel()
            self._acknowledging = None

    # Sessions.

    @property
    def stream_id(self) -> str:
        return self.stream.id

    def live_session(self) -> LiveSession:
        """See `gateway.sessions.references.StreamSide`."""
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
            if hello.session is None:
                session = self._sessions.open(self._principal)
            else:
                session = self._sessions.find(hello.session, self._principal)
            if hello.stream is not None:
                self._give_way(hello, session.door(hello.stream, hello.received or 0))
                return
            self._join(session)
        except GatewayError as error:
            self._run(self.stream.fail(hello.call, error))
        else:
            self._run(self.stream.welcome(hello.call, session.id, self._limits.resume_window_s))

    def _give_way(self, hello: events.Hello, door: Door) -> None:
        channel = self._channel
        assert channel is not None  # hello has just come over it
        id = self.stream.give_way(hello.call)
        self.end()
        door.resume(channel, id, hello.received or 0)

    def can_resume(self, received: int) -> bool:
        """See `gateway.sessions.store.Door`."""
        return self.stream.can_resume(received)

    def resume(self, channel: Any, hello: messages.Id, received: int) -> None:
        """See `gateway.sessions.store.Door`."""
        replaced, self._channel = self._channel, channel
        if replaced is not None:
            # Nothing more is taken from it, so what was received is settled before hello is answered.
            replaced.close(REPLACED, "another socket took this stream over")
            self._stop_acknowledging()
        if self._away is not None:
            self._away.cancel()
            self._away = None
        channel.carry(self)
        self._run(self.stream.resume(hello, received, self._limits.resume_window_s))

    # Calls of the client.

    def _on_call(self, event: events.CallRequested) -> None:
        wishes = event.meta
        timeout_s = wishes.timeout_s if not self._waits else self._left_after_wait(event)
        request_id = wishes.request_id or f"{self._request_prefix}-{event.call}"
        target = event.target
        try:
            if self._draining:
                raise GatewayError(Status.UNAVAILABLE, "the gateway shuts down")
            session = self._session
            if session is None or self._over:
                session = self.live_session()
            if type(target) is events.ServiceTarget:
                service = self._services.get(target.service) or find_service(self._services, target.service)
                method = service.methods.get(event.method) or service.method(event.method)
                capability = service.upstream.root
            else:
                assert type(target) is events.HandleTarget
                handle = session.handles.get(target.token)
                service = self._services[handle.service]
                method = service.object_method(handle.interface, event.method)
                capability = handle.capability
        except GatewayError as error:
            self._run(self.stream.fail(event.call, error.at(request_id=request_id)))
            return
        refs: CallReferences | None = None
        if method.has_references:
            given = StreamReferences(self, service, event.results)
            refs = Discard(given) if event.notification else given
        options = tuple.__new__(
            CallOptions, (timeout_s, request_id, self._principal, wishes.traceparent, wishes.idempotency_key, ())
        )
        call = self._calls.begin(
            self, event.call, method, capability, event.params, refs, session, options, self.stream.unbox
        )
        if call is not None:
            self._running[event.call] = call

    def answered(self, call: Call, result: JSON) -> bool:
        """See `gateway.calls.Caller`."""
        key = call.key
        if self._over:
            self._running.pop(key, None)
            return False
        happened = self.stream.answer(key, result, call.refs is not None)
        del self._running[key]
        channel = self._channel
        taken = True
        for event in happened:
            if type(event) is events.Send:
                if channel is not None:  # else it is kept for the next one
                    channel.send(event.data)
            elif type(event) is events.AnswerDropped:
                taken = False
            else:
                self._actions[type(event)](event)
        return taken

    def failed(self, call: Call, error: GatewayError) -> None:
        """See `gateway.calls.Caller`."""
        self._running.pop(call.key, None)
        if not self._over:
            self._run(self.stream.fail(call.key, error))

    def _on_cancel(self, event: events.CancelRequested) -> None:
        running = self._running.get(event.call)
        if running is not None:
            running.cancel()

    def _on_call_waits(self, event: events.CallWaits) -> None:
        limits = self._limits
        timeout_s = min(event.timeout_s or limits.default_call_timeout_s, limits.max_call_timeout_s)
        self._waits[event.call] = asyncio.get_running_loop().call_later(timeout_s, self._wait_expired, event.call)

    def _on_wait_ended(self, event: events.WaitEnded) -> None:
        timer = self._waits.pop(event.call, None)
        if timer is not None:
            timer.cancel()

    def _wait_expired(self, call: int) -> None:
        detail = "the calls that it refers to were not answered in time"
        self._run(self.stream.fail(call, GatewayError(Status.DEADLINE_EXCEEDED, detail)))

    def _left_after_wait(self, event: events.CallRequested) -> float | None:
        """What a call that waited has left of the time that its client gave it."""
        timer = self._waits.pop(event.call, None)
        wished_s = event.meta.timeout_s
        if timer is None:
            return wished_s
        timer.cancel()
        return None if wished_s is None else max(timer.when() - asyncio.get_running_loop().time(), 0.001)

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
        """See `gateway.sessions.callbacks.Client`."""
        return StreamReferences(self, service)

    @property
    def unboxes(self) -> bool:
        return self.stream.unbox

    def callback(self, name: str, service: Service, interface: Type | None) -> tuple[Callback, bool]:
        """See `gateway.sessions.references.StreamSide`."""
        known = self._callbacks.get((name, service.name))
        if known is not None:
            return known, False
        self.live_session().core.begin_callback()
        made = self._callbacks[name, service.name] = Callback(self, name, service, interface, self.stream_id)
        return made, True

    def callback_released(self, callback: Callback) -> None:
        """See `gateway.sessions.callbacks.Client`."""
        if self._over or self._callbacks.pop((callback.name, callback.service.name), None) is None:
            return
        self.live_session().core.end_callback()
        service = callback.service
        if service.upstream.state == "up":
            code, reason = "released", f"{service.name} holds it no more"
        else:
            code, reason = Status.UNAVAILABLE.code, f"{service.name} is gone, and with it what it held"
            for answer, asked in list(self._asked.values()):
                if asked is callback:  # and who asked is gone, too
                    answer.cancel()
        if any(name == callback.name for name, _ in self._callbacks):
            return
        self._run(self.stream.released(callback=callback.name, code=code, reason=reason))

    def call_callback(
        self, callback: Callback, method: str, params: list[JSON], call: IncomingCall, refs: RequestReferences
    ) -> asyncio.Future[JSON]:
        """See `gateway.sessions.callbacks.Client`."""
        loop = asyncio.get_running_loop()
        timeout_s = self._limits.callback_timeout_s
        if call.deadline is not None:
            timeout_s = min(timeout_s, call.deadline - loop.time())
            if timeout_s <= 0:
                raise DeadlineExceeded("the deadline had passed before the client could be asked")
        key, happened = self.stream.call_callback(callback.name, method, params)
        answer: asyncio.Future[JSON] = loop.create_future()
        self._asked[key] = (answer, callback)
        timer = loop.call_later(timeout_s, self._callback_expired, key)

        def forget(_: asyncio.Future[JSON]) -> None:
            timer.cancel()
            if self._asked.pop(key, None) is not None and not self._over:
                # Nobody waits any more: it expired, or the service gave it up.
                for event in self.stream.withdraw(key):
                    if type(event) is events.RequestDropped:
                        refs.take_back()
                    else:
                        self._run((event,))

        answer.add_done_callback(forget)
        self._run(happened)
        return answer

    def _callback_expired(self, key: str) -> None:
        answer, _ = self._asked.get(key, _NOT_ASKED)
        if answer is not None and not answer.done():
            answer.set_exception(DeadlineExceeded("the client did not answer in time"))

    def _on_callback_answered(self, event: events.CallbackAnswered) -> None:
        answer, _ = self._asked.pop(event.key, _NOT_ASKED)
        if answer is None or answer.done():
            return
        if event.error is not None:
            answer.set_exception(as_rpc_error(event.error))
        else:
            answer.set_result(event.result)
