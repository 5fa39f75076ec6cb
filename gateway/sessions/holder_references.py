"""What is known about references in one message: handles of a session both ways, callbacks of one of its clients.

One object per message or call. It remembers what it counted and made, so that a message that fails half-way leaves
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import Service, ServiceMethod
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import Where
from gateway.json.text import JSON
from gateway.reference_form import handle as handle_form
from gateway.sessions.callbacks import NOWHERE, Callback, Callbacks, PassedIn
from gateway.sessions.handles import Handle, Handles
from gateway.sessions.session import Session
from gateway.upstream.base import Upstream


class CountedHandles:
    """Handles given to one holder within one message."""

    __slots__ = ("_service", "_tokens")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tokens: list[str] = []

    def put(self, handles: Handles, holder: str, capability: Capability, interface: Type | None) -> JSON:
        """Count an object for the holder; its JSON form."""
        handle = handles.put(holder, self._service, interface, capability)
        self._tokens.append(handle.token)
        return handle_form(handle.token, handle.interface_name)

    def take_back(self, handles: Handles, holder: str) -> None:
        """Undo every `put`: the message never reached the client."""
        for token in self._tokens:
            handles.release(holder, token)
        self._tokens.clear()

    def __bool__(self) -> bool:
        return bool(self._tokens)


def given(
    session: Session, token: str, service: Service, interface: Type | None, where: Where, beside: Capability | None
) -> tuple[Capability, Capability | None]:
    """The object behind a handle as a service gets it, if it has the interface that is expected there.

    Args:
        beside: the first object of the same message that comes home.

    Returns:
        The form in which it is given; and the object itself, if it comes home, too: it is the service's own, and lives
        where that other one does.

    Raises:
        GatewayError: NOT_FOUND, there is no such handle; INVALID_ARGUMENT, it has another interface.
    """
    handle = session.handles.get(token, where)
    if handle.interface is not None and not handle.fits(interface):
        expected, got = service.interface_name(interface), handle.interface_name
        raise GatewayError.invalid(f"expected an object with the interface {expected}, this one has {got}", where())
    capability = handle.capability
    home = capability if _comes_home(handle, service.upstream, beside) else None
    if home is not None and len(service.upstream.connections) == 1:
        return capability, home
    # Of several endpoints only the one that it goes to knows whether the object is its own: a call is made where its
    # target lives, or where there is an endpoint left.
    return session.passed.passed(handle.service, capability), home


def _comes_home(handle: Handle, upstream: Upstream, beside: Capability | None) -> bool:
    connections = upstream.connections
    if len(connections) == 1 and handle.service.upstream is upstream:
        return True
    for connection in connections:
        if connection.owns(handle.capability):
            return beside is None or connection.owns(beside)
    return False


def calls_of(method: ServiceMethod | None) -> PassedIn:
    """What is passed in a call of that method; None: in something else."""
    return NOWHERE if method is None else {(method.service_name, method.label): method}


def hold(callbacks: Sequence[Callback]) -> Sequence[Callback]:
    """Keep callbacks alive, whoever else has them or lets go of them, until `let_go`."""
    for callback in callbacks:
        callback.taken()
    return tuple(callbacks)


def let_go(callbacks: Sequence[Callback]) -> None:
    """Keep those alive no longer that `hold` gave."""
    for callback in callbacks:
        callback.left(gone=False)


class Holder(Protocol):
    """A client as the references in its messages see it."""

    @property
    def id(self) -> str:
        """Its name in the session's handles."""

    @property
    def callbacks(self) -> Callbacks:
        """Its objects that services hold."""

    def live_session(self) -> Session:
        """Its session; made if there is none yet. Raises GatewayError when the client is over."""


class HolderReferences:
    """References in one message to or from a client, or in a call and its answer.

    Attributes:
        coming_home: see `gateway.calls.CallReferences`.
        passed_in: the calls that the client has to be permitted for the objects that it passes.
    """

    __slots__ = ("_counted", "_held", "_holder", "_made", "_passed", "_service", "coming_home", "passed_in")

    def __init__(self, holder: Holder, service: Service, method: ServiceMethod | None = None) -> None:
        self._holder = holder
        self._service = service
        self.passed_in = calls_of(method)
        self._counted = CountedHandles(service)
        self._made: list[Callback] = []
        self._passed: list[Callback] = []
        self._held: Sequence[Callback] = ()
        self.coming_home: Capability | None = None

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        session = self._holder.live_session()
        capability, home = given(session, token, self._service, interface, where, self.coming_home)
        if self.coming_home is None:
            self.coming_home = home
        return capability

    def callback_in(self, name: str, interface: Type | None, where: Where) -> Capability:
        # Its session bounds how many there may be, so there has to be one.
        self._holder.live_session()
        callback, is_new = self._holder.callbacks.pass_in(name, self._service, interface, self.passed_in)
        self._passed.append(callback)
        if is_new:
            self._made.append(callback)
        return callback.capability

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        path = where()
        detail = f"{path}: the result of a call cannot be referred to here"
        raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path, reason="result")

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        try:
            handles = self._holder.live_session().handles
        except GatewayError:
            capability.give_back(1)
            raise
        return self._counted.put(handles, self._holder.id, capability, interface)

    def make_room(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._holder.live_session().handles.check_room()

    def take_back(self) -> None:
        """The handles do not reach the client."""
        if self._counted:
            with suppress(GatewayError):  # the client is over, and what it held went with it
                self._counted.take_back(self._holder.live_session().handles, self._holder.id)

    def hold(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._held = hold(self._passed)

    def never_sent(self) -> None:
        """The message did not reach the service, so nobody but us will ever let go of its callbacks."""
        self.settled()
        for callback in self._made:
            callback.released()

    @property
    def may_be_sent_again(self) -> bool:
        """See `gateway.calls.CallReferences`."""
        return all(callback.is_alive for callback in self._passed)

    def settled(self) -> None:
        """See `gateway.calls.CallReferences`."""
        held, self._held = self._held, ()
        let_go(held)


class DiscardedReferences:
    """References in a call whose answer nobody waits for: every object in it is let go."""

    __slots__ = ("_inner",)

    def __init__(self, inner: HolderReferences) -> None:
        self._inner = inner

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        return self._inner.handle_in(token, interface, where)

    def callback_in(self, name: str, interface: Type | None, where: Where) -> Capability:
        return self._inner.callback_in(name, interface, where)

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        return self._inner.result_in(obj, interface, where)

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        capability.give_back(1)
        return None

    @property
    def coming_home(self) -> Capability | None:
        """See `gateway.calls.CallReferences`."""
        return self._inner.coming_home

    def make_room(self) -> None:
        """See `gateway.calls.CallReferences`. Nothing is kept."""

    def take_back(self) -> None:
        """See `gateway.calls.CallReferences`. Nothing was counted."""

    def hold(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._inner.hold()

    def never_sent(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._inner.never_sent()

    @property
    def may_be_sent_again(self) -> bool:
        """See `gateway.calls.CallReferences`."""
        return self._inner.may_be_sent_again

    def settled(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._inner.settled()
