"""References in a REST request and its answer: handles of the request's session, callbacks of its listener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.access.principals import ANONYMOUS, Principal
from gateway.catalogue import Service, ServiceMethod
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import Where
from gateway.json.text import JSON
from gateway.protocols.rest.request_session import RequestSession
from gateway.sessions.callbacks import Callback
from gateway.sessions.handles import REST
from gateway.sessions.holder_references import CountedHandles, calls_of, given, hold, let_go
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions


class HttpReferences:
    """What is known of them in one call. The first handle in an answer opens a session.

    Args:
        owner: the session of the request, which may have other calls.
        method: what is called.
        discards: whether nobody will read the answer, so that every object in it is let go.

    Attributes:
        coming_home: see `gateway.calls.CallReferences`.
    """

    __slots__ = (
        "_counted", "_discards", "_held", "_made", "_owner", "_passed", "_passed_in", "_reserved", "_service",
        "coming_home",
    )  # fmt: skip

    def __init__(
        self, service: Service, owner: RequestSession, method: ServiceMethod | None = None, *, discards: bool = False
    ) -> None:
        self._service = service
        self._owner = owner
        self._passed_in = calls_of(method)
        self._counted = CountedHandles(service)
        self._made: list[Callback] = []
        self._passed: list[Callback] = []
        self._discards = discards
        self._reserved = False
        self._held: Sequence[Callback] = ()
        self.coming_home: Capability | None = None

    def make_room(self) -> None:
        """See `gateway.calls.CallReferences`."""
        if self._discards:
            return
        session = self._owner.session
        if session is not None:
            session.handles.check_room()
        else:
            self._owner.reserve()
            self._reserved = True

    def settled(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._let_go()
        self._unreserve()

    def _unreserve(self) -> None:
        if self._reserved:
            self._reserved = False
            self._owner.unreserve()

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        session = self._owner.session
        if session is None:
            path = where()
            detail = f"{path}: there is no such handle, because the request belongs to no session"
            raise GatewayError(Status.NOT_FOUND, detail, path=path)
        capability, home = given(session, token, self._service, interface, where, self.coming_home)
        if self.coming_home is None:
            self.coming_home = home
        return capability

    def callback_in(self, name: str, interface: Type | None, where: Where) -> Capability:
        session = self._owner.session
        listener = None if session is None else session.listener
        if listener is None or not listener.client.is_open:
            path = where()
            detail = f"{path}: a callback needs an open GET /api/events of the same session, or the WebSocket at /ws"
            raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path)
        callback, is_new = listener.callbacks.pass_in(name, self._service, interface, self._passed_in)
        self._passed.append(callback)
        if is_new:
            self._made.append(callback)
        return callback.capability

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        path = where()
        detail = f"{path}: a request cannot refer to the result of another one"
        raise GatewayError(Status.FAILED_PRECONDITION, detail, path=path)

    def handle_out(self, capability: Capability, interface: Type | None) -> JSON:
        if self._discards:
            capability.give_back(1)
            return None
        session = self._owner.session
        if session is None:
            self._unreserve()  # in the place that was kept for it
            try:
                session = self._owner.open()
            except GatewayError:
                capability.give_back(1)
                raise
        elif session.ended:
            capability.give_back(1)
            raise GatewayError(Status.NOT_FOUND, "the session ended before the answer came", reason="session")
        return self._counted.put(session.handles, REST, capability, interface)

    @property
    def may_be_sent_again(self) -> bool:
        """See `gateway.calls.CallReferences`."""
        return all(callback.is_alive for callback in self._passed)

    @property
    def holds_handles(self) -> bool:
        """Whether the answer has handles."""
        return bool(self._counted)

    def take_back(self) -> None:
        """The handles do not reach the client."""
        session = self._owner.session
        if session is not None and not session.ended:
            self._counted.take_back(session.handles, REST)

    def hold(self) -> None:
        """See `gateway.calls.CallReferences`."""
        self._held = hold(self._passed)

    def never_sent(self) -> None:
        """The call did not reach the service, so nobody but us will ever let go of its callbacks."""
        self._let_go()
        for callback in self._made:
            callback.released()

    def _let_go(self) -> None:
        held, self._held = self._held, ()
        let_go(held)


class RestReferences(HttpReferences):
    """Those of a request that is one call.

    Args:
        session: the request's; None if it names none.
        principal, address: who asks, for whom a session is opened.
        may_open: whether one may be opened.
        discards: whether nobody will read the answer.
        method: what is called.
    """

    __slots__ = ()

    def __init__(
        self,
        service: Service,
        session: Session | None,
        sessions: Sessions,
        principal: Principal = ANONYMOUS,
        address: str = "",
        *,
        may_open: bool = True,
        discards: bool = False,
        method: ServiceMethod | None = None,
    ) -> None:
        owner = RequestSession(sessions, session, principal, address, may_open=may_open)
        super().__init__(service, owner, method, discards=discards)

    @property
    def session(self) -> Session | None:
        """The request's, or the one that was opened."""
        return self._owner.session

    @property
    def opened(self) -> bool:
        """Whether it was opened here."""
        return self._owner.opened

    def take_back(self) -> None:
        """The answer does not reach the client, nor the name of a session that was opened for it."""
        super().take_back()
        self._owner.abandon()
