"""What handlers need of the gateway, and how a request reached it."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry

from cara_pseud.cork import Cork
from gateway.access.rates import Rates
from gateway.access.refusals import Refusals
from gateway.calls import Calls
from gateway.catalogue import Served
from gateway.client import Client
from gateway.config.limits import Limits
from gateway.http.connections import Connections
from gateway.http.identification import Identification
from gateway.http.origins import OriginPolicy
from gateway.http.page_changes import PageChanges
from gateway.http.proxies import Downstream, Proxies
from gateway.http.request_head import HttpRequest
from gateway.http.websocket.byte_transports import ByteTransports, best_transports
from gateway.logs import LogWriter
from gateway.reload_counts import ReloadCounts
from gateway.sessions.sessions import Sessions
from gateway.traces import SpanCounts
from gateway.turns import Turns


class Socket(Protocol):
    """An open WebSocket or event stream."""

    @property
    def client(self) -> Client:
        """Who is at its other end."""


@dataclass(kw_only=True)
class Site:
    """What handlers need of the gateway. One for all.

    Attributes:
        served: what is served now.
        stopping: true when the gateway is about to end.
        sockets: the open WebSockets and event streams.
        proxies: which of them are believed.
        transports: how the bytes of WebSockets travel.
        compresses_sockets: whether their messages may be compressed.
        cork: what their reads are the work of; their answers leave at its end.
        calls_under_way: of REST.
        answered: requests by HTTP status.
        connections: all of them, with what each owes.
        refusals: what was refused, by the bound that was met.
        identification: finds out who asks; None: nobody is asked who they are.
        closings: connections that the gateway closed, by the reason.
        turns: where large messages wait until they are read.
        authentication_failures: credentials that were refused, by their kind.
        spans: what became of the spans of traces; None if there are none.
        reloads: what became of attempts to replace the configuration.
        registry: of all metrics; of this gateway alone.
        rates: how many calls a caller may make in which time; None if nobody's are counted.
        has_admin: whether operators have a listener of their own.
        pages: the folder of the pages of whoever runs the gateway; None if there is none.
        page_changes: told of what changes there, while somebody develops them; None: they are as they are.
        faults: what is wrong with services beside their connections, by their names.
    """

    served: Served
    calls: Calls
    sessions: Sessions
    limits: Limits
    origins: OriginPolicy
    log: LogWriter
    cookie_name: str
    connections: Connections
    compresses_sockets: bool
    proxies: Proxies = field(default_factory=Proxies)
    request_ids: Iterator[str] = field(default_factory=lambda: _request_ids())
    stopping: bool = False
    calls_under_way: int = 0
    answered: dict[int, int] = field(default_factory=dict)
    sockets: set[Socket] = field(default_factory=set)
    transports: ByteTransports = field(default_factory=best_transports)
    cork: Cork = field(default_factory=Cork)
    refusals: Refusals = field(default_factory=Refusals)
    closings: Refusals = field(default_factory=Refusals)
    turns: Turns = field(default_factory=Turns)
    identification: Identification | None = None
    authentication_failures: Refusals = field(default_factory=Refusals)
    spans: SpanCounts | None = None
    reloads: ReloadCounts = field(default_factory=ReloadCounts)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    rates: Rates | None = None
    has_admin: bool = False
    pages: Path | None = None
    page_changes: PageChanges | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def asks_who(self) -> bool:
        """Whether callers are asked who they are."""
        return self.identification is not None and self.identification.gatekeeper.is_on

    @property
    def is_busy(self) -> bool:
        """Whether calls are under way, of REST or of WebSockets."""
        return self.calls_under_way > 0 or any(socket.client.is_busy for socket in self.sockets)


def downstream_of(site: Site, request: HttpRequest) -> Downstream:
    """How the client of a request reached us."""
    return site.proxies.downstream(request.remote_ip, request.protocol, request.host, request.headers)


def _request_ids() -> Iterator[str]:
    # A random prefix per process and a counter: unique enough for logs, and cheap.
    prefix = secrets.token_hex(4)
    return (f"{prefix}-{number:x}" for number in itertools.count(1))
