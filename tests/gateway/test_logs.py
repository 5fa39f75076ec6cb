"""Log lines: for people and for machines, in order, and never a way into a terminal."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import logs
from gateway.logs import LogWriter


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("gateway.test", logging.WARNING, "", 1, message, arguments, None)


def test_requests_are_gathered_and_written_soon(fakes: Any) -> None:
    async def main() -> None:
        stream = io.StringIO()
        writer = LogWriter(stream, as_json=True)
        writer.request("POST", "/api/a/b", 200, 0.0123, "127.0.0.1", "id-1", None)
        writer.request("POST", "/api/a/c", 404, 0.001, "127.0.0.1", "id-2", "not_found")
        assert stream.getvalue() == ""
        await fakes.pass_time(1)
        first, second = map(json.loads, stream.getvalue().splitlines())
        assert first.pop("time").endswith("Z")
        assert first == {
            "level": "info",
            "method": "POST",
            "path": "/api/a/b",
            "status": 200,
            "ms": 12.3,
            "remote": "127.0.0.1",
            "request_id": "id-1",
        }
        assert (second["status"], second["code"]) == (404, "not_found")

    fakes.run(main())


def test_a_refused_request_says_what_it_was_refused_for(fakes: Any) -> None:
    async def main() -> None:
        for as_json, expected in ((True, '"origin":"https://evil.example\\u001b"'), (False, "(origin https://evil.example\ufffd)")):
            stream = io.StringIO()
            writer = LogWriter(stream, as_json=as_json)
            refused = ("origin", "https://evil.example\x1b")
            writer.request("POST", "/x", 403, 0.001, "127.0.0.1", "id-1", "permission_denied", refused)
            writer.request("POST", "/x", 403, 0.001, "127.0.0.1", "id-1", "permission_denied", ("origin", "x" * 500))
            writer.flush()
            lines = stream.getvalue().splitlines()
            assert expected in lines[0]
            assert "x" * 300 in lines[1]
            assert "x" * 301 not in lines[1]
        await fakes.pass_time(1)

    fakes.run(main())


def test_a_message_comes_after_the_requests_before_it(fakes: Any) -> None:
    async def main() -> None:
        stream = io.StringIO()
        writer = LogWriter(stream, as_json=False)
        writer.request("GET", "/x", 404, 0.001, "127.0.0.1", "id-1", "not_found")
        writer.message(record("%d went wrong", 5), "5 went wrong", "Traceback …")
        lines = stream.getvalue().splitlines()
        assert lines[0].endswith(" 404 not_found GET /x 1.0 ms [id-1]")
        assert lines[1].endswith(" warning: 5 went wrong")
        assert lines[2] == "Traceback …"
        await fakes.pass_time(1)

    fakes.run(main())


def test_many_requests_do_not_wait(fakes: Any) -> None:
    async def main() -> None:
        stream = io.StringIO()
        writer = LogWriter(stream, as_json=False)
        for _ in range(2000):
            writer.request("GET", "/x", 200, 0.001, "-", "id", None)
        assert stream.getvalue().count("\n") >= 1000
        writer.flush()
        assert stream.getvalue().count("\n") == 2000
        await fakes.pass_time(1)

    fakes.run(main())


def test_control_characters_are_not_written(fakes: Any) -> None:
    async def main() -> None:
        stream = io.StringIO()
        writer = LogWriter(stream, as_json=False)
        writer.request("GET", "/\x1b[2J\n", 200, 0, "-", "id", None)
        writer.message(record("x"), "\x1b]0;title\x07", None)
        assert "\x1b" not in stream.getvalue()
        assert stream.getvalue().count("\n") == 2
        await fakes.pass_time(1)

    fakes.run(main())


def test_what_utf8_cannot_hold_is_escaped() -> None:
    stream = io.StringIO()
    LogWriter(stream, as_json=True).message(record("x"), "bad \udcff name", None)
    assert json.loads(stream.getvalue())["message"] == "bad \udcff name"


def test_a_reader_that_is_gone_does_no_harm() -> None:
    stream = io.StringIO()
    stream.close()
    LogWriter(stream, as_json=True).message(record("x"), "x", None)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


def test_everything_that_is_logged_goes_to_stderr(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    writer = logs.set_up(10_000)
    logging.getLogger("somewhere").warning("it is %s", "so")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("somewhere").exception("failed")
    logging.getLogger("somewhere").debug("not this")
    writer.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = map(json.loads, captured.err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("warning", "somewhere", "it is so")
    assert "ValueError: why" in second["traceback"]


def test_what_is_less_than_the_level_is_not_written_and_the_form_is_as_it_is_said(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = logs.set_up(10_000)
    for level, form in (("warning", "text"), ("error", "json"), ("info", "auto")):
        writer.adopt(level, form)
        if level != "info":
            writer.request("GET", "/", 200, 0.001, "127.0.0.1", "id-1", None)
        for number in (logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("somewhere").log(number, "said")
    writer.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 1)[1] for line in lines[:2]] == ["warning: said", "error: said"]
    assert [json.loads(line)["level"] for line in lines[2:]] == ["error", "info", "warning", "error"]


def test_a_log_call_whose_arguments_do_not_fit_is_written_all_the_same(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = logs.set_up(10_000)
    logging.getLogger("somewhere").warning("%d went wrong", "all")
    writer.close()
    assert json.loads(capsys.readouterr().err)["message"] == "%d went wrong ('all',)"


def test_a_process_without_stderr_logs_nothing_and_lives(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    writer = logs.set_up(10_000)
    logging.getLogger("somewhere").warning("it is so")
    writer.close()
    assert writer.lost == 0


def test_a_long_path_is_cut(fakes: Any) -> None:
    async def main() -> None:
        stream = io.StringIO()
        writer = LogWriter(stream, as_json=True)
        writer.request("GET", "/" + "x" * 60_000, 404, 0, "-", "id", None)
        await fakes.pass_time(1)
        assert json.loads(stream.getvalue())["path"] == "/" + "x" * 999 + "…"

    fakes.run(main())


def test_what_was_lost_is_told_in_the_form_of_the_other_lines() -> None:
    line = json.loads(LogWriter(io.StringIO(), as_json=True).notice(12))
    assert (line["level"], line["message"]) == (
        "warning", "12 log lines were lost: they were not read, or could not be written"
    )


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    stream = io.StringIO()
    LogWriter(stream, as_json=True).message(record("said"), "it said " + "x" * 900_000 + " [id-1]", "y" * 900_000 + "z")
    told = json.loads(stream.getvalue())
    assert told["message"].startswith("it said xxx")
    assert "(896015 characters are left out)" in told["message"]
    assert told["message"].endswith("xxx [id-1]")
    assert told["traceback"].endswith("yyyz")
    assert len(stream.getvalue()) < 21_000
