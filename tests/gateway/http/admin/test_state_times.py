"""Since when endpoints are in their states."""

from __future__ import annotations

from gateway.http.admin.state_times import StateTimes
from gateway.upstream.base import Endpoint


def up(address: str) -> Endpoint:
    return Endpoint(address, "up", 0, "")


def test_each_endpoint_has_a_time_of_its_own() -> None:
    now = [10.0]
    states = StateTimes(lambda: now[0])
    states.look("a", [up("one"), up("two")])
    now[0] = 20.0
    states.look("a", [up("one"), Endpoint("two", "ejected", 3, "too many failures")])
    assert (states.since("a", "one"), states.since("a", "two")) == (10.0, 20.0)


def test_what_is_gone_is_forgotten() -> None:
    now = [10.0]
    states = StateTimes(lambda: now[0])
    for name in ("a", "b"):
        states.look(name, [up("one")])
    states.look("a", [])
    states.keep(["a"])
    now[0] = 30.0
    states.look("a", [up("one")])
    states.look("b", [up("one")])
    assert (states.since("a", "one"), states.since("b", "one")) == (30.0, 30.0)
