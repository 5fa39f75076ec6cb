"""What operations are answered with beside their results: headers, and problems by HTTP status."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from gateway.errors import Status
from gateway.json.text import JSON

PROBLEM_TYPE: Final = "application/problem+json"

EVERYWHERE: Final = (403, 421, 500)
"""A page or a host that is not let in, and a fault of the gateway."""
CALL: Final = (400, 401, 404, 409, 413, 429, 499, 501, 502, 503, 504)
"""What the gateway says to a call, or the service by a status of its choice."""
BODY: Final = (400, 413, 415)

_MEANINGS: Final = {
    304: "Not changed since the answer with that ETag.",
    400: "A value, the JSON or a header does not fit; `path` says which value.",
    401: "It is not known who asks.",
    403: "Not permitted: to a page of another origin, to who has not the roles, or by the service.",
    404: "There is no such thing.",
    405: "Not this method; `Allow` has those that are.",
    406: "None of the media types that `Accept` permits.",
    409: "There is one already, or something came between.",
    413: "Over a size limit, in either direction.",
    415: "The body is of another media type than this one takes.",
    421: "The gateway does not answer to that host's name.",
    429: "Over a limit: of calls, also in a time, of handles, callbacks or logins. `Retry-After` says until when.",
    499: "Cancelled.",
    500: "An exception of the service that chose no code, or a fault of the gateway.",
    501: "The service does not have this method.",
    502: "The connection to the service was lost while the call was under way; it may have run or not.",
    503: "The service cannot be reached, so the call was not delivered; or it cannot be found out who asks.",
    504: "No answer in time.",
}

_MORE_HEADERS: Final = {429: ("Retry-After", "RateLimit-Policy", "RateLimit")}


def problems(*statuses: Iterable[int]) -> dict[str, JSON]:
    """The problems of an operation, for its ``responses``."""
    wanted = sorted({status for group in (*statuses, EVERYWHERE) for status in group})
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in wanted}


def _name(status: int) -> str:
    return "NotModified" if status == 304 else f"Problem{status}"


def response_components() -> dict[str, JSON]:
    """``#/components/responses``."""
    return {
        "NotModified": {"description": _MEANINGS[304], "headers": headers("ETag", "X-Request-Id")},
        **{
            _name(status): problem_answer(
                _MEANINGS[status], {"$ref": "#/components/schemas/Problem"}, *_MORE_HEADERS.get(status, ())
            )
            for status in _MEANINGS
            if status != 304
        },
    }


def headers(*names: str) -> dict[str, JSON]:
    """Headers of an answer by their names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_components() -> dict[str, JSON]:
    """``#/components/headers``."""
    text = {"type": "string"}
    return {
        "X-Request-Id": {"description": "Finds the request in the gateway's log.", "required": True, "schema": text},
        "Session-Id": {"description": "The session that the answer opened.", "schema": text},
        "ETag": {"description": "For `If-None-Match`; none where the answer holds handles.", "schema": text},
        "Retry-After": {"description": "In how many seconds it is worth to try again.", "schema": {"type": "integer"}},
        "RateLimit-Policy": {
            "description": "How many calls in how many seconds are permitted, by draft-ietf-httpapi-ratelimit-headers.",
            "schema": {**text, "examples": ['"per_principal";q=200;w=1']},
        },
        "RateLimit": {
            "description": "How many of them are left, and for how many seconds there are no more.",
            "schema": {**text, "examples": ['"per_principal";r=150;t=1']},
        },
    }


def answer(description: str, shape: JSON, *names: str, media_type: str = "application/json") -> dict[str, Any]:
    """A good answer of that schema, with these headers."""
    return {
        "description": description,
        "headers": headers("X-Request-Id", *names),
        "content": {media_type: {"schema": shape}},
    }


def problem_answer(description: str, shape: JSON, *names: str) -> dict[str, JSON]:
    """An answer that is a problem of that schema, with these headers."""
    return {
        "description": description,
        "headers": headers("X-Request-Id", *names),
        "content": {PROBLEM_TYPE: {"schema": shape}},
    }


def problem_schema() -> dict[str, JSON]:
    """The problem object (RFC 9457)."""
    codes = [status.code for status in Status]
    statuses = sorted({status.http for status in Status})
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457). Programs decide by `code`.",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {**text, "examples": [HTTPStatus.BAD_REQUEST.phrase]},
            "status": {"type": "integer", "enum": statuses},
            "detail": {**text, "examples": ['$.first: expected Int32, got "two"']},
            "code": {"type": "string", "enum": codes},
            "path": {**text, "description": "JSON path of the bad value from the parameters' root."},
            "service": text,
            "method": text,
            "request_id": text,
            "reason": {**text, "description": "Tells causes of one code apart."},
            "cause": {"$ref": "#/components/schemas/Problem"},
            "details": {"description": "What the service adds."},
            "retry_after": {"type": "integer", "description": "In how many seconds it is worth to try again."},
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    }
