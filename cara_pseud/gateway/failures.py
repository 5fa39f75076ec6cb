"""Errors between this process and a gateway's JSON-RPC, both ways (PROTOCOL.md, "Errors"). Knows no calls.

A call through a gateway fails with the classes that one of a peer fails with. What the gateway said of it besides, such
as the path of a bad value or the request's id in its log, is the error's ``problem``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cara_pseud.errors import CODES, InvalidValue, RpcError, UnknownField, error_of_status

NUMBERS: Final[Mapping[str, int]] = {
    "cancelled": -32001,
    "unknown": -32002,
    "invalid_argument": -32602,
    "deadline_exceeded": -32004,
    "not_found": -32005,
    "already_exists": -32006,
    "permission_denied": -32007,
    "resource_exhausted": -32008,
    "failed_precondition": -32009,
    "aborted": -32010,
    "out_of_range": -32011,
    "unimplemented": -32012,
    "internal": -32603,
    "unavailable": -32014,
    "unauthenticated": -32016,
    "outcome_unknown": -32017,
    "too_large": -32018,
}
"""Status name → number of JSON-RPC."""

_NAMES: Final = {
    **{number: code for code, number in NUMBERS.items()},
    -32700: "invalid_argument",
    -32600: "invalid_argument",
    -32601: "not_found",
}

LONGEST_WAIT_S: Final = 60.0
"""Whoever would have to wait longer is told so, and may do something else."""


def from_answer(error: Any) -> RpcError:
    """Read the ``error`` member of an answer. Never raises: a gateway that breaks the form gets ``unknown``."""
    members = error if isinstance(error, Mapping) else {}
    problem = members.get("data")
    problem = problem if isinstance(problem, Mapping) else None
    code = (problem or {}).get("code")
    if code not in CODES:
        number = members.get("code")
        code = _NAMES.get(number, "unknown") if isinstance(number, int) else "unknown"
    message = members.get("message")
    if not isinstance(message, str):
        message = (problem or {}).get("detail")
    details = (problem or {}).get("details")
    failure = error_of_status(
        code,
        message if isinstance(message, str) else "the gateway gave no reason",
        details if isinstance(details, Mapping) else None,
    )
    failure.problem = problem
    return failure


def to_answer(error: BaseException) -> dict[str, Any]:
    """Write what a callback raised as the ``error`` member of an answer.

    An `RpcError` keeps its status, so that a callback can answer ``not_found`` on purpose; everything else is
    ``unknown``. The traceback stays in this process.
    """
    code = error.code if isinstance(error, RpcError) else "unknown"
    # An error's text is not refused for a character that UTF-8 does not have.
    text = str(error).encode("utf-8", "replace").decode()
    data: dict[str, Any] = {"code": code, "detail": text}
    if isinstance(error, RpcError) and error.details:
        data["details"] = error.details
        if isinstance(error.details.get("path"), str):
            data["path"] = error.details["path"]
    return {"code": NUMBERS[code], "message": text, "data": data}


def dependent(error: BaseException) -> BaseException:
    """The error of a call that builds on one that failed: one level deep, however long the chain is."""
    if not isinstance(error, RpcError):
        return error
    failure = error_of_status(error.code, f"the call that this one builds on failed: {error.message}", None)
    cause = {name: value for name, value in (error.problem or {}).items() if name != "cause"}
    failure.problem = {"code": error.code, "cause": cause}
    failure.__cause__ = error
    return failure


def refused(error: InvalidValue | UnknownField) -> RpcError:
    """The error of a value that cannot be sent."""
    failure = RpcError("invalid_argument", str(error), {"path": error.path})
    failure.problem = {"code": "invalid_argument", "detail": str(error), "path": error.path}
    return failure


def wait_of(data: Any) -> float | None:
    """In how many seconds a call may be made again that was refused; None if it was begun, or nobody knows."""
    if not isinstance(data, Mapping):
        return None
    cause = data.get("cause")
    wait = data.get("retry_after", cause.get("retry_after") if isinstance(cause, Mapping) else None)
    return float(wait) if isinstance(wait, int | float) and not isinstance(wait, bool) and wait >= 0 else None


def never_started(number: Any) -> bool:
    """Whether that is an error by which JSON-RPC itself says that nothing was called."""
    return isinstance(number, int) and number <= -32600 and number != NUMBERS["internal"]
