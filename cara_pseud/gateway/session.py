"""The protocol on ``/ws`` as a client sees it (PROTOCOL.md): hello, calls and their answers, requests for callbacks.

Counting, acknowledgement and resuming are here too. Text comes in and goes out through what it is given; it knows no
socket and no proxies, and values are JSON.

    offline ──connected──▸ greeting ──hello answered──▸ open
       ▴────────── disconnected ──┴───────────────────────┘        close(), or a refusal for good: closed

A lost connection costs nothing: the stream is resumed over the next one, and each side repeats what the other has not
received. Only when the gateway has no such stream any more, another client has taken it over, or the time for it is
over, the stream is lost: calls that were sent have an unknown outcome then, and calls that were not go to the next,
unless they need an object of this one. `_lose_stream` is the one place that says so.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cara_pseud.errors import OutcomeUnknown, RpcError, Unavailable, error_of_status
from cara_pseud.gateway.acknowledgements import ReceivedCount
from cara_pseud.gateway.calls import CallMaker, OpenCall, OpenCalls, UnsentCall
from cara_pseud.gateway.clock import Clock, Timer
from cara_pseud.gateway.close_codes import meaning_of
from cara_pseud.gateway.failures import LONGEST_WAIT_S, from_answer, never_started, wait_of
from cara_pseud.gateway.greeting import FirstWords, Resumption
from cara_pseud.gateway.messages import JSON, parsed, text_of
from cara_pseud.gateway.outbox import OutMessage, StreamOutbox
from cara_pseud.gateway.requests import Requests, too_large
from cara_pseud.gateway.session_events import (
    ConnectionState,
    Reset,
    SessionEvents,
    StateChange,
    TextSocket,
)

_HELLO_TIMEOUT_S: Final = 10.0


class _Phase(enum.Enum):
    OFFLINE = enum.auto()
    GREETING = enum.auto()
    OPEN = enum.auto()
    CLOSED = enum.auto()


class StreamSession:
    """One client's conversation with a gateway, over however many sockets.

    Attributes:
        generation: counts the streams, so that a handle can tell whether its own still lives.
        limits: what the gateway allows, as it said at the last hello.
    """

    def __init__(
        self,
        events: SessionEvents,
        clock: Clock,
        prefix: str,
        *,
        session: str | None = None,
        resume: Any = None,
        renews: bool = False,
    ) -> None:
        """Begin without a socket.

        Args:
            prefix: of ids; see `cara_pseud.gateway.calls`.
            session, renews: see `FirstWords`.
            resume: a stream to take over, as another process wrote it down; what is none begins a new one, and tells.
        """
        self.generation = 0
        self.limits: Mapping[str, Any] = {}
        self._events = events
        self._clock = clock
        self._phase = _Phase.OFFLINE
        self._socket: TextSocket | None = None
        self._calls = OpenCalls(clock, self, prefix)
        self._outbox = StreamOutbox(clock, lambda: math.inf if self._pause else self._calls.in_flight)
        self._acknowledgements = ReceivedCount(clock, self._acknowledge)
        self._requests = Requests(events, self._outbox.post)
        self._hello_timer: Timer | None = None
        self._window_timer: Timer | None = None
        # As long as the gateway refuses calls.
        self._pause: Timer | None = None
        # When the stream can no longer be resumed.
        self._resume_until = math.inf
        # Why the stream was lost that the next takes the place of.
        self._lost: str | None = None
        # How many messages the gateway has taken, if it takes no more calls.
        self._taken = math.inf
        self._failure: RpcError | None = None
        whole = Resumption.of(resume)
        self._takes_over = whole is not None
        self._greeting = FirstWords(session, whole, renews)
        self._acknowledgements.restart(whole.received if whole is not None else 0)
        if resume is not None and whole is None:
            self._lost = "no resumption"

    @property
    def id(self) -> str | None:
        """The gateway's secret id of this session, for REST calls in it."""
        id = self._greeting.said.get("session")
        return id if isinstance(id, str) else None

    @property
    def resumption(self) -> Resumption | None:
        """What another process needs to take the stream over."""
        return Resumption.of({**self._greeting.said, "received": self._acknowledgements.received})

    @property
    def failure(self) -> RpcError | None:
        """Why the session was closed, or hello refused."""
        return self._failure or self._greeting.failure

    # What calls ask.

    def is_open(self) -> bool:
        """See `cara_pseud.gateway.calls.CallEvents`."""
        return self._phase is _Phase.OPEN

    def abandoned(self, call: OpenCall) -> None:
        """Tell the gateway that nobody wants an answer; one that comes all the same is unclaimed."""
        if call.sent:
            self._notify("rpc.cancel", {"id": call.id})

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None:
        """Make room for other calls."""
        self._outbox.more()
        self._events.settled(callbacks, accepted)

    # What users do.

    def call(
        self, draft: UnsentCall, sink: CallMaker, timeout: float | None = None, meta: Mapping[str, str] | None = None
    ) -> str:
        """Make a call. It is written when this turn of the loop is over, in one frame with the others of the turn.

        Or later: when there is a connection, and when the gateway takes one more.

        Args:
            sink: is told the result or the error, and nothing else.
            timeout: in seconds.
            meta: what is said of the call beside its parameters.

        Returns:
            The id of the request.

        Raises:
            RpcError: it can never be written; the sink is told nothing.
        """
        self._check(draft.prepare().generation)
        call = self._calls.begin(draft, timeout, sink)
        said = {**({"timeout": timeout} if timeout is not None else {}), **(meta or {})} or None
        what = ""

        def render() -> bytes | None:
            nonlocal what
            try:
                method, params, values, generation = draft.prepare()
                what = f"the call of {method}"
                self._check(generation)
                self.check_values(what, values)
                return text_of({"id": call.id, "method": method, "params": params, "meta": said})
            except RpcError as error:
                self._calls.reject(call, error, accepted=False)
                return None

        call.message = OutMessage(
            render=render,
            owner=call,
            written=lambda: self._calls.written(call, self._outbox.sent),
            refused=lambda size, limit: self._calls.reject(call, too_large(what, size, limit), accepted=False),
        )
        self._outbox.post(call.message)
        return call.id

    def cancel(self, id: str) -> None:
        """End a call that nobody waits for any more."""
        self._calls.cancel(id)

    def abandon(self, id: str, error: BaseException) -> None:
        """End a call, unless it was written."""
        self._calls.abandon(id, error)

    def check_values(self, what: str, values: int) -> None:
        """Check the number of elements and members in a message.

        Raises:
            TooLarge: the gateway takes fewer.
        """
        limit = self.limits.get("max_values")
        if limit is not None and values > limit:
            raise too_large(what, values, limit, "values")

    def ping(self) -> None:
        """Ask the gateway for a sign of life. Its answer is nobody's, but counts as every message."""
        self._outbox.post(OutMessage(text_of({"id": self._calls.new_id(), "method": "rpc.ping", "params": {}})))

    def release(self, handle: str, generation: int) -> None:
        """Give one reference to an object back that came in that session."""
        if generation == self.generation and self._phase is not _Phase.CLOSED:
            self._notify("rpc.release", {"handle": handle, "count": 1}, ordered=True)

    def close(self) -> None:
        """End everything: waiting messages are written, calls without an answer fail."""
        if self._phase is not _Phase.CLOSED:
            self._outbox.flush()
            socket = self._socket
            self._end(RpcError("failed_precondition", "the connection to the gateway was closed by its user"))
            if socket is not None:
                socket.close(1000, "")

    def fail(self, failure: RpcError) -> None:
        """End everything: there will be no connection."""
        if self._phase is not _Phase.CLOSED:
            self._end(failure)

    # What sockets tell.

    def connected(self, socket: TextSocket) -> None:
        """Start a conversation on a socket that has just opened."""
        self._socket = socket
        self._phase = _Phase.GREETING
        self._greeting.failure = None
        self._hello_timer = self._clock.call_later(
            _HELLO_TIMEOUT_S, lambda: socket.close(4000, "no answer to hello")
        )
        self._greet()

    def received(self, text: str | bytes) -> None:
        """Take one frame. Nothing that a gateway sends makes this raise."""
        try:
            obj = parsed(text)
        except ValueError:
            # It cannot be counted, so from here on the two sides would disagree about what was received.
            if self._socket is not None:
                self._socket.close(4000, "no JSON")
            return
        messages = obj if isinstance(obj, list) else [obj]
        self._requests.look_ahead(messages)
        for message in messages:
            if self._phase is _Phase.GREETING:
                self._greeted(message)
            elif self._phase is _Phase.OPEN:
                self._take(message if isinstance(message, dict) else {})
        if self._phase is _Phase.OPEN:
            self._acknowledgements.frame_ends(len(text))

    def disconnected(self, code: int, reason: str) -> bool:
        """Note that the socket is lost, and say whether another should be tried."""
        if self._phase is _Phase.CLOSED:
            return False
        was_open = self._phase is _Phase.OPEN
        details = f"code {code}{f': {reason}' if reason else ''}"
        self._leave_socket(_Phase.OFFLINE)
        refused, ended, replaced = meaning_of(code)
        failure = self._greeting.failure if self._greeting.is_final else None
        if failure is None and refused and not (refused == "unauthenticated" and self._greeting.renews):
            failure = error_of_status(refused, f"the gateway closed it for good ({details})")
        if failure is not None:
            self._end(failure, code, reason)
            return False
        stream = self._greeting.said.get("stream")
        if replaced and stream:
            self._lose_stream(f"another client took the stream ({details})", {"session": self.id})
        elif was_open and ended:
            self._lose_stream(f"the connection was lost ({details})")
        elif was_open:
            self._await_window()
        elif stream and self._clock.time() >= self._resume_until:
            self._window_over()
        if was_open:
            self._events.state_changed(StateChange(ConnectionState.RECONNECTING, code=code, reason=reason))
        return True

    # Hello.

    def _greet(self) -> None:
        socket = self._socket
        assert socket is not None

        def say(token: str | None, error: BaseException | None) -> None:
            # Another socket may be there by now.
            if self._socket is not socket or self._phase is not _Phase.GREETING:
                return
            hello = None
            if error is not None:
                self._greeting.failure = error_of_status("unauthenticated", f"there is no token: {error}")
                self._greeting.failure.__cause__ = error
            else:
                hello = self._greeting.hello(self._acknowledgements.received, token)
            if hello is None:
                socket.close(1000, "there is no token")
            else:
                socket.send(hello)

        self._events.ask_token(say)

    def _greeted(self, message: JSON) -> None:
        answer = self._greeting.take(message)
        if answer is None:
            return
        if answer.accepted is not None:
            _stop(self._hello_timer)
            self._open(answer.accepted)
        elif answer.lost is not None:
            # The same socket may begin anew.
            self._lose_stream(f"the gateway does not have the stream any more ({answer.lost})")
            self._greet()
        elif self._socket is not None:
            self._socket.close(1000, "hello was refused")

    def _open(self, hello: Mapping[str, Any]) -> None:
        socket = self._socket
        assert socket is not None
        limits = hello.get("limits")
        resumed = bool(hello.get("resumed"))
        session, stream = self._greeting.said.get("session"), self._greeting.said.get("stream")
        if not resumed and stream:
            self._lose_stream("another stream began")
        _stop(self._window_timer)
        self._greeting.said = hello
        self.limits = limits if isinstance(limits, Mapping) else {}
        self._phase = _Phase.OPEN
        if not resumed:
            self._acknowledgements.restart()
            reason, self._lost = self._lost, None
            if reason is not None:
                self._events.reset(Reset(reason, hello.get("session") == session))
            self._outbox.open(socket.send, self.limits)
            self._events.state_changed(StateChange(ConnectionState.OPEN))
        elif self._outbox.resume(socket.send, self.limits, hello.get("received")):
            if self._takes_over:
                # Whoever had it before may not be gone, and its count may be the same as this one's. With one message
                # more between here and the gateway it is not, so that it cannot take the stream back and believe that
                # it goes on.
                self.ping()
            # What this tells may make calls; they come after what is written again.
            self._events.state_changed(StateChange(ConnectionState.OPEN, resumed=True))
            self._acknowledgements.resume()
        else:
            # The two sides disagree about what was sent, so nobody knows any more what ran.
            self._phase = _Phase.GREETING
            self._lose_stream(f"it cannot have received {hello.get('received')} messages")
            socket.close(4000, "a wrong count")
        self._takes_over = False

    def _await_window(self) -> None:
        """The gateway keeps a stream without a socket for some time only."""
        window_s = self._greeting.said.get("resume_window_s")
        window_s = float(window_s) if isinstance(window_s, int | float) else 0.0
        self._resume_until = self._clock.time() + window_s

        def over() -> None:
            # While a hello is under way its answer decides.
            if self._phase is _Phase.OFFLINE:
                self._window_over()

        self._window_timer = self._clock.call_later(window_s, over)

    def _window_over(self) -> None:
        self._lose_stream("the connection was lost for too long")

    # Calls.

    def _check(self, generation: int | None) -> None:
        """Check that a call with handles of that session can be written."""
        if self._phase is _Phase.CLOSED:
            error = RpcError("failed_precondition", str(self._failure))
            error.__cause__ = self._failure
            raise error
        if generation is not None and generation != self.generation:
            raise RpcError("not_found", "the object belonged to a session that was lost")

    def _notify(self, method: str, params: JSON, *, ordered: bool = False) -> None:
        self._outbox.post(OutMessage(text_of({"method": method, "params": params}), ordered=ordered))

    def _acknowledge(self, received: int) -> None:
        text = text_of({"method": "rpc.ack", "params": {"received": received}})
        self._outbox.post(OutMessage(text, uncounted=True))

    # What comes in.

    def _take(self, message: dict[str, JSON]) -> None:
        method, params = message.get("method"), message.get("params")
        if method == "rpc.ack":
            members = params if isinstance(params, dict) else {}
            received = members.get("received")
            if isinstance(received, int):
                self._outbox.confirm(received)
                if members.get("last"):
                    self._taken = received
            return
        self._acknowledgements.received += 1
        if not isinstance(method, str):
            self._answered(message)
        elif "id" in message:
            self._requests.answer(message)
        elif method == "rpc.cancel":
            self._requests.call_off(params.get("id") if isinstance(params, dict) else None)
        elif method == "rpc.released" and isinstance(params, dict):
            self._events.released(params)

    def _answered(self, message: dict[str, JSON]) -> None:
        call = self._calls.sent(message.get("id"))
        error = message.get("error")
        if error is None:
            result = message.get("result")
            if call is not None:
                self._calls.resolve(call, result)
            else:
                self._events.unclaimed(result)
        elif call is not None:
            members = error if isinstance(error, dict) else {}
            wait = wait_of(members.get("data"))
            if wait is not None and wait <= LONGEST_WAIT_S:
                self._calls.returned(call)
                self._outbox.again(call.message)
                _stop(self._pause)
                self._pause = self._clock.call_later(wait, self._go_on)
            else:
                accepted = not wait and not never_started(members.get("code"))
                self._calls.reject(call, from_answer(error), accepted=accepted)

    def _go_on(self) -> None:
        self._pause = None
        self._outbox.more()

    # Endings.

    def _leave_socket(self, phase: _Phase) -> None:
        _stop(self._hello_timer)
        self._acknowledgements.stop()
        self._outbox.close()
        self._socket = None
        self._phase = phase

    def _lose_stream(self, why: str, asks: Mapping[str, Any] | None = None) -> None:
        """Everything that lived in the stream is gone: calls, handles, callbacks, answers not yet written.

        Args:
            asks: what the next hello asks for.
        """
        self.generation += 1
        if self._lost is None:
            self._lost = why
        self._greeting.said = asks or {}
        _stop(self._window_timer)
        again: list[OutMessage] = []

        def verdict(call: OpenCall) -> BaseException | None:
            if call.sent and call.sent <= self._taken:
                return OutcomeUnknown(f"{why} before the answer came; it may have run")
            if self._can_go_on(call):
                again.append(call.message)
                return None
            return Unavailable(f"{why}; the call was not sent")

        self._calls.reject_all(verdict)
        self._taken = math.inf
        self._outbox.drop(again)
        self._requests.call_off_all()
        self._acknowledgements.restart()
        self._events.session_lost()

    def _can_go_on(self, call: OpenCall) -> bool:
        """Whether a call that was not written needs nothing of the stream that was lost."""
        try:
            return self._phase is not _Phase.CLOSED and call.draft.prepare().generation is None
        except RpcError:
            return False

    def _end(self, failure: RpcError, code: int | None = None, reason: str = "") -> None:
        self._leave_socket(_Phase.CLOSED)
        _stop(self._pause)
        self._failure = failure
        self._lose_stream(str(failure))
        self._events.state_changed(StateChange(ConnectionState.CLOSED, code=code, reason=reason, error=failure))


def _stop(timer: Timer | None) -> None:
    if timer is not None:
        timer.cancel()
