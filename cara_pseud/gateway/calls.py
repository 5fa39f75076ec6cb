"""The calls that have no answer yet: their ids and time limits. Every call ends exactly once. Knows no messages.

An id begins with a prefix that no other client has: the answers to one that is gone may come to one that went on with
its stream, and must never pass for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from cara_pseud.errors import DeadlineExceeded, OutcomeUnknown, RpcError, Unavailable
from cara_pseud.gateway.clock import Clock, Timer
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.outbox import OutMessage

_UNSENT_TIMEOUT_S: Final = 60.0
"""A call that was not sent, because there is no connection, waits this long if its caller named no time: as long as the
gateway keeps a session without a connection, unless it is set otherwise."""
_SENT_TIMEOUT_S: Final = 330.0
"""A call that was sent is ended by the gateway, whose longest deadline is 300 s. This is for a connection that is dead
without either end knowing it."""


class Prepared(NamedTuple):
    """A call as it is written.

    Attributes:
        method: as on the wire: ``calculator.add``, ``@<token>.read``, ``#<id>.updater.update``.
        values: elements and members in the parameters.
        generation: the session that its handles belong to, None if it has none.
    """

    method: str
    params: JSON
    values: int = 0
    generation: int | None = None


class UnsentCall(Protocol):
    """A call before it is written."""

    @property
    def callbacks(self) -> Sequence[str]:
        """The names of callbacks in the parameters."""

    def prepare(self) -> Prepared:
        """What to write now: where a call waits, an answer that it builds on may come first.

        Raises:
            RpcError: it cannot be written any more.
        """


class CallMaker(Protocol):
    """Who made a call; told of its end by one of these, once."""

    def resolve(self, result: JSON) -> None:
        """Take the result."""

    def reject(self, error: BaseException) -> None:
        """Take the reason why there is none."""


class OpenCall:
    """A call that has not ended.

    Attributes:
        sent: the number of its message in the stream; 0: it is not written.
        over: whether it has ended.
    """

    __slots__ = ("draft", "id", "message", "over", "sent", "sent_at", "sink", "timer")

    def __init__(self, id: str, draft: UnsentCall, sink: CallMaker) -> None:
        self.id = id
        self.draft = draft
        self.sink = sink
        self.sent = 0
        self.sent_at = 0.0
        self.over = False
        self.message = OutMessage()
        self.timer: Timer | None = None


class CallEvents(Protocol):
    """What the owner of calls is told."""

    def is_open(self) -> bool:
        """Whether there is a connection, so that what waits will have its turn."""

    def abandoned(self, call: OpenCall) -> None:
        """The caller or the time ended it; its sink is told after this."""

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None:
        """It ended; ``accepted`` is whether the gateway may hold its callbacks."""


class OpenCalls:
    """All calls of one client."""

    def __init__(self, clock: Clock, events: CallEvents, prefix: str) -> None:
        self.in_flight = 0
        self._clock = clock
        self._events = events
        self._prefix = prefix
        self._calls: dict[str, OpenCall] = {}
        self._last_number = 0

    def new_id(self) -> str:
        """An id that this client has never used."""
        self._last_number += 1
        return f"{self._prefix}{self._last_number}"

    def begin(self, draft: UnsentCall, timeout: float | None, sink: CallMaker) -> OpenCall:
        """Take on a call, which may take so many seconds."""
        call = OpenCall(self.new_id(), draft, sink)
        self._calls[call.id] = call
        if timeout is None:
            call.timer = self._clock.call_later(_UNSENT_TIMEOUT_S, lambda: self._look(call))
        else:
            expired = DeadlineExceeded(f"no answer within {timeout:g} s")
            call.timer = self._clock.call_later(timeout, lambda: self._abandon(call, expired))
        return call

    def written(self, call: OpenCall, number: int) -> None:
        """Note that a call is written, as that message of the stream."""
        call.sent = number
        call.sent_at = self._clock.time()
        self.in_flight += 1

    def returned(self, call: OpenCall) -> None:
        """Note that the gateway did not begin a call, which will be written again."""
        call.sent = 0
        self.in_flight -= 1

    def sent(self, id: Any) -> OpenCall | None:
        """The call that an answer is for, if there is one."""
        call = self._calls.get(id) if isinstance(id, str) else None
        return call if call is not None and call.sent else None

    def abandon(self, id: str, error: BaseException) -> None:
        """End a call, unless it was written."""
        call = self._calls.get(id)
        if call is not None and not call.sent:
            self.reject(call, error, accepted=False)

    def cancel(self, id: str) -> None:
        """End a call: its caller does not want it any more."""
        call = self._calls.get(id)
        if call is not None:
            self._abandon(call, RpcError("cancelled", "the call was given up"))

    def resolve(self, call: OpenCall, result: JSON) -> None:
        """End a call by its result."""
        if self._remove(call, accepted=True):
            call.sink.resolve(result)

    def reject(self, call: OpenCall, error: BaseException, *, accepted: bool) -> None:
        """End a call by an error; ``accepted`` is whether the gateway may hold its callbacks."""
        if self._remove(call, accepted):
            call.sink.reject(error)

    def reject_all(self, verdict: Callable[[OpenCall], BaseException | None]) -> None:
        """End the calls for which there is an error, those that were sent first. The others are to be written again."""
        for call in sorted(self._calls.values(), key=lambda call: not call.sent):
            error = verdict(call)
            if error is not None:
                self.reject(call, error, accepted=False)
            else:
                call.sent = 0
        self.in_flight = 0

    def _look(self, call: OpenCall) -> None:
        left = call.sent_at + _SENT_TIMEOUT_S - self._clock.time() if call.sent else _UNSENT_TIMEOUT_S
        if left <= 0:
            self._abandon(call, OutcomeUnknown("the gateway did not answer"))
        elif call.sent or self._events.is_open():
            # Where there is a connection, others are before it, and each of those ends.
            call.timer = self._clock.call_later(left, lambda: self._look(call))
        else:
            self._abandon(call, Unavailable("the gateway could not be reached; the call was not sent"))

    def _abandon(self, call: OpenCall, error: BaseException) -> None:
        self._events.abandoned(call)
        self.reject(call, error, accepted=bool(call.sent))

    def _remove(self, call: OpenCall, accepted: bool) -> bool:
        if self._calls.pop(call.id, None) is None:
            return False
        call.over = True
        if call.sent:
            self.in_flight -= 1
        if call.timer is not None:
            call.timer.cancel()
        self._events.settled(call.draft.callbacks, accepted)
        return True
