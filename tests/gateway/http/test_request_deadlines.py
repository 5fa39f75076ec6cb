"""Who owes a request, and for how long."""

from __future__ import annotations

from gateway.http.request_deadlines import RequestDeadlines


def test_a_connection_is_overdue_when_its_time_is_over() -> None:
    deadlines = RequestDeadlines(10)
    deadlines.expect("a", 0)
    deadlines.expect("b", 5)
    assert deadlines.overdue(9.9) == []
    assert deadlines.overdue(10) == ["a"]
    assert deadlines.overdue(11) == []
    assert deadlines.overdue(20) == ["b"]
    assert len(deadlines) == 0


def test_who_has_sent_the_head_has_as_long_for_the_body() -> None:
    deadlines = RequestDeadlines(10)
    deadlines.expect("a", 0)
    deadlines.expect("b", 1)
    deadlines.expect("a", 9)
    assert deadlines.overdue(12) == ["b"]
    assert deadlines.overdue(18.9) == []
    assert deadlines.overdue(19) == ["a"]


def test_what_has_arrived_is_never_overdue() -> None:
    deadlines = RequestDeadlines(10)
    deadlines.expect("a", 0)
    deadlines.arrived("a")
    deadlines.arrived("a")
    assert deadlines.overdue(100) == []
