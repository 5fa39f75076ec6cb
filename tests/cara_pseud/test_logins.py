"""Which login is checked next, which one is turned away, and what is remembered; with a clock that the tests set."""

from __future__ import annotations

from typing import Any

import pytest

import cara_pseud.logins
from cara_pseud.logins import Login, Logins, Verdict, Waiting, source_of

# As numbers, so that who changes a bound changes a test: they are what keeps guessing slow and everybody else in.
MAX_IN_LANE, MAX_OF_SOURCE, MAX_WAITING = 8, 64, 512
FAILURES_AT_ONCE, FAILURES_PER_S = 10, 4.0
PATIENCE_S = 1.5


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


@pytest.mark.parametrize("password", ["ann1", "no"])
def test_a_verdict_that_is_not_to_be_remembered_is_not(password: str) -> None:
    play = Play()
    play.ask("a", "ann", password)
    waiting = play.logins.next()
    assert isinstance(waiting, Waiting)
    assert play.logins.done(waiting, password == "ann1", remember=False) == ["a"]
    assert play.ask("b", "ann", password) == (None, [])


def test_one_check_does_for_all_who_show_the_same() -> None:
    play = Play()
    for number in range(16):
        assert play.ask(str(number), "ann", "ann1") == (None, [])
    assert play.ask("one too many", "ann", "ann1") == (Verdict.COME_AGAIN, [])
    assert play.check() == (True, [str(number) for number in range(16)])
    assert play.check() is None


def test_who_asks_twice_goes_before_those_who_asked_once() -> None:
    play = Play()
    for who in ("no1", "ann1", "no2", "ann1", "no3"):
        play.ask(who, "ann")
        play.now += 0.001
    play.check()
    assert play.checked == ["ann1"]


def test_of_a_lane_that_is_too_long_the_one_in_the_middle_is_turned_away() -> None:
    play = Play()
    for number in range(MAX_IN_LANE):
        assert play.ask(f"no{number}", "ann") == (None, [])
        play.now += 0.001
    assert play.ask("no8", "ann") == (None, ["no4"])
    play.now += 0.001
    assert play.ask("no9", "ann") == (None, ["no5"])


def test_who_was_turned_away_first_is_the_oldest_when_it_comes_again() -> None:
    play = Play()
    turned_away = []
    for number in range(MAX_IN_LANE + 2):
        turned_away += play.ask(f"no{number}", "ann")[1]
        play.now += 0.001
    play.logins.close()
    # They come in the other order than before; the newest and the oldest are checked by turns.
    for who in [*reversed(turned_away), "fresh"]:
        play.ask(who, "ann")
        play.now += 0.001
    play.check()
    assert play.checked == [max(turned_away)]


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


def test_a_right_password_pays_for_itself_and_for_no_failure() -> None:
    play = Play()
    for number in range(FAILURES_AT_ONCE - 1):
        play.ask("who", "ann", f"no{number}")
        assert play.check() == (False, ["who"])
    play.ask("who", "ann", "ann1")
    assert play.check() == (True, ["who"])
    play.ask("who", "ann", "no more")
    assert play.check() == (False, ["who"])
    play.ask("who", "ann", "too many")
    assert play.check() == 1 / FAILURES_PER_S


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


def test_where_too_many_wait_the_address_goes_short_that_has_most() -> None:
    play = Play()
    crowd = [f"{user}{number}" for user in ("ann", "bob", "eve") for number in range(MAX_IN_LANE)]
    for who in crowd:
        assert play.ask(who, who[:3], source="crowd") == (None, [])
    for number in range(MAX_WAITING - len(crowd)):
        assert play.ask(f"alone{number}", "ann", source=str(number)) == (None, [])
    (turned_away,) = play.ask("last", "ann", source="elsewhere")[1]
    assert turned_away in crowd


def test_who_waited_long_has_to_come_again_and_keeps_its_rank() -> None:
    play = Play()
    play.ask("ann1", "ann")
    play.now += PATIENCE_S
    play.ask("no", "ann")
    assert play.logins.impatient() == []
    play.now += 0.1
    assert play.logins.impatient() == ["ann1"]
    play.ask("ann1", "ann")
    assert play.check() == (True, ["ann1"])


def test_who_asks_again_meanwhile_waits_from_then_on() -> None:
    play = Play()
    play.ask("ann1", "ann")
    play.now += 1.0
    play.ask("ann1", "ann")
    play.now += 1.0
    assert play.logins.impatient() == []
    play.now += 0.6
    assert play.logins.impatient() == ["ann1", "ann1"]


@pytest.mark.parametrize(
    ("table", "most"),
    [
        ("_MAX_PERMITTED", 65536),
        ("_MAX_REFUSED", 8192),
        ("_MAX_TURNED_AWAY", 8192),
        ("_MAX_LANES_REMEMBERED", 8192),
    ],
)
def test_what_is_remembered_is_so_much_at_the_most(table: str, most: int) -> None:
    assert getattr(cara_pseud.logins, table) == most


def test_of_verdicts_those_are_forgotten_that_were_asked_for_least_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cara_pseud.logins, "_MAX_REFUSED", 3)
    monkeypatch.setattr(cara_pseud.logins, "_MAX_PERMITTED", 3)
    play = Play()
    play.states |= {f"user{number}".encode(): b"1" for number in range(4)}
    for kind, verdict in (("", Verdict.PERMITTED), ("no", Verdict.REFUSED)):
        for number in range(3):
            play.ask("who", f"user{number}", f"{kind}user{number}")
            play.check()
        assert play.ask("who", "user0", f"{kind}user0") == (verdict, [])
        play.ask("who", "user3", f"{kind}user3")
        play.check()
        known = [play.ask("who", f"user{number}", f"{kind}user{number}")[0] for number in (0, 2, 3, 1)]
        assert known == [verdict, verdict, verdict, None]
        play.check()


def test_a_rank_and_a_pace_that_are_forgotten_are_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cara_pseud.logins, "_MAX_TURNED_AWAY", 2)
    monkeypatch.setattr(cara_pseud.logins, "_MAX_LANES_REMEMBERED", 2)
    play = Play()
    turned_away = [who for number in range(MAX_IN_LANE + 3) for who in play.ask(f"no{number}", "ann")[1]]
    assert len(turned_away) == 3
    # The first one has lost its rank: the others go before it.
    play.logins.close()
    for who in turned_away:
        play.ask(who, "ann")
    play.check_all()
    assert play.checked[:2] == [turned_away[2], turned_away[1]]
    assert play.checked[2] == turned_away[0]
    for user in ("bob", "nobody", "bob"):
        for number in range(FAILURES_AT_ONCE):
            play.ask("who", user, f"{user[:1]}{number}{len(play.checked)}")
            play.check()
    assert len(play.logins._paces) == 2


def test_a_lane_that_is_used_again_is_not_the_one_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cara_pseud.logins, "_MAX_LANES_REMEMBERED", 2)
    play = Play()
    users = ["ann"] * (FAILURES_AT_ONCE - 1) + ["bob", "ann", "nobody"]
    for number, user in enumerate(users):
        play.ask("no", user, f"no{number}")
        assert isinstance(play.check(), tuple)
    play.ask("no", "ann", "one too many")
    assert play.check() == 1 / FAILURES_PER_S


def test_a_slow_lane_of_long_ago_moves_as_fast_as_a_new_one_and_no_faster() -> None:
    play = Play()
    for number in range(2):
        for attempt in range(FAILURES_AT_ONCE):
            play.ask("no", "ann", f"no{number}.{attempt}")
            assert isinstance(play.check(), tuple)
        play.ask("no", "ann", f"one too many {number}")
        assert play.check() == 1 / FAILURES_PER_S
        play.now += 3600
        assert play.check() == (False, ["no"])
        # That one is a failure, too.
        play.now += 1 / FAILURES_PER_S


def test_right_passwords_earn_nobody_more_failures() -> None:
    play = Play()
    for number in range(5):
        play.ask("who", "ann", f"ann{number}")
        play.check()
    failed = 0
    for number in range(3 * FAILURES_AT_ONCE):
        play.ask("who", "ann", f"no{number}")
        if isinstance(play.check(), tuple):
            failed += 1
    assert failed == FAILURES_AT_ONCE


def test_of_several_slow_lanes_the_one_that_moves_first_is_waited_for() -> None:
    play = Play()
    for user in ("ann", "bob"):
        for number in range(FAILURES_AT_ONCE):
            play.ask("no", user, f"no {user} {number}")
            play.check()
        play.now += 0.1
        play.ask("no", user, f"one more {user}")
    play.now -= 0.1
    assert play.check() == pytest.approx(1 / FAILURES_PER_S - 0.1)


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
