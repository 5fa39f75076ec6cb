"""What of somebody else's exception stands in the log."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest

from cara_pseud.logged_failures import MAX_TRACE_CHARS, log_failure


def written(fails: Callable[[], object], level: int = logging.WARNING) -> str:
    """What a program's own handler writes of a failure."""
    log, text = logging.Logger("a", logging.WARNING), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(filename)s %(funcName)s %(message)s"))
    log.addHandler(handler)
    try:
        fails()
    except Exception as error:
        log_failure(log, level, error, "a handler failed: %s", "Echo.echo")
    return text.getvalue()


def raises(text: str) -> None:
    raise ValueError(text)


def test_a_failure_looks_as_logging_writes_it() -> None:
    text = written(lambda: raises("no"))
    assert text.startswith(
        "WARNING test_logged_failures.py written a handler failed: Echo.echo\nTraceback (most recent call last):\n"
    )
    assert text.endswith("    raise ValueError(text)\nValueError: no\n")


def test_a_long_text_is_cut_in_its_middle() -> None:
    text = written(lambda: raises("a" + "b" * 1_000_000 + "c"))
    assert len(text) < MAX_TRACE_CHARS + 200
    assert "ValueError: abb" in text
    assert "characters are left out" in text
    assert text.endswith("bbc\n")


def test_so_is_a_trace_of_many_frames() -> None:
    def one(depth: int) -> None:
        other(depth + 1)

    def other(depth: int) -> None:
        one(depth + 1)

    text = written(lambda: one(0))
    assert len(text) < MAX_TRACE_CHARS + 200
    assert "in written" in text
    assert "RecursionError: maximum recursion depth exceeded" in text


def test_the_exception_goes_along_and_what_nobody_logs_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log, error = logging.getLogger("tests.logged_failures"), ValueError("no")
    log_failure(log, logging.WARNING, error, "it failed")
    log_failure(log, logging.DEBUG, error, "it failed")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error
