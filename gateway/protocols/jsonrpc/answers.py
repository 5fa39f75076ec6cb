"""What the gateway answers by itself: ``rpc.describe``, ``rpc.discover`` and ``rpc.cast``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from cara_pseud.schema.nodes import InterfaceNode, Kind, Type
from gateway import fixed_paths
from gateway.casts import cast, cast_form
from gateway.catalogue import Catalogue
from gateway.describe.descriptions import describe_handle, describe_interface, describe_service
from gateway.errors import GatewayError, Status, quote
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import (
    AnswerDropped,
    CastRequested,
    DescribeRequested,
    Event,
    HandleTarget,
    Question,
)
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.handles import Handle, Handles


class HandleOwner(Protocol):
    """A session, as far as it concerns what its objects can do."""

    @property
    def handles(self) -> Handles:
        """What it holds."""


class Questioner(NamedTuple):
    """Who asks.

    Attributes:
        owner: gives the session; raises a `GatewayError` if there is none.
        holder: as whom it holds handles there.
        roles: what it has.
    """

    owner: Callable[[], HandleOwner]
    holder: str
    roles: frozenset[str]


def answer_question(
    stream: Stream, asked: Question, catalogue: Catalogue, asker: Questioner
) -> tuple[list[Event], Handle | None]:
    """Answer it: what happened then, and the handle that was given, if one was.

    One that does not reach the client is not counted for it.
    """
    handle: Handle | None = None
    try:
        if isinstance(asked, CastRequested):
            handle = _cast(asked, catalogue, asker)
            happened = stream.answer(asked.call, cast_form(handle))
        else:
            happened = stream.answer(asked.call, describe(asked, catalogue, asker.owner, asker.roles))
    except GatewayError as error:
        happened = [AnswerDropped(asked.call), *stream.fail(asked.call, error)]
    wanted = [event for event in happened if type(event) is not AnswerDropped]
    if handle is not None and len(wanted) < len(happened):
        asker.owner().handles.release(asker.holder, handle.token)
        handle = None
    return wanted, handle


def _cast(asked: CastRequested, catalogue: Catalogue, asker: Questioner) -> Handle:
    assert isinstance(asked.target, HandleTarget)  # it has waited for any other
    return cast(asker.owner().handles, asker.holder, asked.target.token, asked.method, catalogue, asker.roles)


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
