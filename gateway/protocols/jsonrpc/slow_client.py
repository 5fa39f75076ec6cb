"""What is done for a client that reads more slowly than it is answered: it is written to at its pace, and if it takes
nothing at all for too long it is given up. Its next calls wait meanwhile, see `gateway.protocols.jsonrpc.call_pace`.

    keeps up ── the outlet is full ──► held ── drained ──► keeps up
                          │ more than `send_buffer_bytes` are kept
                          ▼
                        full: calls wait ── read or confirmed ──► keeps up
                          └── nothing for `slow_client_s` ──► given up
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from gateway.config.limits import Limits
from gateway.protocols.jsonrpc.stream import Stream
from gateway.protocols.progress_watch import ProgressWatch

_LOG: Final = logging.getLogger(__name__)

_WRITE_BYTES: Final = 32_768
"""So much is given at a time to an outlet that has nothing to write any more, until it says that it is full."""


class Outlet(Protocol):
    """Where messages are written."""

    @property
    def progress(self) -> int:
        """How many bytes the other side's machine has taken."""

    def send(self, data: bytes) -> bool:
        """Send one text message; never waits and never fails.

        Returns:
            Whether so much waits for the network now that the next messages had better wait until it is written: what
            is not given to the outlet yet can still be called off.
        """


def _nothing(stops: bool) -> None:
    """What there is to be stopped is said later."""


class SlowClient:
    """What one stream's client is written.

    Attributes:
        outlet: where its messages are written; None while it is away.
        stop: called with True to have nothing more that it sends looked at, with False to go on.
    """

    __slots__ = ("_begin_calls", "_give_up", "_limits", "_said_bytes", "_stream", "_watch", "outlet", "stop")

    def __init__(
        self,
        stream: Stream,
        limits: Limits,
        outlet: Outlet | None,
        begin_calls: Callable[[], None],
        give_up: Callable[[str], None],
    ) -> None:
        """Begin with nothing kept.

        Args:
            begin_calls: begins those that waited until the client has read.
            give_up: told why the client is to be given up.
        """
        self.outlet = outlet
        self._stream = stream
        self._limits = limits
        self._begin_calls = begin_calls
        self._give_up = give_up
        self._said_bytes = 0
        self.stop: Callable[[bool], None] = _nothing
        self._watch = ProgressWatch(self._progress, self._stuck, limits.slow_client_s)

    # Messages.

    def send(self, data: bytes) -> None:
        """Write a message, unless the client is away: then it is kept for the next outlet."""
        if self.outlet is not None and self.outlet.send(data):
            self._stream.hold()

    def drained(self) -> None:
        """The outlet has nothing to write any more: give it what was held, and begin calls that waited."""
        outlet, stream = self.outlet, self._stream
        is_full = False
        self._go_on()
        while outlet is not None and not is_full and stream.counting.is_held:
            for data in stream.out.next(_WRITE_BYTES):
                is_full = outlet.send(data)
        if is_full:
            stream.hold()
        self._begin_calls()

    def resumed(self, outlet: Outlet) -> None:
        """There is another outlet: write what its client has not confirmed."""
        self.outlet = outlet
        self.drained()
        if self._stream.out.is_full:
            self._watch.begin()

    def left(self) -> None:
        """There is none any more. What is held goes on waiting, as its client may come back in time."""
        self.outlet = None
        self._go_on()
        self._watch.end()
        self._stream.counting.leave()

    def end(self) -> None:
        """The stream is over."""
        self.outlet = None
        self._watch.end()

    # Patience.

    def full(self) -> None:
        """More waits than the mark permits: look whether the client takes anything."""
        if self.outlet is not None:  # who is away has the window to come back
            self._watch.begin()

    def said_at_once(self, size: int) -> None:
        """So many bytes were kept, above the mark, by looking at what the client sent: refusals, answers to pings.

        Some of that cannot be put off. Of a client that goes on sending and takes nothing, no more is looked at until
        it does; for one that takes everything and confirms nothing there is an end.
        """
        limits, counting = self._limits, self._stream.counting
        self._said_bytes += size
        if self._said_bytes > limits.max_message_bytes and counting.is_held and not counting.is_away:
            self.stop(True)
        if counting.kept_bytes > limits.max_kept_bytes + limits.send_buffer_bytes:
            self._give_up(f"{counting.kept_bytes} bytes were waiting, and more is asked all the time")

    def _go_on(self) -> None:
        self._said_bytes = 0
        self.stop(False)

    def _progress(self) -> tuple[int, int] | None:
        if self.outlet is None or not self._stream.out.is_full:
            return None
        return self.outlet.progress, self._stream.counting.acknowledged

    def _stuck(self) -> None:
        waiting_bytes = self._stream.counting.kept_bytes
        _LOG.warning("a client reads too slowly: %d bytes wait for it", waiting_bytes)
        patience_s = self._limits.slow_client_s
        self._give_up(f"{waiting_bytes} bytes were waiting, and none was read or confirmed for {patience_s:g} s")
