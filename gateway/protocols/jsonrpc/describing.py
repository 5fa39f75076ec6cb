"""What `rpc.describe` and `rpc.discover` are answered with."""

from __future__ import annotations

from collections.abc import Callable

from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway import fixed_paths
from gateway.catalogue import Catalogue, find_service
from gateway.describe.descriptions import describe_handle, describe_interface, describe_service
from gateway.errors import GatewayError, Status, quote
from gateway.json.text import JSON, parse
from gateway.protocols.jsonrpc.events import DescribeRequested
from gateway.sessions.session import Session


def described(asked: DescribeRequested, catalogue: Catalogue, session: Callable[[], Session]) -> JSON:
    """What the thing can do that is asked about; of everything, the OpenRPC document.

    Args:
        session: the asker's; raises a `GatewayError` if there is none.

    Raises:
        GatewayError: NOT_FOUND, there is no such thing.
    """
    if asked.kind == "everything":
        return parse(catalogue.documents[fixed_paths.OPENRPC].data)
    services = catalogue.services
    if asked.kind == "service":
        return describe_service(find_service(services, asked.name).routes)
    if asked.kind == "handle":
        handle = session().handles.get(asked.name)
        return describe_handle(handle.token, handle.service.routes, handle.interface)
    only = None if asked.service is None else find_service(services, asked.service)
    for service in services.values() if only is None else (only,):
        node = service.schema.find(asked.name)
        if isinstance(node, InterfaceNode):
            return describe_interface(service.routes, Type(Kind.INTERFACE, node.id))
    raise GatewayError(Status.NOT_FOUND, f"no service has an interface {quote(asked.name)}")
