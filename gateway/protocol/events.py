"""What a `Stream` tells its edge to do: texts to send, calls to begin, answers that came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from gateway.errors import GatewayError
from gateway.protocol.json_text import JSON
from gateway.protocol.messages import Meta


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data``, UTF-8, to the client; one text message, or after hello one of several that may share one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with that code; the stream has ended."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The client wants a session: ``session`` None is a new one. ``stream`` and ``received`` are set to resume.

    To be answered by `Stream.welcome` or `Stream.fail` before the next `Stream.receive`.
    """

    call: int
    session: str | None
    stream: str | None
    received: int | None
    token: str | None


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """A service by its name."""

    service: str


@dataclass(frozen=True, slots=True)
class HandleTarget:
    """An object by its token."""

    token: str


class CallRequested(NamedTuple):  # as messages.Request: made once per call
    """Begin a call, before the next event: calls start in the order sent.

    ``call`` is the stream's own number for it; `Stream.answer` or `Stream.fail` ends it, harmlessly for a notification.
    """

    call: int
    notification: bool
    target: ServiceTarget | HandleTarget
    method: str
    params: dict[str, JSON] | list[JSON] | None
    meta: Meta


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The client gives a call up; it is still to be answered, with `cancelled`."""

    call: int


@dataclass(frozen=True, slots=True)
class CallbackAnswered:
    """The client answered the request ``key``: with a result, unchecked, or with an error."""

    key: str
    result: JSON
    error: GatewayError | None


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The client gives back ``count`` references of a handle. It has its answer already."""

    token: str
    count: int


@dataclass(frozen=True, slots=True)
class DescribeRequested:
    """The client asks what something can do; ``kind`` says of what ``name`` is the name.

    ``service`` is set where the client said of which service an interface is.
    """

    call: int
    kind: Literal["service", "interface", "handle"]
    name: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerDropped:
    """The result given for that call was not sent, or an error in its place: what it holds for the client goes back."""

    call: int


Event: TypeAlias = (
    "Send | Close | Hello | CallRequested | CancelRequested | CallbackAnswered | ReleaseRequested"
    " | DescribeRequested | AnswerDropped"
)
