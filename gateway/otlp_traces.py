"""Traces by OpenTelemetry: spans of calls and callbacks, sent to a collector by a thread of their own.

Imported only where tracing is configured, as its libraries are an extra. A collector that is away, hangs or is slow
holds nobody up: spans wait for it, so many at the most, and those beyond are lost and counted.

A span of the gateway (server) begins with a client's call; within it one of what the service is asked (client), whose
``traceparent`` the service is told. A callback is a span of its own (client) in the trace of the service's call.
Attributes are those of OpenTelemetry's conventions for RPC, without any value.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.config.tracing import TracingConfig
from gateway.errors import Status
from gateway.trace_context import asked_in
from gateway.traces import SpanCounts

_LOG: Final = logging.getLogger(__name__)

MAX_WAITING: Final = 8192
"""So many spans wait for the collector: four thousand calls, some 16 MB."""
_BATCH: Final = 512
_DELAY_MS: Final = 2000
EXPORT_S: Final = 5.0
"""So long the collector may take for a batch, attempts included."""
FLUSH_S: Final = 3.0
"""So long the end of the gateway waits until the last spans are sent."""
_SYSTEM: Final = "cara"
_OURS_FROM: Final = 500
"""From this HTTP status on a failure is the server's and not the caller's, so that its span is marked as failed."""


class _CountedExporter(SpanExporter):
    """Counts what another one does, and tells once that it cannot."""

    def __init__(self, exporter: SpanExporter, counts: SpanCounts) -> None:
        self._exporter = exporter
        self._counts = counts
        self._fails = False
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if result is SpanExportResult.SUCCESS:
                self._counts.sent += len(spans)
            else:
                self._counts.failed += len(spans)
            self._tell(result is not SpanExportResult.SUCCESS)
        return result

    def _tell(self, fails: bool) -> None:
        if fails and not self._fails:
            _LOG.warning("spans of traces are lost: the collector of gateway.tracing does not take them")
        elif self._fails and not fails:
            _LOG.info("the collector of gateway.tracing takes spans again; %d were lost so far", self._counts.lost)
        self._fails = fails

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _BoundedProcessor(BatchSpanProcessor):
    """Counts what it refuses. Left alone it would throw away what waits longest, and write a line for each."""

    def __init__(self, exporter: _CountedExporter, counts: SpanCounts) -> None:
        super().__init__(exporter, 2 * MAX_WAITING, _DELAY_MS, _BATCH)
        self._counted = exporter
        self._counts = counts
        self._given = 0

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._given - self._counted.taken >= MAX_WAITING:
            self._counts.refused += 1
        else:
            self._given += 1
            super().on_end(span)


class _Traced:
    """A call or callback of a trace: a `gateway.traces.CallTrace`."""

    __slots__ = ("_asked", "_attributes", "_name", "_span", "_tracer", "trace_id")

    def __init__(self, tracer: trace.Tracer, name: str, attributes: dict[str, str], span: Span) -> None:
        self._tracer = tracer
        self._name = name
        self._attributes = attributes
        self._span = span
        self._asked: Span | None = None
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}" if context.trace_flags.sampled else None

    def ask(self) -> str:
        """See `gateway.traces.CallTrace`."""
        if self.trace_id is None:
            return _traceparent(self._span)
        parent = trace.set_span_in_context(self._span, Context())
        self._asked = self._tracer.start_span(
            self._name, context=parent, kind=SpanKind.CLIENT, attributes=self._attributes
        )
        return _traceparent(self._asked)

    def end(self, status: Status | None) -> None:
        """See `gateway.traces.CallTrace`."""
        if self._asked is not None:
            _end(self._asked, status, is_failed=status is not None)
        if self.trace_id is not None:
            _end(self._span, status, is_failed=status is not None and status.http >= _OURS_FROM)


class _TracedCallback(_Traced):
    """A callback, of which there is one span: the gateway only passes it on."""

    __slots__ = ()

    def ask(self) -> str:
        return _traceparent(self._span)

    def end(self, status: Status | None) -> None:
        if self.trace_id is not None:
            _end(self._span, status, is_failed=status is not None)


def _end(span: Span, status: Status | None, *, is_failed: bool) -> None:
    if status is not None:
        span.set_attribute("rpc.response.status_code", status.code)
        if is_failed:
            span.set_attribute("error.type", status.code)
            span.set_status(StatusCode.ERROR)
    span.end()


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class OtlpTracer:
    """Records traces and sends them: a `gateway.traces.Tracer`.

    Attributes:
        counts: what became of its spans.
    """

    def __init__(self, config: TracingConfig, version: str) -> None:
        # It logs each failure, with more than an operator's log may have; `_CountedExporter` tells of them.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self.counts = SpanCounts()
        exporter = _CountedExporter(OTLPSpanExporter(endpoint=config.otlp, timeout=EXPORT_S), self.counts)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(config.sample)),
            resource=Resource.create({SERVICE_NAME: config.service_name, SERVICE_VERSION: version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(_BoundedProcessor(exporter, self.counts))
        self._tracer = self._provider.get_tracer("cara-gateway", version)
        self._propagator = TraceContextTextMapPropagator()
        # By service and method, of which there are as many as the schemas have.
        self._known: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}

    def call(self, service: str, method: str, traceparent: str | None, tracestate: str | None) -> _Traced:
        """See `gateway.traces.Tracer`."""
        name, attributes = self._named(service, method)
        parent = self._parent(traceparent, tracestate)
        span = self._tracer.start_span(name, context=parent, kind=SpanKind.SERVER, attributes=attributes)
        return _Traced(self._tracer, name, attributes, span)

    def callback(self, service: str, method: str, traceparent: str | None) -> _Traced:
        """See `gateway.traces.Tracer`."""
        name, attributes = self._named(service, method)
        parent = self._parent(traceparent, None)
        span = self._tracer.start_span(name, context=parent, kind=SpanKind.CLIENT, attributes=attributes)
        return _TracedCallback(self._tracer, name, attributes, span)

    def _named(self, service: str, method: str) -> tuple[str, dict[str, str]]:
        known = self._known.get((service, method))
        if known is None:
            name = f"{service}/{method}"
            known = self._known[service, method] = name, {"rpc.system.name": _SYSTEM, "rpc.method": name}
        return known

    def _parent(self, traceparent: str | None, tracestate: str | None) -> Context:
        # An empty context where there is none, so that nothing else that is recorded in this process is the parent.
        known = asked_in(traceparent)
        if known is None:
            return Context()
        carrier = {"traceparent": known}
        if tracestate is not None:
            carrier["tracestate"] = tracestate
        return self._propagator.extract(carrier, Context())

    async def stop(self, within_s: float = FLUSH_S) -> None:
        """Send what waits, within so many seconds; what is not sent then is lost."""
        loop, is_sent = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed, as nobody waited so long
                loop.call_soon_threadsafe(is_sent.set)

        # A daemon, for the process must end though the collector may hang for longer.
        threading.Thread(target=shut_down, name="spans", daemon=True).start()
        try:
            await asyncio.wait_for(is_sent.wait(), within_s)
        except TimeoutError:
            _LOG.warning("the last spans of traces are lost: the collector did not take them in %g s", within_s)
