"""What counts as growth, by made-up samples."""

from __future__ import annotations

import pytest

from tests.soak.observations import MEGABYTE, TABLES, Observations, Sample

SECONDS = 100.0


def seen(
    last_bytes: float = 50 * MEGABYTE, last_table: int = 100, last_took_s: float = 0.04, at_s: float = 95.0
) -> Observations:
    """A soak in which nothing happened but in the last tenth."""
    usual = dict.fromkeys(TABLES, 100)
    return Observations(
        samples=[
            *(Sample(float(second), 50 * MEGABYTE, usual, [0.04] * 100) for second in range(90)),
            Sample(at_s, int(last_bytes), dict.fromkeys(TABLES, last_table), [last_took_s] * 100),
        ]
    )


def faults(observations: Observations) -> list[str]:
    return observations.faults(SECONDS, 1.03)


def test_what_stays_as_it_was_is_no_fault() -> None:
    assert faults(seen()) == []
    assert faults(seen(last_bytes=51.4 * MEGABYTE, last_table=140, last_took_s=0.05)) == []


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        (seen(last_bytes=52 * MEGABYTE), "memory grew from 50.0 to 52.0 MiB, at most 51.5 are permitted"),
        (seen(last_took_s=0.09), "p99 went from 40.0 to 90.0 ms"),
        (seen(at_s=85.0), "nothing was seen in the third tenth, or in the last"),
    ],
)
def test_what_grows_is_told(observations: Observations, expected: str) -> None:
    assert faults(observations) == [expected]


def test_every_table_that_grows_is_told() -> None:
    assert faults(seen(last_table=150)) == [f"{table} grew from 100 to 150" for table in TABLES]


def test_what_is_left_and_what_good_clients_were_told_are_faults() -> None:
    observations = seen()
    observations.left = {"sessions": 2, "handles": 0, "connections": 1}
    observations.failures["unavailable"] += 3
    assert faults(observations) == [
        "a good client failed 3 times: unavailable",
        "what is left when all have gone: {'sessions': 2}",
    ]


def test_a_bad_second_among_good_ones_is_the_machine_s() -> None:
    observations = seen()
    observations.samples += [
        Sample(95.5, 50 * MEGABYTE, dict.fromkeys(TABLES, 100), [seconds] * 100) for seconds in (0.04, 3.0)
    ]
    assert faults(observations) == []
