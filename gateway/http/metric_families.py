"""What ``/metrics`` tells: one table of all metrics of the gateway, each with where its numbers are read.

Nothing is counted here. A label's value is a name of the schema or of the configuration, or one of a closed list, never
one of a request: there are never more series than these permit. Descriptions are in docs/observe.md.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate, islice
from typing import Final, TypeAlias, get_args

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from gateway.call_counts import LATENCY_BOUNDS_S, MethodCounts
from gateway.catalogue import Service
from gateway.http.site import Site
from gateway.sessions.session import Session
from gateway.upstream.base import Endpoint, State

PREFIX: Final = "cara_gateway_"
_AT_ONCE: Final = 250
"""So many numbers become text in one piece, which takes a millisecond."""
_BOUNDS: Final = (*map(str, LATENCY_BOUNDS_S), "+Inf")

Point: TypeAlias = "tuple[tuple[str, ...], float]"
"""The values of the labels, and the number."""


class Moment:
    """The gateway at one moment.

    Attributes:
        services: those that are served now.
        methods: theirs, by service and label.
        sessions: those that can be found by their id.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.services: list[Service] = list(site.served.catalogue.services.values())
        self.methods: list[tuple[tuple[str, str], MethodCounts]] = [
            ((service.name, label), counts) for service in self.services for label, counts in service.counted_methods()
        ]
        self.sessions: list[Session] = list(site.sessions)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: without `PREFIX`; a counter's without its ``_total``.
        labels: their names, in the order of the values in a `Point`.
        read: its numbers; of a histogram whole samples.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[Moment], Iterable[Point | Sample]]

    @property
    def full_name(self) -> str:
        """As it stands in the text and in the documentation."""
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")

    def parts(self, moment: Moment) -> Iterator[Metric]:
        """Its numbers, in parts that do not take long each; one part at least."""
        name, labels, points = self.full_name, self.labels, iter(self.read(moment))
        is_first = True
        while (some := [*islice(points, _AT_ONCE)]) or is_first:
            metric = Metric(PREFIX + self.name, self.help, self.kind)
            metric.samples = [
                one if isinstance(one, Sample) else Sample(name, dict(zip(labels, one[0], strict=True)), one[1])
                for one in some
            ]
            yield metric
            is_first = False


def _one(number: float) -> Iterable[Point]:
    return (((), number),)


def _by(counts: dict[str, int]) -> Iterable[Point]:
    return (((reason,), number) for reason, number in sorted(counts.items()))


def _rates_shared(moment: Moment) -> Iterable[Point]:
    rates = moment.site.rates
    return [] if rates is None or rates.is_shared is None else _one(float(rates.is_shared))


def _durations(moment: Moment) -> Iterator[Sample]:
    """The histogram of each method that was called and answered."""
    name = f"{PREFIX}call_duration_seconds"
    bucket, count, total = f"{name}_bucket", f"{name}_count", f"{name}_sum"
    for (service, method), counts in moment.methods:
        labels = {"service": service, "method": method}
        running = list(accumulate(counts.lasting))
        if not running[-1]:
            continue
        for place, (bound, number) in enumerate(zip(_BOUNDS, running, strict=True)):
            call = counts.traced.get(place)
            example = None if call is None else Exemplar({"trace_id": call.trace_id}, call.seconds, call.at)
            yield Sample(bucket, {**labels, "le": bound}, number, None, example)
        yield Sample(count, labels, running[-1])
        yield Sample(total, labels, counts.seconds)


def _states(moment: Moment) -> Iterator[Point]:
    for service in moment.services:
        state = service.upstream.state
        yield from (((service.name, one), float(one == state)) for one in get_args(State))


def _endpoints(moment: Moment) -> Iterator[tuple[str, str, Endpoint]]:
    # By their places in the configuration: an address is nobody's business who may only read metrics.
    for service in moment.services:
        for number, endpoint in enumerate(service.upstream.endpoints, 1):
            yield service.name, str(number), endpoint


def _endpoint_states(moment: Moment) -> Iterator[Point]:
    states = (*get_args(State), "ejected", "on trial")
    for service, number, endpoint in _endpoints(moment):
        yield from (((service, number, one), float(one == endpoint.state)) for one in states)


def _endpoint_calls(moment: Moment) -> Iterator[Point]:
    for service, number, endpoint in _endpoints(moment):
        yield (service, number), float(endpoint.in_flight)


_VERSION: Final = version("cara-gateway")
"""Read once: it stands in a file, which cannot be opened when all descriptors are taken."""
_METHOD: Final = ("service", "method")

FAMILIES: Final = (
    Family("build_info", "gauge", "1; its labels say what runs.", ("version", "python"),
           lambda now: [((_VERSION, platform.python_version()), 1.0)]),
    Family("requests", "counter", "HTTP requests answered, by status.", ("status",),
           lambda now: [((str(status),), number) for status, number in sorted(now.site.answered.items())]),
    Family("calls", "counter", "Calls begun, through all doors.", _METHOD,
           lambda now: ((names, counts.calls) for names, counts in now.methods)),
    Family("call_failures", "counter", "Calls that failed, by status code of PROTOCOL.md.", (*_METHOD, "code"),
           lambda now: (((*names, code), number) for names, counts in now.methods
                        for code, number in sorted(counts.failures.items()))),
    Family("call_duration_seconds", "histogram", "How long calls were under way that services were asked for.",
           _METHOD, _durations),
    Family("method_calls_in_flight", "gauge", "Calls under way, by method.", _METHOD,
           lambda now: ((names, counts.in_flight) for names, counts in now.methods)),
    Family("calls_in_flight", "gauge", "Calls under way, of all doors.", (),
           lambda now: _one(now.site.calls.under_way.total)),
    Family("needless_refusals", "counter",
           "Values that generated code of the gateway refused although they were right: faults of its own.",
           ("service",), lambda now: [((one.name,), one.codec.needless_refusals) for one in now.services]),
    Family("service_up", "gauge", "Whether the gateway is connected to the service.", ("service",),
           lambda now: [((one.name,), float(one.upstream.state == "up")) for one in now.services]),
    Family("service_state", "gauge", "1 for the state that the connection to the service is in.", ("service", "state"),
           _states),
    Family("endpoint_state", "gauge", "1 for the state that the service's endpoint of that number is in.",
           ("service", "endpoint", "state"), _endpoint_states),
    Family("endpoint_calls_in_flight", "gauge", "Calls under way at the service's endpoint of that number.",
           ("service", "endpoint"), _endpoint_calls),
    Family("refused", "counter", "What was refused because a bound was met, by the name of the limit.", ("reason",),
           lambda now: _by(now.site.refusals.counts)),
    Family("rates_shared", "gauge", "Whether calls are counted in common with other gateways, if that is configured.",
           (), _rates_shared),
    Family("authentication_failures", "counter", "Credentials that were refused, by their kind.", ("kind",),
           lambda now: _by(now.site.authentication_failures.counts)),
    Family("closed", "counter", "Connections that the gateway closed because they were slow or idle, by reason.",
           ("reason",), lambda now: _by(now.site.closings.counts)),
    Family("connections", "gauge", "Open connections of all doors.", (), lambda now: _one(len(now.site.connections))),
    Family("max_connections", "gauge", "How many there may be, as limits and descriptors permit.", (),
           lambda now: _one(now.site.connections.most)),
    Family("sessions", "gauge", "Sessions that can be found by their id.", (), lambda now: _one(len(now.sessions))),
    Family("streams", "gauge", "Streams of these sessions, those included that wait to be resumed.", (),
           lambda now: _one(sum(session.streams for session in now.sessions))),
    Family("sockets", "gauge", "Open WebSockets and event streams.", (), lambda now: _one(len(now.site.sockets))),
    Family("handles", "gauge", "Objects of services that sessions hold.", (),
           lambda now: _one(sum(len(session.handles) for session in now.sessions))),
    Family("callbacks", "gauge", "Objects of clients that services hold.", (),
           lambda now: _one(sum(session.callbacks for session in now.sessions))),
    Family("loop_stalls", "counter", "Turns of the event loop over 100 ms, in which nobody else was served.", (),
           lambda now: _one(now.site.turns.stalls.count)),
    Family("loop_stall_seconds", "counter", "What these turns took together.", (),
           lambda now: _one(now.site.turns.stalls.seconds)),
    Family("large_messages_waiting", "gauge", "Large messages and rests of messages that wait for their turn.", (),
           lambda now: _one(len(now.site.turns))),
    Family("log_lines_lost", "counter", "Log lines that nobody read in time, or that could not be written.", (),
           lambda now: _one(now.site.log.lost)),
    Family("spans", "counter", "Spans of traces, by what became of them.", ("result",),
           lambda now: () if (spans := now.site.spans) is None else (
               (("sent",), spans.sent), (("lost",), spans.lost))),
    Family("reloads", "counter", "Attempts to replace the configuration, by what became of them.", ("result",),
           lambda now: [(("success",), now.site.reloads.succeeded), (("failure",), now.site.reloads.failed)]),
    Family("last_reload_failed", "gauge", "Whether the last of these attempts failed.", (),
           lambda now: _one(float(now.site.reloads.last_failed))),
    Family("last_reload_timestamp_seconds", "gauge",
           "When the configuration was last replaced, in seconds since 1970; 0 if never.", (),
           lambda now: _one(now.site.reloads.last_at)),
)  # fmt: skip


class _GatewayCollector(Collector):
    """Reads a gateway when somebody asks."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        moment = Moment(self._site)
        for family in FAMILIES:
            yield from family.parts(moment)


def register_metrics(site: Site) -> None:
    """Put the metrics of a gateway, of its process and of Python into the gateway's registry. Once for each gateway."""
    registry: CollectorRegistry = site.registry
    registry.register(_GatewayCollector(site))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
