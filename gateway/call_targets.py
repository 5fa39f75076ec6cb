"""What a call means: the method, and the object that it is made on."""

from __future__ import annotations

from cara_pseud.capabilities import Capability
from gateway.access.permissions import denied
from gateway.access.principals import ANONYMOUS, Principal
from gateway.catalogue import Catalogue, ServiceMethod
from gateway.errors import GatewayError, Status, quote
from gateway.sessions.session import Session


def method_of_service(
    catalogue: Catalogue, service: str, name: str, principal: Principal = ANONYMOUS
) -> ServiceMethod:
    """What a call of a service's own method means; its target is the root of the service.

    Args:
        principal: who asks, to whom an error names nothing that it may not call.

    Raises:
        GatewayError: NOT_FOUND, there is no such service or method; PERMISSION_DENIED or UNAUTHENTICATED, there is no
            such method in a service that the principal may not see.
    """
    found = catalogue.services.get(service)
    method = None if found is None else found.methods.get(name)
    if method is not None:
        return method
    seen = catalogue.seen_by(principal.roles)
    if found is not None and service not in seen.routes:
        raise denied(principal, service, name)
    raise GatewayError.unknown_method(service, name, seen.service(service).methods.keys()).at(service)


def method_of_handle(session: Session, token: str, name: str) -> tuple[ServiceMethod, Capability]:
    """What a call of an object's method means, and its target. The service is the one that the object came from.

    Raises:
        GatewayError: NOT_FOUND, there is no such handle or method; FAILED_PRECONDITION, the object has no interface.
    """
    handle = session.handles.get(token)
    return handle.service.object_method(handle.interface, name, session.principal.roles), handle.capability


def method_of_object(
    session: Session, token: str, service: str, interface: str, name: str
) -> tuple[ServiceMethod, Capability]:
    """As `method_of_handle`, for a caller who says what the object is: of which service, and with which interface.

    Raises:
        GatewayError: INVALID_ARGUMENT, the object is something else; or as there.
    """
    handle = session.handles.get(token)
    if handle.interface is not None and handle.service.name == service:
        for ancestor in handle.service.schema.ancestry(handle.interface):
            if handle.service.interface_name(ancestor) == interface:
                return handle.service.object_method(ancestor, name, session.principal.roles), handle.capability
    expected = f"an object of {quote(service)} with the interface {quote(interface)}"
    got = f"{handle.service.name}'s, with the interface {handle.interface_name or '(unknown)'}"
    raise GatewayError(Status.INVALID_ARGUMENT, f"expected {expected}, this is {got}")
