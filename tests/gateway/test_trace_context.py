"""What is a traceparent, and what only looks like one (W3C Trace Context, section 3.2)."""

from __future__ import annotations

import pytest

from gateway.trace_context import asked_in, stated, trace_id_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "text", [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", f"01-{TRACE}-{PARENT}-01-what-comes-later"]
)
def test_a_traceparent_names_a_trace(text: str) -> None:
    assert trace_id_of(text) == TRACE
    assert asked_in(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        TRACE,
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f" 00-{TRACE}-{PARENT}-01",
        f"00-{TRACE[:-1]}g-{PARENT}-01",
        f"00-{TRACE[:-1]}\u0663-{PARENT}-01",
    ],
)
def test_what_is_none_names_no_trace(text: str) -> None:
    assert trace_id_of(text) is None
    assert asked_in(text) is None


def test_what_is_too_long_is_not_passed_on() -> None:
    assert asked_in(f"01-{TRACE}-{PARENT}-01-{'x' * 500}") is None
    assert asked_in(None) is None
    assert stated("a=1,b=2") == "a=1,b=2"
    assert stated("x" * 513) is None
    assert stated(["a"]) is None
