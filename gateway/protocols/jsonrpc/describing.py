"""What ``rpc.describe`` and ``rpc.discover`` answer."""

from __future__ import annotations

from collections.abc import Callable

from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway import fixed_paths
from gateway.catalogue import Catalogue, find_service
from gateway.describe.descriptions import describe_handle, describe_interface, describe_service
from gateway.errors import GatewayError, Status, quote
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import AnswerDropped, DescribeRequested, Event
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.handles import Handle, Handles


def answer_description(
    stream: Stream, wanted: DescribeRequested, catalogue: Catalogue, handles: Callable[[], Handles]
) -> list[Event]:
    """Answer the request for a description; what happened then.

    Args:
        handles: gives those of the client, or raises a GatewayError.
    """
    try:
        happened = stream.answer(wanted.call, describe(wanted, catalogue, lambda token: handles().get(token)))
    except GatewayError as error:
        happened = stream.fail(wanted.call, error)
    return [event for event in happened if type(event) is not AnswerDropped]


def describe(wanted: DescribeRequested, catalogue: Catalogue, handle_of: Callable[[str], Handle]) -> JSON:
    """What something can do; of everything, the OpenRPC document.

    Raises:
        GatewayError: NOT_FOUND, there is no such thing; or what ``handle_of`` raises for a token.
    """
    if wanted.kind == "everything":
        return catalogue.documents[fixed_paths.OPENRPC].value
    services = catalogue.services
    if wanted.kind == "service":
        return describe_service(find_service(services, wanted.name).routes)
    if wanted.kind == "handle":
        handle = handle_of(wanted.name)
        return describe_handle(handle.token, handle.service.routes, handle.interface)
    only = None if wanted.service is None else find_service(services, wanted.service)
    for service in services.values() if only is None else (only,):
        node = service.schema.find(wanted.name)
        if isinstance(node, InterfaceNode):
            return describe_interface(service.routes, Type(Kind.INTERFACE, node.id))
    raise GatewayError(Status.NOT_FOUND, f"no service has an interface {quote(wanted.name)}")
