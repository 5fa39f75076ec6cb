"""What waits for peers that do not read as fast as they are sent to: bounded for each and for all together. No I/O.

A peer whose queue has something in it is left alone for a while between two attempts to send, longer each time.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from cara_pseud.errors import ResourceExhausted

RETRY_S: Final = 0.005
MAX_RETRY_S: Final = 0.08
"""How long a peer that does not read is left alone between two attempts; doubled from the shorter time on."""
QUEUE_SHARE: Final = 4
"""One peer's queue may take this part of what all queues together may."""
_MESSAGE_BYTES: Final = 512
"""What a message takes beside its frames' content."""


class Queue:
    """What waits for one peer; the first frame of each message is its routing id."""

    __slots__ = ("bytes", "delay_s", "due", "messages")

    def __init__(self, due: float) -> None:
        self.messages: deque[list[bytes]] = deque()
        self.bytes = 0
        self.delay_s = RETRY_S
        self.due = due

    def put_off(self, now: float, sent: bool) -> None:
        """Leave the peer alone for a while; ``sent`` is whether it took something this time."""
        self.delay_s = RETRY_S if sent else min(2 * self.delay_s, MAX_RETRY_S)
        self.due = now + self.delay_s


class Backlog:
    """The queues of all peers of one socket, by routing id; ``dropped`` counts what had to be thrown away.

    Attributes:
        queues: those that have something in them.
    """

    def __init__(self, max_bytes: int, dropped: Counter[str]) -> None:
        self.queues: dict[bytes, Queue] = {}
        self._max_bytes = max_bytes
        self._dropped = dropped
        self._bytes = 0

    def keep(self, frames: list[bytes], now: float) -> None:
        """Put a message behind those that wait for its peer.

        Raises:
            ResourceExhausted: too much waits for it already.
        """
        size = _size(frames)
        queues, most, routing_id = self.queues, self._max_bytes, frames[0]
        queue = queues.get(routing_id)
        if (queue.bytes if queue is not None else 0) + size > max(most // QUEUE_SHARE, size):
            self._dropped["backlog full"] += 1
            raise ResourceExhausted(f"{most // QUEUE_SHARE} bytes wait for this peer already, which does not read")
        while queues and self._bytes + size > most:
            # Whoever has most waiting reads least: what waits for the others must not suffer by it.
            self.forget(max(queues, key=lambda waiting: queues[waiting].bytes))
            self._dropped["backlog full"] += 1
        queue = queues.get(routing_id)
        if queue is None:
            queue = queues[routing_id] = Queue(now + RETRY_S)
        queue.messages.append(frames)
        queue.bytes += size
        self._bytes += size

    def take(self, queue: Queue) -> None:
        """Take a queue's first message away, which was sent."""
        size = _size(queue.messages.popleft())
        queue.bytes -= size
        self._bytes -= size

    def forget(self, routing_id: bytes) -> None:
        """Drop what waits for a peer."""
        queue = self.queues.pop(routing_id, None)
        if queue is not None:
            self._bytes -= queue.bytes

    def due(self, now: float) -> list[tuple[bytes, Queue]]:
        """The queues that are to be tried now."""
        return [(routing_id, queue) for routing_id, queue in self.queues.items() if queue.due <= now]

    def next_time(self, now: float) -> float | None:
        """When the next one is to be tried; None if nothing waits."""
        if not self.queues:
            return None
        return max(min(queue.due for queue in self.queues.values()), now + RETRY_S)


def _size(frames: list[bytes]) -> int:
    return sum(map(len, frames)) + _MESSAGE_BYTES
