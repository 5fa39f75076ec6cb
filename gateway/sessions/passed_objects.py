"""Objects of one service that a session has passed to another one, as that calls them.

Each call is asked for as one of the session's own principal, by the rules of that moment, and counts as one that it
makes itself; none is made when the session is over. What a call gives to the service that made it, such as further
objects, is passed in the same way: otherwise one object that may be passed would lead to all that it gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.capabilities import CallOptions, Capability, IncomingCall
from cara_pseud.errors import DeadlineExceeded, RpcError
from cara_pseud.local import LentCapability, LocalCapability
from cara_pseud.schema.nodes import InterfaceNode
from gateway.access.principals import Principal
from gateway.catalogue import Service
from gateway.errors import GatewayError

MayCall = Callable[[Principal, Service, int, int], bool]
"""Whether a principal may call a method of a service's object, by the id of the declaring interface and its own."""
Admits = Callable[[Principal, str], "asyncio.Future[None] | None"]
"""Whether one more call of a principal, or without one of an address, may begin; as `gateway.calls.Admit`."""


def may_all(principal: Principal, service: Service, interface_id: int, method_id: int) -> bool:
    """Let everybody call everything."""
    return True


def admit_all(principal: Principal, address: str) -> None:
    """Let everybody call as often as they like."""


class Passer(Protocol):
    """The session that passes objects.

    Attributes:
        principal: whose it is.
        ended: whether it is over.
        address: of who opened it; "" if it is not known.
    """

    principal: Principal
    ended: bool

    @property
    def address(self) -> str: ...


class PassedObjects:
    """What of a session other services have.

    Args:
        may_call: who may call what.
        now: seconds since 1970.
        admits: whether who passed them may make one more call.
    """

    __slots__ = ("_admits", "_key", "_may_call", "_now", "_owner", "lent")

    def __init__(
        self, owner: Passer, may_call: MayCall, now: Callable[[], float], admits: Admits = admit_all
    ) -> None:
        self._owner = owner
        self._may_call = may_call
        self._admits = admits
        self._now = now
        self._key = object()  # a holder may keep it longer than the session lives
        self.lent: set[PassedObject] = set()

    @property
    def is_over(self) -> bool:
        """Whether the session is."""
        return self._owner.ended

    def passed(self, service: Service, capability: Capability) -> LentCapability:
        """The form in which an object of a service is given to another one.

        Args:
            capability: the object, whose references stay with whoever has them.
        """
        return LentCapability(capability, PassedObject(self, service, capability), (self._key, capability.key))

    def admitted(self) -> asyncio.Future[None] | None:
        """Count one call: None if it may begin now, or a future that is done when it may, or fails.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there were too many; the future fails likewise.
        """
        return self._admits(self._owner.principal, self._owner.address)

    def authorise(self, service: Service, interface_id: int, method: int | str) -> int | str:
        """Let a call pass, or not; the method as it is told to the service.

        Raises:
            RpcError: ``not_found``, the session is over; ``permission_denied``, its principal may not make this call;
                ``unimplemented``, the interface has no such method.
        """
        owner = self._owner
        principal = owner.principal
        if owner.ended or principal.is_removed or self._now() >= principal.expires_at:
            raise RpcError("not_found", "the session that passed this object is over")
        id = _method_id(service, interface_id, method)
        if not self._may_call(principal, service, interface_id, -1 if id is None else id):
            raise RpcError("permission_denied", "who passed this object has not all roles that the call requires")
        return method if id is None else id

    def options(self, call: IncomingCall) -> CallOptions:
        """What is told of a call: it is the principal's, whoever makes it.

        Raises:
            DeadlineExceeded: it is too late for it.
        """
        principal, timeout_s = self._owner.principal, None
        if call.deadline is not None:
            timeout_s = call.deadline - asyncio.get_running_loop().time()
            if timeout_s <= 0:
                raise DeadlineExceeded("the deadline had passed before the object could be called")
        return CallOptions(
            timeout_s, call.request_id, principal.name, call.traceparent, call.idempotency_key, principal.role_names
        )

    def end(self) -> None:
        """The session is over: what was kept for other services goes back."""
        for one in list(self.lent):
            one.end()


class PassedObject:
    """One object as another service calls it: a `cara_pseud.local.Lender`."""

    __slots__ = ("_capability", "_lent", "_objects", "_service")

    def __init__(self, objects: PassedObjects, service: Service, capability: Capability) -> None:
        self._objects = objects
        self._service = service
        self._capability = capability
        self._lent = 0

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> asyncio.Future[Any]:
        """Make the call that another service wants.

        Raises:
            RpcError: it is not permitted, one too many, or too late.
        """
        objects = self._objects

        def begin() -> asyncio.Future[Any]:
            told = objects.authorise(self._service, interface_id, method)
            return self._capability.call(interface_id, told, args, kwargs, objects.options(call), self._passed_on)

        try:
            admitted = objects.admitted()
        except GatewayError as error:
            raise _too_many(error) from None
        return begin() if admitted is None else asyncio.ensure_future(_once_admitted(admitted, begin))

    def _passed_on(self, value: Any) -> Any:
        """A result with its objects in the form in which they are given to another service."""
        if isinstance(value, Capability):
            # One of ours is a client's, or passed already.
            return value if isinstance(value, LocalCapability) else self._objects.passed(self._service, value)
        if isinstance(value, dict):
            return {key: self._passed_on(each) for key, each in value.items()}
        return [self._passed_on(each) for each in value] if isinstance(value, list) else value

    def lent(self) -> None:
        """See `cara_pseud.local.Lender`."""
        if not self._objects.is_over:
            self._lent += 1
            self._objects.lent.add(self)
            self._capability.lend()

    def released(self) -> None:
        """One of those who have it let go."""
        if self._lent:
            self._lent -= 1
            self._capability.returned()
        if not self._lent:
            self._objects.lent.discard(self)

    def end(self) -> None:
        """Nobody can call it any more."""
        while self._lent:
            self.released()


async def _once_admitted(admitted: asyncio.Future[None], begin: Callable[[], asyncio.Future[Any]]) -> Any:
    try:
        await admitted
    except GatewayError as error:
        raise _too_many(error) from None
    return await begin()


def _too_many(error: GatewayError) -> RpcError:
    """What the service is told whose call is one too many: the gateway's own errors are none of its peers'."""
    return RpcError(error.status.code, f"who passed this object may not call now: {error.detail}")


def _method_id(service: Service, interface_id: int, method: int | str) -> int | None:
    """The id of a method in an interface of the service's schema; None if that has no such interface."""
    node = service.schema.nodes.get(interface_id)
    if not isinstance(node, InterfaceNode):
        return None
    for declared in node.methods:
        if method in (declared.id, declared.name):
            return declared.id
    raise RpcError("unimplemented", "the object has no such method")
