"""How many messages a stream has sent and taken, and when to say so (PROTOCOL.md, Counting).

Counting begins after hello. What was sent and not acknowledged is what a resumed stream would have to replay.
"""

from __future__ import annotations

from typing import Final

ACK_MESSAGES: Final = 64
ACK_BYTES: Final = 256 * 1024
"""After so much taken, whichever is first, an acknowledgement is due at once; else after the edge's timer."""


class Counting:
    """The counters of one stream.

    Attributes:
        sent: messages written.
        received: messages taken.
        acknowledged: how many of the sent ones the client has confirmed.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.acknowledged = 0
        self._confirmed = 0
        self._unconfirmed_bytes = 0

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

    def acknowledge(self, received: int) -> bool:
        """Note what the client says it took; False if that many were never sent. Going back is an old message."""
        if received > self.sent:
            return False
        self.acknowledged = max(self.acknowledged, received)
        return True
