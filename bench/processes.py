"""Child processes of a measurement: start them, wait for their word, read their CPU time, end them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

LAST_WORDS: Final = 2000
STOP_S: Final = 10


class Child:
    """A process that prints one line when it is ready and, if it takes orders, answers each line with a line."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """Start `python ARGUMENTS…`; what it says on standard error goes to the file `log`."""
        self._name = " ".join(arguments)
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )

    def line(self) -> str:
        """Return the child's next line.

        Raises:
            RuntimeError: the child ended instead.
        """
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            said = self._log.read_text("utf-8", "replace")[-LAST_WORDS:]
            raise RuntimeError(f"`python {self._name}` ended with status {self._process.wait()}\n{said}")
        return text.rstrip("\n")

    def order(self, **words: Any) -> Any:
        """Send a JSON object as one line and return the JSON answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        return json.loads(self.line())

    def cpu_s(self) -> float:
        """Return the CPU time of all the child's threads so far.

        The clock id is Linux's encoding of clock_getcpuclockid(3), which Python does not offer; the same number as
        in /proc/PID/stat, in nanoseconds instead of hundredths of a second.
        """
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def cpu_s_with_children(self) -> float:
        """Return the same of the child and of the processes that it has started."""
        pid = self._process.pid
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return self.cpu_s() + sum(time.clock_gettime((~int(one) << 3) | 2) for one in started)

    def resident_bytes(self) -> int:
        """Return how much memory of the child is in use."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
