"""How many messages a stream has sent and taken, when to say so, and what a new socket must repeat.

The rules are in PROTOCOL.md, Counting. Both sides count by themselves, from hello on: no message carries a number, as
a socket keeps order and hello says where to go on.

What is sent is written to the socket at once, or held: because there is no socket, or because its client reads too
slowly. What is held can still be replaced by something else.

    flowing ── hold() ──► held ── next() gave all ──► flowing        leave(): held, until restart()
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import inf
from typing import Final

from gateway.client import StreamRecord
from gateway.sessions.kept_bytes import KeptBytes

ACK_MESSAGES: Final = 64
ACK_BYTES: Final = 256 * 1024
"""After so much taken, whichever is first, an acknowledgement is due at once; else after the edge's timer."""


class Counting:
    """The counters of one stream and its sent messages that the client has not confirmed.

    Attributes:
        sent: messages sent, those included that are held.
        received: messages taken.
        due_at: how many are to be taken until the client is told so at once.
        acknowledged: how many of the sent ones the client has confirmed.
        kept_bytes: the size of the rest.
        is_away: whether there is no socket.
        written: how many messages were given to a socket; None if all were, as soon as they were sent.
    """

    def __init__(self, over_all: KeptBytes | None = None) -> None:
        """Begin with nothing.

        Args:
            over_all: where what is kept is counted together with that of others.
        """
        self.sent = 0
        self.received = 0
        self.due_at: float = ACK_MESSAGES
        self.acknowledged = 0
        self.kept_bytes = 0
        self.is_away = False
        self.written: int | None = None
        self._over_all = KeptBytes(0) if over_all is None else over_all
        self._kept: deque[bytes] = deque()
        self._confirmed = 0
        self._unconfirmed_bytes = 0
        self._is_last = False

    @classmethod
    def restored(cls, record: StreamRecord, over_all: KeptBytes | None = None) -> Counting:
        """The counters of a record, without a socket."""
        counting = cls(over_all)
        counting.sent, counting.received, counting.acknowledged = record.sent, record.received, record.acknowledged
        counting._kept.extend(text.encode("utf-8") for text in record.kept)
        counting._grow(sum(map(len, counting._kept)))
        counting._confirmed = counting.received
        counting.due_at = counting.received + ACK_MESSAGES
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
        self._unconfirmed_bytes = size = self._unconfirmed_bytes + size
        if size >= ACK_BYTES and not self._is_last:
            self.due_at = self._confirmed + 1

    @property
    def is_due(self) -> bool:
        """Whether the client must be told at once what was taken."""
        return self.received >= self.due_at

    def confirm(self, *, last: bool = False) -> int | None:
        """The number to acknowledge now; None if the client knows it already, or the last one was said.

        Args:
            last: whether this is the last one, which is to be said once more if the client knows it.
        """
        if self._is_last or (self.received == self._confirmed and not last):
            return None
        self._is_last = last
        self._confirmed = self.received
        self._unconfirmed_bytes = 0
        self.due_at = inf if last else self.received + ACK_MESSAGES
        return self.received

    # Out.

    def keep(self, data: bytes) -> None:
        """Count a message that is sent, and keep it until it is confirmed."""
        size = len(data)
        self.sent += 1
        self.kept_bytes += size
        self._over_all.total += size
        self._kept.append(data)

    def acknowledge(self, received: int) -> bool:
        """Note what the client says it took; False if that many were never written. Going back is an old message."""
        if received > self.reached:
            return False
        kept, size = self._kept, 0
        for _ in range(received - self.acknowledged):
            size += len(kept.popleft())
        self._grow(-size)
        self.acknowledged = max(self.acknowledged, received)
        return True

    def can_repeat(self, received: int) -> bool:
        """Whether everything behind the first ``received`` messages is still there."""
        return self.acknowledged <= received <= self.reached

    @property
    def reached(self) -> int:
        """How many of the sent messages were given to a socket."""
        return self.sent if self.written is None else self.written

    @property
    def is_held(self) -> bool:
        """Whether what is sent is not written now."""
        return self.written is not None

    def hold(self) -> None:
        """The client reads too slowly: what is kept from now on is written when `next` gives it."""
        if self.written is None:
            self.written = self.sent

    def leave(self) -> None:
        """There is no socket: what is kept from now on is written after `restart`."""
        self.is_away = True
        self.hold()

    def restart(self) -> None:
        """There is a new socket: `next` begins with the first message that the client has not confirmed."""
        self.is_away = False
        self.written = self.acknowledged

    def repeat(self) -> list[bytes]:
        """There is a new socket, and everything that the client has not confirmed is to be written to it, in order."""
        self.restart()
        return self.next(self.kept_bytes)

    def next(self, max_bytes: int) -> list[bytes]:
        """The next messages to be written, at most so many bytes but one at least; none if nothing is held."""
        if self.written is None:
            return []
        found: list[bytes] = []
        size = 0
        for data in islice(self._kept, self.written - self.acknowledged, None):
            size += len(data)
            if size > max_bytes and found:
                break
            found.append(data)
        self.written += len(found)
        if self.written == self.sent:
            self.written = None
        return found

    def replace(self, number: int, data: bytes) -> bool:
        """Put another message in the place of that one, in case it is written, or written again.

        Returns:
            Whether the client may have read the first one, since it was written to a socket.
        """
        place = number - self.acknowledged - 1
        if 0 <= place < len(self._kept):
            self._grow(len(data) - len(self._kept[place]))
            self._kept[place] = data
        return self.written is None or number <= self.written

    def drop(self) -> None:
        """Forget what was kept, as if it were confirmed: nobody will ask for it."""
        self._kept.clear()
        self._grow(-self.kept_bytes)
        self.acknowledged = self.sent
        self.written = None

    def _grow(self, size: int) -> None:
        self.kept_bytes += size
        self._over_all.total += size
