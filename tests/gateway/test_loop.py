"""The loop tells how long its turns take, and the collector how long it took."""

from __future__ import annotations

import asyncio
import gc
import selectors
import subprocess
import sys

import pytest

from gateway.loop import CollectorWatch, watched_loop
from gateway.stalls import Stalls


class Clock:
    """A time that only goes on when somebody says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_callback_that_takes_long_is_a_stall(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    stalls = Stalls(clock)

    async def main() -> None:
        await asyncio.sleep(0)
        clock.now += 0.25
        stalls.spent("thinking")
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=lambda: watched_loop(stalls)) as runner:
        runner.run(main())
    assert (stalls.count, stalls.seconds) == (1, 0.25)
    assert caplog.messages == ["the event loop stood still for 0.25 s: thinking"]


def test_a_loop_that_waits_does_not_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    stalls = Stalls(clock)
    select = selectors.DefaultSelector.select

    def wait(self: selectors.DefaultSelector, timeout: float | None = None) -> object:
        clock.now += 60.0
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", wait)
    with asyncio.Runner(loop_factory=lambda: watched_loop(stalls)) as runner:
        runner.run(asyncio.sleep(0))
    assert (stalls.count, clock.now > 60.0) == (0, True)


def test_the_collector_is_blamed_only_while_it_is_watched() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    blamed: list[float] = []
    members = {"clock": clock, "interrupted": lambda _, seconds, what: blamed.append(seconds)}
    stalls_of_test = type("Watched", (), members)
    assert stalls.count == 0
    with CollectorWatch(stalls_of_test()):  # type: ignore[arg-type]
        gc.collect(0)
        assert blamed == []
        gc.collect()
        assert blamed == [0.0]
    gc.collect()
    assert blamed == [0.0]


def test_what_is_there_when_the_gateway_has_started_is_passed_over() -> None:
    program = (
        "import gc\n"
        "from gateway.loop import settle_collector\n"
        "from gateway.stalls import Stalls\n"
        "times = [0.0]\n"
        "stalls = Stalls(lambda: times[-1])\n"
        "gc.callbacks.append(lambda phase, info: times.append(times[-1] + 1.0))\n"
        "settle_collector(stalls)\n"
        # Nobody is served yet, so nobody waits: it is no stall.
        "stalls.turn_ends(times[-1])\n"
        "assert times[-1] == 2.0 and stalls.count == 0\n"
        "print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100, gc.get_threshold())\n"
    )
    said = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    assert said.stdout == "True True (1000, 5, 5)\n"


def test_what_happened_before_the_loop_is_no_stall() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    clock.now += 5.0
    with asyncio.Runner(loop_factory=lambda: watched_loop(stalls)) as runner:
        runner.run(asyncio.sleep(0))
    assert stalls.count == 0
