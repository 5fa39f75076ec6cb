"""JSON-RPC 2.0: parsed JSON to messages and messages to JSON (https://www.jsonrpc.org/specification).

Knows no stream: whether an id is in use or a method exists is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.trace_context import stated

Id: TypeAlias = "str | int | None"

MAX_ID_CHARS: Final = 128
MAX_ID: Final = 2**53
"""Integers that every JSON reader takes exactly."""

OUR_IDS: Final = "g:"
"""What the ids of the gateway's own requests begin with.

Off-the-shelf clients look an id up before they look at ``method``, so the two sides' ids must never coincide.
"""

MAX_META_CHARS: Final = 512
"""Of one text in ``meta``: it goes into logs and on to the service. A traceparent has 55."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a caller says about a call beside its parameters."""

    timeout_s: float | None = None
    request_id: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None
    tracestate: str | None = None


NO_META: Final = Meta()
_PARAMS: Final = (dict, list, type(None))
_USUAL_MEMBERS: Final = 4
_usual: Final = itemgetter("jsonrpc", "id", "method", "params")


# A tuple costs half as much to make as a frozen dataclass, and half of that where `tuple.__new__` does it: the class
# would take a detour through Python. Once per call it counts.
class Request(NamedTuple):
    """A request, or with ``notification`` one that wants no answer (its ``id`` is None and means nothing)."""

    id: Id
    notification: bool
    method: str
    params: dict[str, JSON] | list[JSON] | None
    meta: Meta


@dataclass(frozen=True, slots=True)
class Answer:
    """The client's answer to a request of ours: a result, or the error it gave."""

    id: Id
    result: JSON
    error: GatewayError | None


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is neither; ``id`` is the request's as far as it can be told."""

    id: Id
    error: GatewayError


Message: TypeAlias = "Request | Answer | Invalid"


def parse(obj: JSON) -> Message:
    """What one JSON value is as a message. Never raises: what is no message is `Invalid`."""
    if type(obj) is not dict:
        return Invalid(None, GatewayError.bad_request("a message must be a JSON object"))
    if len(obj) == _USUAL_MEMBERS:
        try:
            version, id, method, params = _usual(obj)
        except KeyError:
            pass  # others than those
        else:  # as most have; what follows says the same of them
            is_usual = type(id) is int and 0 <= id <= MAX_ID and type(method) is str and type(params) in _PARAMS
            if is_usual and version == "2.0":
                return tuple.__new__(Request, (id, False, method, params, NO_META))
    id, method, params = obj.get("id"), obj.get("method"), obj.get("params")
    wrong_id = None if type(id) is int and 0 <= id <= MAX_ID else _wrong_id(id)
    told_id = None if wrong_id else id
    if obj.get("jsonrpc") != "2.0":
        return Invalid(told_id, GatewayError.bad_request('a message must have the member "jsonrpc": "2.0"'))
    if "method" not in obj:
        return answer(obj, told_id)
    if wrong_id is not None:
        return Invalid(None, GatewayError.bad_request(wrong_id))
    if not isinstance(method, str):
        return Invalid(id, GatewayError.bad_request("method must be a string"))
    if type(params) not in _PARAMS:
        return Invalid(id, GatewayError.bad_request("params must be an object or an array"))
    if type(id) is str and id.startswith(OUR_IDS):
        return Invalid(id, GatewayError.bad_request(f'ids that begin with "{OUR_IDS}" are the gateway\'s'))
    meta = NO_META
    if "meta" in obj:
        try:
            meta = parse_meta(obj["meta"])
        except GatewayError as error:
            return Invalid(id, error)
    return tuple.__new__(Request, (id, "id" not in obj, method, params, meta))


def refused(message: Message, error: GatewayError) -> Message | None:
    """What a message becomes that is not acted on for that error: None if it is a notification, which has no answer."""
    if isinstance(message, Answer):
        return Answer(message.id, None, error)
    return None if isinstance(message, Request) and message.notification else Invalid(message.id, error)


def parse_meta(obj: JSON) -> Meta:
    """Read the member ``meta``; unknown members are ignored.

    Raises:
        GatewayError: INVALID_ARGUMENT, a member is of the wrong kind.
    """
    if not isinstance(obj, dict):
        raise GatewayError(Status.INVALID_ARGUMENT, "meta must be an object")
    timeout = obj.get("timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0):
        raise GatewayError(Status.INVALID_ARGUMENT, "meta.timeout must be a number of seconds greater than 0")
    texts = []
    for name in ("request_id", "traceparent", "idempotency_key"):
        text = obj.get(name)
        if text is not None and (
            not isinstance(text, str) or not 1 <= len(text) <= MAX_META_CHARS or not text.isprintable()
        ):
            reason = f"meta.{name} must be 1 to {MAX_META_CHARS} printable characters"
            raise GatewayError(Status.INVALID_ARGUMENT, reason)
        texts.append(text)
    request_id, traceparent, idempotency_key = texts
    timeout_s = None if timeout is None else float(timeout)
    return Meta(timeout_s, request_id, traceparent, idempotency_key, stated(obj.get("tracestate")))


def _wrong_id(id: Any) -> str | None:
    if id is None:
        return None
    if isinstance(id, str):
        return None if len(id) <= MAX_ID_CHARS else f"id must be at most {MAX_ID_CHARS} characters long"
    if isinstance(id, bool) or not isinstance(id, int):
        return "id must be a string, an integer or null"
    return None if -MAX_ID <= id <= MAX_ID else "id must be an integer from -2^53 to 2^53"


def is_message(obj: Mapping[str, JSON]) -> bool:
    """Whether an object says of itself that it is a message."""
    return obj.get("jsonrpc") == "2.0"


def answer(obj: Mapping[str, JSON], id: Id) -> Answer | Invalid:
    """What the members ``result`` and ``error`` of an object say as the answer to the request of that id."""
    if "result" not in obj and "error" not in obj:
        return Invalid(id, GatewayError.bad_request("a message must have a method, or a result or an error"))
    if "result" in obj and obj.get("error") is None:  # some clients send both, one of them null
        return Answer(id, obj["result"], None)
    return Answer(id, None, _client_error(obj["error"]))


def _client_error(obj: JSON) -> GatewayError:
    """What a client's error object says, read generously: its status counts where it is one of ours."""
    if not isinstance(obj, dict):
        return GatewayError(Status.UNKNOWN, "the client answered with an error that is no object")
    message, extra = obj.get("message"), obj.get("data")
    detail = message if isinstance(message, str) and message else "the client answered with an error"
    word = extra.get("code") if isinstance(extra, dict) else None
    if isinstance(word, str):
        return GatewayError(Status.of(word), detail)
    if obj.get("code") == -32601:  # off-the-shelf clients say so of a callback they do not have
        return GatewayError(Status.UNIMPLEMENTED, detail)
    status = next((status for status in Status if status.jsonrpc == obj.get("code")), Status.UNKNOWN)
    return GatewayError(Status.UNKNOWN if status is Status.METHOD_NOT_ALLOWED else status, detail)


def result(id: Id, value: JSON) -> dict[str, JSON]:
    """The answer to a request that succeeded."""
    return {"jsonrpc": "2.0", "id": id, "result": value}


def error(id: Id, failure: GatewayError) -> dict[str, JSON]:
    """The answer to a request that failed."""
    return {"jsonrpc": "2.0", "id": id, "error": failure.jsonrpc_error()}


def request(id: Id, method: str, params: JSON, traceparent: str | None = None) -> dict[str, JSON]:
    """A request of ours, in a trace if there is one."""
    made: dict[str, JSON] = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    if traceparent is not None:
        made["meta"] = {"traceparent": traceparent}
    return made


def notification(method: str, params: JSON) -> dict[str, JSON]:
    """A notification of ours."""
    return {"jsonrpc": "2.0", "method": method, "params": params}
