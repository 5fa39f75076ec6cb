"""One HTTP request's messages at work: what they ask for is done, and their answers leave as one text.

    receive ── calls under way ──► told ── notifications under way ──► idle
       └── close(): the client is gone; the calls that it waits for are cancelled

Handles and callbacks are those of REST; the rules of the messages are in `gateway.protocols.jsonrpc.stream`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from cara_pseud.capabilities import CallOptions
from gateway.call_targets import method_of_handle, method_of_service
from gateway.calls import Call, Calls
from gateway.catalogue import Served
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.protocols.jsonrpc import events
from gateway.protocols.jsonrpc.answers import Questioner, answer_question
from gateway.protocols.jsonrpc.call_pace import CallPace
from gateway.protocols.jsonrpc.intake import Intake
from gateway.protocols.jsonrpc.single_references import SingleReferences
from gateway.protocols.jsonrpc.single_stream import SingleStream
from gateway.protocols.jsonrpc.waiting_calls import WaitingCalls
from gateway.protocols.rest.request_session import RequestSession
from gateway.sessions.handles import REST
from gateway.sessions.session import Session
from gateway.turns import Turns


class Asker(Protocol):
    """Whoever brought the request."""

    def tell(self, data: bytes | None) -> None:
        """Take the answer, once; None where nothing is to be answered."""

    def idle(self) -> None:
        """Learn, once, that the answer is told and no call is under way any more."""


class SingleConversation:
    """One request and its answer: a `gateway.calls.CallWaiter` for each call in it.

    Attributes:
        stream: the rules.
    """

    def __init__(
        self,
        asker: Asker,
        served: Served,
        calls: Calls,
        limits: Limits,
        owner: RequestSession,
        options: CallOptions,
        turns: Turns,
        address: str,
        tracestate: str | None = None,
    ) -> None:
        """Begin one.

        Args:
            owner: whose handles and callbacks the messages may name.
            options: what the request says about its calls; a message's ``meta`` goes before it.
            turns: where a long batch waits for its turns, in the lane of its address.
            address: whose request it is, as bounds per address count.
            tracestate: what the request says of its trace beside ``options.traceparent``.
        """
        self._asker: Asker | None = asker
        self._served = served
        self._calls = calls
        self._owner = owner
        self._options = options
        self._address, self._tracestate = address, tracestate
        self._running: dict[int, Call] = {}
        self._waits = WaitingCalls(limits, self._wait_expired, options.timeout)
        self._given: list[SingleReferences | _GivenHandle] = []
        self._is_read = self._is_told = self._is_closed = False
        self.stream = SingleStream(limits)
        self._pace = CallPace(self.stream, limits, self)
        self._intake = Intake(self, turns, address, lambda holds: None)
        self._actions: dict[type[Any], Any] = {
            events.Send: self._on_send,
            events.CallRequested: self._on_call,
            events.CancelRequested: self._on_cancel,
            events.ReleaseRequested: self._on_release,
            events.DescribeRequested: self._on_question,
            events.CastRequested: self._on_question,
            events.CallWaits: self._waits.begin,
            events.WaitEnded: lambda event: self._waits.end(event.call),
            events.CallbackAnswered: self._on_nothing,
            events.AnswerDropped: self._on_nothing,
        }

    @property
    def is_unreadable(self) -> bool:
        """Whether the request's text was no JSON; the answer says why."""
        return self.stream.is_unreadable

    @property
    def holds_handles(self) -> bool:
        """Whether there are handles in the answer."""
        return any(refs.holds_handles for refs in self._given)

    def receive(self, text: bytes) -> None:
        """Take the request's one text."""
        self._intake.put(text)

    def act_on(self, data: bytes | None) -> bool:
        """See `gateway.protocols.jsonrpc.intake.Worker`."""
        self._work(self.stream.work_on() if data is None else self.stream.receive(data))
        return self.stream.unworked > 0

    @property
    def unworked(self) -> int:
        """See `gateway.protocols.jsonrpc.intake.Worker`."""
        return self.stream.unworked

    def _work(self, happened: Iterable[events.Event]) -> None:
        self._run(happened)
        if not self.stream.unworked and not self._is_closed:
            self._is_read = True
            if not self.stream.owes_answers:
                self._tell(None)
            self._settle_down()

    def close(self) -> None:
        """The client is gone: what it waits for is cancelled and what it was to get goes back. Notifications go on."""
        if self._is_closed:
            return
        self._is_read = self._is_told = self._is_closed = True
        self.stream.drop_unworked()
        self._intake.clear()
        for key in [key for key in self._pace.held if not self.stream.is_notification(key)]:
            self._pace.drop(key)
        for key, call in list(self._running.items()):
            if not self.stream.is_notification(key):
                call.cancel()
        for key in [key for key in self._waits if not self.stream.is_notification(key)]:
            self._run(self.stream.fail(key, GatewayError(Status.CANCELLED, "the client is gone")))
        for refs in self._given:
            refs.take_back()
        self._owner.abandon()
        self._settle_down()

    def run(self, happened: Iterable[events.Event]) -> None:
        """See `gateway.protocols.jsonrpc.call_pace.Beginner`."""
        self._run(happened)
        self._settle_down()

    def _run(self, happened: Iterable[events.Event]) -> None:
        for event in happened:
            self._actions[type(event)](event)

    def _on_send(self, event: events.Send) -> None:
        self._tell(event.data)

    def _tell(self, data: bytes | None) -> None:
        if not self._is_told and self._asker is not None:
            self._is_told = True
            if not self.holds_handles:
                self._owner.abandon()  # it was opened for a result that could not be sent
            self._asker.tell(data)

    def _settle_down(self) -> None:
        # As long as the text is worked off, what fails at once may be followed by what takes time.
        is_over = self._is_read and self._is_told and not (self._running or self._waits or self._pace.held)
        if is_over and self._asker is not None:
            asker, self._asker = self._asker, None
            asker.idle()

    def _on_nothing(self, event: events.Event) -> None:
        """An answer to no question of ours, or one that nobody waits for."""

    # Calls.

    def begin_held(self, event: events.CallRequested, timeout_s: float | None) -> bool:
        """See `gateway.protocols.jsonrpc.call_pace.Beginner`."""
        return self._on_call(event._replace(meta=replace(event.meta, timeout_s=timeout_s)), True)

    def _on_call(self, event: events.CallRequested, was_held: bool = False) -> bool:
        options, pace = self._options_of(event), self._pace
        if pace.room <= 0 or (pace.held and not was_held):
            if not was_held:
                pace.hold(event, options.timeout, len(self._running))
            return False
        target = event.target
        try:
            if type(target) is events.ServiceTarget:
                method = method_of_service(
                    self._served.catalogue, target.service, event.method, self._owner.principal
                )
                capability = method.service.upstream.root
            else:
                assert type(target) is events.HandleTarget
                method, capability = method_of_handle(self._session(), target.token, event.method)
        except GatewayError as error:
            self._run(self.stream.fail(event.call, error.at(request_id=options.request_id)))
            return True
        refs = None
        if method.has_references:
            refs = SingleReferences(method, self._owner, event.results, discards=event.notification)
        call = self._calls.begin(
            self, event.call, method, capability, event.params, refs, self._owner.session, options,
            False, self._address, self._owner.principal, event.meta.tracestate or self._tracestate,
        )  # fmt: skip
        if call is not None:
            pace.room -= 1
            self._running[event.call] = call
        return True

    def _session(self) -> Session:
        session = self._owner.session
        if session is None:
            detail = "there is no such handle, because the request belongs to no session"
            raise GatewayError(Status.NOT_FOUND, detail)
        return session

    def _options_of(self, event: events.CallRequested) -> CallOptions:
        own, meta, principal = self._options, event.meta, self._owner.principal
        return CallOptions(
            self._waits.left_s(event.call, meta.timeout_s or own.timeout),
            meta.request_id or f"{own.request_id}-{event.call}",
            principal.name,
            meta.traceparent or own.traceparent,
            meta.idempotency_key,
            principal.role_names,
        )

    def answered(self, call: Call, result: JSON) -> bool:
        """See `gateway.calls.CallWaiter`."""
        happened = self.stream.answer(call.key, result, call.refs is not None)
        del self._running[call.key]
        is_wanted = not self._is_closed and not any(type(event) is events.AnswerDropped for event in happened)
        if is_wanted and isinstance(call.refs, SingleReferences):
            self._given.append(call.refs)
        self._run(happened)
        self._pace.ended(call.key)
        self._settle_down()
        return is_wanted

    def failed(self, call: Call, error: GatewayError) -> None:
        """See `gateway.calls.CallWaiter`."""
        had_begun = self._running.pop(call.key, None) is not None
        self._run(self.stream.fail(call.key, error))
        if had_begun:
            self._pace.ended(call.key)
        self._settle_down()

    def _on_cancel(self, event: events.CancelRequested) -> None:
        call = self._running.get(event.call)
        if call is not None:
            call.cancel()
        else:
            self._pace.drop(event.call)

    def _wait_expired(self, call: int) -> None:
        detail = "the calls that it refers to were not answered in time"
        self._run(self.stream.fail(call, GatewayError(Status.DEADLINE_EXCEEDED, detail)))
        self._settle_down()

    # The gateway's own methods.

    def _on_release(self, event: events.ReleaseRequested) -> None:
        session = self._owner.session
        if session is not None:
            session.handles.release(REST, event.token, event.count)

    def answer_held(self, event: events.Question) -> None:
        """See `gateway.protocols.jsonrpc.call_pace.Beginner`. Nothing waits before such an answer here."""
        self._on_question(event)

    def _on_question(self, event: events.Question) -> None:
        self._waits.end(event.call)
        asker = Questioner(self._session, REST, self._owner.principal.roles)
        happened, handle = answer_question(self.stream, event, self._served.catalogue, asker)
        if handle is not None and not self._is_closed:
            self._given.append(_GivenHandle(self._session(), handle.token))
        self._run(happened)


class _GivenHandle(NamedTuple):
    """A handle in the answer that is no call's."""

    session: Session
    token: str

    @property
    def holds_handles(self) -> bool:
        return True

    def take_back(self) -> None:
        if not self.session.ended:
            self.session.handles.release(REST, self.token)
