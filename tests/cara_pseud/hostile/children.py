"""Processes that run target.py, of which a test asks how they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

TARGET = Path(__file__).with_name("target.py")
compares_waits = pytest.mark.compares_waits
"""Marks tests that use `undisturbed`."""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONFAULTHANDLER": "1"}


class Child:
    """One process; what it writes to stderr is kept."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(TARGET), *arguments], env=ENVIRONMENT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += list(self.process.stderr)

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait(20)}: {''.join(self._errors)[-4000:]}"
        return line.strip()

    def ask(self) -> Any:
        """Its state now; fails if it has died."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return json.loads(self.line())

    @property
    def rss(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> str:
        """End it; what it wrote to stderr."""
        self.process.kill()
        self.process.wait()
        self._reader.join(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        return "".join(self._errors)


@contextmanager
def server(security: str = "noop_auth_backend") -> Iterator[tuple[Child, str]]:
    """A server and its endpoint."""
    with child("server", security) as it:
        yield it, it.line()


@contextmanager
def child(*arguments: str) -> Iterator[Child]:
    it = Child(*arguments)
    try:
        yield it
    finally:
        it.end()


@contextmanager
def good_client(endpoint: str) -> Iterator[Child]:
    with child("good", endpoint) as it:
        assert it.line() == "started"
        yield it


def eventually(question: Callable[[], Any], within_s: float = 10.0) -> None:
    """Ask again and again until the answer is yes."""
    until = time.monotonic() + within_s
    while not (answer := question()):
        assert time.monotonic() < until, f"not within {within_s} s: {answer!r}"
        time.sleep(0.02)


@contextmanager
def undisturbed(endpoint: str, alone_s: float = 1.0) -> Iterator[Child]:
    """See that a good client has no error and no long waits while something else goes on."""
    with good_client(endpoint) as good:
        time.sleep(alone_s)
        alone = good.ask()
        yield good
        beside = good.ask()
    assert (alone["failures"], beside["failures"]) == ([], [])
    assert beside["calls"] > 0
    assert beside["p99"] < max(10 * alone["p99"], 0.1), f"alone {alone}, beside {beside}"
