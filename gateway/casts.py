"""Taking an object for what else it is: a handle of its own for another interface of its service's schema.

Nobody can see from here what an object really has; its service refuses what it has not. What a caller may call is asked
of each call, by the interface that declares the method, so a cast opens nothing that is not open anyhow.
"""

from __future__ import annotations

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError, nearest, quote
from gateway.json.text import JSON
from gateway.reference_form import handle as handle_form
from gateway.sessions.handles import Handle, Handles


def cast(
    handles: Handles, holder: str, token: str, interface: str, catalogue: Catalogue, roles: frozenset[str]
) -> Handle:
    """Count one reference of ``holder`` to the object of a handle, as one with another interface.

    Args:
        interface: its name, among those of the schema of the service that the object came from.
        roles: of whoever asks, who is told of no interface of which it may call nothing.

    Raises:
        GatewayError: NOT_FOUND, there is no such handle; INVALID_ARGUMENT, there is no such interface;
            RESOURCE_EXHAUSTED, there are as many handles as may be.
    """
    handle = handles.get(token)
    service = handle.service
    routes = service.routes.seen_by(roles, catalogue.rules_of(service))
    type = routes.interface_named(interface)
    if type is None:
        near = nearest(interface, routes.interfaces)
        detail = f"the schema of {service.name} has no interface {quote(interface)}{near}"
        raise GatewayError.invalid(detail, "$.interface").at(service.name)
    return handles.cast(holder, handle, type)


def cast_form(handle: Handle) -> dict[str, JSON]:
    """A handle as its client gets it."""
    return handle_form(handle.token, handle.interface_name)
