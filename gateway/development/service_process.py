"""The process of a service that somebody develops: started, stopped, and what it says when it fails.

All that it writes goes on to stderr, as stdout is the gateway's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

_STOP_S: Final = 2.0
"""How long it has to end by itself; whoever changed its code waits for it."""
_LAST_WORDS_S: Final = 0.5
"""How long its pipe is read when it has ended: a process of its own may hold the other end."""
_KEPT_CHARS: Final = 50_000
_DIE_WITH_PARENT: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

Ended = Callable[[int, str], None]


class ServiceProcess:
    """One run of the program. Belongs to the running loop, whose thread starts it.

    Args:
        ended: told when it has ended by itself: its status, and the end of what it wrote.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], ended: Ended) -> None:
        self._ended: Ended | None = ended
        self._said = ""
        self._loop = asyncio.get_running_loop()
        # A session of its own: Ctrl-C in a terminal is for the gateway, which lets calls under way end first.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=environment, start_new_session=True, preexec_fn=_die_with_parent(),
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        with pipe:
            for line in pipe:
                sys.stderr.write(line)
                sys.stderr.flush()
                self._said = (self._said + line)[-_KEPT_CHARS:]

    def _wait(self) -> None:
        status = self._process.wait()
        self._reading.join(_LAST_WORDS_S)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._tell, status)

    def _tell(self, status: int) -> None:
        if self._ended is not None:
            self._ended(status, self._said)

    def stop(self) -> None:
        """End it, and what it has started; blocks until it has ended. Nobody is told."""
        self._ended = None
        process = self._process
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _die_with_parent() -> Callable[[], None] | None:
    """What a new process does to end when we are killed; None where the system knows no way."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_DIE_WITH_PARENT, signal.SIGKILL)
