"""Whom a JSON-RPC method addresses: ``service.method``, ``@token.method``, ``#id.path.method``."""

from __future__ import annotations

from gateway.errors import METHOD_NOT_FOUND, GatewayError, Status, quote
from gateway.protocol.events import HandleTarget, ServiceTarget


def read_target(method: str) -> tuple[ServiceTarget | HandleTarget, str] | GatewayError:
    """The object addressed and the method's own name, or what is wrong. The first dot separates."""
    if method.startswith("#"):
        return GatewayError(
            Status.FAILED_PRECONDITION,
            f"{quote(method)}: calls into an answer that has not come yet are not available",
            reason="pipelining_unavailable",
        )
    owner, dot, name = method.partition(".")
    if not dot or not name or not owner:
        return GatewayError(
            Status.NOT_FOUND,
            f"there is no method {quote(method)}; a method is service.method or @handle.method",
            jsonrpc=METHOD_NOT_FOUND,
        )
    if owner.startswith("@"):
        return HandleTarget(owner[1:]), name
    if owner.startswith("!"):
        return GatewayError(
            Status.NOT_FOUND, f"{quote(method)}: callbacks are the client's own", jsonrpc=METHOD_NOT_FOUND
        )
    return ServiceTarget(owner), name
