"""How often one may guess, and that nobody is kept out by others who do."""

from __future__ import annotations

from gateway.access.login_ration import (
    FAILURES_AT_ONCE,
    FREE_TRIES,
    SECONDS_EACH,
    USER_FAILURES_AT_ONCE,
    LoginRation,
)

HOME, CAFE, ALICE, BOB = b"home", b"cafe", b"alice", b"bob"


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guess(ration: LoginRation, address: bytes, user: bytes = ALICE, times: int = 1000) -> int:
    """Guess until it is not permitted any more; how often it was."""
    for number in range(times):
        if ration.begin(address, user):
            return number
    return times


def test_an_address_guesses_a_few_times_and_then_now_and_then() -> None:
    time = Time()
    ration = LoginRation(time)
    assert guess(ration, CAFE) == FAILURES_AT_ONCE
    assert ration.begin(CAFE, ALICE) == SECONDS_EACH
    # Another name is no way around.
    assert ration.begin(CAFE, BOB) == SECONDS_EACH
    time.now += SECONDS_EACH - 1
    assert ration.begin(CAFE, ALICE) == 1
    time.now += 1
    assert guess(ration, CAFE) == 1
    time.now += 3600
    assert guess(ration, CAFE) == FAILURES_AT_ONCE


def test_what_is_not_permitted_costs_nothing_more() -> None:
    time = Time()
    ration = LoginRation(time)
    guess(ration, CAFE)
    for _ in range(1000):
        assert ration.begin(CAFE, ALICE) == SECONDS_EACH


def test_many_addresses_do_not_guess_one_user_s_password_for_long() -> None:
    time = Time()
    ration = LoginRation(time)
    permitted = [guess(ration, f"bot{number}".encode()) for number in range(40)]
    assert permitted[0] == FAILURES_AT_ONCE
    # Those that come later have their free tries and no more.
    assert permitted[-1] == FREE_TRIES
    assert sum(permitted) < USER_FAILURES_AT_ONCE + 40 * FREE_TRIES
    time.now += SECONDS_EACH * 2
    assert guess(ration, b"bot39") == 2


def test_a_user_elsewhere_is_let_try_whatever_strangers_do() -> None:
    time = Time()
    ration = LoginRation(time)
    for number in range(1000):
        guess(ration, f"bot{number}".encode())
    assert ration.begin(HOME, ALICE) == 0
    ration.succeeded(HOME, ALICE)
    for number in range(1000):
        guess(ration, f"bot{number}".encode())
        time.now += 0.01
    for _ in range(100):
        assert ration.begin(HOME, ALICE) == 0
        ration.succeeded(HOME, ALICE)


def test_who_logged_in_from_an_address_does_not_share_its_failures() -> None:
    ration = LoginRation(Time())
    ration.begin(CAFE, ALICE)
    ration.succeeded(CAFE, ALICE)
    assert guess(ration, CAFE, BOB) == FAILURES_AT_ONCE
    assert ration.begin(CAFE, ALICE) == 0


def test_even_there_a_password_is_not_guessed() -> None:
    time = Time()
    ration = LoginRation(time)
    ration.begin(CAFE, ALICE)
    ration.succeeded(CAFE, ALICE)
    assert guess(ration, CAFE, ALICE) == FAILURES_AT_ONCE
    assert ration.begin(CAFE, ALICE) == SECONDS_EACH
    time.now += SECONDS_EACH
    assert ration.begin(CAFE, ALICE) == 0


def test_good_logins_and_those_that_came_to_nothing_count_for_nothing() -> None:
    ration = LoginRation(Time())
    for number in range(100):
        assert ration.begin(CAFE, f"user{number}".encode()) == 0
        ration.succeeded(CAFE, f"user{number}".encode())
    for _ in range(100):
        assert ration.begin(CAFE, ALICE) == 0
        ration.undecided(CAFE, ALICE)
    assert guess(ration, CAFE) == FAILURES_AT_ONCE


def test_tries_at_once_are_counted_before_they_are_decided() -> None:
    ration = LoginRation(Time())
    assert [ration.begin(CAFE, ALICE) for _ in range(FAILURES_AT_ONCE)] == [0] * FAILURES_AT_ONCE
    assert ration.begin(CAFE, ALICE) > 0


def test_there_is_room_for_so_many_and_no_more() -> None:
    ration = LoginRation(Time())
    for number in range(20_000):
        ration.begin(f"bot{number}".encode(), f"user{number}".encode())
    tables = (ration._addresses, ration._users, ration._pairs)
    assert [len(table._failures) for table in tables] == [10_000, 10_000, 10_000]


def test_however_many_strangers_guess_the_next_try_is_seconds_away() -> None:
    ration = LoginRation(Time())
    for number in range(1000):
        guess(ration, f"bot{number}".encode())
    assert guess(ration, HOME) == FREE_TRIES
    assert ration.begin(HOME, ALICE) == SECONDS_EACH
