"""A connection that shows no life is given up: soon at first, later where a link is slow."""

from __future__ import annotations

import pytest

from cara_pseud.gateway.heartbeat import Heartbeat
from tests.cara_pseud.gateway.moved_time import FakeClock


class Link:
    """A connection whose other end the test is."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked = self.losses = self.waiting = 0
        self.heartbeat = Heartbeat(self.clock, self)
        self.heartbeat.start()

    def ask(self) -> None:
        self.asked += 1

    def unsent(self) -> int:
        return self.waiting

    def lost(self) -> None:
        self.losses += 1


@pytest.fixture
def link() -> Link:
    return Link()


def test_nothing_is_asked_while_messages_come(link: Link) -> None:
    for _ in range(20):
        link.clock.advance(6)
        link.heartbeat.heard()
    assert (link.asked, link.losses) == (0, 0)


def test_after_ten_seconds_of_silence_it_asks_and_after_five_more_gives_up(link: Link) -> None:
    link.clock.advance(9.9)
    assert link.asked == 0
    link.clock.advance(0.2)
    assert link.asked == 1
    link.clock.advance(4)
    assert link.losses == 0
    link.clock.advance(2)
    assert (link.asked, link.losses) == (1, 1)
    link.clock.advance(100)
    assert link.losses == 1


def test_an_answer_is_life(link: Link) -> None:
    link.clock.advance(11)
    link.heartbeat.heard()
    link.clock.advance(9)
    assert (link.asked, link.losses) == (1, 0)


def test_bytes_that_leave_are_life(link: Link) -> None:
    link.waiting = 1_000_000
    for _ in range(40):
        link.clock.advance(1)
        link.waiting -= 10_000
    assert link.losses == 0
    link.clock.advance(30)
    assert link.losses == 1


def test_each_loss_doubles_the_patience_up_to_a_minute(link: Link) -> None:
    for patience in (5, 10, 20, 40, 60, 60):
        link.heartbeat.start()
        link.clock.advance(10 + patience - 0.5)
        before = link.losses
        link.clock.advance(2)
        assert link.losses == before + 1
    link.heartbeat.start()
    link.heartbeat.heard()
    link.clock.advance(17)
    assert link.losses == 7


def test_a_process_that_was_stopped_asks_again_first(link: Link) -> None:
    link.clock.advance(10.5)
    link.clock.sleep(3600)
    assert (link.asked, link.losses) == (2, 0)
    link.clock.advance(6)
    assert link.losses == 1


def test_nothing_is_done_once_it_is_stopped(link: Link) -> None:
    link.heartbeat.stop()
    link.clock.advance(100)
    assert (link.asked, link.losses, link.clock.waiting) == (0, 0, 0)
