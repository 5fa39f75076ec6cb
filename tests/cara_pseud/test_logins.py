"""Which login is checked next, which one is turned away, and what is remembered; with a clock that the tests set."""

from __future__ import annotations

from typing import Any

import pytest

from cara_pseud.logins import (
    FAILURES_AT_ONCE,
    FAILURES_PER_S,
    MAX_IN_LANE,
    MAX_OF_SOURCE,
    MAX_WAITING,
    PATIENCE_S,
    Login,
    Logins,
    Verdict,
    Waiting,
    source_of,
)


class Play:
    """Logins of a file with the users ann and bob, whose passwords are right if they begin with their name."""

    def __init__(self) -> None:
        self.now = 100.0
        self.states = {b"ann": b"1", b"bob": b"1"}
        self.logins: Logins[str] = Logins(b"key", lambda: self.now)
        self.checked: list[str] = []

    def ask(
        self, who: str, user: str, password: str = "", source: str = "here", state: bool = True
    ) -> tuple[Verdict | None, list[str]]:
        name = user.encode()
        login = Login(
            source.encode(), name, (password or who).encode(), state and name in self.states,
            self.states.get(name, b"none") if state else None,
        )
        return self.logins.ask(login, who)

    def check(self) -> tuple[bool, list[str]] | float | None:
        found = self.logins.next()
        if not isinstance(found, Waiting):
            return found
        self.checked.append(found.login.password.decode())
        permitted = found.login.password.startswith(found.login.user) and found.login.user in self.states
        return permitted, self.logins.done(found, permitted, remember=True)

    def check_all(self) -> list[str]:
        told = []
        while isinstance(found := self.check(), tuple):
            told += found[1]
        return told


def test_a_password_that_was_right_is_recognised_without_a_check() -> None:
    play = Play()
    assert play.ask("a", "ann", "ann1") == (None, [])
    assert play.check() == (True, ["a"])
    assert play.ask("b", "ann", "ann1") == (Verdict.PERMITTED, [])
    assert play.ask("c", "ann", "ann2") == (None, [])
    assert play.ask("d", "bob", "ann1") == (None, [])


def test_a_password_that_was_wrong_is_refused_without_a_check() -> None:
    play = Play()
    play.ask("a", "ann", "no")
    assert play.check() == (False, ["a"])
    assert play.ask("b", "ann", "no", source="elsewhere") == (Verdict.REFUSED, [])


def test_both_are_forgotten_when_the_entry_of_the_user_changes() -> None:
    play = Play()
    play.ask("a", "ann", "ann1")
    play.ask("b", "ann", "no")
    play.check_all()
    play.states[b"ann"] = b"2"
    assert play.ask("c", "ann", "ann1") == (None, [])
    assert play.ask("d", "ann", "no") == (None, [])


def test_nothing_is_remembered_where_there_is_no_state() -> None:
    play = Play()
    for who in ("a", "b"):
        assert play.ask(who, "ann", "ann1", state=False) == (None, [])
        assert play.check() == (True, [who])


def test_one_check_does_for_all_who_show_the_same() -> None:
    play = Play()
    for number in range(16):
        assert play.ask(str(number), "ann", "ann1") == (None, [])
    assert play.ask("one too many", "ann", "ann1") == (Verdict.COME_AGAIN, [])
    assert play.check() == (True, [str(number) for number in range(16)])
    assert play.check() is None


def test_addresses_take_turns_and_so_do_the_users_of_one() -> None:
    play = Play()
    for number in range(4):
        play.ask(f"x{number}", "ann", source="loud")
        play.ask(f"y{number}", "nobody" + str(number), source="loud")
    play.ask("bob", "bob", source="loud")
    play.ask("ann", "ann", source="quiet")
    play.check_all()
    assert play.checked.index("ann") <= 1
    assert play.checked.index("bob") <= 5


def test_names_that_nobody_has_share_a_lane() -> None:
    play = Play()
    turned_away = [who for number in range(100) for who in play.ask(str(number), f"nobody{number}")[1]]
    assert (len(turned_away), len(play.logins)) == (100 - MAX_IN_LANE, MAX_IN_LANE)
    assert play.ask("ann", "ann") == (None, [])


@pytest.mark.parametrize("before", [0, 51])
def test_who_comes_before_or_after_a_crowd_is_checked_at_once(before: int) -> None:
    play = Play()
    for number in range(before):
        play.ask(f"no{number}", "ann")
        play.now += 0.001
    play.ask("ann1", "ann")
    for number in range(before, 51):
        play.now += 0.001
        play.ask(f"no{number}", "ann")
    play.check()
    play.check()
    assert "ann1" in play.checked


def test_who_comes_again_goes_before_a_stream_of_guesses() -> None:
    play = Play()

    def guess(number: int) -> list[str]:
        play.now += 0.001
        return play.ask(f"no{number}", "ann")[1]

    for number in range(20):
        guess(number)
    turned_away = play.ask("ann1", "ann")[1]
    turned_away += [who for number in range(20, 40) for who in guess(number)]
    assert "ann1" in turned_away
    play.ask("ann1", "ann")
    assert "ann1" not in [who for number in range(40, 80) for who in guess(number)]
    play.check()
    assert play.checked == ["ann1"]


def test_after_some_failures_a_lane_moves_slowly_and_others_do_not() -> None:
    play = Play()
    for number in range(FAILURES_AT_ONCE):
        play.ask(f"no{number}", "ann")
        play.check_all()
    play.ask("no", "ann")
    assert play.check() == 1 / FAILURES_PER_S
    play.ask("bob1", "bob")
    assert play.check() == (True, ["bob1"])
    play.now += 1 / FAILURES_PER_S
    assert play.check() == (False, ["no"])
    seconds = 60
    for number in range(seconds * 100):
        play.now += 0.01
        play.ask(f"another{number}", "ann")
        play.check_all()
    assert len(play.checked) <= FAILURES_AT_ONCE + 3 + seconds * FAILURES_PER_S


def test_right_passwords_do_not_slow_a_lane_down() -> None:
    play = Play()
    for number in range(10 * FAILURES_AT_ONCE):
        play.ask("who", "ann", f"ann{number}")
        assert play.check() == (True, ["who"])


def test_checks_under_way_count_before_they_fail() -> None:
    play = Play()
    begun: list[Any] = []
    for number in range(3 * FAILURES_AT_ONCE):
        play.ask(f"no{number}", "ann")
        begun.append(play.logins.next())
    assert sum(isinstance(found, Waiting) for found in begun) == FAILURES_AT_ONCE


def test_an_address_has_so_many_waiting_and_so_have_all_together() -> None:
    play = Play()
    play.states |= {f"user{number}".encode(): b"1" for number in range(1000)}
    turned_away = [who for number in range(200) for who in play.ask(str(number), f"user{number}")[1]]
    assert len(play.logins) == MAX_OF_SOURCE == 200 - len(turned_away)
    for number in range(1000):
        play.ask(str(number), f"user{number}", source=f"address {number}")
    assert len(play.logins) == MAX_WAITING


def test_who_waited_long_has_to_come_again_and_keeps_its_rank() -> None:
    play = Play()
    play.ask("ann1", "ann")
    play.now += PATIENCE_S + 0.1
    play.ask("no", "ann")
    assert play.logins.impatient() == ["ann1"]
    play.ask("ann1", "ann")
    assert play.check() == (True, ["ann1"])


def test_closing_turns_everybody_away() -> None:
    play = Play()
    play.ask("a", "ann")
    play.ask("b", "bob")
    assert sorted(play.logins.close()) == ["a", "b"]
    assert play.check() is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"127.0.0.1", b"127.0.0.1", True),
        (b"127.0.0.1", b"127.0.0.2", False),
        (b"2001:db8::1", b"2001:db8::ffff:1", True),
        (b"2001:db8::1", b"2001:db8:0:1::1", False),
        (b"fe80::1%eth0", b"fe80::2%eth0", True),
        (b"::ffff:10.0.0.1", b"10.0.0.1", True),
        (b"", b"localhost:0:0:12", False),
    ],
)
def test_an_address_of_the_newer_kind_stands_for_its_network(one: bytes, other: bytes, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same
