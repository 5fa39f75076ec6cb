"""Spans and who gets them: a collector that takes them, refuses them, hangs, or is not there."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from gateway import otlp_traces
from gateway.config.tracing import TracingConfig
from gateway.errors import Status
from gateway.otlp_traces import OtlpTracer
from gateway.trace_context import trace_id_of
from tests.otlp_receiver import Receiver, TakenSpan, receiving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def recorded(receiver: Receiver, record: Any, **options: Any) -> list[TakenSpan]:
    """What arrives of that which ``record`` tells a tracer."""
    tracer = OtlpTracer(TracingConfig(otlp=f"{receiver.url}/v1/traces", **options), "1.2.3")
    record(tracer)
    asyncio.run(tracer.stop(10))
    assert (tracer.counts.sent, tracer.counts.lost) == (len(receiver.spans), 0)
    return receiver.spans


def test_a_call_is_a_span_of_the_gateway_and_one_of_what_the_service_is_asked() -> None:
    told = []

    def record(tracer: OtlpTracer) -> None:
        call = tracer.call("shop", "Receipt.total", TRACEPARENT, "vendor=1")
        assert call.trace_id == TRACE
        told.append(call.ask())
        call.end(None)

    with receiving() as receiver:
        asked, gateway = recorded(receiver, record, service_name="edge")
        assert receiver.paths == ["/v1/traces"]
        names = {"service.name": "edge", "service.version": "1.2.3", "telemetry.sdk.language": "python"}
        assert names.items() <= receiver.resources[0].items()
    assert (gateway.kind, asked.kind) == (TakenSpan.SERVER, TakenSpan.CLIENT)
    assert (gateway.trace, gateway.parent, gateway.state) == (TRACE, PARENT, "vendor=1")
    assert (asked.trace, asked.parent) == (TRACE, gateway.id)
    assert told == [f"00-{TRACE}-{asked.id}-01"]
    assert gateway.name == asked.name == "shop/Receipt.total"
    assert gateway.attributes == asked.attributes
    assert gateway.attributes == {"rpc.system.name": "cara", "rpc.method": "shop/Receipt.total"}
    assert not gateway.is_failed
    assert gateway.began_ns <= asked.began_ns <= asked.ended_ns <= gateway.ended_ns


@pytest.mark.parametrize("said", [None, "", "00-nothing", TRACEPARENT.upper(), f"{TRACEPARENT}\n"])
def test_what_is_no_traceparent_begins_a_new_trace(said: str | None) -> None:
    def record(tracer: OtlpTracer) -> None:
        call = tracer.call("shop", "order", said, "vendor=1")
        assert call.trace_id not in (None, TRACE)
        assert trace_id_of(call.ask()) == call.trace_id
        call.end(None)

    with receiving() as receiver:
        asked, gateway = recorded(receiver, record)
    assert (gateway.parent, gateway.state) == ("", "")
    assert asked.trace == gateway.trace


@pytest.mark.parametrize(
    ("status", "is_ours"), [(Status.INVALID_ARGUMENT, False), (Status.UNAVAILABLE, True), (Status.UNKNOWN, True)]
)
def test_a_failure_is_told_by_its_code(status: Status, is_ours: bool) -> None:
    def record(tracer: OtlpTracer) -> None:
        call = tracer.call("shop", "order", None, None)
        call.ask()
        call.end(status)

    with receiving() as receiver:
        asked, gateway = recorded(receiver, record)
    assert (gateway.is_failed, asked.is_failed) == (is_ours, True)
    for span in (gateway, asked):
        assert span.attributes["rpc.response.status_code"] == status.code
        assert ("error.type" in span.attributes) == span.is_failed


def test_a_call_that_was_refused_has_no_span_of_a_service() -> None:
    with receiving() as receiver:
        (span,) = recorded(receiver, lambda tracer: tracer.call("shop", "order", None, None).end(Status.NOT_FOUND))
    assert span.kind == TakenSpan.SERVER


def test_a_callback_is_one_span_in_the_trace_of_the_service_s_call() -> None:
    told = []

    def record(tracer: OtlpTracer) -> None:
        callback = tracer.callback("shop", "Listener.told", TRACEPARENT)
        told.append(callback.ask())
        callback.end(Status.CANCELLED)

    with receiving() as receiver:
        (span,) = recorded(receiver, record)
    assert (span.name, span.kind, span.trace, span.parent) == ("shop/Listener.told", TakenSpan.CLIENT, TRACE, PARENT)
    assert told == [f"00-{TRACE}-{span.id}-01"]
    assert span.is_failed


def test_what_the_caller_does_not_record_is_not_recorded_and_the_service_is_told_so() -> None:
    def record(tracer: OtlpTracer) -> None:
        for made in (tracer.call("shop", "order", f"{TRACEPARENT[:-2]}00", None), tracer.callback("shop", "a.b", "x")):
            told = made.ask()
            assert int(told[-2:], 16) & 1 == 0  # W3C Trace Context section 3.2.2.5.1: recorded or not
            assert made.trace_id is None
            made.end(Status.UNKNOWN)

    with receiving() as receiver:
        assert recorded(receiver, record, sample=0.0) == []


def test_a_part_of_the_traces_that_begin_here_is_recorded() -> None:
    with receiving() as receiver:
        spans = recorded(
            receiver,
            lambda tracer: [tracer.call("shop", "order", None, None).end(None) for _ in range(1000)],
            sample=0.25,
        )
    assert 150 < len(spans) < 350  # the chance that it is none of these is one in a trillion


@pytest.mark.parametrize("status", [400, 404])
def test_what_a_collector_refuses_is_lost_and_counted(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with receiving(status=status) as receiver:
        tracer = OtlpTracer(TracingConfig(otlp=f"{receiver.url}/v1/traces"), "1")
        for _ in range(700):  # more than one batch
            tracer.call("shop", "order", None, None).end(None)
        asyncio.run(tracer.stop(10))
    assert (tracer.counts.sent, tracer.counts.lost) == (0, 700)
    assert [record.message for record in caplog.records] == [
        "spans of traces are lost: the collector of gateway.tracing does not take them"
    ]


@pytest.mark.usefixtures("without_collector")
def test_a_collector_that_hangs_holds_nobody_up_and_what_is_too_much_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otlp_traces, "MAX_WAITING", 1000)
    with receiving(hangs=True) as receiver:
        tracer = OtlpTracer(TracingConfig(otlp=f"{receiver.url}/v1/traces"), "1")
        longest = 0.0
        for _ in range(3000):
            began = time.thread_time()
            tracer.call("shop", "order", None, None).end(None)
            longest = max(longest, time.thread_time() - began)
        assert longest < 0.05
        # One batch is with the collector, which has not said that it takes it.
        assert 1000 <= 3000 - tracer.counts.refused <= 1000 + 512
        began = time.perf_counter()
        asyncio.run(tracer.stop(0.1))
        assert time.perf_counter() - began < 2
        assert tracer.counts.sent == 0
    assert caplog.records[-1].message.startswith("the last spans of traces are lost")
    for thread in threading.enumerate():  # it tries again at random times, beside tests that must be the same each time
        if thread.name == "spans":
            thread.join(30)
            assert not thread.is_alive()


def test_a_collector_that_is_not_there_disturbs_nobody() -> None:
    tracer = OtlpTracer(TracingConfig(otlp="http://127.0.0.1:1/v1/traces"), "1")
    tracer.call("shop", "order", None, None).end(None)
    asyncio.run(tracer.stop(10))
    assert tracer.counts.lost == 1
