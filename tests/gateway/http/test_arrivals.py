"""Who owes a request, and for how long."""

from __future__ import annotations

from gateway.http.arrivals import Arrivals


def test_a_connection_is_overdue_when_its_time_is_over() -> None:
    arrivals = Arrivals(10)
    arrivals.expect("a", 0)
    arrivals.expect("b", 5)
    assert arrivals.overdue(9.9) == []
    assert arrivals.overdue(10) == ["a"]
    assert arrivals.overdue(11) == []
    assert arrivals.overdue(20) == ["b"]
    assert len(arrivals) == 0


def test_who_has_sent_the_head_has_as_long_for_the_body() -> None:
    arrivals = Arrivals(10)
    arrivals.expect("a", 0)
    arrivals.expect("b", 1)
    arrivals.expect("a", 9)
    assert arrivals.overdue(12) == ["b"]
    assert arrivals.overdue(18.9) == []
    assert arrivals.overdue(19) == ["a"]


def test_what_has_arrived_is_never_overdue() -> None:
    arrivals = Arrivals(10)
    arrivals.expect("a", 0)
    arrivals.arrived("a")
    arrivals.arrived("a")
    assert arrivals.overdue(100) == []
