"""Failures of somebody else's code in the log: whoever handles the record has the exception, its text is bounded.

An exception may have the text of a caller in it, which is as long as messages may be, and a thousand frames.
"""

from __future__ import annotations

import logging
import traceback
from typing import Final

MAX_TRACE_CHARS: Final = 16_000
"""Some hundred frames with their lines."""


def log_failure(log: logging.Logger, level: int, error: BaseException, message: str, *args: object) -> None:
    """Log an exception that was caught, as ``log.log(level, message, *args, exc_info=error)`` does."""
    if not log.isEnabledFor(level):
        return
    path, line, function, _ = log.findCaller(stacklevel=2)
    caught = (type(error), error, error.__traceback__)
    record = log.makeRecord(log.name, level, path, line, message, args, caught, function)
    # Formatters take this text where there is one, and make their own of the exception otherwise.
    record.exc_text = shortened_trace(error)
    log.handle(record)


def shortened_trace(error: BaseException) -> str:
    """The traceback of an exception, its outermost and innermost frames if it is long."""
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    if len(text) <= MAX_TRACE_CHARS:
        return text
    half = MAX_TRACE_CHARS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters are left out …\n{text[-half:]}"
