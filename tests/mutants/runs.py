"""One run of pytest over some test files in a copy, within a time limit; and what such runs cover and take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from coverage import CoverageData

from tests.mutants.checkout import PACKAGES, Checkout

PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--tb=line")
PLUGINS = ("-p", "tests.last_words", "-p", "tests.mutants.by_test")
SLOWEST_S = 300.0
"""A test file that takes longer without any change is not waited for."""
MOST_KIB = 6 * 1024 * 1024
"""Of addresses, for each process: a loop without an end may gather memory until the machine has none."""

SETTINGS = """\
[run]
branch = false
parallel = true
patch = subprocess, _exit
sigterm = true
data_file = {folder}/data
source = {sources}
disable_warnings = no-data-collected
"""


class UnusableTest(Exception):
    """A test file fails without any change, so its failures say nothing."""


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Run:
    outcome: Outcome
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one test file does without any change.

    Attributes:
        seconds: how long it takes.
        lines: those that it runs, by source file, each with the test functions that do, as ``file::name``. An empty
            name stands for what runs outside of them: at the import, in what they have in common, in other processes.
    """

    seconds: float
    lines: Mapping[str, Mapping[int, Collection[str]]]


def run(checkout: Checkout, tests: Sequence[str], limit_s: float) -> Run:
    """Run test files or functions in their order up to the first failure, or for so long."""
    return _run(checkout, [sys.executable, *PYTEST, *tests], limit_s)


def measure(checkout: Checkout, test: str) -> Measured:
    """Run one test file, and its processes, with coverage.

    Raises:
        UnusableTest: it fails although nothing was changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "coveragerc")
        sources = ",".join(str(checkout.root / package) for package in PACKAGES)
        settings.write_text(SETTINGS.format(folder=folder, sources=sources), "utf-8")
        coverage = ("-m", "coverage", "run", f"--rcfile={settings}")
        done = _run(checkout, [sys.executable, *coverage, *PYTEST, *PLUGINS, test], SLOWEST_S)
        if done.outcome is not Outcome.PASSED:
            raise UnusableTest(f"{test} {done.outcome.value} without any change:\n{done.output}")
        return Measured(done.seconds, _lines(Path(folder), checkout.root))


def _lines(folder: Path, root: Path) -> dict[str, dict[int, set[str]]]:
    lines: dict[str, dict[int, set[str]]] = {}
    for path in folder.glob("data.*"):
        data = CoverageData(str(path))
        data.read()
        for file in data.measured_files():
            if Path(file).is_relative_to(root):
                known = lines.setdefault(Path(file).relative_to(root).as_posix(), {})
                for line, tests in data.contexts_by_lineno(file).items():
                    known.setdefault(line, set()).update(tests)
    return lines


def _run(checkout: Checkout, command: Sequence[str], limit_s: float) -> Run:
    begun = time.monotonic()
    limited = ["sh", "-c", f'ulimit -v {MOST_KIB} && exec "$@"', "sh", *command]
    with tempfile.TemporaryFile("w+") as output, subprocess.Popen(
        limited, cwd=checkout.root, env=checkout.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            status = process.wait(limit_s)
            outcome = Outcome.PASSED if status == 0 else Outcome.FAILED
        except subprocess.TimeoutExpired:
            outcome = Outcome.HUNG
        finally:
            # Its processes too: a gateway that a test could not end any more.
            _kill(process)
        output.seek(0)
        return Run(outcome, time.monotonic() - begun, output.read()[-4000:])


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
