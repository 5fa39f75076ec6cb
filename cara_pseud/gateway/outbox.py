"""The messages of one stream on their way out. Knows nothing of what they say.

What is posted in one turn of the loop travels in one frame, as a batch; no frame and no message grows over the
gateway's limit. What was written is counted and kept until the gateway confirms it, so that it can be written again
over the next socket.

    posted ──▸ waiting ─────────written──▸ kept ──confirmed──▸ gone
                  │ ▴        ▴              │
                  └─│─▸ held ┘              │     held: calls over what the gateway takes, and what comes behind them
                    └───────────────────────┘     resume: what the gateway did not take; again: calls that it refused
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cara_pseud.gateway.clock import Clock

Write = Callable[[bytes], None]


class Owner(Protocol):
    """The call that a message makes."""

    @property
    def over(self) -> bool:
        """Whether it has ended, so that it need not be written."""


@dataclass(slots=True, eq=False)
class OutMessage:
    """One message.

    Attributes:
        text: or None if `render` makes it when it is written; that gives None if it is not to be written.
        owner: the call that it makes.
        ordered: it must not be written before the calls that were posted before it.
        uncounted: and not kept: it speaks of the socket that it is written to.
        written: called when it is written for the first time.
        refused: called with its bytes and the limit if it is over that and will not be written.
        dropped: called if it will not be written because the session that it belongs to is lost.
    """

    text: bytes | None = None
    render: Callable[[], bytes | None] | None = None
    owner: Owner | None = None
    ordered: bool = False
    uncounted: bool = False
    written: Callable[[], None] | None = None
    refused: Callable[[int, float], None] | None = None
    dropped: Callable[[], None] | None = None


class StreamOutbox:
    """What is to be written, and what was."""

    def __init__(self, clock: Clock, in_flight: Callable[[], float]) -> None:
        """Begin without a stream.

        Args:
            in_flight: how many calls were written and are not answered.
        """
        self._clock = clock
        self._in_flight = in_flight
        self._waiting: deque[OutMessage] = deque()
        self._held: deque[OutMessage] = deque()
        # Their texts: what a message was made from may be forgotten.
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._confirmed = 0
        self._begun = False
        self._write: Write | None = None
        self._limit = self._most_calls = self._most_bytes = math.inf
        self._scheduled = False
        # How many of those that are held came back since one of them was written.
        self._returned = 0

    @property
    def sent(self) -> int:
        """Messages of this stream that were written, as PROTOCOL.md counts them."""
        return self._confirmed + len(self._kept)

    def open(self, write: Write, limits: Mapping[str, Any]) -> None:
        """Begin a stream: write what waits, and from now on what is posted."""
        self._forget()
        self._start(write, limits)

    def resume(self, write: Write, limits: Mapping[str, Any], taken: Any) -> bool:
        """Go on with the stream over another socket: write again what the gateway did not take.

        Args:
            taken: how many messages the gateway says it has received.

        Returns:
            False if it cannot have received that many; then nothing is written.
        """
        # A stream that somebody else began has a count that only the gateway knows.
        least, most = (self._confirmed, self.sent) if self._begun else (0, math.inf)
        if not isinstance(taken, int) or isinstance(taken, bool) or not least <= taken <= most:
            return False
        self.confirm(taken)
        again = [OutMessage(text=text) for text in self._kept]
        self._forget()
        self._confirmed = taken
        self._waiting = deque([*again, *self._held, *self._waiting])
        self._held.clear()
        self._start(write, limits)
        return True

    def confirm(self, received: int) -> None:
        """Let go of what the gateway says it has received."""
        for _ in range(min(max(received - self._confirmed, 0), len(self._kept))):
            self._kept_bytes -= len(self._kept.popleft())
            self._confirmed += 1
        self.more()

    def close(self) -> None:
        """Write nothing until the next `open` or `resume`; what is posted waits."""
        self._write = None
        self._waiting = deque(message for message in self._waiting if not message.uncounted)

    def post(self, message: OutMessage) -> None:
        """Have a message written."""
        self._waiting.append(message)
        self._schedule()

    def more(self) -> None:
        """Write what was held, as far as the gateway takes it: a call has ended."""
        if self._held:
            self._schedule()

    def again(self, call: OutMessage) -> None:
        """Write a call again when calls are taken: before those never written, and behind others that came back."""
        self._held.insert(self._returned, call)
        self._returned += 1

    def drop(self, calls: Iterable[OutMessage]) -> None:
        """The session is lost: drop everything but the calls that are to be made in the next."""
        left = [*self._held, *self._waiting]
        self._held.clear()
        self._waiting = deque(calls)
        self._forget()
        for message in left:
            if message.dropped is not None:
                message.dropped()

    def flush(self) -> None:
        """Write what may be written now."""
        self._scheduled = False
        if self._write is None:
            return
        frame = _Frame(self._write, self._limit)
        # Not copies: a message that is refused may take others along. Answers and what else is not ordered go first:
        # the calls that are under way may wait for just those.
        while self._waiting:
            message = self._waiting.popleft()
            if (message.owner or message.ordered) and (self._held or not self._admits(message)):
                self._held.append(message)
            else:
                self._put(message, frame)
        while self._held and self._admits(self._held[0]):
            self._returned = 0
            self._put(self._held.popleft(), frame)
        frame.end()

    def _put(self, message: OutMessage, frame: _Frame) -> None:
        if message.owner is not None and message.owner.over:
            return
        text = message.text
        if text is None and message.render is not None:
            text = message.render()
        if text is None:
            return
        if len(text) > self._limit:
            if message.refused is not None:
                message.refused(len(text), self._limit)
            return
        frame.add(text)
        if not message.uncounted:
            self._kept.append(text)
            self._kept_bytes += len(text)
        if message.written is not None:
            message.written()

    def _schedule(self) -> None:
        if self._write is not None and not self._scheduled:
            self._scheduled = True
            self._clock.call_soon(self.flush)

    def _admits(self, message: OutMessage) -> bool:
        owner = message.owner
        if owner is None or owner.over:
            return True
        return self._in_flight() < self._most_calls and self._kept_bytes < self._most_bytes

    def _forget(self) -> None:
        self._kept.clear()
        self._confirmed = self._kept_bytes = 0

    def _start(self, write: Write, limits: Mapping[str, Any]) -> None:
        self._begun = True
        self._write = write
        self._limit = limits.get("max_message_bytes", math.inf)
        self._most_calls = limits.get("max_calls_per_session", math.inf)
        self._most_bytes = limits.get("send_buffer_bytes", math.inf)
        self.flush()


class _Frame:
    """Messages that travel together."""

    def __init__(self, write: Write, limit: float) -> None:
        self._write = write
        self._limit = limit
        self._texts: list[bytes] = []
        self._bytes = 0

    def add(self, text: bytes) -> None:
        # A comma for each message and two brackets.
        if self._bytes + len(text) + len(self._texts) + 2 > self._limit:
            self.end()
        self._texts.append(text)
        self._bytes += len(text)

    def end(self) -> None:
        texts = self._texts
        if texts:
            self._write(texts[0] if len(texts) == 1 else b"[" + b",".join(texts) + b"]")
        self._texts = []
        self._bytes = 0
