"""Log lines on stderr: for people on a terminal, one JSON object per line otherwise.

Lines about requests are gathered and written a few times a second: a write per request would cost a good part of what
a call costs. Everything else is written at once, after what was gathered before; by whom, is in `gateway.log_drain`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import orjson

from gateway.log_drain import LogDrain, writer_to

_FLUSH_S: Final = 0.1
_MAX_LINES: Final = 1000
_SHOWN_CHARS: Final = 300
_MAX_TEXT_CHARS: Final = 4_000
_MAX_TRACE_CHARS: Final = 16_000
"""How much of a value that a client chose a line has; no host's name is longer (RFC 1035 section 2.3.4)."""
_MAX_PATH_CHARS: Final = 1000
"""Of a request's path in its line; a head has room for 64 times as much."""


@dataclass(frozen=True, slots=True)
class EndedSocket:
    """A WebSocket that is over.

    Attributes:
        close_code: of RFC 6455, or ours: 1005 if the close frame had none, 1006 if there was none.
        calls: how many its client began on it.
        seconds: how long it was open.
        request_id, remote, trace_id: as of the request that it began with.
        principal: who its client was in the end; None if nobody knows.
    """

    close_code: int
    calls: int
    seconds: float
    received_bytes: int
    sent_bytes: int
    remote: str
    request_id: str
    principal: str | None
    trace_id: str | None


class Sink(Protocol):
    """Where the lines of a `LogWriter` go; a text stream is one."""

    def write(self, text: str, /) -> object:
        """Take lines, each with its end."""


class LogWriter:
    """Writes lines of both kinds to one sink, in order. Whatever thread has something to say may say it."""

    def __init__(self, sink: Sink, *, as_json: bool) -> None:
        self._sink = sink
        # The collector may run while it is held, and what that ends may log.
        self._lock = threading.RLock()
        self._as_json = self._as_json_by_itself = as_json
        self._says_requests = True
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lost(self) -> int:
        """The lines that nobody will read."""
        return 0

    def adopt(self, level: str, form: str) -> None:
        """Write from now on what is of that level or above, in that form.

        Args:
            level: ``info``, which requests have, ``warning`` or ``error``.
            form: ``json``, ``text``, or ``auto``: what the sink is made for.
        """
        self._says_requests = level == "info"
        self._as_json = self._as_json_by_itself if form == "auto" else form == "json"

    def request(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        remote: str,
        request_id: str,
        code: str | None,
        refused: tuple[str, str] | None = None,
        principal: str | None = None,
        trace_id: str | None = None,
        size: int | None = None,
    ) -> None:
        """Note an answered request.

        Args:
            code: the status name of an error.
            refused: for what it was refused: a name and its value, such as ``origin`` and where its page is from.
            principal: who asked; None if nobody knows.
            trace_id: of the trace that it belongs to.
            size: the bytes of the answer's body.
        """
        if not self._says_requests:
            return
        milliseconds = round(seconds * 1000, 2)
        if len(path) > _MAX_PATH_CHARS:
            path = path[:_MAX_PATH_CHARS] + "…"
        if self._as_json:
            entry: dict[str, object] = {
                "time": _now(),
                "level": "info",
                "method": method,
                "path": path,
                "status": status,
                "ms": milliseconds,
                "remote": remote,
                "request_id": request_id,
            }
            if size is not None:
                entry["bytes"] = size
            if principal is not None:
                entry["principal"] = principal[:_SHOWN_CHARS]
            if trace_id is not None:
                entry["trace_id"] = trace_id
            if code is not None:
                entry["code"] = code
            if refused is not None:
                entry[refused[0]] = refused[1][:_SHOWN_CHARS]
            line = _json(entry)
        else:
            shown = f" {code}" if code is not None else ""
            if refused is not None:
                shown += f" ({refused[0]} {_printable(refused[1][:_SHOWN_CHARS])})"
            line = f"{_clock()} {status}{shown} {method} {_printable(path)} {milliseconds} ms [{request_id}]"
            if principal is not None:
                line += f" {_printable(principal[:_SHOWN_CHARS])}"
        self._gather(line)

    def socket(self, ended: EndedSocket) -> None:
        """Note the end of a WebSocket, whose beginning was noted as a request."""
        if not self._says_requests:
            return
        if self._as_json:
            entry: dict[str, object] = {
                "time": _now(),
                "level": "info",
                "socket": "ended",
                "close": ended.close_code,
                "calls": ended.calls,
                "ms": round(ended.seconds * 1000, 2),
                "bytes_in": ended.received_bytes,
                "bytes_out": ended.sent_bytes,
                "remote": ended.remote,
                "request_id": ended.request_id,
            }
            if ended.principal is not None:
                entry["principal"] = ended.principal[:_SHOWN_CHARS]
            if ended.trace_id is not None:
                entry["trace_id"] = ended.trace_id
            line = _json(entry)
        else:
            who = "" if ended.principal is None else f" {_printable(ended.principal[:_SHOWN_CHARS])}"
            line = (
                f"{_clock()} {ended.close_code} socket ended, {ended.calls} calls "
                f"{ended.seconds:.1f} s [{ended.request_id}]{who}"
            )
        self._gather(line)

    def _gather(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_later)
        elif len(self._lines) >= _MAX_LINES:
            self.flush()

    def message(self, record: logging.LogRecord, text: str, trace: str | None) -> None:
        """Write a line of the logging module."""
        # Both may have texts of callers and of services, which are as long as messages may be.
        text, trace = _cut(text, _MAX_TEXT_CHARS), None if trace is None else _cut(trace, _MAX_TRACE_CHARS)
        line = self._line(record.levelname.lower(), record.name, text, trace)
        with self._lock:
            self._lines.append(line)
            self.flush()

    def notice(self, lost: int) -> str:
        """The line that says how many were lost."""
        text = f"{lost} log lines were lost: they were not read, or could not be written"
        return self._line("warning", __name__, text, None)

    def _line(self, level: str, logger: str, text: str, trace: str | None) -> str:
        if self._as_json:
            entry: dict[str, object] = {
                "time": _now(), "level": level, "logger": logger, "message": text
            }
            if trace:
                entry["traceback"] = trace
            return _json(entry)
        return f"{_clock()} {level}: {_printable(text)}" + (f"\n{trace}" if trace else "")

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            if self._lines:
                lines, self._lines = self._lines, []
                try:
                    self._sink.write("\n".join(lines) + "\n")
                except (OSError, ValueError):
                    # Nobody reads stderr any more; that must not end the gateway.
                    return

    def _flush_later(self) -> None:
        self._timer = None
        self.flush()


class _Handler(logging.Handler):
    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        trace = self._formatter.formatException(record.exc_info) if record.exc_info else None
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that do not fit the text must not end who logs
            text = f"{record.msg} {record.args}"
        self._writer.message(record, text, trace)


class StderrLog(LogWriter):
    """The log of a process: everything that is logged goes to stderr, through a `LogDrain`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin; ``max_bytes`` may wait for the reader."""
        stderr = sys.stderr  # None where the process was started without one
        self.drain = LogDrain(writer_to(stderr), self.notice, max_bytes)
        super().__init__(self.drain, as_json=stderr is None or not stderr.isatty())

    @property
    def lost(self) -> int:
        """The lines that nobody will read."""
        return self.drain.lost

    def adopt(self, level: str, form: str) -> None:
        """See `LogWriter.adopt`; it holds for all that the process logs."""
        super().adopt(level, form)
        logging.getLogger().setLevel(level.upper())

    def close(self) -> None:
        """Write what is left, if that does not take long."""
        self.flush()
        self.drain.close()


def set_up(max_bytes: int) -> StderrLog:
    """Send everything that is logged to stderr; returns the writer for requests, to be closed at the end.

    Args:
        max_bytes: so much may wait for the reader.
    """
    writer = StderrLog(max_bytes)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_Handler(writer))
    root.setLevel(logging.INFO)
    # Tornado has a warning for each handshake that fails, and anybody can make those.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    return writer


def _cut(text: str, most: int) -> str:
    """The text, or its beginning and its end."""
    if len(text) <= most:
        return text
    tail = most // 4
    return f"{text[: most - tail]} … ({len(text) - most} characters are left out) … {text[-tail:]}"


def _now() -> str:
    now = time.time()
    return f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _json(entry: dict[str, object]) -> str:
    try:
        return orjson.dumps(entry).decode()
    except TypeError:
        # Lone surrogates, from an undecodable file name, say; the standard library escapes them.
        return json.dumps(entry)


def _printable(text: str) -> str:
    # Control characters in a log are commands to a terminal.
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
