"""A plugin of pytest for measured runs: what is done in the processes that tests start counts as well.

A process that a test kills may first write down what was measured in it; otherwise the lines of a gateway that is ended
by SIGKILL would count as never run. One that a test starts with an environment of its own still gets to know that it
is measured. Used as `-p tests.last_words`, never in a plain run: there a kill is a kill.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE_S = 3.0
MEASURED = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage starts in a process (`patch = subprocess`)."""


@pytest.fixture(scope="session", autouse=True)
def last_words() -> Iterator[None]:
    start, kill = subprocess.Popen.__init__, subprocess.Popen.kill

    def start_measured(process: subprocess.Popen[bytes], *arguments: Any, **options: Any) -> None:
        if options.get("env") is not None and MEASURED in os.environ:
            options["env"] = {**options["env"], MEASURED: os.environ[MEASURED]}
        start(process, *arguments, **options)

    def ask_first(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            kill(process)
            process.wait()
        # For the test it was killed.
        process.returncode = -signal.SIGKILL

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", start_measured)
        patch.setattr(subprocess.Popen, "kill", ask_first)
        yield
