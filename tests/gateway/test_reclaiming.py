"""Memory is given back in a quiet moment, when there is some to give back, and seldom enough."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from gateway.reclaiming import PATIENCE, Reclaiming, reclaim


class Process:
    """A process whose memory, clients and time the test says."""

    def __init__(self) -> None:
        self.size, self.clients, self.is_busy, self.now = 1000, 10, False, 50.0
        self.reclaimed = 0
        self.takes_s = 0.0
        self.reclaiming = Reclaiming(
            lambda: self.size, lambda: self.clients, lambda: self.is_busy, self.reclaim, lambda: self.now
        )

    def reclaim(self) -> None:
        self.reclaimed += 1
        self.now += self.takes_s

    def look(self) -> bool:
        return self.reclaiming.look()


@pytest.fixture
def process() -> Process:
    return Process()


def test_nothing_is_done_as_long_as_there_is_little_more_memory_than_once(process: Process) -> None:
    process.size = 1100
    process.clients = 0
    assert not process.look()
    process.size = 1101
    assert process.look()


def test_the_least_that_was_there_is_what_counts(process: Process) -> None:
    process.size = 500
    assert not process.look()
    process.size = 900
    assert process.look()


def test_what_stays_although_it_was_reclaimed_is_no_reason_to_do_it_again(process: Process) -> None:
    process.size = 2000
    assert [process.look() for _ in range(5)] == [True, False, False, False, False]
    process.size = 2201
    assert process.look()


def test_clients_that_have_left_are_a_reason(process: Process) -> None:
    process.size = 2000
    assert process.look()
    process.clients = 30
    assert not process.look()
    process.clients = 29
    assert process.look()
    assert not process.look()


def test_a_quiet_moment_is_waited_for_but_not_for_ever(process: Process) -> None:
    process.size, process.is_busy = 2000, True
    assert not any(process.look() for _ in range(PATIENCE))
    assert process.look()
    process.size = 3000
    assert not process.look()
    process.is_busy = False
    assert process.look()


def test_it_takes_a_hundredth_of_the_time_at_most(process: Process) -> None:
    process.takes_s = 0.2
    process.size = 2000
    assert process.look()
    process.size = 3000
    process.now += 19.7
    assert not process.look()
    process.now += 0.2
    assert process.look()


def test_what_refers_to_itself_is_freed() -> None:
    class Loop:
        def __init__(self) -> None:
            self.itself = self

    gc.collect()
    gc.disable()
    try:
        for _ in range(1000):
            Loop()
        before = sys.getallocatedblocks()
        reclaim()
        assert sys.getallocatedblocks() <= before - 1000
    finally:
        gc.enable()


KNOWN = """
from pathlib import Path
from gateway.reclaiming import resident_bytes
held = bytes(50_000_000).replace(b"\\0", b"x")
with_it = resident_bytes()
kilobytes = int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])
assert abs(kilobytes * 1024 - with_it) < 0.1 * with_it, (kilobytes, with_it)
del held
assert resident_bytes() < with_it - 25_000_000, (resident_bytes(), with_it)
"""


def test_the_memory_of_a_process_is_known() -> None:
    # Of one that did nothing else, as others may have kept what they freed.
    done = subprocess.run([sys.executable, "-c", KNOWN], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
