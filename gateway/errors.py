"""What can go wrong in the gateway, in one table, and the one exception that carries it to a client.

`Status` is the status table of PROTOCOL.md; `GatewayError` knows its two forms, the problem object (RFC 9457) of REST
and the error object of JSON-RPC. Knows no door and no upstream.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final, Self

from cara_pseud.errors import RemoteError, RpcError

NOTHING: Final = "there is nothing at this path"
"""What is said of a path, be it that nothing is there or that the caller may not see it."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601


_PHRASES: Final = {413: "Content Too Large", 422: "Unprocessable Content", 499: "Client Closed Request"}
"""Those that Python has by older names (RFC 9110), and nginx's, which is in no registry."""


def phrase(http: int) -> str:
    """The words for an HTTP status."""
    return _PHRASES.get(http) or HTTPStatus(http).phrase


class Status(enum.Enum):
    """Every way a call or a request can fail: (code, HTTP status, JSON-RPC code).

    The last four occur over HTTP only; their JSON-RPC code is that of an invalid request.
    """

    CANCELLED = ("cancelled", 499, -32001)
    UNKNOWN = ("unknown", 500, -32002)
    INVALID_ARGUMENT = ("invalid_argument", 400, -32602)
    DEADLINE_EXCEEDED = ("deadline_exceeded", 504, -32004)
    NOT_FOUND = ("not_found", 404, -32005)
    ALREADY_EXISTS = ("already_exists", 409, -32006)
    PERMISSION_DENIED = ("permission_denied", 403, -32007)
    RESOURCE_EXHAUSTED = ("resource_exhausted", 429, -32008)
    FAILED_PRECONDITION = ("failed_precondition", 400, -32009)
    ABORTED = ("aborted", 409, -32010)
    OUT_OF_RANGE = ("out_of_range", 400, -32011)
    UNIMPLEMENTED = ("unimplemented", 501, -32012)
    INTERNAL = ("internal", 500, -32603)
    UNAVAILABLE = ("unavailable", 503, -32014)
    UNAUTHENTICATED = ("unauthenticated", 401, -32016)
    OUTCOME_UNKNOWN = ("outcome_unknown", 502, -32017)
    TOO_LARGE = ("too_large", 413, -32018)
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, INVALID_REQUEST)
    NOT_ACCEPTABLE = ("not_acceptable", 406, INVALID_REQUEST)
    UNSUPPORTED_MEDIA_TYPE = ("unsupported_media_type", 415, INVALID_REQUEST)
    MISDIRECTED = ("misdirected", 421, INVALID_REQUEST)

    def __init__(self, code: str, http: int, jsonrpc: int) -> None:
        self.code = code
        self.http = http
        self.jsonrpc = jsonrpc
        self.title = phrase(http)

    @classmethod
    def of(cls, code: str) -> Status:
        """The status of that code; a code that nobody knows is `UNKNOWN`."""
        return next((status for status in cls if status.code == code), cls.UNKNOWN)


class GatewayError(Exception):
    """A call or request failed; what the client is told about it.

    Attributes:
        status: the row of the status table.
        detail: the whole text for people, with the path in front where there is one.
        path: JSON path of the value to blame, from the parameters' root: ``$.items[1].qty``.
        service, method, request_id: which call it was, as far as known.
        reason: a word for programs where one status has several causes.
        cause: the problem object of the call that made this one fail.
        details: what the service said for programs.
        retry_after: in how many seconds it is worth to try again; also the header ``Retry-After``.
    """

    def __init__(
        self,
        status: Status,
        detail: str,
        *,
        path: str | None = None,
        service: str | None = None,
        method: str | None = None,
        request_id: str | None = None,
        reason: str | None = None,
        cause: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
        jsonrpc: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.path = path
        self.service = service
        self.method = method
        self.request_id = request_id
        self.reason = reason
        self.cause = cause
        self.details = details
        self.retry_after = retry_after
        self._jsonrpc = jsonrpc

    @classmethod
    def invalid(cls, reason: str, path: str = "$") -> GatewayError:
        """A value of the caller does not fit the schema."""
        return cls(Status.INVALID_ARGUMENT, f"{path}: {reason}", path=path)

    @classmethod
    def unparsable(cls, detail: str) -> GatewayError:
        """A text of the caller is no JSON."""
        return cls(Status.INVALID_ARGUMENT, detail, jsonrpc=PARSE_ERROR)

    @classmethod
    def bad_request(cls, detail: str) -> GatewayError:
        """A JSON value of the caller is no JSON-RPC request."""
        return cls(Status.INVALID_ARGUMENT, detail, jsonrpc=INVALID_REQUEST)

    @classmethod
    def unknown_service(cls, name: str, known: Collection[str] = ()) -> GatewayError:
        """The caller named a service that there is not."""
        detail = f"there is no service {quote(name)}{nearest(name, known)}"
        return cls(Status.NOT_FOUND, detail, jsonrpc=METHOD_NOT_FOUND)

    @classmethod
    def unknown_method(cls, owner: str, name: str, known: Collection[str] = ()) -> GatewayError:
        """The caller named a method that the service or interface ``owner`` has not."""
        detail = f"{owner} has no method {quote(name)}{nearest(name, known)}"
        return cls(Status.NOT_FOUND, detail, jsonrpc=METHOD_NOT_FOUND)

    def at(self, service: str | None = None, method: str | None = None, request_id: str | None = None) -> Self:
        """Say which call this was where it is not said yet; returns self."""
        self.service = self.service or service
        self.method = self.method or method
        self.request_id = self.request_id or request_id
        return self

    def problem(self) -> dict[str, Any]:
        """The problem object of RFC 9457, with our members behind its own."""
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.title,
            "status": self.status.http,
            "detail": self.detail,
            "code": self.status.code,
        }
        for name in ("path", "service", "method", "request_id", "reason", "cause", "details", "retry_after"):
            value = getattr(self, name)
            if value is not None:
                problem[name] = value
        return problem

    def as_cause(self) -> Mapping[str, Any]:
        """What a call that failed by this one tells of it: the call that failed first, one level deep, and short.

        Many calls may fail by one, and each has an answer of its own; what the service said for programs stands in the
        answer of the first only.
        """
        if self.cause is not None:
            return self.cause
        problem = self.problem()
        problem.pop("details", None)
        problem["detail"] = shortened(self.detail)
        return problem

    def jsonrpc_error(self) -> dict[str, Any]:
        """The error object of JSON-RPC 2.0 with the problem as its data."""
        code = self.status.jsonrpc if self._jsonrpc is None else self._jsonrpc
        return {"code": code, "message": self.detail, "data": self.problem()}


def from_rpc_error(error: RpcError, *, expose_errors: bool = False) -> GatewayError:
    """What a client is told about the failure of a call at a service.

    The text of an exception that the service did not raise for its callers may hold anything, so it is told only
    with ``expose_errors``; its class always is.
    """
    status = Status.of(error.code)
    if isinstance(error, RemoteError):
        name = shortened(error.exception_class, _NAME_CHARS)
        detail = f"the service raised {name}"
        if expose_errors and error.message:
            detail += f": {error.message}"
        return GatewayError(status, detail, details={"exception": name})
    details = error.details
    path = details.get("path") if isinstance(details, Mapping) else None
    return GatewayError(
        status,
        error.message or error.code.replace("_", " "),
        # Where a service says which value is to blame, in the words that the gateway has for its own findings.
        path=path if isinstance(path, str) and _PATH.match(path) else None,
        details=details,
    )


_PATH: Final = re.compile(r"\$(?:[.\[][^\0-\x1f\x7f]{0,500})?\Z")


TOLD_CHARS: Final = 1000
"""How much of a text is told where the whole has no place; what is said first says most."""
_NAME_CHARS: Final = 200
"""Of an exception's class: a service chooses it, and no program has longer ones."""


def shortened(text: str, chars: int = TOLD_CHARS) -> str:
    """The beginning of a text, with a mark if that is not the whole."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


SHOWN_CHARS = 40
"""How much of a text from outside an error message repeats; enough to recognise it, too little to flood a log."""


def quote(text: str) -> str:
    """A text from outside as it stands in a message: in quotes, short, without control characters."""
    shown = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return '"' + "".join(char if char.isprintable() else "\ufffd" for char in shown) + '"'


def nearest(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: which known one was probably meant."""
    # difflib's time grows with the product of the lengths, and the name may be a megabyte.
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) if len(name) <= 100 else []
    if close:
        return f"; did you mean {quote(close[0])}?"
    if known:
        first = sorted(known)[:8]
        more = ", …" if len(known) > len(first) else ""
        return f"; known: {', '.join(first)}{more}"
    return ""
