"""The services of examples/native as processes, at unix sockets of a test's own."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMAS = ROOT / "examples" / "native"
PROGRAM = ROOT / "build" / "native" / "native"
WAIT_S = 20.0


def built() -> Path:
    """Compile the services in C++ unless that is done; the program's path.

    Fails, with what make says, where the compiler or Cap'n Proto's library is missing.
    """
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    # Tests run in several processes.
    with (PROGRAM.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", "--no-print-directory", "--silent", str(PROGRAM.relative_to(ROOT))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert made.returncode == 0, f"the native services could not be compiled:\n{made.stdout}"
    return PROGRAM


class NativeService:
    """One of the services, which a test may stop, kill and start again.

    Args:
        folder: where its socket and its log are; a short path, as sockets have.
        kind: `abacus` or `node` in C++, or `python` for the abacus by pycapnp.

    Attributes:
        endpoint: as a gateway's configuration has it, `unix:/…`.
    """

    def __init__(self, folder: Path, kind: str = "abacus") -> None:
        self.path = folder / f"{kind}.sock"
        self.endpoint = f"unix:{self.path}"
        self.log = folder / f"{kind}.txt"
        script = str(SCHEMAS / "abacus.py")
        self._command = [sys.executable, script] if kind == "python" else [str(built()), kind]
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it can be called."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, self.endpoint], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == f"listening on {self.endpoint}\n", self.log.read_text()

    def hang(self) -> None:
        """Have it answer nothing, though its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word; harmless if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
