"""Which sessions hold nothing and may go while their clients are away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.sessions.away import AwaySessions
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session

MINE, THEIRS = "198.51.100.1", "198.51.100.2"


def left(id: str, address: str = MINE, *, is_open: bool = False, is_unused: bool = True) -> Session:
    session = Session(SessionRecord(id, address=address), Limits(), lambda: "token")
    client: Any = SimpleNamespace(id=f"client of {id}", is_open=is_open, is_unused=is_unused)
    nothing: Any = ()
    session.attach(client, nothing)
    return session


def test_who_was_left_first_goes_first() -> None:
    away = AwaySessions()
    first, second, theirs = left("1"), left("2"), left("3", THEIRS)
    for session in (first, theirs, second):
        away.add(session)
    assert away.take_empty(MINE) is first
    assert away.take_empty(THEIRS) is theirs
    assert away.take_empty(THEIRS) is None
    assert away.take_empty(None) is second
    assert away.take_empty(None) is None


def test_somebody_who_is_there_again_does_not_go() -> None:
    away, session = AwaySessions(), left("1")
    away.add(session)
    for _ in range(2):
        away.discard(session)
    assert away.take_empty(None) is None


def busy() -> Session:
    session = left("busy")
    session.calls_in_flight = 1
    return session


def with_rest() -> Session:
    session = left("rest")
    session.record.rest = True
    return session


def with_record() -> Session:
    session = left("elsewhere")
    session.record.streams["s"] = StreamRecord()
    return session


def with_callback() -> Session:
    session = left("callback")
    client: Any = SimpleNamespace(id="other", is_open=False, is_unused=True)
    callbacks: Any = ("a",)
    session.attach(client, callbacks)
    return session


@pytest.mark.parametrize(
    "session",
    [left("open", is_open=True), left("used", is_unused=False), busy(), with_rest(), with_record(), with_callback()],
    ids=lambda session: session.id,
)
def test_what_holds_something_stays_and_is_asked_about_once(session: Session) -> None:
    away, empty = AwaySessions(), left("empty")
    away.add(session)
    away.add(empty)
    assert away.take_empty(None) is empty
    assert away.take_empty(None) is None
