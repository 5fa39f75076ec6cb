"""Objects that live in a client, as services call them, and what the client is asked and has not answered.

A `Callback` stands in a message to a service for ``{"$callback": name}``. The service's calls become requests to the
`gateway.client.Client`, its answers become wire results. Knows no door and no protocol of a service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from cara_pseud.capabilities import IncomingCall, WireValue
from cara_pseud.errors import CODES, DeadlineExceeded, RpcError, Unavailable
from cara_pseud.local import LocalCapability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import CallbackMethod, Service, ServiceMethod
from gateway.client import Client
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import LiveObjects
from gateway.json.text import JSON
from gateway.trace_context import asked_in
from gateway.traces import CallTrace

NOWHERE: Final[Mapping[tuple[str, str], ServiceMethod]] = MappingProxyType({})
GONE: Final = "the client that passed this object is gone"


PassedIn = Mapping[tuple[str, str], ServiceMethod]
"""Calls in which an object was passed, by service and the method's label: a reload makes another one of that name."""


class RequestReferences(LiveObjects, Protocol):
    """References in a request to a client and in its answer.

    Attributes:
        passed_in: what the client has to be permitted for what it passes there.
    """

    passed_in: PassedIn

    def take_back(self) -> None:
        """The handles do not reach the client."""


class CallbackCapability(LocalCapability):
    """A client's object as it stands in messages; a service may have it at several endpoints."""

    __slots__ = ()

    target: Callback

    def taken(self) -> None:
        self.target.taken()

    def left(self, *, gone: bool) -> None:
        self.target.left(gone=gone)

    def kept(self) -> None:
        self.target.named()

    def kept_no_more(self) -> None:
        self.target.named_no_more()


class _Asked(NamedTuple):
    """A request to the client that waits for its answer."""

    answer: asyncio.Future[WireValue]
    callback: Callback
    refs: RequestReferences
    read: Callable[[JSON], WireValue]


class Callback:
    """One object of a client as one service knows it: a `cara_pseud.capabilities.Target`.

    Attributes:
        capability: what stands in messages to the service.
        service: whose it is, as it is known since the object was last passed there.
        passed_in: the calls that it was passed in.
        is_lost: whether a holder is gone that had it; not if somebody has got it since.
    """

    __slots__ = (
        "_callbacks", "_handles", "_holders", "_interfaces", "capability", "is_lost", "name", "passed_in", "service"
    )  # fmt: skip

    def __init__(
        self, callbacks: Callbacks, client_id: str, name: str, service: Service, interface: Type | None
    ) -> None:
        self._callbacks: Callbacks | None = callbacks
        # What it was passed as, for the object may have several interfaces; None stands for any.
        self._interfaces = [interface]
        self.name = name
        self.service = service
        self.passed_in: dict[tuple[str, str], ServiceMethod] = {}
        self.capability = CallbackCapability(self, ("callback", client_id, name, service.name))
        self._holders = self._handles = 0
        self.is_lost = False

    @property
    def is_idle(self) -> bool:
        """Whether no service has it any more, and only handles of clients are left that were given it by one."""
        return 0 < self._handles == self._holders

    @property
    def is_alive(self) -> bool:
        """Whether a service that gets it can still call the client's object."""
        return self._callbacks is not None

    def pass_again(self, service: Service, interface: Type | None) -> None:
        """Note that the object is passed once more, perhaps as something else, by what is known of the service now."""
        self.service = service
        if interface not in self._interfaces:
            self._interfaces.append(interface)

    def _method(self, interface_id: int, method: int | str) -> CallbackMethod:
        *others, last = self._interfaces
        for interface in others:
            with suppress(RpcError):
                return self.service.callback_method(interface, interface_id, method)
        return self.service.callback_method(last, interface_id, method)

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> asyncio.Future[Any]:
        """Pass a call of the service on to the client.

        Raises:
            RpcError: the client is gone, or its object has no such method.
        """
        callbacks = self._callbacks
        if callbacks is None:
            raise Unavailable(GONE)
        called = self._method(interface_id, method)
        refs, trace = callbacks.references(self.service), self._trace(called, call)
        refs.passed_in = self.passed_in
        try:
            params = called.write_params(args, kwargs, refs)
            traceparent = asked_in(call.traceparent) if trace is None else trace.ask()
            unbox = callbacks.client.unboxes
            answer = callbacks.ask(
                self, called.name, params, call, refs, lambda obj: called.read_results(obj, refs, unbox), traceparent
            )
        except GatewayError as error:
            refs.take_back()
            _end(trace, error.status)
            raise as_rpc_error(error) from None
        except RpcError as error:
            refs.take_back()
            _end(trace, Status.of(error.code))
            raise
        if trace is not None:
            answer.add_done_callback(partial(_settle, trace))
        result: asyncio.Future[Any] = answer.get_loop().create_future()

        def pass_on(answer: asyncio.Future[WireValue]) -> None:
            if result.done():
                return
            try:
                result.set_result(answer.result())
            except asyncio.CancelledError:
                result.set_exception(Unavailable(GONE))
            except Exception as error:
                result.set_exception(error)

        answer.add_done_callback(pass_on)
        result.add_done_callback(lambda given_up: answer.cancel() if given_up.cancelled() else None)
        return result

    def taken(self) -> None:
        """Take note that one more holder has it: a connection to the service, or a call that is to bring it there."""
        self._holders += 1
        self.is_lost = False

    def left(self, *, gone: bool) -> None:
        """Take note that a holder has it no more, or is gone itself; with the last one the object ends."""
        self._holders -= 1
        self.is_lost = self.is_lost or gone
        if self._holders <= 0:
            self.released()

    def named(self) -> None:
        """Take note that a client was given it: it lives as long as that one's handle, too."""
        self._handles += 1
        self.taken()

    def named_no_more(self) -> None:
        """Take note that such a handle has ended."""
        self._handles -= 1
        self.left(gone=False)

    def _trace(self, called: CallbackMethod, call: IncomingCall) -> CallTrace | None:
        tracer = self.service.tracer
        return None if tracer is None else tracer.callback(self.service.name, called.label, call.traceparent)

    def released(self) -> None:
        """The service let go; nobody calls this object any more."""
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            callbacks.released(self)

    def orphan(self) -> None:
        """The client is gone: later calls fail at once."""
        self._callbacks = None


class Callbacks:
    """The objects of one client that services hold, and the requests to it that wait for an answer.

    Attributes:
        client: whose they are.
        references: makes what is known of the references in one request and its answer.
    """

    def __init__(
        self,
        client: Client,
        check_room: Callable[[], None],
        references: Callable[[Service], RequestReferences],
        timeout_s: float,
    ) -> None:
        """Begin with none.

        Args:
            check_room: raises a `GatewayError` if services hold as many as may be already.
            timeout_s: how long the client may take to answer, at the most.
        """
        self.client = client
        self.references = references
        self._check_room = check_room
        self._timeout_s = timeout_s
        self._callbacks: dict[tuple[str, str], Callback] = {}
        self._asked: dict[str, _Asked] = {}
        self._ended = False

    def __len__(self) -> int:
        return len(self._callbacks)

    @property
    def names(self) -> Sequence[str]:
        """The client's own names of the objects, each once."""
        return sorted({name for name, _ in self._callbacks})

    def pass_in(
        self, name: str, service: Service, interface: Type | None, passed_in: PassedIn = NOWHERE
    ) -> tuple[Callback, bool]:
        """The client's object of that name for that service, and whether it is new there.

        Args:
            passed_in: what the client has to be permitted, so that the service may have the object.

        Raises:
            GatewayError: there may be no more.
        """
        # However many connections to the service hold it: the object counts them.
        key = (name, service.name)
        known = self._callbacks.get(key)
        if known is not None:
            known.pass_again(service, interface)
            known.passed_in.update(passed_in)
            return known, False
        try:
            self._check_room()
        except GatewayError:
            # Clients keep what came with a callback as long as that lives. So one that came home itself would live for
            # ever, unless its client lets go of it.
            idle = next((callback for callback in self._callbacks.values() if callback.is_idle), None)
            if idle is None:
                raise
            idle.released()
        made = self._callbacks[key] = Callback(self, self.client.id, name, service, interface)
        made.passed_in.update(passed_in)
        return made, True

    def end_forbidden(self, permits: Callable[[ServiceMethod], bool]) -> None:
        """End the objects that were passed in a call that their client may make no more; it is told.

        Also if it may still make another call that passed the same object: a service has one object of that name, and
        nobody knows for which of the calls it would use it.
        """
        for key, callback in list(self._callbacks.items()):
            if all(permits(method) for method in callback.passed_in.values()):
                continue
            del self._callbacks[key]
            callback.orphan()
            for asked in list(self._asked.values()):
                if asked.callback is callback:
                    asked.answer.cancel()
            if not any(name == callback.name for name, _ in self._callbacks):
                reason = "a call that it was passed in is not permitted any more"
                self.client.callback_ended(callback.name, Status.PERMISSION_DENIED.code, reason)

    def released(self, callback: Callback) -> None:
        """Take note that a service let go of an object; its client is told."""
        service = callback.service
        if self._callbacks.pop((callback.name, service.name), None) is None:
            return
        if service.upstream.state == "up" and not callback.is_lost:
            code, reason = "released", f"{service.name} holds it no more"
        else:
            code, reason = Status.UNAVAILABLE.code, f"{service.name} is gone, and with it what it held"
            for asked in list(self._asked.values()):
                if asked.callback is callback:  # and who asked is gone, too
                    asked.answer.cancel()
        if not any(name == callback.name for name, _ in self._callbacks):
            self.client.callback_ended(callback.name, code, reason)

    def ask(
        self,
        callback: Callback,
        method: str,
        params: list[JSON],
        call: IncomingCall,
        refs: RequestReferences,
        read: Callable[[JSON], WireValue],
        traceparent: str | None = None,
    ) -> asyncio.Future[WireValue]:
        """Send a request to the client, now; a future of its answer as ``read`` makes it.

        Cancelling the future withdraws the request. ``refs`` knows the handles in it, ``traceparent`` names its trace.

        Raises:
            GatewayError: it cannot be sent.
            DeadlineExceeded: it is too late for it.
        """
        loop = asyncio.get_running_loop()
        timeout_s = self._timeout_s
        if call.deadline is not None:
            timeout_s = min(timeout_s, call.deadline - loop.time())
            if timeout_s <= 0:
                raise DeadlineExceeded("the deadline had passed before the client could be asked")
        answer: asyncio.Future[WireValue] = loop.create_future()
        key = self.client.request(callback.name, method, params, traceparent)
        if self._ended:  # by the request itself: the client reads too slowly
            answer.cancel()
            return answer
        self._asked[key] = _Asked(answer, callback, refs, read)
        timer = loop.call_later(timeout_s, self._expired, key)

        def forget(_: asyncio.Future[WireValue]) -> None:
            timer.cancel()
            # If nobody waits any more: it expired, or the service gave it up.
            self._withdraw(key)

        answer.add_done_callback(forget)
        return answer

    def answered(self, key: str, result: JSON, error: GatewayError | None) -> None:
        """Take the client's answer; one that nobody waits for is forgotten."""
        asked = self._asked.get(key)
        if asked is None:
            return
        try:
            if error is not None:
                raise error
            self.accept(key, result)
        except Exception as failure:
            del self._asked[key]
            if not asked.answer.done():
                asked.answer.set_exception(as_rpc_error(failure) if isinstance(failure, GatewayError) else failure)

    def accept(self, key: str, result: JSON) -> None:
        """Take the client's results, if they fit; else the call waits on. Those that nobody waits for are forgotten.

        Raises:
            GatewayError: INVALID_ARGUMENT with the path, they do not fit the schema.
        """
        asked = self._asked.get(key)
        if asked is not None and not asked.answer.done():
            wire = asked.read(result)
            del self._asked[key]
            asked.answer.set_result(wire)

    def _expired(self, key: str) -> None:
        asked = self._asked.get(key)
        if asked is not None and not asked.answer.done():
            asked.answer.set_exception(DeadlineExceeded("the client did not answer in time"))

    def withdraw(self) -> None:
        """Give every request up, now: the client goes where its answers do not come."""
        for key, asked in list(self._asked.items()):
            self._withdraw(key)
            asked.answer.cancel()

    def _withdraw(self, key: str) -> None:
        asked = self._asked.pop(key, None)
        if asked is not None and self.client.withdraw(key):
            asked.refs.take_back()

    def drop(self) -> None:
        """Another client takes the place: what this one is asked is withdrawn, and its objects end."""
        for callback in self._callbacks.values():
            callback.orphan()
        self._callbacks.clear()
        self.withdraw()

    def end(self) -> None:
        """The client is gone: what it is asked fails, and so does what it will be asked."""
        self._ended = True
        for callback in self._callbacks.values():
            callback.orphan()
        self._callbacks.clear()
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.answer.cancel()


def _settle(trace: CallTrace, answer: asyncio.Future[JSON]) -> None:
    error = None if answer.cancelled() else answer.exception()
    if answer.cancelled():
        trace.end(Status.CANCELLED)
    else:
        trace.end(Status.of(error.code) if isinstance(error, RpcError) else None if error is None else Status.INTERNAL)


def _end(trace: CallTrace | None, status: Status) -> None:
    if trace is not None:
        trace.end(status)


def as_rpc_error(error: GatewayError) -> RpcError:
    """What a service is told when a client could not or would not answer."""
    code = error.status.code if error.status.code in CODES else Status.UNKNOWN.code
    return RpcError(code, error.detail, error.details)
