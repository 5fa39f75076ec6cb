"""Which stream of a session goes on over a new socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.client import StreamRecord
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.session import Session


class Resumable(Protocol):
    """A stream at work.

    Attributes:
        stream: its rules.
    """

    stream: Stream


R = TypeVar("R", bound=Resumable)


def stream_to_resume(
    session: Session, id: str, received: int, kind: type[R], restore: Callable[[str, StreamRecord], R]
) -> R:
    """The stream of that id, if it can go on behind so many received messages.

    Args:
        kind: what it has to be: a session has clients of other doors, too.
        restore: makes one live that was in another process.

    Raises:
        GatewayError: NOT_FOUND, with a reason; nothing has changed.
    """
    attachment, record = session.find(id), session.record.streams.get(id)
    client: object = None if attachment is None else attachment.client
    if record is not None and id != session.record.listener:
        client = restore(id, record)
    if not isinstance(client, kind):
        raise GatewayError(Status.NOT_FOUND, "there is no such stream, or it has ended", reason="stream")
    if not client.stream.can_resume(received):
        detail = f"the stream cannot go on behind {received} messages: never sent, or dropped already"
        raise GatewayError(Status.NOT_FOUND, detail, reason="received")
    return client
