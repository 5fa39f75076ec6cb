"""Turns of the loop that took too long are counted and told, with what took longest."""

from __future__ import annotations

import logging

import pytest

from gateway.stalls import STALL_S, Stalls


class Turn:
    """Turns of a loop whose time the test makes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stalls = Stalls(lambda: self.now)

    def begins(self) -> None:
        self.stalls.turn_begins(self.now)

    def takes(self, seconds: float, *what: object) -> None:
        self.now += seconds
        if what:
            self.stalls.spent(*what)  # type: ignore[arg-type]

    def ends(self) -> None:
        self.stalls.turn_ends(self.now)


@pytest.fixture
def turn() -> Turn:
    return Turn()


def test_a_long_turn_is_counted_and_the_longest_of_it_is_named(turn: Turn, caplog: pytest.LogCaptureFixture) -> None:
    turn.begins()
    turn.takes(0.03, "the answer of %s.%s", "calculator", "add")
    turn.takes(0.3, "reading a frame of %d bytes from %s", 1000, "127.0.0.1")
    turn.takes(0.05, "something short")
    turn.ends()
    assert (turn.stalls.count, round(turn.stalls.seconds, 2)) == (1, 0.38)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "the event loop stood still for 0.38 s: reading a frame of 1000 bytes from 127.0.0.1"
    )


def test_a_turn_of_permitted_length_is_not_told(turn: Turn, caplog: pytest.LogCaptureFixture) -> None:
    turn.begins()
    turn.takes(STALL_S - 0.001, "reading")
    turn.ends()
    assert (turn.stalls.count, turn.stalls.seconds, caplog.records) == (0, 0.0, [])


def test_what_did_not_take_half_of_a_turn_is_not_blamed(turn: Turn, caplog: pytest.LogCaptureFixture) -> None:
    turn.begins()
    turn.takes(0.05, "reading")
    turn.takes(0.2)
    turn.ends()
    assert caplog.messages == ["the event loop stood still for 0.25 s: something that nobody named"]


def test_what_was_done_before_a_turn_is_not_blamed_for_it(turn: Turn, caplog: pytest.LogCaptureFixture) -> None:
    turn.begins()
    turn.takes(0.09, "reading")
    turn.ends()
    turn.takes(60.0)  # the loop waits
    turn.begins()
    turn.takes(0.0, "the first thing")
    turn.takes(0.15)
    turn.ends()
    assert caplog.messages == ["the event loop stood still for 0.15 s: something that nobody named"]


def test_what_came_in_between_is_told_apart(turn: Turn, caplog: pytest.LogCaptureFixture) -> None:
    for pause_s, what in ((0.15, "collecting garbage"), (0.05, "the answer of calculator.add")):
        turn.begins()
        turn.takes(0.2)
        turn.stalls.interrupted(pause_s, "collecting garbage")
        turn.takes(0.0, "the answer of %s.%s", "calculator", "add")
        turn.ends()
        assert caplog.messages[-1] == f"the event loop stood still for 0.20 s: {what}"
