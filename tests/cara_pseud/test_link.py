"""When a client connects, greets, waits and gives up. The clock is the numbers that are passed."""

from __future__ import annotations

import pytest

from cara_pseud.errors import Unauthenticated, Unavailable
from cara_pseud.link import CONNECTING, DOWN, NOBODY, UP, Link, Step

REFUSED = Unauthenticated()


@pytest.fixture
def link() -> Link:
    return Link(lambda delay_s: delay_s)


def greeted(link: Link, now: float = 0.0) -> Link:
    link.on_connected(now)
    assert link.due(now) == [Step.GREET]
    link.on_greeting_sent(now, True)
    link.on_greeted()
    return link


def test_it_is_up_when_the_greeting_is_answered(link: Link) -> None:
    link.start(0, None)
    assert (link.state, link.failure(), link.next_time()) == (CONNECTING, None, None)
    link.on_connected(1)
    assert link.due(1) == [Step.GREET]
    link.on_greeting_sent(1, True)
    assert (link.state, link.failure()) == (CONNECTING, None)
    link.on_greeted()
    assert (link.state, link.next_time()) == (UP, None)


def test_after_two_seconds_of_silence_it_is_up_too(link: Link) -> None:
    link.on_connected(0)
    link.due(0)
    link.on_greeting_sent(0, True)
    assert link.due(1.9) == []
    assert link.due(2.0) == [Step.GO_BARE]
    assert link.state == UP
    link.on_greeted()
    assert link.state == UP


def test_a_loss_gives_calls_a_quarter_of_a_second(link: Link) -> None:
    greeted(link)
    link.on_lost(10, holds=False)
    link.on_failed(10)
    assert (link.state, link.failure()) == (CONNECTING, None)
    assert link.due(10.05) == [Step.CONNECT]
    assert link.due(10.25) == [Step.GIVE_UP]
    assert link.state == DOWN
    assert isinstance(link.failure(), Unavailable)


def test_who_is_connected_again_within_that_time_greets_without_haste(link: Link) -> None:
    greeted(link)
    link.on_lost(10, holds=False)
    link.on_connected(10.2)
    link.due(10.2)
    link.on_greeting_sent(10.2, True)
    assert link.due(11) == []
    assert link.state == CONNECTING


def test_attempts_are_made_later_each_time(link: Link) -> None:
    now, waits = 0.0, []
    for _ in range(7):
        link.on_failed(now)
        due = link.next_time()
        assert due is not None
        waits.append(round(due - now, 3))
        now = due
        assert link.due(now) == [Step.CONNECT]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]


def test_delays_between_attempts_are_spread() -> None:
    link = Link(lambda delay_s: 3 * delay_s)
    link.on_failed(0)
    assert link.next_time() == pytest.approx(3 * 0.05)
    link.on_refused(1, REFUSED)
    assert link.next_time() == pytest.approx(1 + 3 * 1.0)


def test_several_signs_of_one_failure_make_one_attempt(link: Link) -> None:
    link.on_failed(0)
    link.on_failed(0, "nobody answers at the endpoint")
    assert link.due(10) == [Step.CONNECT]
    assert link.trouble == "nobody answers at the endpoint"


def test_references_are_forgotten_a_minute_after_the_loss_unless_it_is_greeted_again(link: Link) -> None:
    greeted(link)
    link.on_lost(100, holds=True)
    assert Step.FORGET not in link.due(159.9)
    assert link.due(160) == [Step.FORGET]
    greeted(link, 170)
    link.on_lost(200, holds=True)
    link.due(201)
    greeted(link, 210)
    assert link.due(300) == []


def test_who_has_another_name_is_told_after_a_second(link: Link) -> None:
    link.on_connected(0)
    assert link.due(0) == [Step.GREET]
    link.on_greeting_sent(0, False)
    assert link.due(0.005) == [Step.GREET]
    assert link.failure() is None
    link.on_greeting_sent(1.0, False)
    assert link.state == DOWN
    assert "another name" in str(link.failure())
    # It may get the name yet.
    assert link.due(1.5) == [Step.GREET]
    link.on_greeting_sent(1.5, True)
    link.on_greeted()
    assert (link.state, link.failure()) == (UP, None)


def test_a_refused_connection_is_told_at_once_and_tried_each_second(link: Link) -> None:
    link.start(0, 0.25)
    link.on_refused(0.1, REFUSED)
    link.on_failed(0.1)
    assert (link.state, link.failure()) == (DOWN, REFUSED)
    assert link.due(1.0) == []
    assert link.due(1.1) == [Step.CONNECT]
    assert link.failure() is REFUSED
    link.on_failed(1.2, "nobody answers at the endpoint")
    assert isinstance(link.failure(), Unavailable)
    greeted(link, 2)
    assert (link.state, link.failure()) == (UP, None)


def test_somebody_may_know_better_why_nobody_listens() -> None:
    known = [""]
    link = Link(lambda delay_s: delay_s, lambda: known[0])
    link.start(0, 0.25)
    link.on_failed(0.1, NOBODY)
    link.due(0.25)
    assert str(link.failure()) == f"the service cannot be reached: {NOBODY}"
    known[0] = "it does not answer"
    assert (link.trouble, str(link.failure())) == (known[0], "the service cannot be reached: it does not answer")
    link.on_failed(0.3, "the server expects another security plugin")
    assert link.trouble == "the server expects another security plugin"


def test_who_always_hangs_up_in_the_handshake_will_not_let_us_in(link: Link) -> None:
    link.start(0, None)
    now = 0.0
    for attempt in range(5):
        assert link.failure() is None, attempt
        link.on_failed_handshake(now, "it hangs up")
        now = link.next_time() or now
        assert Step.CONNECT in link.due(now)
    assert link.state == DOWN
    assert str(link.failure()) == "it hangs up"
    link.on_failed(now, "nobody listens at the endpoint")
    assert isinstance(link.failure(), Unavailable)
    assert link.trouble == "nobody listens at the endpoint"
    greeted(link, now)
    assert link.failure() is None
    link.on_lost(now + 1, holds=False)
    link.on_failed_handshake(now + 2, "it hangs up")
    assert link.failure() is None


def test_a_refused_greeting_is_repeated_each_second_or_for_the_next_call(link: Link) -> None:
    link.on_connected(0)
    link.due(0)
    link.on_greeting_sent(0, True)
    link.on_greeting_refused(0.1, REFUSED)
    assert link.failure() is REFUSED
    link.on_call(0.2)
    assert (link.failure(), link.state) == (None, CONNECTING)
    assert link.due(0.2) == [Step.GREET]
    link.on_greeting_sent(0.2, True)
    link.on_greeting_refused(0.3, REFUSED)
    assert link.due(1.3) == [Step.GREET]


def test_calls_for_a_refused_connection_do_not_hasten_it(link: Link) -> None:
    link.on_refused(0, REFUSED)
    link.on_call(0.1)
    assert link.failure() is REFUSED


def test_a_login_may_take_its_time(link: Link) -> None:
    link.on_connected(0)
    link.due(0)
    link.on_greeting_sent(0, True)
    link.on_login()
    assert link.due(100) == []
    assert link.trouble == "the login is not answered"


def test_the_first_connection_is_waited_for_as_long_as_is_said(link: Link) -> None:
    link.connecting()
    link.start(5, 0.25)
    assert link.due(5.2) == []
    assert link.due(5.25) == [Step.GIVE_UP]
    assert link.state == DOWN


def test_a_stopped_one_does_nothing_more(link: Link) -> None:
    greeted(link)
    link.on_lost(1, holds=True)
    link.stop()
    assert (link.state, link.next_time(), link.due(1000)) == (DOWN, None, [])
