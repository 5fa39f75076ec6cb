"""The table of `make bench`: medians, ratios within a pair, alignment."""

from __future__ import annotations

from bench.table import HEADINGS, Row, Sample, line


def sample(cpu_us: float, rate: float) -> Sample:
    return Sample(calls=1000, wall_s=1000 / rate, cpu_s=cpu_us * 1000 / 1e6)


PAIRS = [
    (sample(100, 2000), sample(150, 1000)),  # 1.5 times the CPU, half the calls
    (sample(200, 1000), sample(200, 1000)),
    (sample(100, 2000), sample(300, 1500)),
]


def test_a_ratio_is_taken_within_its_pair() -> None:
    cells = dict(zip(("calls", "in flight", *HEADINGS[2:6]), Row("REST", 32, PAIRS).cells(), strict=False))
    assert cells == {
        "calls": "REST",
        "in flight": "32",
        "CPU µs/call": "200",
        "bare": "100",
        "ratio": "1.50",
        "min–max": "1.00–3.00",
    }


def test_calls_per_second_are_compared_like_cpu() -> None:
    assert Row("REST", 32, PAIRS).cells()[6:10] == ("1,000", "2,000", "0.75", "0.50–1.00")


def test_the_slowest_are_compared_where_they_are_known() -> None:
    assert Row("REST", 32, PAIRS).cells()[10:] == ("–",) * 4
    pairs = [(Sample(10, 1, 1, 0.010), Sample(10, 1, 1, 0.025)), (Sample(10, 1, 1, 0.010), Sample(10, 1, 1, 0.015))]
    assert Row("REST", 32, pairs).cells()[10:] == ("20.0", "10.0", "2.00", "1.50–2.50")


def test_columns_are_aligned() -> None:
    heading, row = line(HEADINGS), line(Row("REST", 32, PAIRS).cells())
    assert len(heading) == len(row)
    assert row.startswith("REST ")
    assert row.endswith(" –")


def test_a_cell_that_is_too_wide_is_all_there() -> None:
    assert "x" * 80 in line(Row("x" * 80, 32, PAIRS).cells())
