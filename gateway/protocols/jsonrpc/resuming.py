"""Which stream of a session goes on over a new socket, and what of it does not when another client goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.client import StreamRecord
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.call_pace import CallPace
from gateway.protocols.jsonrpc.events import Hello
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.session import Session


class Resumable(Protocol):
    """A stream at work.

    Attributes:
        stream, pace: its rules, and when its calls begin.
        callbacks: the client's objects that services hold.
    """

    stream: Stream
    pace: CallPace
    callbacks: Callbacks


R = TypeVar("R", bound=Resumable)


def stream_to_resume(
    session: Session, hello: Hello, kind: type[R], restore: Callable[[str, StreamRecord], R]
) -> R:
    """The stream that hello asks for, if it can go on behind so many received messages.

    Args:
        kind: what it has to be: a session has clients of other doors, too.
        restore: makes one live that was in another process.

    Raises:
        GatewayError: NOT_FOUND, with a reason; nothing has changed.
    """
    id, received = hello.stream or "", hello.received or 0
    attachment, record = session.find(id), session.record.streams.get(id)
    client: object = None if attachment is None else attachment.client
    if record is not None and id != session.record.listener:
        client = restore(id, record)
    if not isinstance(client, kind):
        raise GatewayError(Status.NOT_FOUND, "there is no such stream, or it has ended", reason="stream")
    if not client.stream.can_resume(received):
        detail = f"the stream cannot go on behind {received} messages: never sent, or dropped already"
        raise GatewayError(Status.NOT_FOUND, detail, reason="received")
    if hello.anew:
        _let_go(client, session)
    return client


def _let_go(client: Resumable, session: Session) -> None:
    """Release what the client before held, which nobody can reach any more; its calls that have begun go on."""
    client.pace.fail_held("its client is gone")
    client.callbacks.drop()
    session.handles.drop_holder(client.stream.id)
