"""Bodies that are no JSON: what a request brings for a method's Data, and what it is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.errors import GatewayError, Status, quote
from gateway.http.base import BaseHandler
from gateway.http.request_head import HttpRequest
from gateway.json.text import JSON
from gateway.protocols.rest.representation import entity_tag, is_known
from gateway.raw_bodies import RawBody

POLICY: Final = "sandbox"
"""A browser that shows it as a page runs nothing of it: it may be anybody's."""


def with_body(params: dict[str, JSON], raw: RawBody, request: HttpRequest) -> dict[str, JSON]:
    """The parameters of a path and a query, and beside them the body.

    Raises:
        GatewayError: UNSUPPORTED_MEDIA_TYPE; or INVALID_ARGUMENT, the query has that parameter, too.
    """
    name = raw.param
    assert name is not None  # asked before
    headers: Mapping[str, str] = request.headers
    content_type = headers.get("Content-Type")
    if not raw.takes(content_type) and (request.body or content_type is not None):
        came = f"not {quote(content_type)}" if content_type else "and its Content-Type has to say so"
        raise GatewayError(
            Status.UNSUPPORTED_MEDIA_TYPE, f"the body is the parameter {name}: it must be {raw.media_type}, {came}"
        )
    if headers.get("Content-Encoding", "identity") != "identity":
        raise GatewayError(Status.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
    if name in params:
        raise GatewayError.invalid("is given in the query and in the body", f"$.{name}")
    return {**params, name: bytes(request.body)}


def answer_raw(handler: BaseHandler, data: bytes, raw: RawBody, *, tagged: bool) -> None:
    """Finish with bytes of a type that is not ours to vouch for.

    Args:
        tagged: whether they are the same until somebody changes them, so that they have a tag.
    """
    handler.set_header("Content-Type", raw.media_type)
    handler.set_header("Content-Security-Policy", POLICY)
    if tagged:
        handler.set_header("ETag", tag := entity_tag(data, strong=True))
        handler.set_header("Cache-Control", "private, no-cache")
        if is_known(tag, handler.sent.get("If-None-Match")):
            handler.set_status(304)
            data = b""
    handler.finish(data)
