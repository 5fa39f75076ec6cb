"""Whom a JSON-RPC method addresses: ``service.method``, ``@token.method``, ``#id.path.method``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from gateway.errors import METHOD_NOT_FOUND, GatewayError, Status, quote
from gateway.protocols.jsonrpc.events import HandleTarget, ResultTarget, ServiceTarget

CONTROL: Final = "rpc."
"""What the methods of the gateway itself begin with."""
_KNOWN: Final = 1024
KNOWN_CHARS: Final = 128
"""So many services' methods, up to that length, are split once and then remembered."""
_MAX_CHARS: Final = 4096
"""Of a method with the way into an answer: more than any schema's names take at the permitted depth."""
_RESULT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def read_target(method: str) -> tuple[ServiceTarget | HandleTarget | ResultTarget, str] | GatewayError:
    """The object addressed and the method's own name, or what is wrong. The first dot separates.

    In ``#id.path.method`` it is the last one too: what lies between is the way into the answer.
    """
    if len(method) > _MAX_CHARS:
        return _not_found(f"there is no method {quote(method)}; at most {_MAX_CHARS} characters name one")
    if method[:1] not in "@#!" and len(method) <= KNOWN_CHARS:
        target = _service_target(method)
        if target is not None:
            return target
    owner, dot, name = method.partition(".")
    if not dot or not name or not owner:
        return _not_found(
            f"there is no method {quote(method)}; a method is service.method, @handle.method or #id.method"
        )
    if owner.startswith("@"):
        return HandleTarget(owner[1:]), name
    if owner.startswith("#"):
        id = owner[1:]
        if not _RESULT_ID.fullmatch(id):
            return _not_found(f"there is no call {quote(owner)}; an id here is 1 to 64 characters of A-Z a-z 0-9 _ -")
        *path, name = name.split(".")
        if not name:
            return _not_found(f"{quote(method)} names no method")
        return ResultTarget(id, tuple([unquote(segment) for segment in path])), unquote(name)
    if owner.startswith("!"):
        return _not_found(f"{quote(method)}: callbacks are the client's own")
    return ServiceTarget(owner), name


@lru_cache(_KNOWN)
def usual_target(method: str) -> tuple[ServiceTarget, str] | None:
    """The service addressed and its method's name; None where `read_target` has more to say, and of the gateway's own.

    For methods of short messages: so many are remembered.
    """
    if method[:1] in "@#!" or method.startswith(CONTROL):
        return None
    return _service_target(method)


@lru_cache(_KNOWN)
def _service_target(method: str) -> tuple[ServiceTarget, str] | None:
    owner, _, name = method.partition(".")
    return (ServiceTarget(owner), name) if owner and name else None


def ids_meant(text: str) -> tuple[int | str, ...]:
    """The request ids that an id in a method may stand for: digits are an integer, the rest a string.

    ``-5`` is both: an integer in decimal, and a string that is not all digits.
    """
    if text.isdigit():
        return (int(text),)
    return (int(text), text) if text[0] == "-" and text[1:].isdigit() else (text,)


def _not_found(detail: str) -> GatewayError:
    return GatewayError(Status.NOT_FOUND, detail, jsonrpc=METHOD_NOT_FOUND)
