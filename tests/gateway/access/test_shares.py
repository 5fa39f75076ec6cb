"""What is taken, over all and by whom."""

from __future__ import annotations

from gateway.access.shares import Shares


def test_an_owner_is_full_before_all_are() -> None:
    shares = Shares(3, 2)
    for _ in range(2):
        assert not shares.is_full_for("a")
        shares.take("a")
    assert shares.is_full_for("a")
    assert not shares.is_full_for("b")
    assert not shares.is_full()
    shares.take("b")
    assert shares.is_full()
    assert (shares.total, shares.of("a"), shares.of("b"), shares.of("c")) == (3, 2, 1, 0)


def test_amounts_count_as_they_are() -> None:
    shares = Shares(100, 60)
    shares.take("a", 50)
    assert shares.is_full_for("a", 11)
    assert not shares.is_full_for("a", 10)
    assert shares.is_full(51)
    assert not shares.is_full(50)


def test_who_has_given_everything_back_is_forgotten() -> None:
    shares = Shares(3, 2)
    shares.take("a", 2)
    shares.give("a")
    assert (len(shares), shares.of("a")) == (1, 1)
    shares.give("a")
    assert (len(shares), shares.total) == (0, 0)


def test_an_owner_that_is_not_known_is_bounded_with_all_only() -> None:
    shares = Shares(3, 1)
    for _ in range(3):
        assert not shares.is_full_for("")
        shares.take("")
    assert shares.is_full()


def test_a_lower_bound_takes_nothing_away_and_permits_nothing_more() -> None:
    shares = Shares(3, 2)
    shares.take("a", 2)
    shares.rebound(1, 1)
    assert shares.total == 2
    assert shares.is_full()
    assert not shares.may_take("b")
    shares.rebound(4, 3)
    assert shares.may_take("a")
