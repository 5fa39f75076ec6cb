"""One way for every call, whichever door it comes through.

    resolve ─► admit ─► authorise ─► count ─► read ─► invoke ─► write ─► settle
       └─────────┴──────────┴──────────────────┴─ refused: nothing was sent     └─ the waiter is told, once

A door brings names or a handle, the parsed parameters, what it knows of references, and itself as the `CallWaiter`.
Knows neither how a door writes references nor which protocol a service speaks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from cara_pseud.capabilities import NO_ARGUMENTS, CallOptions, Capability, Pending
from gateway.access.principals import ANONYMOUS, Principal
from gateway.access.refusals import Refusals
from gateway.access.shares import Shares
from gateway.call_counts import TracedCall
from gateway.call_failures import failure_told
from gateway.catalogue import ServiceMethod
from gateway.config.limits import Limits
from gateway.deferred_calls import once_admitted
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import LiveObjects
from gateway.json.text import JSON
from gateway.repeats import at_most_twice
from gateway.sessions.session import Session
from gateway.stalls import Stalls
from gateway.trace_context import trace_id_of
from gateway.traces import CallTrace

NO_OPTIONS: Final = CallOptions()
_RETRY_S: Final = 1

Authorise = Callable[[Principal, ServiceMethod], None]
"""Whether a principal may call a method; raises a `GatewayError` if not."""
Admit = Callable[[Principal, str], "asyncio.Future[None] | None"]
"""Whether one more call of a principal, or without one of an address, may begin: None if it may now, or a future that
is done when it may; raises a `GatewayError` if it may not, as the future does."""


class CallReferences(LiveObjects, Protocol):
    """What a door knows of the references of one call, in its parameters and in its results."""

    @property
    def coming_home(self) -> Capability | None:
        """The first object in the parameters that the service has itself, once these are read."""

    def make_room(self) -> None:
        """Be sure that objects in the results can be taken.

        Raises:
            GatewayError: they cannot; the call is not made.
        """

    def take_back(self) -> None:
        """The results do not reach the caller: give back what was counted for it."""

    def hold(self) -> None:
        """Keep the callbacks in the parameters alive until the call is over: it may go to several endpoints in turn."""

    def never_sent(self) -> None:
        """The call did not reach the service, so nobody but us will ever let go of its callbacks."""

    @property
    def may_be_sent_again(self) -> bool:
        """Whether the callbacks in the parameters still reach their client, and did not end with a connection."""

    def settled(self) -> None:
        """The call is over, however it ended."""


class CallWaiter(Protocol):
    """Whoever waits for a call. Told once: `answered`, or `failed`."""

    def answered(self, call: Call, result: JSON) -> bool:
        """Take the results; False if nobody wants them any more, so that what they hold goes back.

        Raises:
            GatewayError: they cannot be sent; `failed` follows.
        """

    def failed(self, call: Call, error: GatewayError) -> None:
        """Learn why there are no results; what went wrong is logged already."""


class Call:
    """One call from its beginning to its end.

    Attributes:
        key: the waiter's name for it.
        method: what is called.
        refs: what the door knows of its references; None if the schema permits none.
        session: whose it is; None if it belongs to no session.
        args: what the service was sent, if there are secrets in it.
        address: who counts it in the bounds per address.
        began_s: when, by the clock of `Calls`.
        trace: tells of it whoever records traces; None if nobody does.
        traceparent: the trace that it belongs to, as its caller said; None if it said nothing.
    """

    __slots__ = (
        "_calls", "_future", "address", "args", "began_s", "key", "method", "refs", "request_id", "session",
        "trace", "traceparent", "waiter",
    )  # fmt: skip

    _future: asyncio.Future[Any] | None

    def __init__(
        self,
        calls: Calls,
        waiter: CallWaiter,
        key: int,
        method: ServiceMethod,
        refs: CallReferences | None,
        request_id: str | None,
        session: Session | None,
        address: str = "",
    ) -> None:
        self._calls = calls
        self.waiter = waiter
        self.key = key
        self.method = method
        self.refs = refs
        self.request_id = request_id
        self.session = session
        self.args: Sequence[Any] = ()
        self.address = address
        clock = calls.clock  # not called as a method, for which Python would look it up in the class each time
        self.began_s = clock()
        self.trace: CallTrace | None = None
        self.traceparent: str | None = None

    @property
    def trace_id(self) -> str | None:
        """Of the trace that it belongs to, 32 hexadecimal digits; None if there is none, or it is not recorded."""
        if self.trace is not None:
            return self.trace.trace_id
        return None if self.traceparent is None else trace_id_of(self.traceparent)

    @property
    def future(self) -> asyncio.Future[Any] | None:
        """What the service will answer; None when it has."""
        return self._future

    def cancel(self) -> None:
        """Give the call up; the caller is told that it was cancelled, unless it is over already."""
        if self._future is not None:
            self._future.cancel()

    def settle(self, future: asyncio.Future[Any]) -> None:
        """End the call with what came of it."""
        # The future refers to this method; without a cycle both are freed at once.
        self._future = None
        session, refs = self.session, self.refs
        calls = self._calls
        calls.under_way.give(self.address)
        clock = calls.clock
        seconds = clock() - self.began_s
        self.method.counts.ended(seconds)
        if self.traceparent is not None or self.trace is not None:
            self._note_trace(seconds)
        if session is None:
            calls.without_session -= 1
        else:
            session.calls_in_flight -= 1
        try:
            if not self.waiter.answered(self, future.result()) and refs is not None:
                refs.take_back()
            if self.trace is not None:
                self.trace.end(None)
        except (Exception, asyncio.CancelledError) as error:
            if refs is not None:
                refs.take_back()
            self._fail(error)
            # It remembers this frame and those above, and the future, which they have, has it: in a circle they would
            # wait for the collector, with all that a service said.
            error.__traceback__ = None
        if refs is not None:
            refs.settled()
        method = self.method
        if method.results.may_be_long:
            calls.stalls.spent("the answer of %s.%s", method.service_name, method.name)

    def _note_trace(self, seconds: float) -> None:
        trace_id = self.trace_id
        if trace_id is not None:
            self.method.counts.note_trace(TracedCall(trace_id, seconds, time.time()))

    def refuse(self, error: Exception) -> None:
        """End the call, of which nothing was sent."""
        if self.refs is not None:
            self.refs.never_sent()
            self.refs.settled()
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        told = self._calls.failure(error, self.method, self.request_id, self.args)
        if self.trace is not None:
            self.trace.end(told.status)
        self.waiter.failed(self, told)


class Calls:
    """Begins calls for all doors.

    Attributes:
        admit: whether one more call may begin.
        expose_errors: whether callers are told the texts of services' exceptions.
        stalls: told what the answers of services take.
        without_session: the calls under way that belong to no session.
        under_way: all of them.
        clock: the time in seconds, by which calls are measured.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        expose_errors: bool = False,
        authorise: Authorise | None = None,
        admit: Admit | None = None,
        refusals: Refusals | None = None,
        stalls: Stalls | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> None:
        """Begin with none.

        Args:
            refusals: where it is counted what was refused because too many are under way.
            expose_errors: whether callers are told the texts of services' exceptions.
            authorise: None permits everybody everything.
            admit: None admits all calls that their sessions permit. It may be replaced, for the calls after that.
            stalls: is told what the answers of services take.
            faults: why services are unavailable, by their names, where somebody knows more than their connections do.
        """
        self._limits = limits
        self._faults = {} if faults is None else faults
        self.expose_errors = expose_errors
        self._authorise = authorise
        self.admit = admit
        self._refusals = Refusals() if refusals is None else refusals
        self.stalls = Stalls() if stalls is None else stalls
        self.clock = self.stalls.clock
        self.without_session = 0
        self.under_way = Shares(0, 0)
        self.rebound()

    def rebound(self) -> None:
        """Hold the limits as they are now; calls under way go on."""
        self._max_timeout_s = self._limits.max_call_timeout_s
        self.under_way.rebound(self._limits.max_calls, self._limits.max_calls_per_address)

    def check_caller(self, principal: Principal, address: str, method: ServiceMethod) -> None:
        """Count a call that does not come to `begin`, and be sure that its caller may make it, before anything is told.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there were too many; PERMISSION_DENIED or UNAUTHENTICATED, it may not.
        """
        if self.admit is not None and (admitted := self.admit(principal, address)) is not None:
            admitted.cancel()
        if self._authorise is not None:
            self._authorise(principal, method)

    def begin(
        self,
        waiter: CallWaiter,
        key: int,
        method: ServiceMethod,
        target: Capability,
        params: JSON,
        refs: CallReferences | None = None,
        session: Session | None = None,
        options: CallOptions = NO_OPTIONS,
        unbox: bool = False,
        address: str = "",
        principal: Principal = ANONYMOUS,
        tracestate: str | None = None,
    ) -> Call | None:
        """Start a call; when this returns it is on its way, so calls keep the order in which they are begun.

        Args:
            target: the service's root or an object of it.
            params: an object by name, an array by position, or None for no parameters at all.
            options: what the caller said about the call, and who the service is told it is; its timeout may be None.
            unbox: whether a single result stands for itself.
            address: who counts it in the bounds per address; "" if that is not known.
            principal: who calls.
            tracestate: what the caller said of the trace beside ``options.traceparent``.

        Returns:
            None if the call was refused, of which the caller is told before this returns.
        """
        timeout_s, request_id, _, traceparent, _, _ = options
        call = Call(self, waiter, key, method, refs, request_id, session, address)
        counts = method.counts
        counts.calls += 1
        call.traceparent = traceparent
        tracer = method.service.tracer
        if tracer is not None:
            call.trace = tracer.call(method.service_name, method.label, traceparent, tracestate)
        is_counted, admitted = False, None
        try:
            # First, as what is refused for another reason counts as well: nobody shall be refused without end.
            if self.admit is not None:
                admitted = self.admit(principal, address)
            authorise = self._authorise
            if authorise is not None:
                authorise(principal, method)
            if session is not None:
                session.check_calls()
            is_counted = self.under_way.may_take(address)
            if not is_counted:
                raise self._too_many(address)
            if refs is not None and method.may_give_objects:
                refs.make_room()
            reader = method.params
            args = reader.by_name(params, refs) if type(params) is dict else reader.read(params, refs)
            if method.has_secrets:
                call.args = args
            if timeout_s is None or timeout_s > self._max_timeout_s:
                timeout_s = min(method.timeout_s if timeout_s is None else timeout_s, self._max_timeout_s)
                options = CallOptions(timeout_s, *options[1:])
            boxes = method.results.unboxed if unbox else method.results.boxed
            write: Callable[[Any], JSON] = boxes if refs is None else partial(boxes, refs=refs)
            if refs is not None and len(method.service.upstream.connections) > 1:
                refs.hold()
                if refs.coming_home is not None:
                    target = method.service.upstream.beside(target, refs.coming_home)
            if call.trace is not None:
                options = options._replace(traceparent=call.trace.ask())
            if admitted is None:
                if method.facts.idempotent:
                    future = self._invoked(method, target, args, options, write, refs)
                else:  # as most, which shall not be called through it
                    future = target.invoke(method.bound, args, NO_ARGUMENTS, options, write)
            else:
                invoke = partial(self._invoked, method, target, args, options, write, refs)
                future = once_admitted(admitted, invoke, None if refs is None else refs.never_sent)
        except Exception as error:
            if is_counted:
                self.under_way.give(address)
            if admitted is not None:
                admitted.cancel()
            call.refuse(error)
            return None
        counts.in_flight += 1
        if session is None:
            self.without_session += 1
        else:
            session.calls_in_flight += 1
        call._future = future
        if not future.done():
            if isinstance(future, Pending):
                future.watcher = call.settle
            else:
                future.add_done_callback(call.settle)
            return call
        # What is done at once failed before anything was sent. The next call may bring the same callbacks to the
        # service, so these are let go now and not when the waiter is told.
        if refs is not None and (future.cancelled() or future.exception() is not None):
            refs.never_sent()
        future.add_done_callback(call.settle)
        return call

    def _too_many(self, address: str) -> GatewayError:
        under_way = self.under_way
        if under_way.is_full_for(address):
            name, number, status = "max_calls_per_address", under_way.of(address), Status.RESOURCE_EXHAUSTED
        else:
            name, number, status = "max_calls", under_way.total, Status.UNAVAILABLE
        self._refusals.count(name)
        detail = f"{number} calls are under way already, as many as {name} permits: try again in {_RETRY_S} s"
        return GatewayError(status, detail, retry_after=_RETRY_S)

    def _invoked(
        self,
        method: ServiceMethod,
        target: Capability,
        args: Any,
        options: CallOptions,
        write: Callable[[Any], JSON],
        refs: CallReferences | None,
    ) -> asyncio.Future[Any]:
        future = target.invoke(method.bound, args, NO_ARGUMENTS, options, write)
        if method.facts.idempotent and not future.done():  # else it failed at once, see `begin`
            return self._repeatable(future, method, target, args, options, write, refs)
        return future

    def _repeatable(
        self,
        first: asyncio.Future[Any],
        method: ServiceMethod,
        target: Capability,
        args: Any,
        options: CallOptions,
        write: Callable[[Any], JSON],
        refs: CallReferences | None,
    ) -> asyncio.Future[Any]:
        def again(left_s: float) -> asyncio.Future[Any] | None:
            if refs is not None and not refs.may_be_sent_again:
                return None
            return target.invoke(method.bound, args, NO_ARGUMENTS, CallOptions(left_s, *options[1:]), write)

        assert options.timeout is not None
        until = asyncio.get_running_loop().time() + options.timeout
        # An object is asked again where it lives, and any endpoint of a service for the service itself.
        return asyncio.ensure_future(at_most_twice(first, again, method.service.upstream.home_of(target), until))

    def failure(
        self, error: BaseException, method: ServiceMethod, request_id: str | None, args: Sequence[Any] = ()
    ) -> GatewayError:
        """What the caller is told about the exception of a call; the log is told what the caller is not.

        Args:
            args: what the service was sent, as far as there are secrets in it.
        """
        told = failure_told(error, method, request_id, args, expose_errors=self.expose_errors)
        fault = self._faults.get(method.service_name)
        if fault and told.status is Status.UNAVAILABLE:
            told = GatewayError(told.status, fault).at(method.service_name, method.label, request_id)
        return told
