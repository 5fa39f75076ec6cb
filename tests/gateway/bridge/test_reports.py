"""What a bridge says on its standard output."""

from __future__ import annotations

import pytest

from gateway.bridge.reports import BEAT, read_report, report_of


@pytest.mark.parametrize("trouble", ["", "it does not answer within 5 s", "a line\nand another „line“"])
def test_what_is_wrong_comes_as_one_line(trouble: str) -> None:
    line = report_of(trouble)
    assert line.count(b"\n") == 1
    assert read_report(line) == trouble


def test_a_report_is_short() -> None:
    assert len(report_of("x" * 100_000)) < 400


@pytest.mark.parametrize("line", [BEAT, b"Traceback (most recent call last):\n", b"5\n", b'"half'])
def test_a_beat_and_what_others_print_is_no_report(line: bytes) -> None:
    assert read_report(line) is None
