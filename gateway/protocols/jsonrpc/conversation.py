"""A client's stream at work: what its messages ask for is done, and what it must be told is sent.

The rules of the messages are in `gateway.protocols.jsonrpc.stream`, which says what happened; here that becomes calls,
handles and callbacks. Knows no socket: text comes in through `receive`, and a `Channel` takes what goes out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from cara_pseud.capabilities import CallOptions
from gateway.access.principals import Principal
from gateway.call_targets import method_of_handle, method_of_service
from gateway.calls import Call, CallReferences, Calls
from gateway.catalogue import Served
from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.protocols import close_codes
from gateway.protocols.admission import Admission
from gateway.protocols.jsonrpc import events, messages
from gateway.protocols.jsonrpc.acknowledgements import Acknowledgements
from gateway.protocols.jsonrpc.answers import Questioner, answer_question
from gateway.protocols.jsonrpc.call_pace import LONG_ANSWER_BYTES, CallPace
from gateway.protocols.jsonrpc.channel import Channel
from gateway.protocols.jsonrpc.entrance import Entrance
from gateway.protocols.jsonrpc.farewell import lose_what_lives, without_calls
from gateway.protocols.jsonrpc.following import Following
from gateway.protocols.jsonrpc.intake import Intake
from gateway.protocols.jsonrpc.resuming import stream_to_resume
from gateway.protocols.jsonrpc.slow_client import SlowClient
from gateway.protocols.jsonrpc.stream import Stream
from gateway.protocols.jsonrpc.stream_references import StreamReferences
from gateway.protocols.jsonrpc.waiting_calls import WaitingCalls
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.holder_references import DiscardedReferences, HolderReferences
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions
from gateway.turns import Turns

_Channel: TypeAlias = "Channel[Conversation]"
_ID_BYTES: Final = 18
_DONE_S: Final = 2.0
"""How long a stream is kept whose client closed with 1000: it is done, or its library knows no other code."""


class Conversation:
    """One stream from its first message to its end, over one channel after the other: a `gateway.client.Client`.

    Attributes:
        stream, pace, intake: its rules, when its calls begin, and what its client sent.
        principal: who its client is.
        callbacks: the client's objects that services hold.
    """

    def __init__(
        self,
        served: Served,
        calls: Calls,
        sessions: Sessions,
        limits: Limits,
        channel: _Channel | None,
        admission: Admission | None = None,
        stream: Stream | None = None,
        turns: Turns | None = None,
        address: str = "",
    ) -> None:
        """Begin one, or with ``stream`` go on with one whose client is away.

        Args:
            admission: what its client was let in by; None: everybody is.
            turns: of the loop, for what cannot be done at once; None = its own.
            address: where the client is, which is its lane there.
        """
        self._served, self._calls, self._sessions, self._limits = served, calls, sessions, limits
        self._channel, self._address = channel, address
        self._session: Session | None = None
        self._over = self._draining = self._loses = False
        self._running: dict[int, Call] = {}
        self._waits = WaitingCalls(limits, self._wait_expired)
        self._acknowledgements = Acknowledgements(lambda: self.run(self.stream.acknowledge()))
        self._away: asyncio.TimerHandle | None = None
        self.stream = Stream(secrets.token_urlsafe(_ID_BYTES), limits, kept=sessions.kept) if stream is None else stream
        self.stream.follows, self._following = True, Following(self.stream, self._running)
        self.pace = pace = CallPace(self.stream, limits, self)
        self._entrance = Entrance(self, sessions, limits, admission or Admission(), address)
        self.principal: Principal = self._entrance.principal
        give_up = partial(self.close, close_codes.SLOW_READER)
        self._slow = SlowClient(self.stream, limits, channel, pace.begin_held, give_up)
        self._held, self._expected = pace.held, pace.expected
        self._counting, self._mark = self.stream.counting, limits.send_buffer_bytes
        self.callbacks: Callbacks = Callbacks(
            self, lambda: self.live_session().check_callbacks(), partial(HolderReferences, self),
            limits.callback_timeout_s,
        )  # fmt: skip
        self._request_prefix = self.stream.id[:8]
        self._turns = Turns() if turns is None else turns
        self.intake = Intake(self, self._turns, address, self._hold)
        self._slow.stop = self.stop
        if channel is not None:
            self._entrance.begin()

    # The channel.

    def receive(self, text: str | bytes) -> None:
        """Take one text of the client, and act on it now or when it is its turn."""
        if not self._over:
            self.intake.put(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))

    def act_on(self, data: bytes | None) -> bool:
        """See `gateway.protocols.jsonrpc.intake.Worker`."""
        stream, counting = self.stream, self._counting
        if self._draining and data is not None and stream.greeted and (data := without_calls(data)) is None:
            return False
        before = counting.kept_bytes
        for event in stream.work_on() if data is None else stream.receive(data):
            if type(event) is events.CallRequested:  # as most are
                self._on_call(event)
            else:
                _ACTIONS[type(event)](self, event)
        if (kept := counting.kept_bytes) > self._mark:
            self._slow.said_at_once(kept - before)
        if self._held:
            self.pace.begin_held()
        if stream.out.counts and not self._over:
            self._acknowledgements.begin()
        return stream.frame is not None

    def when_done(self, then: Callable[[], None]) -> None:
        """Have this called when all that the client sent is worked off."""
        self.intake.when_done(then)

    @property
    def unworked(self) -> int:
        """See `gateway.protocols.jsonrpc.intake.Worker`."""
        return self.stream.unworked

    def _hold(self, holds: bool) -> None:
        if self._channel is not None:
            self._channel.hold(holds)

    def stop(self, stops: bool) -> None:
        """See `gateway.protocols.jsonrpc.entrance.Guest`."""
        self.intake.stop(stops or self._entrance.waits)

    def lapsed(self, reason: str) -> None:
        """See `gateway.protocols.jsonrpc.entrance.Guest`. What was taken goes on, as for every client that is away."""
        channel = self._channel
        if channel is not None:
            self.stream.drop_unworked()
            self.intake.clear()
            channel.cut(close_codes.UNAUTHENTICATED, reason)
            self.channel_closed(channel)

    def channel_closed(self, channel: _Channel, code: int | None = None) -> None:
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
        self._entrance.end()
        self._slow.left()
        self._acknowledgements.stop()
        window_s = self._limits.resume_window_s
        if code == close_codes.NORMAL:
            window_s = min(window_s, _DONE_S)
        self._away = asyncio.get_running_loop().call_later(window_s, self.end)
        if self._session is not None:
            self._sessions.left(self._session)

    def channel_failed(self, channel: _Channel) -> None:
        """The channel is closed because of what the client sent or did not read: the stream is over."""
        if channel is self._channel:
            self.end()

    def end(self) -> None:
        """End the stream: calls are cancelled, callbacks fail, what only it held is released. Idempotent."""
        if self._over:
            return
        self._stop()
        session = self._session
        if session is None or session.ended:
            return
        if session in self._sessions:
            self._sessions.detach(session, self.id)
        else:
            self._sessions.end(session, "its only stream ended")

    def _stop(self) -> None:
        self._over = True
        self.stream.end()
        self._entrance.end()
        self._slow.end()
        self.pace.end()
        self.intake.clear()
        self._channel = None
        self._acknowledgements.stop()
        if self._away is not None:
            self._away.cancel()
        self._waits.clear()
        for call in list(self._running.values()):
            call.cancel()
        self.callbacks.end()

    def close(self, code: int, reason: str) -> None:
        """See `gateway.protocols.jsonrpc.entrance.Guest`."""
        if not self._over:
            if self._channel is not None:
                self._channel.close(code, reason)
            self.end()

    def drained(self) -> None:
        """The channel has nothing to write any more, after it said that enough waits."""
        self._slow.drained()

    def run(self, happened: Iterable[events.Event]) -> None:
        """Do what the stream says."""
        for event in happened:
            _ACTIONS[type(event)](self, event)

    # A client of its session: see `gateway.client.Client`.

    @property
    def id(self) -> str:
        return self.stream.id

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    @property
    def is_busy(self) -> bool:
        if self._draining and self._counting.is_held:
            return True  # it is sent away when it has read everything
        return bool(self._running or self._waits or self._held or self.intake)

    @property
    def is_unused(self) -> bool:
        if self.is_busy:
            return False
        counting = self._counting
        return not (counting.received or counting.sent) if self.stream.greeted else self._session is None

    @property
    def kept_bytes(self) -> int:
        return self._counting.kept_bytes

    @property
    def unboxes(self) -> bool:
        return self.stream.unbox

    def request(self, name: str, method: str, params: list[JSON], traceparent: str | None = None) -> str:
        key, happened = self.stream.call_callback(name, method, params, traceparent)
        self.run(happened)
        return key

    def withdraw(self, key: str) -> bool:
        happened = [] if self._over else self.stream.withdraw(key)
        self.run(event for event in happened if type(event) is not events.RequestDropped)
        return any(type(event) is events.RequestDropped for event in happened)

    def callback_ended(self, name: str, code: str, reason: str) -> None:
        if not self._over:
            self.run(self.stream.released(callback=name, code=code, reason=reason))

    def handle_ended(self, token: str, code: str, reason: str) -> None:
        self.run(self.stream.released(handle=token, code=code, reason=reason))

    def session_ended(self, reason: str) -> None:
        self.close(close_codes.SESSION_ENDED, f"the session has ended: {reason}")

    def suspend(self) -> StreamRecord:
        self._lose("the gateway's process left the session")
        record = self.stream.record()
        if self._channel is not None:
            self._channel.close(close_codes.SHUTDOWN, "the session goes on in another process")
        self._stop()
        return record

    def drain(self) -> None:
        while self.stream.unworked:
            self.act_on(None)
        self._draining = True
        self._entrance.shut()
        self.run(self.stream.acknowledge(last=True))

    def shut_down(self) -> None:
        if not self._over:
            self._lose("the gateway shut down", self._session)
            self.close(close_codes.SHUTDOWN, "the gateway shuts down")

    def _lose(self, why: str, session: Session | None = None) -> None:
        self._loses = True  # what waited for a call that is lost is not begun
        lose_what_lives(self, [*self._running, *self._waits], self.pace, why, session)

    # Sessions.

    def live_session(self) -> Session:
        """See `gateway.sessions.holder_references.Holder`."""
        if self._over:
            raise GatewayError(Status.UNAVAILABLE, "the stream has ended")
        if self._session is None:
            self.join(self._sessions.private(self.principal, self._address))
        assert self._session is not None
        return self._session

    def join(self, session: Session) -> None:
        """See `gateway.protocols.jsonrpc.entrance.Guest`."""
        self._sessions.attach(session, self, self.callbacks)
        self._session = session

    def _restored(self, session: Session, id: str, record: StreamRecord) -> Conversation:
        stream = Stream.restored(id, record, session.id, self._limits, self._sessions.kept)
        restored = Conversation(
            self._served, self._calls, self._sessions, self._limits, None, None, stream, self._turns, self._address
        )
        restored.join(session)
        self._sessions.taken(session, id)
        restored._away = asyncio.get_running_loop().call_later(self._limits.resume_window_s, restored.end)
        return restored

    def go_on_as(self, hello: events.Hello, session: Session) -> None:
        """See `gateway.protocols.jsonrpc.entrance.Guest`."""
        received, channel = hello.received or 0, self._channel
        other = stream_to_resume(session, hello, Conversation, partial(self._restored, session))
        assert channel is not None  # hello has come over it
        id, intake = self.stream.give_way(hello.call), self.intake
        self.intake, entrance = Intake(self, self._turns, intake.lane, self._hold), self._entrance
        self._entrance = Entrance(self, self._sessions, self._limits, Admission(), self._address)
        self.end()
        other._resume(channel, id, received, intake, entrance)

    def _resume(self, channel: _Channel, id: messages.Id, received: int, intake: Intake, entrance: Entrance) -> None:
        """Go on over that channel, and answer there the hello of that id; behind it came what is in that intake."""
        happened = self.stream.resume(id, received, self._limits.resume_window_s)
        self.intake.clear()  # the client sends it again: what was received is settled before hello is answered
        replaced, self._channel = self._channel, channel
        if replaced is not None:
            replaced.close(close_codes.REPLACED, "another socket took this stream over")
            self._acknowledgements.stop()
        if self._away is not None:
            self._away.cancel()
            self._away = None
        channel.carry(self)
        self._entrance.take_over(entrance)
        self._slow.outlet = channel
        self.run(happened)
        self._slow.resumed(channel)
        self.intake.take_over(intake)

    # Calls of the client.

    def begin_held(self, event: events.CallRequested, timeout_s: float | None) -> bool:
        """See `gateway.protocols.jsonrpc.call_pace.Beginner`."""
        return self._on_call(event._replace(meta=replace(event.meta, timeout_s=timeout_s)), True)

    def _on_call(self, event: events.CallRequested, was_held: bool = False) -> bool:
        number, _, target, name, params, meta, _ = event
        timeout_s = meta.timeout_s if not self._waits.by_number else self._waits.left_s(number, meta.timeout_s)
        pace = self.pace
        if pace.room <= 0 or ((self._counting.kept_bytes > self._mark or self._held) and not was_held):
            if not was_held:
                pace.hold(event, timeout_s, len(self._running))
            return False
        request_id = meta.request_id or f"{self._request_prefix}-{number}"
        try:
            if self._loses or (self._draining and not self.stream.greeted):
                raise GatewayError(Status.UNAVAILABLE, "the gateway shuts down")
            session = self._session
            if session is None or self._over:
                session = self.live_session()
            if type(target) is events.ServiceTarget:
                method = method_of_service(self._served.catalogue, target.service, name, self.principal)
                capability = method.service.upstream.root
            elif type(target) is events.HandleTarget:
                method, capability = method_of_handle(session, target.token, name)
            else:
                assert type(target) is events.PromisedTarget
                method, capability = target.method, target.capability
        except GatewayError as error:
            self.run(self.stream.fail(number, error.at(request_id=request_id)))
            return True
        size = method.counts.answer_bytes
        if size > LONG_ANSWER_BYTES and not pace.expect(number, size):
            if not was_held:
                pace.hold(event, timeout_s, len(self._running))
            return False
        refs: CallReferences | None = None
        if method.has_references:
            given = StreamReferences(self, method.service, event.results, method)
            refs = DiscardedReferences(given) if event.notification else given
        timeout_s = method.timeout_s if timeout_s is None else timeout_s
        principal = self.principal
        said = timeout_s, request_id, principal.name, meta.traceparent, meta.idempotency_key, principal.role_names
        options = tuple.__new__(CallOptions, said)
        call = self._calls.begin(
            self, number, method, capability, params, refs, session, options, self.stream.unbox,
            self._address, principal, meta.tracestate,
        )  # fmt: skip
        pace.calls += 1
        if call is not None:
            pace.room -= 1
            self._running[number] = call
        elif number in self._expected:
            pace.forget(number)
        return True

    def answered(self, call: Call, result: JSON) -> bool:
        """See `gateway.calls.CallWaiter`."""
        key = call.key
        if self._over:
            self._running.pop(key, None)
            return False
        happened = self.stream.answer(key, result, call.refs is not None)
        del self._running[key]
        if self.stream.out.answer_bytes > LONG_ANSWER_BYTES or key in self._expected:
            call.method.counts.note_answer(self.stream.out.answer_bytes)
        self.pace.ended(key)
        channel, is_wanted = self._channel, True
        for event in happened:
            if type(event) is events.Send:
                if channel is not None and channel.send(event.data):
                    self.stream.hold()
            elif type(event) is events.AnswerDropped:
                is_wanted = False
            else:
                _ACTIONS[type(event)](self, event)
        return is_wanted

    def failed(self, call: Call, error: GatewayError) -> None:
        """See `gateway.calls.CallWaiter`."""
        had_begun = self._running.pop(call.key, None) is not None
        if not self._over:
            self.run(self.stream.fail(call.key, self._following.failed(call.key, error)))
            if had_begun:
                self.pace.ended(call.key)

    def _on_cancel(self, event: events.CancelRequested) -> None:
        call = self._running.get(event.call)
        if call is not None:
            call.cancel()
        elif self.stream.pipeline.is_waiting(event.call):
            self.run(self.stream.fail(event.call, GatewayError(Status.CANCELLED, "the call was cancelled")))
        else:
            self.pace.drop(event.call)

    def _on_follow(self, event: events.FollowRequested) -> None:
        begun, session = None, self._session
        if session is not None and not self._over and self.pace.room > 0 and not self._held:
            begun = self._following.begun(event, self._served.catalogue, session)
        self.run(self.stream.place(*event) if begun is None else [begun])

    def _wait_expired(self, call: int) -> None:
        detail = "the calls that it refers to were not answered in time"
        self.run(self.stream.fail(call, GatewayError(Status.DEADLINE_EXCEEDED, detail)))

    def _on_release(self, event: events.ReleaseRequested) -> None:
        if self._session is not None:
            self._session.handles.release(self.id, event.token, event.count)

    def _on_question(self, event: events.Question) -> None:
        self._waits.end(event.call)
        if self._counting.kept_bytes > self._mark or self._held:
            return self.pace.hold(event, None, len(self._running))
        self.answer_held(event)

    def answer_held(self, event: events.Question) -> None:
        """See `gateway.protocols.jsonrpc.call_pace.Beginner`."""
        asker = Questioner(self.live_session, self.id, self.principal.roles)
        self.run(answer_question(self.stream, event, self._served.catalogue, asker)[0])


# One table for all: in one of its own, bound methods would be a fifth of a stream's objects.
_ACTIONS: Final[Mapping[type[Any], Callable[[Conversation, Any], object]]] = {
    events.Send: lambda stream, event: stream._slow.send(event.data),
    events.BufferFull: lambda stream, _: stream._slow.full(),
    events.Close: lambda stream, event: stream.close(event.code, event.reason),
    events.Hello: lambda stream, event: stream._entrance.hello(event),
    events.CallRequested: Conversation._on_call,
    events.FollowRequested: Conversation._on_follow,
    events.CallbackAnswered: lambda stream, event: stream.callbacks.answered(event.key, event.result, event.error),
    events.CancelRequested: Conversation._on_cancel,
    events.ReleaseRequested: Conversation._on_release,
    events.DescribeRequested: Conversation._on_question,
    events.CastRequested: Conversation._on_question,
    events.CallWaits: lambda stream, event: stream._waits.begin(event),
    events.WaitEnded: lambda stream, event: stream._waits.end(event.call),
}
