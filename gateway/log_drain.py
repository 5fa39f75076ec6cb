"""Log lines on their way to whoever reads them, who may stop: a bounded queue, written by a thread of its own.

Neither a pipe that nobody empties nor a full disk holds up or ends anything but the lines themselves. Those that are
lost are counted, and told as soon as lines can be written again.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TextIO

_CLOSE_S: Final = 1.0
"""How long the end of a process waits for its last lines."""


class LogDrain:
    """A text stream whose `write` never waits and never fails.

    Attributes:
        max_bytes: so much may wait.
    """

    def __init__(self, write: Callable[[bytes], None], notice: Callable[[int], str], max_bytes: int) -> None:
        """Begin; the thread begins with the first text.

        Args:
            write: writes everything, however long that takes, or raises OSError or ValueError.
            notice: the line that tells how many were lost.
        """
        self.max_bytes = max_bytes
        self._write = write
        self._notice = notice
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Each is changed by one thread only, the first two by whoever logs (one at a time, see `gateway.logs`) and the
        # others by the one that writes; but `_is_full` by both, and to tell a loss once more costs nothing.
        self._taken_bytes = 0
        self._refused = 0
        self._is_full = False
        self._written_bytes = 0
        self._failed = 0
        self._told = 0

    @property
    def lost(self) -> int:
        """The lines that nobody will read."""
        return self._refused + self._failed

    def write(self, text: str) -> None:
        """Have lines written, or lose them if too much waits."""
        # Most characters take one byte; the bound is for memory and need not be exact.
        room = self.max_bytes - self._taken_bytes + self._written_bytes
        if len(text) > room:
            kept = text[: text.rfind("\n", 0, max(room, 0)) + 1]
            self._refused += text.count("\n") - kept.count("\n")
            text = kept  # an empty one, too: behind what waits the loss is told, even if nothing follows
            if not text and self._is_full:
                return
            self._is_full = True
        self._taken_bytes += len(text)
        self._queue.put(text)
        if self._thread is None:
            # A daemon, for the process must end though this may wait for a reader for ever.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Wait until everything is written, but not for ever; nothing may be logged behind it."""
        thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout_s)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            self._put_out(text, text.count("\n"))
            self._written_bytes += len(text)
            self._is_full = False
            lost = self.lost
            if lost > self._told and self._put_out(self._notice(lost - self._told) + "\n", 0):
                self._told = lost

    def _put_out(self, text: str, lines: int) -> bool:
        try:
            self._write(text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            self._failed += lines
            return False
        return True


def writer_to(stream: TextIO | None) -> Callable[[bytes], None]:
    """What writes to a stream's descriptor, past the stream's own locks; to the stream itself if it has none.

    Nothing is written where there is no stream: descriptor 2 may be anybody's then.
    """
    if stream is None:
        return lambda data: None
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return lambda data: _write_text(stream, data)
    return lambda data: _write_all(descriptor, data)


def _write_text(stream: TextIO, data: bytes) -> None:
    stream.write(data.decode("utf-8"))
    stream.flush()


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # whoever shares the pipe has made it so
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
