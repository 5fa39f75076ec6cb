"""The process in which pycapnp compiles, as this process sees it: started when it is first needed, and asked again.

A start takes 150 ms, which is most of what a small schema costs, and a request a tenth of that. It ends when this
process does, or when it was asked nothing for a while; then another one is started. What it runs is
compiler_process.py.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Final

from cara_pseud.errors import SchemaError
from cara_pseud.schema.diagnosis import LastWords
from cara_pseud.schema.trees import pycapnp_tree

_SCRIPT: Final = Path(__file__).with_name("compiler_process.py")
_ANSWER: Final = ".answer"
_ERRORS: Final = ".errors"
_GRACE_S: Final = 5.0
"""How long the process may take to say that a request took too long."""


class TookTooLong(Exception):
    """Compiling did not end in time.

    Attributes:
        compiling: the name of the file that was being compiled; empty if that is not known.
    """

    def __init__(self, compiling: str = "") -> None:
        super().__init__(compiling)
        self.compiling = compiling


def run_compiler(directory: str, files: Sequence[str], timeout_s: float) -> list[bytes] | LastWords:
    """Compile files of a directory that is nobody else's; one message per node, or the compiler's last words.

    May be called from any thread; one request is worked on at a time.

    Raises:
        SchemaError: the compiler cannot be started.
        TookTooLong: it did not end in time.
    """
    if not sys.executable:
        raise SchemaError("the schema compiler needs a Python executable, and sys.executable is empty")
    request = json.dumps({"root": directory, "files": list(files), "timeout_s": timeout_s}).encode() + b"\n"
    try:
        status = _desk(os.getpid()).ask(request, time.monotonic() + timeout_s)
    except OSError as error:
        raise SchemaError(f"the schema compiler cannot be started: {error}") from None
    if isinstance(status, LastWords):
        return status
    answer = _read_frames(_contents(directory, _ANSWER))
    if answer.finished:
        return answer.messages
    if status == _ALARM:
        raise TookTooLong(answer.compiling)
    stderr = _contents(directory, _ERRORS).decode(errors="replace")
    return LastWords(stderr, answer.complaint, status, answer.compiling)


_ALARM: Final = -14  # SIGALRM, which ends what takes too long over there


class _Gone(Exception):
    """The process ended before it answered."""


class _Desk:
    """Where requests are taken: one process at a time, and whoever asks waits for who asked before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def ask(self, request: bytes, until: float) -> int | LastWords:
        """How the request ended: the exit status; or what the compiler said that could not even begin.

        Raises:
            OSError: no process can be started.
            TookTooLong: there was no answer until then.
        """
        if not self._lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
            raise TookTooLong
        try:
            return self._ask(request, until)
        finally:
            self._lock.release()

    def _ask(self, request: bytes, until: float) -> int | LastWords:
        place = (sys.executable, str(pycapnp_tree()))
        process = self._process
        if process is not None and process.place == place:
            # It may have ended since, or at this moment, as nobody asked it anything.
            with suppress(_Gone):
                return self._answered(process, request, until)
        if process is not None:
            process.close()
            process.reap()
        process = self._process = None
        process = _Process(place)
        try:
            process.pid = int(process.line(until + _GRACE_S))
        except _Gone:
            process.close()
            return LastWords("", "", process.started, "")
        except BaseException:
            process.close()
            raise
        self._process = process
        try:
            return self._answered(process, request, until)
        except _Gone:
            return LastWords("the compiler's process was ended", "", 1, "")

    def _answered(self, process: _Process, request: bytes, until: float) -> int:
        try:
            process.say(request)
            return int(process.line(until + _GRACE_S))
        except BaseException:
            # Whatever it says later would be taken for the answer to another request.
            process.close()
            self._process = None
            raise


@cache
def _desk(pid: int) -> _Desk:
    """The one desk of a process: what was inherited through a fork is the other process's."""
    return _Desk()


class _Process:
    """A process that compiles.

    Attributes:
        place: the Python and the pycapnp that it runs.
        started: the exit status of what started it.
        pid: its id, once it has said that it is there.
    """

    def __init__(self, place: tuple[str, str]) -> None:
        self.place = place
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and script, and no shell
            [sys.executable, "-I", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,  # ours may be gone
            start_new_session=True,  # Ctrl-C is for us, not for it
        )
        assert child.stdin is not None
        assert child.stdout is not None
        self._stdin, self._stdout = child.stdin, child.stdout
        self.close = weakref.finalize(self, _close, child.stdin, child.stdout)
        self._received = b""
        # What we have started is not what stays, and ends at once.
        self.started = child.wait()
        self.pid = 0
        with suppress(_Gone):  # then there is no answer either
            self.say(json.dumps(_module_path()).encode() + b"\n")

    def reap(self) -> None:
        """Let its remains go, where it has become a child of this process, as of the first one in a container."""
        if os.getpid() == 1:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)

    def say(self, line: bytes) -> None:
        """Write a line; raises `_Gone`."""
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except OSError:
            raise _Gone from None

    def line(self, until: float) -> bytes:
        """The next line that it says; raises `_Gone` or `TookTooLong`."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        while b"\n" not in self._received:
            if not poll.poll(max(until - time.monotonic(), 0.0) * 1000):
                raise TookTooLong
            more = os.read(self._stdout.fileno(), 4096)
            if not more:
                raise _Gone
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return line


def _close(*files: IO[bytes]) -> None:
    for file in files:
        with suppress(OSError):  # what was not written goes nowhere any more
            file.close()


def _module_path() -> list[str]:
    """Where the child may find pycapnp, however it was installed."""
    entries = [os.fsdecode(path) for path in sys.path]
    try:
        return [os.path.abspath(path) for path in entries]
    except FileNotFoundError:  # the current directory is gone
        return [path for path in entries if os.path.isabs(path)]


def _contents(directory: str, name: str) -> bytes:
    try:
        return Path(directory, name).read_bytes()
    except FileNotFoundError:
        return b""


@dataclass
class _Answer:
    messages: list[bytes] = field(default_factory=list)
    compiling: str = ""
    complaint: str = ""
    finished: bool = False


def _read_frames(output: bytes) -> _Answer:
    """What the child answered, as far as it got; the frames are described in compiler_process.py."""
    answer = _Answer()
    position = 0
    while position + 5 <= len(output):
        start = position + 5
        end = start + int.from_bytes(output[position + 1 : start], "little")
        kind, payload = output[position : position + 1], output[start:end]
        if end > len(output):
            break
        if kind == b"N":
            answer.messages.append(payload)
        elif kind == b"F":
            answer.compiling = payload.decode()
        elif kind == b"E":
            answer.complaint = payload.decode(errors="replace")
        elif kind == b".":
            answer.finished = True
        position = end
    return answer
