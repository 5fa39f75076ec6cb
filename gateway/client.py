"""Whoever is at the other end of a session: a WebSocket's stream, or a listener of server-sent events.

One protocol for all doors. A session, its callbacks and the end of the gateway know clients by this and by nothing
else. And what is left of a client as plain data when it has no process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gateway.json.text import JSON


@dataclass(slots=True)
class StreamRecord:
    """One client's ordered conversation, between two messages.

    Attributes:
        unbox: whether it wants single results as themselves.
        sent, received, acknowledged: messages sent to it, taken from it, and confirmed by it.
        requests: how many requests it was sent; their keys go on from there.
        kept: the messages that it has not confirmed, in order.
    """

    unbox: bool = False
    sent: int = 0
    received: int = 0
    acknowledged: int = 0
    requests: int = 0
    kept: list[str] = field(default_factory=list)


class Client(Protocol):
    """One client of a session. Its objects are in a `gateway.sessions.callbacks.Callbacks` beside it."""

    @property
    def id(self) -> str:
        """Its name as a holder of handles; unguessable."""

    @property
    def is_open(self) -> bool:
        """Whether it can be told something now; else it may come back and is told then."""

    @property
    def is_busy(self) -> bool:
        """Whether calls of it are under way."""

    @property
    def is_unused(self) -> bool:
        """Whether it never asked for anything, and was told nothing that it could miss."""

    @property
    def kept_bytes(self) -> int:
        """How much is kept for it that it has not confirmed."""

    @property
    def unboxes(self) -> bool:
        """Whether it answers a single result as itself."""

    def request(self, name: str, method: str, params: list[JSON], traceparent: str | None = None) -> str:
        """Ask its object ``name`` to run a method. Sent at once, so that requests keep their order.

        Args:
            traceparent: the trace that the request belongs to.

        Returns:
            The request's key; the answer goes to `Callbacks.answered` under it.

        Raises:
            GatewayError: the request cannot be sent; nothing was.
        """

    def withdraw(self, key: str) -> bool:
        """Give a request up.

        Returns:
            Whether it never reaches the client, so that the handles in it go back.
        """

    def callback_ended(self, name: str, code: str, reason: str) -> None:
        """Tell it that no service holds its object ``name`` any more."""

    def handle_ended(self, token: str, code: str, reason: str) -> None:
        """Tell it that the object behind a handle is no more."""

    def session_ended(self, reason: str) -> None:
        """Tell it that the session is no more; it is over."""

    def suspend(self) -> StreamRecord:
        """End it here, so that it can go on elsewhere: tell it what ended, and write down what it was not told yet."""

    def drain(self) -> None:
        """Take no more calls, and say how many messages were taken; those under way go on, and what they need."""

    def shut_down(self) -> None:
        """Learn that the gateway stops: what is under way fails, what it holds is no more, and it is over."""
