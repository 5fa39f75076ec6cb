"""Which sessions there may be, and which go for others; the time is whatever the tests say it is."""

from __future__ import annotations

from gateway.config.limits import Limits
from gateway.sessions.record import SessionRecord
from gateway.sessions.shares import SessionShares

LIMITS = Limits(max_sessions=8, max_sessions_per_address=6, provisional_session_s=60)
MINE, THEIRS = "198.51.100.1", "198.51.100.2"


def opened(shares: SessionShares, id: str, address: str, now: float = 0, *, rest: bool = True) -> SessionRecord:
    record = SessionRecord(id, address=address, by_rest=rest, provisional=rest)
    shares.opened(record, now)
    return record


def gone(shares: SessionShares, address: str, now: float) -> list[str]:
    """The sessions that make room, one after the other."""
    found = []
    for record in shares.evictable(address, now):
        found.append(record.id)
        shares.ended(record)
    return found


def test_rest_cannot_take_the_places_that_are_kept_for_sockets() -> None:
    shares = SessionShares(LIMITS)
    for number in range(6):
        assert shares.full(f"a{number}", rest=True) is None
        opened(shares, str(number), f"a{number}")
    assert shares.full("other", rest=True) == ("max_sessions", 6)
    for number in (6, 7):
        assert shares.full("other", rest=False) is None
        opened(shares, str(number), "other", rest=False)
    assert shares.full("another", rest=False) == ("max_sessions", 8)


def test_nor_can_one_address_take_all_places() -> None:
    shares = SessionShares(LIMITS)
    for number in range(5):
        assert shares.full(MINE, rest=True) is None
        opened(shares, str(number), MINE)
    assert shares.full(MINE, rest=True) == ("max_sessions_per_address", 5)
    assert shares.full(MINE, rest=False) is None
    opened(shares, "socket", MINE, rest=False)
    assert shares.full(MINE, rest=False) == ("max_sessions_per_address", 6)
    assert shares.full(THEIRS, rest=False) is None
    assert shares.full("", rest=False) is None


def test_a_place_that_is_kept_counts_and_is_given_back() -> None:
    shares = SessionShares(LIMITS)
    for _ in range(5):
        shares.take(MINE, rest=True)
    assert shares.full(MINE, rest=True) is not None
    shares.give(MINE, rest=True)
    assert shares.full(MINE, rest=True) is None


def test_below_half_of_the_places_nobody_goes() -> None:
    shares = SessionShares(LIMITS)
    for number in range(3):
        opened(shares, str(number), MINE)
    assert gone(shares, MINE, 1e6) == []
    opened(shares, "3", THEIRS)
    assert gone(shares, THEIRS, 1e6) == []
    opened(shares, "4", THEIRS)
    assert gone(shares, THEIRS, 1e6) == ["4"]


def test_the_newest_go_first_but_none_before_its_time() -> None:
    shares = SessionShares(LIMITS)
    for number in range(5):
        opened(shares, str(number), MINE, 10 * number)
    assert gone(shares, MINE, 59) == []
    assert gone(shares, MINE, 85) == ["2", "1"]
    assert gone(shares, MINE, 85) == []


def test_who_was_named_again_does_not_go() -> None:
    shares = SessionShares(LIMITS)
    records = [opened(shares, str(number), MINE) for number in range(5)]
    for record in records[1:]:
        shares.came_back(record)
        assert not record.provisional
    assert gone(shares, MINE, 100) == ["0"]


def test_sessions_of_sockets_never_go() -> None:
    shares = SessionShares(LIMITS)
    for number in range(6):
        opened(shares, str(number), MINE, rest=False)
    assert gone(shares, MINE, 1e6) == []


def test_those_of_the_same_address_go_first() -> None:
    shares = SessionShares(LIMITS)
    for number in range(2):
        opened(shares, f"theirs {number}", THEIRS)
    for number in range(4):
        opened(shares, f"mine {number}", MINE)
    for number in range(2):
        opened(shares, f"their newest {number}", THEIRS)
    assert gone(shares, MINE, 60) == ["mine 3", "their newest 1", "their newest 0", "mine 2"]


def test_it_is_worth_to_try_again_when_the_oldest_may_go() -> None:
    shares = SessionShares(LIMITS)
    assert shares.retry_after_s(1000) == 60
    opened(shares, "a", MINE, 1000)
    opened(shares, "b", MINE, 1010)
    assert shares.retry_after_s(1000.5) == 60
    assert shares.retry_after_s(1030.5) == 30
    assert shares.retry_after_s(2000) == 1


def test_what_has_ended_takes_no_place() -> None:
    shares = SessionShares(LIMITS)
    records = [opened(shares, str(number), MINE) for number in range(5)]
    for record in records:
        shares.ended(record)
    assert gone(shares, MINE, 1e6) == []
    for number in range(5):
        assert shares.full(MINE, rest=True) is None
        opened(shares, f"new {number}", MINE)
