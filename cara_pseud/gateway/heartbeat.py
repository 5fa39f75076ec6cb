"""Notices a connection that is dead without anybody having closed it: packets vanish, and neither end is told.

Asks the other end for a sign of life when nothing came for a while, and gives the connection up when none comes. Knows
no messages and no sockets.

    stopped ──start──▸ quiet ──10 s without a message──▸ asked ──no life in time──▸ lost, and stopped
                         ▴──────────── life ───────────────┘
"""

from __future__ import annotations

from typing import Final, Protocol

from cara_pseud.gateway.clock import Clock, Timer

_QUIET_S: Final = 10.0
_FIRST_PATIENCE_S: Final = 5.0
_LONGEST_PATIENCE_S: Final = 60.0
"""A link so slow that a sign of life takes longer must not be lost for ever."""
_LOOK_S: Final = 1.0
_LATE_S: Final = 2.0
"""A timer may be so late because the process was stopped or busy; then what came meanwhile waits behind the timer."""


class HeartbeatEvents(Protocol):
    """What is done about silence."""

    def ask(self) -> None:
        """Send something that is answered at once."""

    def unsent(self) -> int:
        """Bytes that were written and have not left this process."""

    def lost(self) -> None:
        """Give the connection up."""


class Heartbeat:
    """Watches one connection after the other."""

    def __init__(self, clock: Clock, events: HeartbeatEvents) -> None:
        self._clock = clock
        self._events = events
        self._patience_s = _FIRST_PATIENCE_S
        self._timer: Timer | None = None
        # When the timer should run, and when the last sign of life was seen.
        self._due = self._life = 0.0
        # Until when one has to come; None as long as none was asked for.
        self._deadline: float | None = None
        # Whether it was asked for again because a timer was late.
        self._again = False
        self._unsent = 0

    def start(self) -> None:
        """Watch a connection that was just opened."""
        self.stop()
        self._alive()
        self._wait(_QUIET_S)

    def stop(self) -> None:
        """Watch nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def heard(self) -> None:
        """Note that a message came."""
        self._alive()
        self._patience_s = _FIRST_PATIENCE_S

    def _alive(self) -> None:
        self._life = self._clock.time()
        self._deadline = None

    def _wait(self, delay_s: float) -> None:
        self._due = self._clock.time() + delay_s
        self._timer = self._clock.call_later(delay_s, self._look)

    def _look(self) -> None:
        now = self._clock.time()
        is_late = now - self._due > _LATE_S
        if self._deadline is None:
            quiet = now - self._life
            if quiet < _QUIET_S:
                self._wait(_QUIET_S - quiet)
                return
            self._again = False
            self._ask(now)
        elif self._events.unsent() < self._unsent:
            self._alive()
        elif is_late and not self._again:
            self._again = True
            self._ask(now)
        elif now >= self._deadline:
            self._patience_s = min(self._patience_s * 2, _LONGEST_PATIENCE_S)
            self._timer = None
            self._events.lost()
            return
        self._unsent = self._events.unsent()
        self._wait(_LOOK_S)

    def _ask(self, now: float) -> None:
        self._deadline = now + self._patience_s
        self._events.ask()
