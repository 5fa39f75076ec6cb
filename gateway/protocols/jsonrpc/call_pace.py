"""Which calls of one client begin now and which wait, so that a client gets what it asks for and others are served too.

A call waits while its client has much to read, while as many that may be quick are under way as `max_quick_calls`
permits, or while long answers are expected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.events import CallRequested, CastRequested, Event, Question
from gateway.protocols.jsonrpc.held_calls import HeldCalls, Holdable
from gateway.protocols.jsonrpc.stream import Stream

SLOW_S: Final = 0.1
"""Calls that are under way for so long are slow ones, of which a client may have as many as its session permits."""
LONG_ANSWER_BYTES: Final = 16_384
"""A thousand calls with shorter answers need not be told apart from others."""
LONG_ANSWERS_BYTES: Final = 524_288
"""So many bytes of long answers are waited for at once: enough to keep a fast line busy. What a service sends for one
client stands before what it sends for others, and a thousand long answers would hold them up for seconds."""
_BEGUN_AT_ONCE: Final = 50
"""Calls that were held, in one turn of the loop: a few milliseconds."""


class Beginner(Protocol):
    """Who begins calls, and tells the client of those that fail."""

    def run(self, happened: Iterable[Event]) -> None:
        """Do what the stream says."""

    def begin_held(self, event: CallRequested, timeout_s: float | None) -> bool:
        """Begin a call that waited; False if it is to wait on."""

    def answer_held(self, event: Question) -> None:
        """Answer what the gateway itself is asked, and what waited."""


class CallPace:
    """The calls of one stream.

    Attributes:
        room: how many may begin now, apart from what their answers are expected to take.
        most: how many that is at most.
        held: those that wait, by the stream's numbers.
        calls: how many were begun, those included that were refused.
        expected: how long the answers of those under way will probably be, by their numbers, where that is long.
    """

    __slots__ = (
        "_beginner", "_expected_bytes", "_held", "_limits", "_room_timer", "_stream", "calls", "expected", "held",
        "most", "room",
    )  # fmt: skip

    def __init__(self, stream: Stream, limits: Limits, beginner: Beginner) -> None:
        self._stream = stream
        self._limits = limits
        self._beginner = beginner
        self._held = HeldCalls(self._expired)
        self.held: Mapping[int, object] = self._held.by_number
        self.expected: dict[int, int] = {}
        self._expected_bytes = 0
        self.room = self.most = limits.max_quick_calls
        self.calls = 0
        self._room_timer: asyncio.TimerHandle | None = None

    def hold(self, event: Holdable, wished_s: float | None, running: int) -> None:
        """Let a call wait; where too many do, refuse it.

        Args:
            wished_s: the time that the client gives it, if it said one.
            running: how many calls of the stream are under way.
        """
        limits, waiting = self._limits, len(self._held)
        if waiting + running >= limits.max_calls_per_session:
            detail = f"{running} calls of the stream are under way and {waiting} wait already"
            if self._stream.out.is_full:
                detail = f"{waiting} calls wait already until their client has read what waits for it"
            self._fail(event.call, Status.RESOURCE_EXHAUSTED, detail, "slow")
            return
        if isinstance(event, CallRequested) and event.meta.timeout_s != wished_s:
            event = event._replace(meta=replace(event.meta, timeout_s=wished_s))
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

    def ended(self, call: int) -> None:
        """A call that had begun is over; others may begin."""
        if self.room < self.most:
            self.room += 1
        if self.expected or self._held.by_number:
            self.forget(call)

    def forget(self, call: int) -> None:
        """Expect no answer of a call any more, if one was expected; others may begin."""
        self._expected_bytes -= self.expected.pop(call, 0)
        self.begin_held()

    def drop(self, call: int) -> None:
        """Give a call up, if it is held."""
        if self._held.drop(call):
            self._fail(call, Status.CANCELLED, "the call was cancelled")

    def fail_held(self, why: str) -> None:
        """Fail what is held: nothing of it will begin here."""
        for call in self._held.clear():
            self._fail(call, Status.UNAVAILABLE, f"the call was not begun: {why}")

    def end(self) -> None:
        """The stream is over."""
        self._held.clear()
        if self._room_timer is not None:
            self._room_timer.cancel()

    def begin_held(self) -> None:
        """Begin calls that were held, as long as there is room for them and for what they answer."""
        begun = 0
        while self._held and self.room > 0 and not self._stream.out.is_full:
            if begun == _BEGUN_AT_ONCE:
                asyncio.get_running_loop().call_soon(self.begin_held)
                return
            begun += 1
            event, left_s = self._held.take()
            if not isinstance(event, CallRequested) or isinstance(event, CastRequested):
                self._beginner.answer_held(event)
            elif not self._beginner.begin_held(event, None if event.meta.timeout_s is None else left_s):
                self._held.put_back(event, left_s)
                return
        if self._held and self.room <= 0 and self._room_timer is None:
            self._room_timer = asyncio.get_running_loop().call_later(SLOW_S, self._more_room)

    def _more_room(self) -> None:
        self._room_timer = None
        self.room = self.most
        self.begin_held()

    def _expired(self, call: int) -> None:
        kept = self._stream.counting.kept_bytes
        detail = "the call was not begun in time: too many others of its stream were under way"
        if self._stream.out.is_full:
            detail = f"the call was not begun in time: {kept} bytes wait for its client, which is to read them first"
        self._fail(call, Status.RESOURCE_EXHAUSTED, detail, "slow")

    def _fail(self, call: int, status: Status, detail: str, reason: str | None = None) -> None:
        self._beginner.run(self._stream.fail(call, GatewayError(status, detail, reason=reason)))
