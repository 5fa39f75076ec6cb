"""How many messages a stream has sent and taken, when to say so, and what a new socket must repeat.

The rules are in PROTOCOL.md, Counting. Both sides count by themselves, from hello on: no message carries a number, as
a socket keeps order and hello says where to go on.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gateway.client import StreamRecord

ACK_MESSAGES: Final = 64
ACK_BYTES: Final = 256 * 1024
"""After so much taken, whichever is first, an acknowledgement is due at once; else after the edge's timer."""


class Counting:
    """The counters of one stream and its sent messages that the client has not confirmed.

    Attributes:
        sent: messages written, those included that wait for a socket.
        received: messages taken.
        acknowledged: how many of the sent ones the client has confirmed.
        kept_bytes: the size of the rest.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.acknowledged = 0
        self.kept_bytes = 0
        self._kept: deque[bytes] = deque()
        self._confirmed = 0
        self._unconfirmed_bytes = 0
        self._written: int | None = None

    @classmethod
    def restored(cls, record: StreamRecord) -> Counting:
        """The counters of a record, without a socket."""
        counting = cls()
        counting.sent, counting.received, counting.acknowledged = record.sent, record.received, record.acknowledged
        counting._kept.extend(text.encode("utf-8") for text in record.kept)
        counting.kept_bytes = sum(map(len, counting._kept))
        counting._confirmed = counting.received
        counting.leave()
        return counting

    def record(self, unbox: bool, requests: int) -> StreamRecord:
        """The counters as plain data, with two things more that are not counted here."""
        kept = [data.decode("utf-8") for data in self._kept]
        return StreamRecord(unbox, self.sent, self.received, self.acknowledged, requests, kept)

    # In.

    def take(self, messages: int, size: int) -> None:
        """Count messages that came in a text of that many bytes."""
        self.received += messages
        self._unconfirmed_bytes += size

    @property
    def is_due(self) -> bool:
        """Whether the client must be told at once what was taken."""
        waiting = self.received - self._confirmed
        return waiting > 0 and (waiting >= ACK_MESSAGES or self._unconfirmed_bytes >= ACK_BYTES)

    def confirm(self) -> int | None:
        """The number to acknowledge now; None if the client knows it already."""
        if self.received == self._confirmed:
            return None
        self._confirmed = self.received
        self._unconfirmed_bytes = 0
        return self.received

    # Out.

    def keep(self, data: bytes) -> None:
        """Count a message that is sent, and keep it until it is confirmed."""
        self.sent += 1
        self.kept_bytes += len(data)
        self._kept.append(data)

    def acknowledge(self, received: int) -> bool:
        """Note what the client says it took; False if that many were never sent. Going back is an old message."""
        if received > self.sent:
            return False
        kept = self._kept
        for _ in range(received - self.acknowledged):
            self.kept_bytes -= len(kept.popleft())
        self.acknowledged = max(self.acknowledged, received)
        return True

    def can_repeat(self, received: int) -> bool:
        """Whether everything behind the first ``received`` messages is still there."""
        return self.acknowledged <= received <= self.sent

    def leave(self) -> None:
        """There is no socket: what is kept from now on is written by `repeat`."""
        self._written = self.sent

    def repeat(self) -> list[bytes]:
        """The messages that the client has not confirmed, in order, to be written to a new socket."""
        self._written = None
        return list(self._kept)

    def replace(self, number: int, data: bytes) -> bool:
        """Put another message in the place of that one, in case it is written, or written again.

        Returns:
            Whether the client may have read the first one, since it was written to a socket.
        """
        place = number - self.acknowledged - 1
        if 0 <= place < len(self._kept):
            self.kept_bytes += len(data) - len(self._kept[place])
            self._kept[place] = data
        return self._written is None or number <= self._written

    def drop(self) -> None:
        """Forget what was kept, as if it were confirmed: nobody will ask for it."""
        self._kept.clear()
        self.acknowledged = self.sent
        self.kept_bytes = 0
