"""What a `Stream` tells its edge to do: texts to send, calls to begin, answers that came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Type
from gateway.catalogue import ServiceMethod
from gateway.errors import GatewayError
from gateway.json.text import JSON
from gateway.protocols.jsonrpc.messages import Id, Meta


class Send(NamedTuple):  # as messages.Request: made once per call
    """Write ``data``, UTF-8, to the client; one text message, or after hello one of several that may share one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with that code; the stream has ended."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class BufferFull:
    """So much waits for the client that its next calls are to wait until it has read; see `Stream.is_full`."""


BUFFER_FULL: Final = BufferFull()


@dataclass(frozen=True, slots=True)
class Hello:
    """The client wants a session: ``session`` None is a new one. ``stream`` and ``received`` are set to resume,
    ``anew`` to do so as another client than before, which knows nothing of what that one held.

    ``token`` says who it is, if it says so.

    To be answered by `Stream.welcome` or `Stream.fail` before the next `Stream.receive`; or by `Stream.give_way`, and
    then by the `Stream.resume` of the stream that goes on.
    """

    call: int
    session: str | None
    stream: str | None
    received: int | None
    token: str | None = field(default=None, repr=False)
    anew: bool = False


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """A service by its name."""

    service: str


@dataclass(frozen=True, slots=True)
class HandleTarget:
    """An object by its token."""

    token: str


@dataclass(frozen=True, slots=True)
class ResultTarget:
    """An object inside the answer to another call; an edge never sees this one."""

    id: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromisedTarget:
    """An object that an answer will bring, which can be called before that; and what is called on it."""

    method: ServiceMethod
    capability: Capability


@dataclass(frozen=True, slots=True)
class PromisedResults:
    """Objects in an answer that has not come, by their places, each with the interface that it is declared with."""

    objects: Mapping[tuple[str | int, ...], tuple[Capability, Type]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, for those that call into its answer: with an error, or a result as its client is sent it."""

    result: JSON
    error: GatewayError | None = None


class CallRequested(NamedTuple):  # as messages.Request: made once per call
    """Begin a call, before the next event: calls start in the order sent.

    ``call`` is the stream's own number for it; `Stream.answer` or `Stream.fail` ends it, harmlessly for a notification.
    ``results`` are the answers that its parameters refer to; see `gateway.protocols.jsonrpc.pipeline.find_object`.
    """

    call: int
    notification: bool
    target: ServiceTarget | HandleTarget | ResultTarget | PromisedTarget
    method: str
    params: dict[str, JSON] | list[JSON] | None
    meta: Meta
    results: Mapping[Id, Outcome | PromisedResults] | None = None


class FollowRequested(NamedTuple):
    """Begin a call that refers to answers, or that may not overtake others that do; or give it to `Stream.place`.

    ``refers`` is whether its parameters may hold ``$result``.
    """

    request: CallRequested
    refers: bool


class CastRequested(CallRequested):
    """Take an object for what else it is: it waits for that as a call does, and is ended as one.

    ``method`` is the name of the interface; there are no parameters.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CallWaits:
    """A call waits for the answers that it refers to: end it with `Stream.fail` if that takes too long.

    `CallRequested` or `WaitEnded` comes when the wait is over.
    """

    call: int
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class WaitEnded:
    """A call that waited has failed without having begun; it is answered already."""

    call: int


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

    ``service`` is set where the client said of which service an interface is. ``everything`` has no name; it is asked
    for as one document.
    """

    call: int
    kind: Literal["service", "interface", "handle", "everything"]
    name: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerDropped:
    """Nobody waits for the result given for that call: what it holds for the client goes back."""

    call: int


@dataclass(frozen=True, slots=True)
class RequestDropped:
    """A request that was withdrawn never reaches the client: what it holds for it goes back."""

    key: str


Question: TypeAlias = "DescribeRequested | CastRequested"
"""What the gateway answers by itself."""

NO_OBJECTS: Final = Outcome(None)
"""Of a call whose result holds nothing that could be called."""

Event: TypeAlias = (
    "Send | Close | BufferFull | Hello | CallRequested | CancelRequested | CallbackAnswered | ReleaseRequested"
    " | CastRequested | DescribeRequested | AnswerDropped | RequestDropped | CallWaits | WaitEnded | FollowRequested"
)
