"""What is told of calls to whoever records traces. Knows no recorder; without one nothing is told."""

from __future__ import annotations

from typing import Protocol

from gateway.errors import Status


class CallTrace(Protocol):
    """One call, as a part of a trace."""

    @property
    def trace_id(self) -> str | None:
        """Of its trace, 32 hexadecimal digits; None if that is not recorded."""

    def ask(self) -> str:
        """Note that somebody is asked now; the ``traceparent`` that he is told. Once at the most."""

    def end(self, status: Status | None) -> None:
        """Note that it is over; ``status`` is why it failed, None if it did not. Once."""


class Tracer(Protocol):
    """Records traces. Names are those of the schema and the configuration; no value is told."""

    def call(self, service: str, method: str, traceparent: str | None, tracestate: str | None) -> CallTrace:
        """Note that a client calls a method of a service.

        Args:
            traceparent, tracestate: the trace that the client says it belongs to; what is none counts as not said.
        """

    def callback(self, service: str, method: str, traceparent: str | None) -> CallTrace:
        """Note that a service calls a method of a client's object."""


class SpanCounts:
    """What became of the spans that were recorded.

    Attributes:
        sent: how many the collector took.
        failed: how many it did not take.
        refused: how many were not even kept for it, as too many waited.
    """

    __slots__ = ("failed", "refused", "sent")

    def __init__(self) -> None:
        self.sent = self.failed = self.refused = 0

    @property
    def lost(self) -> int:
        """How many the collector will never get."""
        return self.failed + self.refused
