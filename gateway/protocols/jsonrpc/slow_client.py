"""What is done for a client that reads more slowly than it is answered: it is written to at its pace, its next calls
wait, and if it takes nothing at all for too long it is given up.

    keeps up ── the outlet is full ──► held ── drained ──► keeps up
                          │ more than `send_buffer_bytes` are kept
                          ▼
                        full: calls wait ── read or confirmed ──► keeps up
                          └── nothing for `slow_client_s` ──► given up
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.events import CallRequested, DescribeRequested, Event
from gateway.protocols.jsonrpc.held_calls import HeldCalls, Holdable
from gateway.protocols.jsonrpc.stream import Stream
from gateway.protocols.progress_watch import ProgressWatch

_LOG: Final = logging.getLogger(__name__)

_WRITE_BYTES: Final = 32_768
"""So much is given at a time to an outlet that has nothing to write any more, until it says that it is full."""
LONG_ANSWERS_BYTES: Final = 524_288
"""So many bytes of long answers are waited for at once: enough to keep a fast line busy. What a service sends for one
client stands before what it sends for others, and a thousand long answers would hold them up for seconds."""
CALLS_AT_ONCE: Final = 64
"""So many calls that may be quick are with services at once: enough to keep them busy. A service answers one after the
other, and a thousand quick calls of one client would stand before everybody else's."""
SLOW_S: Final = 0.1
"""Calls that are under way for so long are slow ones, of which a client may have as many as its session permits."""
LONG_ANSWER_BYTES: Final = 16_384
"""A thousand calls with shorter answers need not be told apart from others."""
_BEGUN_AT_ONCE: Final = 50
"""Calls that were held, in one turn of the loop: a few milliseconds."""


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


class Doing(Protocol):
    """What a stream's edge does on behalf of this module."""

    def run(self, happened: Iterable[Event]) -> None:
        """Do what the stream says."""

    def begin_held(self, event: CallRequested, timeout_s: float | None) -> bool:
        """Begin a call that waited; False if it is to wait on."""

    def describe_held(self, event: DescribeRequested) -> None:
        """Answer with a description that waited."""


def _nothing(stops: bool) -> None:
    """What there is to be stopped is said later."""


class SlowClient:
    """The pace of one stream's client.

    Attributes:
        outlet: where its messages are written; None while it is away.
        room: how many calls may begin now, apart from what their answers are expected to take.
        held: its calls that wait, by the stream's numbers.
        expected: how long the answers of calls under way will probably be, by their numbers, where that is long.
        stop: called with True to have nothing more that it sends looked at, with False to go on.
    """

    __slots__ = (
        "_doing", "_expected_bytes", "_give_up", "_held", "_limits", "_room_timer", "_said_bytes", "_stream", "_watch",
        "expected", "held", "outlet", "room", "stop",
    )  # fmt: skip

    def __init__(
        self, stream: Stream, limits: Limits, outlet: Outlet | None, doing: Doing, give_up: Callable[[str], None]
    ) -> None:
        """Begin with nothing held.

        Args:
            give_up: told why the client is to be given up.
        """
        self.outlet = outlet
        self._stream = stream
        self._limits = limits
        self._doing = doing
        self._give_up = give_up
        self._held = HeldCalls(self._expired)
        self.held: Mapping[int, object] = self._held.by_number
        self.expected: dict[int, int] = {}
        self._said_bytes = self._expected_bytes = 0
        self.room = CALLS_AT_ONCE
        self._room_timer: asyncio.TimerHandle | None = None
        self.stop: Callable[[bool], None] = _nothing
        self._watch = ProgressWatch(self._progress, self._stuck, limits.slow_client_s)

    # Messages.

    def send(self, data: bytes) -> None:
        """Write a message, unless the client is away: then it is kept for the next outlet."""
        if self.outlet is not None and self.outlet.send(data):
            self._stream.hold()

    def drained(self) -> None:
        """The outlet has nothing to write any more: give it what was held, and begin the calls that waited for that."""
        outlet, stream = self.outlet, self._stream
        is_full = False
        self._go_on()
        while outlet is not None and not is_full and stream.counting.is_held:
            for data in stream.out.next(_WRITE_BYTES):
                is_full = outlet.send(data)
        if is_full:
            stream.hold()
        self.begin_held()

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
        self._held.clear()
        if self._room_timer is not None:
            self._room_timer.cancel()

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

    # Calls.

    def hold(self, event: Holdable, wished_s: float | None, running: int) -> None:
        """Let a call wait until its client has read what is kept for it; where too many do, refuse it.

        Args:
            wished_s: the time that the client gives it, if it said one.
            running: how many calls of the stream are under way.
        """
        limits = self._limits
        if len(self._held) + running >= limits.max_calls_per_session:
            detail = f"{len(self._held)} calls wait already until their client has read what waits for it"
            if not self._stream.out.is_full:
                detail = f"{running} calls of the stream are under way and {len(self._held)} wait already"
            self._fail(event.call, Status.RESOURCE_EXHAUSTED, detail, "slow")
            return
        timeout_s = limits.default_call_timeout_s if wished_s is None else wished_s
        self._held.put(event, min(timeout_s, limits.max_call_timeout_s))
        if self.room <= 0:
            self.begin_held()

    def expect(self, call: int, size: int) -> bool:
        """Take note that a call will probably be answered by so many bytes; False if it is to wait for others' answers.

        So a client that makes a thousand calls with long answers gets them all, and a service is not asked for what
        could not be kept, or would hold up what others ask of it.
        """
        expected = self._expected_bytes + size
        is_too_much = expected > LONG_ANSWERS_BYTES
        if self.expected and (
            is_too_much or self._stream.counting.kept_bytes + expected > self._limits.max_kept_bytes
        ):
            return False
        self.expected[call] = size
        self._expected_bytes = expected
        return True

    def _more_room(self) -> None:
        self._room_timer = None
        self.room = CALLS_AT_ONCE
        self.begin_held()

    def forget(self, call: int) -> None:
        """Expect no answer of a call any more, if one was expected; others may begin."""
        self._expected_bytes -= self.expected.pop(call, 0)
        if self._held:
            self.begin_held()

    def cancel(self, call: int) -> None:
        """Give a call up, if it is held."""
        if self._held.drop(call):
            self._fail(call, Status.CANCELLED, "the call was cancelled")

    def fail_held(self, why: str) -> None:
        """Fail what is held: nothing of it will begin here."""
        for call in self._held.clear():
            self._fail(call, Status.UNAVAILABLE, f"the call was not begun: {why}")

    def begin_held(self) -> None:
        """Begin calls that were held, as long as their client has room for what they answer."""
        begun = 0
        while self._held and self.room > 0 and not self._stream.out.is_full:
            if begun == _BEGUN_AT_ONCE:
                asyncio.get_running_loop().call_soon(self.begin_held)
                return
            begun += 1
            event, left_s = self._held.take()
            if not isinstance(event, CallRequested):
                self._doing.describe_held(event)
            elif not self._doing.begin_held(event, None if event.meta.timeout_s is None else left_s):
                self._held.put_back(event, left_s)
                return
        if self._held and self.room <= 0 and self._room_timer is None:
            self._room_timer = asyncio.get_running_loop().call_later(SLOW_S, self._more_room)

    def _expired(self, call: int) -> None:
        kept = self._stream.counting.kept_bytes
        detail = f"the call was not begun in time: {kept} bytes wait for its client, which is to read them first"
        if not self._stream.out.is_full:
            detail = "the call was not begun in time: too many others of its stream were under way"
        self._fail(call, Status.RESOURCE_EXHAUSTED, detail, "slow")

    def _fail(self, call: int, status: Status, detail: str, reason: str | None = None) -> None:
        self._doing.run(self._stream.fail(call, GatewayError(status, detail, reason=reason)))
