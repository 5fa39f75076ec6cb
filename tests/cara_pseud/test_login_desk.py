"""Where logins are checked: how many at once, and what becomes of who waits; with a clock that the tests set."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cara_pseud.login_desk
from cara_pseud.login_desk import LoginDesk
from cara_pseud.logins import FAILURES_AT_ONCE, PATIENCE_S, Verdict
from cara_pseud.passwords import set_password

HERE = b"127.0.0.1"
SOON_S = 10


class Told:
    """Takes verdicts, to be waited for."""

    def __init__(self) -> None:
        self._verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()

    def __call__(self, verdict: Verdict) -> None:
        self._verdicts.put(verdict)

    def verdict(self) -> Verdict:
        return self._verdicts.get(timeout=SOON_S)

    @property
    def nothing(self) -> bool:
        return self._verdicts.empty()


class Checks:
    """A function for passwords, each of whose checks waits until the test lets it end. The password ``right`` is."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ends = threading.Semaphore(0)

    def __call__(self, user: bytes, password: bytes) -> bool:
        self.begun.put(user)
        assert self._ends.acquire(timeout=SOON_S)
        return password == b"right"

    def end(self, count: int = 1) -> None:
        self._ends.release(count)


@pytest.fixture
def checks() -> Iterator[Checks]:
    made = Checks()
    yield made
    # No thread shall outlive its test.
    made.end(100)


class Counting(dict[str, str]):
    """A mapping that does not like to be walked through."""

    def items(self) -> Any:
        raise AssertionError("the whole mapping was read for one login")

    __iter__ = keys = values = items


@pytest.mark.parametrize(
    ("user", "password", "verdict"),
    [
        (b"ann", b"secret", Verdict.PERMITTED),
        (b"ann", b"wrong", Verdict.REFUSED),
        (b"bob", b"secret", Verdict.REFUSED),
        (b"", b"secret", Verdict.REFUSED),
        (b"\xff", b"secret", Verdict.REFUSED),
        (b"a" * 9000, b"secret", Verdict.REFUSED),
    ],
)
def test_a_mapping_is_looked_up_at_once(user: bytes, password: bytes, verdict: Verdict) -> None:
    told: list[Verdict] = []
    LoginDesk(Counting(ann="secret")).ask(b"127.0.0.1", user, password, told.append)
    assert told == [verdict]


def test_a_function_that_fails_or_gives_anything_but_true_refuses(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Callable[[], Any]] = [lambda: 1 // 0, lambda: 1, lambda: "yes"]
    for answer in answers:
        told: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        desk = LoginDesk(lambda user, password, answer=answer: answer())
        desk.ask(b"127.0.0.1", b"ann", b"secret", told.put)
        assert told.get(timeout=5) == Verdict.REFUSED
        desk.close()
    assert caplog.text.count("the credentials check failed") == 1


@pytest.mark.parametrize("part", ["user", "password"])
def test_a_longer_name_or_password_than_anybody_has_is_not_looked_up(part: str) -> None:
    for length, verdict in ((8192, Verdict.PERMITTED), (8193, Verdict.REFUSED)):
        user, password = (b"a" * length, b"x") if part == "user" else (b"x", b"a" * length)
        told = Told()
        LoginDesk({user: password}).ask(HERE, user, password, told)
        assert told.verdict() is verdict


def test_a_function_is_asked_four_times_at_once_and_no_more(checks: Checks) -> None:
    desk, told = LoginDesk(checks), [Told() for _ in range(6)]
    for number, teller in enumerate(told):
        desk.ask(b"10.0.0.%d" % number, b"user%d" % number, b"right", teller)
    assert {checks.begun.get(timeout=SOON_S) for _ in range(4)} <= {b"user%d" % number for number in range(6)}
    assert checks.begun.empty()
    checks.end()
    checks.begun.get(timeout=SOON_S)
    assert checks.begun.empty()
    checks.end(10)
    assert [teller.verdict() for teller in told] == [Verdict.PERMITTED] * 6
    desk.close()


def test_a_thread_that_has_nothing_to_do_takes_the_next_login() -> None:
    asked: list[int] = []
    desk = LoginDesk(lambda user, password: asked.append(threading.get_ident()) is None)
    for number in range(20):
        told = Told()
        desk.ask(HERE, b"user", b"%d" % number, told)
        assert told.verdict() is Verdict.PERMITTED
        while not desk._idle:
            os.sched_yield()
    assert len(set(asked)) == 1
    desk.close()


def test_a_file_s_checks_leave_the_loop_a_processor() -> None:
    assert 1 <= cara_pseud.login_desk._HASHING_THREADS <= max(1, (os.cpu_count() or 1) // 2)
    assert cara_pseud.login_desk._HASHING_THREADS <= 4


def test_who_waits_longer_than_its_client_would_has_to_come_again(checks: Checks) -> None:
    now = [100.0]
    desk = LoginDesk(checks, lambda: now[0])
    for number in range(4):
        desk.ask(b"10.0.0.%d" % number, b"user", b"right", Told())
        checks.begun.get(timeout=SOON_S)
    late, in_time = Told(), Told()
    desk.ask(HERE, b"late", b"right", late)
    now[0] += PATIENCE_S / 2
    desk.ask(HERE, b"in time", b"right", in_time)
    now[0] += PATIENCE_S / 2 + 0.01
    checks.end()
    assert late.verdict() is Verdict.COME_AGAIN
    assert checks.begun.get(timeout=SOON_S) == b"in time"
    checks.end(10)
    assert in_time.verdict() is Verdict.PERMITTED
    desk.close()


def test_after_some_failures_a_check_begins_when_its_time_has_come() -> None:
    desk = LoginDesk(lambda user, password: False)
    told = [Told() for _ in range(FAILURES_AT_ONCE + 2)]
    for teller in told:
        desk.ask(HERE, b"user", os.urandom(8), teller)
        assert teller.verdict() is Verdict.REFUSED
    desk.close()


def test_a_closed_desk_has_everybody_come_again(checks: Checks) -> None:
    desk, waiting, late = LoginDesk(checks), Told(), Told()
    for number in range(4):
        desk.ask(b"10.0.0.%d" % number, b"user", b"right", Told())
        checks.begun.get(timeout=SOON_S)
    desk.ask(HERE, b"waiting", b"right", waiting)
    assert waiting.nothing
    desk.close()
    assert waiting.verdict() is Verdict.COME_AGAIN
    desk.ask(HERE, b"late", b"right", late)
    assert late.verdict() is Verdict.COME_AGAIN
    assert checks.begun.empty()


def test_who_finds_a_lane_full_has_somebody_come_again(checks: Checks) -> None:
    desk, told = LoginDesk(checks), [Told() for _ in range(20)]
    for teller in told:
        desk.ask(HERE, b"user", b"right", teller)
    turned_away = [teller for teller in told if not teller.nothing]
    assert turned_away
    assert {teller.verdict() for teller in turned_away} == {Verdict.COME_AGAIN}
    desk.close()


def test_a_verdict_is_not_remembered_if_the_file_changed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passwords"
    set_password(path, "ann", "other")
    other = path.read_bytes()
    set_password(path, "ann", "right")
    right = path.read_bytes()
    desk = LoginDesk(path)
    real = desk._check
    changes = iter([lambda: path.write_bytes(other)])

    def check(user: bytes, password: bytes) -> bool:
        next(changes, lambda: 0)()
        return real(user, password)

    monkeypatch.setattr(desk, "_permits", check)
    for verdict in (Verdict.REFUSED, Verdict.PERMITTED):
        told = Told()
        desk.ask(HERE, b"ann", b"right", told)
        assert told.verdict() is verdict
        # As it was when the login came: what was found of the other file must not count for this one.
        path.write_bytes(right)
    desk.close()


def test_who_has_no_name_is_nobody() -> None:
    told = Told()
    LoginDesk({"": "secret"}).ask(HERE, b"", b"secret", told)
    assert told.verdict() is Verdict.REFUSED


def test_a_verdict_that_cannot_be_told_is_told_to_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_password(tmp_path / "passwords", "ann", "secret")
    desk, told = LoginDesk(tmp_path / "passwords"), Told()

    def fail(verdict: Verdict) -> None:
        raise RuntimeError("nobody listens")

    # Both show the same, so that one check is for both.
    desk.ask(HERE, b"ann", b"secret", fail)
    desk.ask(HERE, b"ann", b"secret", told)
    assert told.verdict() is Verdict.PERMITTED
    desk.close()
    assert "a login's verdict could not be told" in caplog.text
