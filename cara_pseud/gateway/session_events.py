"""What a session tells whoever it belongs to, and what it needs of a socket. Words only."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cara_pseud.errors import RpcError
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.requests import CallbackReply


class ConnectionState(enum.Enum):
    """What a client's user is told of its connection."""

    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateChange:
    """What has become of the connection.

    Attributes:
        resumed: with OPEN: whether objects, callbacks and calls of the connection before live on.
        code, reason: of the socket that was closed.
        error: with CLOSED: why.
    """

    state: ConnectionState
    resumed: bool = False
    code: int | None = None
    reason: str = ""
    error: RpcError | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream was lost, and with it calls under way, objects and callbacks; another one has begun.

    Attributes:
        same_session: whether the session is the same, which REST calls and other clients may share.
    """

    reason: str
    same_session: bool


class TextSocket(Protocol):
    """An open socket as the protocol sees it."""

    def send(self, frame: bytes) -> None:
        """Write one text message, given as UTF-8."""

    def close(self, code: int, reason: str) -> None:
        """Close it. `StreamSession.disconnected` is told so at once or soon."""


class SessionEvents(Protocol):
    """What the owner of a session is told and asked."""

    def ask_token(self, answer: Callable[[str | None, BaseException | None], None]) -> None:
        """Give the token that says who this is, now or later, or why there is none."""

    def state_changed(self, change: StateChange) -> None:
        """The connection is in another state."""

    def reset(self, reset: Reset) -> None:
        """A stream was lost and another begun; comes before OPEN."""

    def released(self, what: Mapping[str, JSON]) -> None:
        """The gateway let go of a handle or a callback."""

    def session_lost(self) -> None:
        """No handle lives any more, and nobody has a callback."""

    def callback(self, name: str, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object] | None:
        """See `cara_pseud.gateway.requests.RequestEvents`."""

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None:
        """See `cara_pseud.gateway.requests.RequestEvents`."""

    def unclaimed(self, value: JSON) -> None:
        """See `cara_pseud.gateway.requests.RequestEvents`."""
