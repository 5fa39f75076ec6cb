"""The ``rpc.*`` methods: which there are and what their parameters must be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypeGuard

from gateway.access.presented import MAX_CREDENTIAL_CHARS
from gateway.errors import GatewayError, Status
from gateway.json.codec.scalars import show
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.events import HandleTarget, ResultTarget
from gateway.protocols.jsonrpc.messages import MAX_ID, Id, Request
from gateway.protocols.jsonrpc.targets import CONTROL
from gateway.reference_form import HANDLE, REFERENCE_FORM, RESULT, TOKEN

PROTOCOL: Final = 1
SUPPORTED = (PROTOCOL,)
"""The protocol versions that `rpc.hello` may ask for."""

_MAX_NAME_CHARS: Final = 4096
_LONGEST: Final = {"session": _MAX_NAME_CHARS, "stream": _MAX_NAME_CHARS, "token": MAX_CREDENTIAL_CHARS}
"""How many characters each text of hello may have; a token as many as in a header."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An ``rpc.`` method that there is not, or one whose parameters are wrong."""

    error: GatewayError


@dataclass(frozen=True, slots=True)
class HelloParams:
    """``rpc.hello``; ``error`` says what is wrong with it."""

    session: str | None = None
    stream: str | None = None
    received: int | None = None
    unbox: bool = False
    token: str | None = field(default=None, repr=False)
    anew: bool = False
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """``rpc.ack``."""

    received: int
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """``rpc.release``."""

    handle: str
    count: int
    error: None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """``rpc.cancel``."""

    id: Id
    error: None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """``rpc.describe``, where ``service`` may go with an interface; or ``rpc.discover``, which asks for everything."""

    kind: Literal["service", "interface", "handle", "everything"]
    name: str
    service: str | None = None
    error: None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """``rpc.cast``; ``interface`` is the name of what the object is to be taken for."""

    target: HandleTarget | ResultTarget
    interface: str
    error: None = None


@dataclass(frozen=True, slots=True)
class PingParams:
    """``rpc.ping``, which asks for nothing but an answer."""

    error: None = None


DISCOVER: Final = "rpc.discover"
"""What the OpenRPC specification calls the method that gives the document."""

OF_SOCKETS: Final = ("rpc.hello", "rpc.ack")
"""What only a stream needs that may outlive its socket."""

Control: TypeAlias = "Unknown | HelloParams | Ack | Release | Cancel | Describe | Cast | PingParams"


def read_control(message: Request, without: Collection[str] = ()) -> Control | None:
    """The ``rpc.`` method that a request calls, or None if it calls something else.

    Args:
        without: methods that there are not.
    """
    if not message.method.startswith(CONTROL):
        return None
    readers: Mapping[str, Callable[[Mapping[str, JSON]], Control]] = {
        "rpc.hello": _hello,
        "rpc.ack": _ack,
        "rpc.release": _release,
        "rpc.cancel": _cancel,
        "rpc.describe": _describe,
        "rpc.cast": _cast,
        DISCOVER: lambda params: Describe("everything", ""),
        "rpc.ping": lambda _: PingParams(),
    }
    reader = None if message.method in without else readers.get(message.method)
    if reader is None:
        known = [name for name in readers if name not in without]
        return Unknown(GatewayError.unknown_method("the gateway", message.method, known))
    params = message.params or {}  # clients that know only arrays send an empty one
    if not isinstance(params, dict):
        error = GatewayError.invalid(f"{message.method} takes its parameters by name")
        return HelloParams(error=error) if reader is _hello else Unknown(error)
    if reader is _hello and message.notification:
        return HelloParams(error=GatewayError.bad_request("rpc.hello needs an id"))
    return reader(params)


def welcome(
    session: str, stream: str, received: int, resumed: bool, resume_window_s: float, limits: dict[str, JSON]
) -> JSON:
    """The result of ``rpc.hello``."""
    return {
        "protocol": PROTOCOL,
        "session": session,
        "stream": stream,
        "received": received,
        "resumed": resumed,
        "resume_window_s": resume_window_s,
        "limits": limits,
    }


def _hello(params: Mapping[str, JSON]) -> HelloParams:
    protocol = params.get("protocol")
    if not _is_whole(protocol) or protocol not in SUPPORTED:
        said = show(protocol) if "protocol" in params else "missing"
        return HelloParams(error=GatewayError(
            Status.UNIMPLEMENTED,
            f"protocol {said} is not supported; supported: {', '.join(map(str, SUPPORTED))}",
            details={"supported": list(SUPPORTED)},
        ))
    for name, longest in _LONGEST.items():
        text = params.get(name)
        if text is not None and (not isinstance(text, str) or not 1 <= len(text) <= longest):
            return HelloParams(error=GatewayError.invalid(f"expected 1 to {longest} characters", f"$.{name}"))
    for name in ("unbox", "anew"):
        if not isinstance(params.get(name, False), bool):
            return HelloParams(error=GatewayError.invalid("expected true or false", f"$.{name}"))
    unbox, anew, received = params.get("unbox", False), params.get("anew", False), params.get("received")
    if received is not None and (not _is_whole(received) or received < 0):
        return HelloParams(error=GatewayError.invalid("expected a number of messages", "$.received"))
    stream = params.get("stream")
    if stream is not None and (params.get("session") is None or received is None):
        missing = "session" if params.get("session") is None else "received"
        return HelloParams(error=GatewayError.invalid("a stream is resumed with session and received", f"$.{missing}"))
    return HelloParams(params.get("session"), stream, received, unbox, params.get("token"), anew)


def _ack(params: Mapping[str, JSON]) -> Control:
    received = params.get("received")
    if not _is_whole(received) or received < 0:
        return Ack(0, GatewayError.invalid("expected a number of messages", "$.received"))
    return Ack(received)


def _release(params: Mapping[str, JSON]) -> Control:
    handle, count = params.get("handle"), params.get("count", 1)
    if not isinstance(handle, str) or not TOKEN.fullmatch(handle):
        return Unknown(GatewayError.invalid("expected a handle's token", "$.handle"))
    if not _is_whole(count) or not 1 <= count <= MAX_ID:
        return Unknown(GatewayError.invalid("expected a number of references, at least 1", "$.count"))
    return Release(handle, count)


def _cancel(params: Mapping[str, JSON]) -> Control:
    id = params.get("id")
    if not isinstance(id, str) and not _is_whole(id):
        return Unknown(GatewayError.invalid("expected the id of a call", "$.id"))
    return Cancel(id)


def _describe(params: Mapping[str, JSON]) -> Control:
    service, interface, handle = (params.get(name) for name in ("service", "interface", "handle"))
    for name in ("service", "interface", "handle"):
        if not isinstance(params.get(name, ""), str):
            return Unknown(GatewayError.invalid("expected a name", f"$.{name}"))
    if handle is not None and service is None and interface is None:
        return Describe("handle", handle)
    if interface is not None and handle is None:
        return Describe("interface", interface, service)
    if service is not None and handle is None:
        return Describe("service", service)
    return Unknown(GatewayError.invalid("expected one of service, interface and handle"))


def _cast(params: Mapping[str, JSON]) -> Control:
    handle, interface = params.get("handle"), params.get("interface")
    if not isinstance(interface, str):
        return Unknown(GatewayError.invalid("expected the name of an interface", "$.interface"))
    if isinstance(handle, str) and TOKEN.fullmatch(handle):
        return Cast(HandleTarget(handle), interface)
    kind = REFERENCE_FORM.recognise(handle)
    if isinstance(handle, dict) and kind in (HANDLE, RESULT):
        fault = REFERENCE_FORM.fault(kind, handle)
        if fault is not None:
            return Unknown(GatewayError.invalid(fault, "$.handle"))
        if kind == HANDLE:
            return Cast(HandleTarget(handle[HANDLE]), interface)
        return Cast(ResultTarget(str(handle[RESULT]), tuple(map(str, handle.get("path") or ()))), interface)
    expected = f'expected a handle\'s token, {{"{HANDLE}": …}} or {{"{RESULT}": …}}'
    return Unknown(GatewayError.invalid(expected, "$.handle"))


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
