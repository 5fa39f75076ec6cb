"""What ``rpc.describe`` and ``rpc.discover`` answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway import fixed_paths
from gateway.catalogue import Catalogue
from gateway.describe.descriptions import describe_handle, describe_interface, describe_service
from gateway.errors import GatewayError, Status, quote
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import AnswerDropped, DescribeRequested, Event
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.handles import Handles


class HandleOwner(Protocol):
    """A session, as far as it concerns what its objects can do."""

    @property
    def handles(self) -> Handles:
        """What it holds."""


def answer_description(
    stream: Stream,
    wanted: DescribeRequested,
    catalogue: Catalogue,
    owner: Callable[[], HandleOwner],
    roles: frozenset[str],
) -> list[Event]:
    """Answer the request for a description, see `describe`; what happened then."""
    try:
        happened = stream.answer(wanted.call, describe(wanted, catalogue, owner, roles))
    except GatewayError as error:
        happened = stream.fail(wanted.call, error)
    return [event for event in happened if type(event) is not AnswerDropped]


def describe(
    wanted: DescribeRequested, catalogue: Catalogue, owner: Callable[[], HandleOwner], roles: frozenset[str]
) -> JSON:
    """What something can do; of everything, the OpenRPC document. It is what somebody with these roles may call.

    Raises:
        GatewayError: NOT_FOUND, there is no such thing; or no session, or no such handle in it.
    """
    seen = catalogue.seen_by(roles)
    if wanted.kind == "everything":
        return seen.document(fixed_paths.OPENRPC).value
    if wanted.kind == "service":
        return describe_service(seen.service(wanted.name))
    if wanted.kind == "handle":
        handle = owner().handles.get(wanted.name)
        routes = handle.service.routes.seen_by(roles, catalogue.rules_of(handle.service))
        return describe_handle(handle.token, routes, handle.interface)
    only = None if wanted.service is None else seen.service(wanted.service)
    for routes in seen.routes.values() if only is None else (only,):
        node = routes.schema.find(wanted.name)
        if isinstance(node, InterfaceNode):
            interface = Type(Kind.INTERFACE, node.id)
            if routes.sees(interface):
                return describe_interface(routes, interface)
    raise GatewayError(Status.NOT_FOUND, f"no service has an interface {quote(wanted.name)}")
