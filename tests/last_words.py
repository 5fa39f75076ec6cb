"""A plugin of pytest for measured runs: a process that a test kills may first write down what was measured in it.

Without it the lines of a gateway that is ended by SIGKILL would count as never run. Used as `-p tests.last_words`,
never in a plain run: there a kill is a kill.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

PATIENCE_S = 3.0


@pytest.fixture(scope="session", autouse=True)
def last_words() -> Iterator[None]:
    kill = subprocess.Popen.kill

    def ask_first(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            kill(process)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "kill", ask_first)
        yield
