"""What `make bench` prints and when, and what it does about a figure that cannot be had."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.__main__ import Bench, main
from bench.table import Sample

Printed = pytest.CaptureFixture[str]


async def good(seconds: float, in_flight: int) -> Sample:
    return Sample(calls=100, wall_s=0.5, cpu_s=0.01)


async def broken(seconds: float, in_flight: int) -> Sample:
    raise RuntimeError("the connection was lost")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ExitStack(), tmp_path, pairs=1, seconds=0)


def titles(printed: str) -> list[str]:
    return [line.split("  ")[0] for line in printed.splitlines()]


def test_a_row_is_printed_before_the_next_one_is_measured(bench: Bench, capsys: Printed) -> None:
    shown: list[str] = []

    async def second(seconds: float, in_flight: int) -> Sample:
        shown.append(capsys.readouterr().out)
        return await good(seconds, in_flight)

    async def part() -> None:
        await bench.row("first", 1, good, good)
        await bench.row("second", 1, second, good)

    asyncio.run(bench.run([part]))
    assert titles(shown[0]) == ["calls", "first"]
    assert titles(capsys.readouterr().out) == ["second"]


def test_the_other_rows_are_measured_when_one_fails(bench: Bench, capsys: Printed) -> None:
    async def rows() -> None:
        await bench.row("first", 1, good, good)
        await bench.row("second", 64, good, broken)
        await bench.row("third", 1, good, good)

    async def dead() -> None:
        bench.start("-c", "raise SystemExit(3)").line()

    async def more() -> None:
        await bench.row("fourth", 1, good, good)

    asyncio.run(bench.run([rows, dead, more]))
    printed = capsys.readouterr()
    assert titles(printed.out) == ["calls", "first", "third", "fourth"]
    assert bench.failures == ["second, 64 in flight", "dead"]
    assert "not measured: second, 64 in flight: the connection was lost\n" in printed.err
    assert "ended with status 3" in printed.err


def test_nothing_of_one_part_runs_beside_the_next(tmp_path: Path) -> None:
    ended: list[str] = []
    with ExitStack() as children:
        bench = Bench(children, tmp_path, pairs=1, seconds=0)

        async def part() -> None:
            children.callback(ended.append, "the part's process")
            raise RuntimeError("broken")

        async def following() -> None:
            assert ended == ["the part's process"]

        asyncio.run(bench.run([part, following]))
        assert bench.failures == ["part"]


@pytest.mark.parametrize(("failures", "status"), [([], 0), (["a row"], 1)])
def test_the_exit_status_says_whether_all_was_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed, failures: list[str], status: int
) -> None:
    async def run(self: Bench, parts: object) -> None:
        self.failures += failures

    monkeypatch.setattr(Bench, "run", run)
    assert asyncio.run(main()) == status
    assert capsys.readouterr().err == ("\nnot measured: a row\n" if failures else "")
