"""Messages that came in batches and wait until it is their turn: so many of each peer, then others have theirs.

A batch can hold more work than others should wait for. What is over the share of one turn of the loop stays here, in
order, and so does everything that comes from the same peer behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from cara_pseud.batches import Message
from cara_pseud.cork import Cork

_LOG: Final = logging.getLogger(__name__)

IN_ONE_TURN: Final = 64
LARGE_BYTES: Final = 16_384
"""Batches from here on wait for a turn, in which their peer's share is a time: each answer of so many bytes may take a
millisecond. Many small ones that travel together stay below it."""
_SHARE_S: Final = 0.004
"""A peer's share of a turn is over after this time even so."""
_HEAD_BYTES: Final = 200
"""What a message that waits takes beside its body."""


class Inbox:
    """What waits of one peer.

    Attributes:
        bytes: what that takes.
        turn: the turn of the loop in which messages of it were worked off last.
        left: how many more may be in that turn.
        ahead: whether everything is to be kept here first, since more comes than can be worked off.
    """

    __slots__ = ("_messages", "ahead", "bytes", "left", "turn")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.bytes = 0
        self.turn = -1
        self.left = 0
        self.ahead = False

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, messages: Sequence[Message]) -> None:
        """Keep messages behind what is there."""
        self._messages.extend(messages)
        self.bytes += sum(len(body) + _HEAD_BYTES for _, _, body in messages)

    def take(self) -> Message:
        """The message that has waited longest."""
        message = self._messages.popleft()
        self.bytes -= len(message[2]) + _HEAD_BYTES
        return message

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self.bytes = 0


class Sender(Protocol):
    """Whose messages wait in an inbox."""

    inbox: Inbox
    lost: bool


class Inboxes:
    """Works off the inboxes of all connections of a peer.

    Args:
        handle: handles one message; what it raises ends that message only.
        dropped: counts by reason.
        behind: told after every change how much waits.
    """

    def __init__(
        self, handle: Callable[[Any, bytes, bytes, bytes], None], dropped: Counter[str], behind: Callable[[], None]
    ) -> None:
        self._handle = handle
        self._dropped = dropped
        self._tell = behind
        self._behind: dict[Sender, None] = {}

    def __len__(self) -> int:
        return sum(len(connection.inbox) for connection in self._behind)

    def take_in(
        self, connection: Sender, messages: list[Message], number: int, cork: Cork, loop: Any, large: bool = False
    ) -> None:
        """Handle messages of a batch that came in the loop's turn of that number, as many as may be now.

        Args:
            large: whether the batch is of `LARGE_BYTES` and more, so that the clock is looked at between its messages.
        """
        inbox = connection.inbox
        if not (inbox or inbox.ahead or large):
            if inbox.turn != number:
                inbox.turn, inbox.left = number, IN_ONE_TURN
            now, messages = messages[: inbox.left], messages[inbox.left :]
            inbox.left -= len(now)
            handle = self._handle  # not by `_handle_one`: most messages take this way
            for uid, kind, body in now:
                try:
                    handle(connection, uid, kind, body)
                except Exception:
                    self._failed()
        if messages and not connection.lost:
            self.put(connection, messages, cork, loop)

    def put(self, connection: Sender, messages: list[Message], cork: Cork, loop: asyncio.AbstractEventLoop) -> None:
        """Keep messages for a later turn."""
        connection.inbox.put(messages)
        if not self._behind:
            loop.call_soon(self._work, cork, loop)
        self._behind[connection] = None
        self._tell()

    def forget(self, connection: Sender) -> None:
        """Drop what waits of a connection that is gone."""
        connection.inbox.clear()
        self._behind.pop(connection, None)

    def finish(self, connection: Sender, cork: Cork) -> None:
        """Handle all that waits of a connection, however much: there will be no more."""
        with cork:
            while connection.inbox:
                self._handle_one(connection, connection.inbox.take())

    def _work(self, cork: Cork, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with cork:
                for connection in list(self._behind):
                    self._work_for(connection, loop)
        finally:
            # Whatever ended it ends what runs the loop; where that goes on, so does this.
            for connection in list(self._behind):
                if not connection.inbox:
                    del self._behind[connection]
            if self._behind:
                loop.call_soon(self._work, cork, loop)
            self._tell()

    def _work_for(self, connection: Sender, loop: asyncio.AbstractEventLoop) -> None:
        until = loop.time() + _SHARE_S
        for _ in range(IN_ONE_TURN):
            if not connection.inbox:
                break
            self._handle_one(connection, connection.inbox.take())
            if loop.time() > until:
                break

    def _handle_one(self, connection: Sender, message: Message) -> None:
        try:
            self._handle(connection, *message)
        except Exception:
            self._failed()

    def _failed(self) -> None:
        self._dropped["internal error"] += 1
        _LOG.exception("a message of a batch could not be handled")
