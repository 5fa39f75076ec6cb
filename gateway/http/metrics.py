"""``/metrics`` in the Prometheus text format: what was called and what is held, counted where it happens.

Everything is read when somebody asks; a call costs two additions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.http.site import Site

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS_ROLE: Final = "metrics"
"""Who may read them, where callers are asked who they are. They tell of all services, and how much each is used."""

Sample = tuple[Mapping[str, str], float]


class MetricsHandler(BaseHandler):
    """``/metrics``"""

    answers_any_address = True

    def check_existence(self) -> None:
        if self.site.asks_who and METRICS_ROLE not in self.principal.roles:
            status = Status.UNAUTHENTICATED if self.principal.name is None else Status.PERMISSION_DENIED
            raise GatewayError(status, f"the metrics are for callers with the role {METRICS_ROLE}")

    def get(self) -> None:
        self.set_header("Content-Type", METRICS_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.finish(metrics_text(self.site).encode())

    head = get


def metrics_text(site: Site) -> str:
    """All metrics of a gateway at this moment."""
    sessions, services = list(site.sessions), site.served.catalogue.services
    methods = [(service.name, method) for service in services.values() for method in service.known_methods()]
    labels = [{"service": service, "method": method.label} for service, method in methods]
    lines: list[str] = []
    for name, kind, help, samples in (
        ("requests_total", "counter", "HTTP requests answered, by status.",
         [({"status": str(status)}, number) for status, number in sorted(site.answered.items())]),
        ("calls_total", "counter", "Calls begun, of REST and of WebSockets.",
         [(label, method.counts.calls) for label, (_, method) in zip(labels, methods, strict=True)]),
        ("call_failures_total", "counter", "Calls that failed, by status code of PROTOCOL.md.",
         [({**label, "code": code}, number) for label, (_, method) in zip(labels, methods, strict=True)
          for code, number in sorted(method.counts.failures.items())]),
        ("needless_refusals_total", "counter",
         "Values that generated code of the gateway refused although they were right: faults of its own.",
         [({"service": name}, service.codec.needless_refusals) for name, service in services.items()]),
        ("service_up", "gauge", "Whether the gateway is connected to the service.",
         [({"service": name}, float(service.upstream.state == "up")) for name, service in services.items()]),
        ("refused_total", "counter", "What was refused because a bound was met, by the name of the limit.",
         [({"reason": reason}, number) for reason, number in sorted(site.refusals.counts.items())]),
        ("rates_shared", "gauge", "Whether calls are counted in common with other gateways, where that is configured.",
         [({}, float(site.rates.is_shared))] if site.rates is not None and site.rates.is_shared is not None else []),
        ("closed_total", "counter", "Connections that the gateway closed because they were slow or idle, by reason.",
         [({"reason": reason}, number) for reason, number in sorted(site.closings.counts.items())]),
        ("connections", "gauge", "Open connections of all doors.", [({}, len(site.connections))]),
        ("max_connections", "gauge", "How many there may be, as limits and descriptors permit.",
         [({}, site.connections.most)]),
        ("sessions", "gauge", "Sessions that can be found by their id.", [({}, len(sessions))]),
        ("streams", "gauge", "Streams of these sessions, those included that wait to be resumed.",
         [({}, sum(session.streams for session in sessions))]),
        ("sockets", "gauge", "Open WebSockets and event streams.", [({}, len(site.sockets))]),
        ("handles", "gauge", "Objects of services that sessions hold.",
         [({}, sum(len(session.handles) for session in sessions))]),
        ("callbacks", "gauge", "Objects of clients that services hold.",
         [({}, sum(session.callbacks for session in sessions))]),
        ("calls_in_flight", "gauge", "Calls under way in these sessions, and of REST without one.",
         [({}, sum(session.calls_in_flight for session in sessions) + site.calls.without_session)]),
        ("loop_stalls_total", "counter", "Turns of the event loop over 100 ms, in which nobody else was served.",
         [({}, site.turns.stalls.count)]),
        ("loop_stall_seconds_total", "counter", "What these turns took together.", [({}, site.turns.stalls.seconds)]),
        ("large_messages_waiting", "gauge", "Large messages and rests of messages that wait for their turn.",
         [({}, len(site.turns))]),
        ("log_lines_lost_total", "counter", "Log lines that nobody read in time, or that could not be written.",
         [({}, site.log.lost)]),
    ):  # fmt: skip
        lines += _metric(f"cara_gateway_{name}", kind, help, samples)
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, help: str, samples: Iterable[Sample]) -> Iterable[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
