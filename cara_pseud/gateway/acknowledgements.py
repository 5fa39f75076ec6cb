"""Counts what was received on one stream and says when to acknowledge it (PROTOCOL.md, "Surviving a lost connection").

After 64 messages, 256 KiB or one second. What an acknowledgement looks like is its owner's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cara_pseud.gateway.clock import Clock, Timer

_MESSAGES: Final = 64
_BYTES: Final = 256 * 1024
_DELAY_S: Final = 1.0


class ReceivedCount:
    """What was received of one stream."""

    def __init__(self, clock: Clock, send: Callable[[int], None]) -> None:
        self.received = 0
        self.acknowledged = 0
        self._clock = clock
        self._send = send
        self._bytes = 0
        self._timer: Timer | None = None

    def restart(self, received: int = 0) -> None:
        """Begin with a stream, or with one of which somebody else received so many messages."""
        self.stop()
        self.received = received
        self.acknowledged = self._bytes = 0

    def resume(self) -> None:
        """Go on over another socket. The last acknowledgement may be lost, so what was received is confirmed again."""
        self.acknowledged = 0
        self.frame_ends(0)

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def frame_ends(self, size: int) -> None:
        """Acknowledge after a frame of so many bytes, or see to it that it happens in time."""
        due = self.received - self.acknowledged
        if due == 0:
            return
        self._bytes += size
        if due >= _MESSAGES or self._bytes >= _BYTES:
            self._acknowledge()
        elif self._timer is None:
            self._timer = self._clock.call_later(_DELAY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        self.stop()
        self.acknowledged = self.received
        self._bytes = 0
        self._send(self.received)
