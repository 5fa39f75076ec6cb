"""Buckets: what is permitted at once, how they fill, and that callers come and go."""

from __future__ import annotations

import pytest

from gateway.access import token_buckets
from gateway.access.token_buckets import TokenBuckets
from gateway.config.rates import Rate

# A clock has run for months; there what is rounded shows.
NOW = 20_000_000.0


def taken(buckets: TokenBuckets, caller: str, now: float, tries: int = 10_000) -> int:
    """How many of so many calls at one moment are permitted."""
    return sum(buckets.take(caller, now) == 0 for _ in range(tries))


@pytest.mark.parametrize("rate", [Rate(1, 1), Rate(3, 1), Rate(7, 60), Rate(200, 1), Rate(999, 86_400)])
def test_as_many_as_the_rate_names_come_at_once(rate: Rate) -> None:
    buckets = TokenBuckets(rate)
    assert taken(buckets, "ann", NOW) == rate.calls
    # And after a period of silence no more than that.
    assert taken(buckets, "ann", NOW + 5 * rate.period_s) == rate.calls


@pytest.mark.parametrize("rate", [Rate(3, 1), Rate(7, 60), Rate(200, 1)])
def test_one_more_comes_when_it_was_said_and_not_before(rate: Rate) -> None:
    buckets = TokenBuckets(rate)
    taken(buckets, "ann", NOW)
    wait_s = buckets.take("ann", NOW)
    assert wait_s == pytest.approx(rate.period_s / rate.calls, abs=1e-4)
    assert buckets.take("ann", NOW + wait_s * 0.9) > 0
    assert taken(buckets, "ann", NOW + wait_s) == 1


def test_over_a_long_time_nobody_has_more_than_the_rate_and_one_bucket() -> None:
    buckets = TokenBuckets(Rate(20, 1))
    permitted = sum(buckets.take("ann", NOW + step * 0.003) == 0 for step in range(10_000))
    assert permitted == pytest.approx(20 * 30 + 20, abs=2)


def test_one_at_its_limit_takes_nothing_from_another() -> None:
    buckets = TokenBuckets(Rate(5, 1))
    taken(buckets, "ann", NOW)
    assert taken(buckets, "bob", NOW) == 5


def test_what_is_left_and_when_there_is_more_is_told() -> None:
    buckets = TokenBuckets(Rate(4, 60))
    assert (buckets.left("ann", NOW), buckets.next_s("ann", NOW)) == (4, 15)
    for left in (3, 2, 1, 0):
        buckets.take("ann", NOW)
        assert buckets.left("ann", NOW) == left
    assert buckets.left("ann", NOW + 14.9) == 0
    assert buckets.next_s("ann", NOW + 5) == pytest.approx(10, abs=1e-3)
    assert buckets.left("ann", NOW + 15) == 1
    assert buckets.left("ann", NOW + 1000) == 4


def test_full_buckets_are_forgotten() -> None:
    buckets = TokenBuckets(Rate(1, 10))
    for number in range(50_000):
        buckets.take(str(number), NOW + number / 100)
    assert len(buckets) <= 2_048


def test_callers_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_buckets, "MOST_CALLERS", 5_000)
    buckets = TokenBuckets(Rate(1, 86_400))
    for number in range(20_000):
        buckets.take(str(number), NOW)
    assert len(buckets) <= 5_000
    # Who came last is still known, and who came first is not.
    assert all(buckets.take(str(number), NOW) > 0 for number in range(19_700, 20_000))
    assert buckets.take("0", NOW) == 0
