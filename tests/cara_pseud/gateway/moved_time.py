"""Time that passes when a test says so, for what needs no loop."""

from __future__ import annotations

from collections.abc import Callable


class FakeTimer:
    def __init__(self, due: float, action: Callable[[], object]) -> None:
        self.due = due
        self.action = action
        self.is_over = False

    def cancel(self) -> None:
        self.is_over = True


class FakeClock:
    """See `cara_pseud.gateway.clock.Clock`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        timer = FakeTimer(self.now + delay, callback)
        self._timers.append(timer)
        return timer

    def call_soon(self, callback: Callable[[], object], /) -> FakeTimer:
        return self.call_later(0, callback)

    @property
    def waiting(self) -> int:
        """How many timers would still run."""
        return sum(not timer.is_over for timer in self._timers)

    def advance(self, seconds: float = 0.0) -> None:
        end = self.now + seconds
        while due := [timer for timer in self._timers if not timer.is_over and timer.due <= end]:
            timer = min(due, key=lambda each: each.due)
            timer.is_over = True
            self.now = max(self.now, timer.due)
            timer.action()
        self.now = end
        self._timers = [timer for timer in self._timers if not timer.is_over]

    def sleep(self, seconds: float) -> None:
        """The process is stopped: time passes and no timer runs, until all that are due do."""
        self.now += seconds
        self.advance()
