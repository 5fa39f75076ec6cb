"""What a client sent and nobody has looked at yet: its texts in order, worked off in slices.

    nothing waits ── small text, time left ──► acted on at once
         │  ▲
         │  └── all worked off ──┐
         └── else ──► waits in its address's lane: a slice in each turn, and behind it whatever comes meanwhile

Nothing here waits for anything but its turn, so an acknowledgement or an answer that stands behind other messages comes
to its turn, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Protocol

from gateway.turns import LARGE_BYTES, SLICE_S, Turns

LONG_BYTES: Final = 65_536
LONG_MESSAGES: Final = 256
"""With so much waiting, the socket is not read before that is worked off; the rest waits in kernel and client."""
_SHORT_BYTES: Final = 1024
_TOGETHER: Final = 8
"""So many short texts are acted on before it is asked whether there is time: less than a millisecond."""


class Worker(Protocol):
    """Who acts on what was sent."""

    def act_on(self, data: bytes | None) -> bool:
        """Take the next text, only when `unworked` is 0; or None: look at the next messages of the last one.

        Returns:
            Whether there are messages of it that were not looked at.
        """

    @property
    def unworked(self) -> int:
        """How many messages of the last text were not looked at."""


class Intake:
    """One client's texts.

    Attributes:
        lane: where they come from, an address.
    """

    __slots__ = (
        "_bytes", "_is_left", "_is_paused", "_is_queued", "_is_stopped", "_pause", "_size", "_texts", "_then", "_turns",
        "_worker", "lane",
    )  # fmt: skip

    def __init__(self, worker: Worker, turns: Turns, lane: Hashable, pause: Callable[[bool], None]) -> None:
        """Begin with none.

        Args:
            turns: where they wait.
            pause: called with True to have nothing more read, with False to have it read again.
        """
        self._worker = worker
        self._turns = turns
        self.lane = lane
        self._pause = pause
        self._texts: deque[bytes] = deque()
        self._bytes = 0
        self._size = 0
        self._is_queued = False
        self._is_paused = False
        self._is_stopped = self._is_left = False
        self._then: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        return bool(self._texts) or self._worker.unworked > 0

    def put(self, data: bytes) -> None:
        """Act on a text now, or when its turn comes."""
        if not self._is_queued and not self._is_stopped:
            turns, size = self._turns, len(data)
            if size < LARGE_BYTES and turns.has_time():
                self._size = size
                worker = self._worker
                is_unfinished = worker.act_on(data)
                while is_unfinished and turns.has_time() and not self._is_stopped:
                    is_unfinished = worker.act_on(None)
                if not is_unfinished:
                    return
            else:
                self._texts.append(data)
                self._bytes += size
            self._queue()
        else:
            self._texts.append(data)
            self._bytes += len(data)
        self._look()

    def put_some(self, texts: Sequence[bytes]) -> int:
        """Act on the first of these now, as many as are short and there is time for; how many that were.

        It does what `put` does with each, in fewer steps: most messages are short, and many come together.
        """
        worker, turns, count = self._worker, self._turns, 0
        if self._is_queued:
            return 0
        for data in texts:
            is_over = self._is_stopped or self._is_left or len(data) >= _SHORT_BYTES
            if is_over or not (count % _TOGETHER or turns.has_time()):
                break
            count += 1
            is_unfinished = worker.act_on(data)  # if it was an array
            while is_unfinished and turns.has_time() and not self._is_stopped:
                is_unfinished = worker.act_on(None)
            if is_unfinished:
                self._size = len(data)
                self._queue()
                self._look()
                break
        return count

    def when_done(self, then: Callable[[], None]) -> None:
        """Have this called when all that has come is worked off, forgotten or not to be looked at; nothing follows."""
        self._then = then
        self._look()

    def stop(self, stops: bool) -> None:
        """Look at nothing more, and have nothing more read, or go on: the client is to read first."""
        if stops == self._is_stopped:
            return
        self._is_stopped = stops
        if self and not stops and not self._is_queued:
            self._queue()
        self._look()

    def _queue(self) -> None:
        self._is_queued = True
        self._turns.add(self.lane, self._piece)

    def take_over(self, other: Intake) -> None:
        """Go on with another one's texts, and with its socket."""
        texts, self._is_paused, self.lane = list(other._texts), other._is_paused, other.lane
        self._is_stopped = False
        self._then, other._then = other._then, None
        other.clear()
        other._is_left = True  # what it is in the middle of being given is for this one, too
        for data in texts:
            self.put(data)
        self._look()

    def clear(self) -> None:
        """Forget what waits. What `Worker.unworked` counts is for the worker to forget, before this."""
        self._texts.clear()
        self._bytes = 0
        self._look()

    def _piece(self) -> bool:
        worker, clock = self._worker, self._turns.stalls.clock
        until = clock() + SLICE_S
        while not self._is_stopped:
            if worker.unworked:
                worker.act_on(None)
            elif self._texts:
                data = self._texts.popleft()
                self._size = len(data)
                self._bytes -= self._size
                worker.act_on(data)
            else:
                break
            if clock() >= until:
                break
        self._turns.stalls.spent("reading a frame of %d bytes from %s", self._size, self.lane)
        self._is_queued = bool(self) and not self._is_stopped
        self._look()
        return self._is_queued

    def _look(self) -> None:
        is_long = self._bytes >= LONG_BYTES or self._worker.unworked >= LONG_MESSAGES or self._is_stopped
        if is_long != self._is_paused:
            self._is_paused = is_long
            self._pause(is_long)
        if self._then is not None and (self._is_stopped or not self):
            then, self._then = self._then, None
            then()
