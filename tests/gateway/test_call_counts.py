"""What is counted of a method: numbers that never go back, and classes that nothing falls between."""

from __future__ import annotations

import pytest

from gateway.call_counts import LATENCY_BOUNDS_S, CallCounts, MethodCounts, TracedCall


def test_failures_are_counted_by_code() -> None:
    counts = MethodCounts()
    for code in ("aborted", "internal", "aborted"):
        counts.fail(code)
    assert (counts.calls, counts.failures) == (0, {"aborted": 2, "internal": 1})


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (0.1, 6), (10.0, 11), (10.1, 12), (1e9, 12)],
)
def test_a_call_is_counted_in_the_class_whose_bound_it_does_not_pass(seconds: float, place: int) -> None:
    counts = MethodCounts()
    counts.in_flight = 2
    counts.ended(seconds)
    assert [number for number, count in enumerate(counts.lasting) if count] == [place]
    assert (counts.in_flight, counts.seconds) == (1, seconds)
    counts.note_trace(TracedCall("t", seconds, 1.0))
    assert list(counts.traced) == [place]


def test_the_last_traced_call_of_a_class_is_remembered() -> None:
    counts = MethodCounts()
    for at in range(100):
        counts.note_trace(TracedCall("t", at % 2, at))
    assert counts.traced == {0: TracedCall("t", 0, 98), LATENCY_BOUNDS_S.index(1.0): TracedCall("t", 1, 99)}


def test_what_is_served_no_more_is_forgotten_and_counted_anew() -> None:
    counts = CallCounts()
    kept, gone, lost = counts.of("shop", "order"), counts.of("shop", "gone"), counts.of("other", "order")
    for one in (kept, gone, lost):
        one.calls = 5
    counts.keep(lambda service, label: service == "shop" and label != "gone")
    assert counts.of_service("shop") == {"order": kept}
    assert counts.of_service("other") == {}
    assert (counts.of("shop", "order").calls, counts.of("shop", "gone").calls) == (5, 0)
