"""The composition root: from a configuration to a gateway that listens. Only here do doors meet upstreams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from cara_pseud.cork import Cork
from gateway.access.permissions import Permissions
from gateway.access.rates import Rates
from gateway.access.refusals import Refusals
from gateway.access.shared_counts import CommonCounts
from gateway.calls import Calls
from gateway.catalogue import CallCounts, Catalogue, Served, Service
from gateway.catalogue_loading import load_catalogue
from gateway.config.exposure import exposures
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.config.values import Listen, UnixListen
from gateway.http.application import GatewayApplication
from gateway.http.bound_sockets import BoundSockets, bind
from gateway.http.connections import Connections
from gateway.http.descriptors import most_connections
from gateway.http.origins import OriginPolicy
from gateway.http.proxies import Proxies
from gateway.http.server import GatewayServer
from gateway.http.site import Site
from gateway.http.websocket.byte_transports import ByteTransports, best_transports
from gateway.logs import LogWriter
from gateway.reclaiming import Reclaiming, reclaim, resident_bytes
from gateway.redis_counts import RedisCounts
from gateway.sessions.sessions import Sessions
from gateway.stalls import Stalls
from gateway.trees import static_tree
from gateway.turns import Turns
from gateway.upstream.base import Upstream
from gateway.upstream.pseud import PseudUpstream

_LOG: Final = logging.getLogger(__name__)

_DESCRIPTORS_OF_A_SERVICE: Final = 8
"""Of a connection over ZeroMQ: its sockets, and pipes between threads. Twice what was counted, for a reload."""
_GRACE_S: Final = 10.0
"""How long calls under way may take to end when the gateway stops."""
_CLOSING_S: Final = 1.0
"""How long clients have to answer that their WebSocket is closed."""
_POLL_S: Final = 0.02
RETIRED_S: Final = 1.0
"""How often it is looked whether connections of an old catalogue are still used."""


class Gateway:
    """A gateway from `start` to `stop`.

    Attributes:
        port: the port it listens on, known after `start`; None at a unix socket.
    """

    def __init__(
        self,
        config: GatewayConfig,
        log: LogWriter,
        transports: ByteTransports | None = None,
        stalls: Stalls | None = None,
    ) -> None:
        """Load everything.

        Args:
            transports: how the bytes of WebSockets travel; None = the best way there is.
            stalls: is told by the loop how long its turns take; None = the loop is not watched.

        Raises:
            ConfigError: something of the configuration cannot be used.
        """
        self._config = config
        self._log = log
        self._transports = best_transports() if transports is None else transports
        self.port = config.listen.port if isinstance(config.listen, Listen) else None
        # One for both sides: what a read from one gives leaves at the other when it is handled.
        self._cork = Cork()
        self._turns = Turns(stalls, self._cork, watched=stalls is not None)
        self._counts = CallCounts()
        self._upstreams: dict[ServiceConfig, Upstream] = {}
        self._running: set[Upstream] = set()
        # What catalogues need that are made and not served yet.
        self._claimed: set[Upstream] = set()
        self._retired: asyncio.Task[None] | None = None
        self._reclaiming: asyncio.Task[None] | None = None
        self._served = Served(self.catalogue(config))
        self._permissions = Permissions(self._served)
        self._refusals, self._closings = Refusals(), Refusals()
        self._sessions = Sessions(config.limits, services=self._service, refusals=self._refusals)
        self._server: GatewayServer | None = None
        self._site: Site | None = None
        self._bound: BoundSockets | None = None
        self._application: GatewayApplication | None = None
        self._counts_in_common: CommonCounts | None = None

    @property
    def url(self) -> str:
        """Where people find it, when nothing stands between."""
        listen = self._config.listen
        if isinstance(listen, UnixListen):
            return listen.url
        return f"http://{Listen(listen.host, self.port or 0)}"

    @property
    def wanted_descriptors(self) -> int:
        """How many files the process is to open at once, so that all connections that the limits permit are taken."""
        return self._config.limits.max_connections + self._reserved_descriptors

    @property
    def _reserved_descriptors(self) -> int:
        services = len(self._served.catalogue.services)
        return self._config.limits.reserved_descriptors + services * _DESCRIPTORS_OF_A_SERVICE

    # What is served.

    def catalogue(self, config: GatewayConfig) -> Catalogue:
        """Make a catalogue for `replace`. A service whose connection is described as before keeps it.

        Raises:
            ConfigError: something of the configuration cannot be used; nothing has changed.
        """
        return load_catalogue(config, self._upstream, self._counts)

    async def replace(self, catalogue: Catalogue) -> None:
        """Serve another catalogue from now on.

        The calls under way end as they began, and handles keep the service that they came from: a connection that the
        catalogue does not need ends when nothing of it is used any more.
        """
        assert self._application is not None  # started
        for service in catalogue.services.values():
            await self._start_upstream(service)
        self._application.serve(catalogue)
        self._claimed.clear()
        if self._retired is None or self._retired.done():
            self._retired = asyncio.create_task(self._end_unused())

    def _upstream(self, service: ServiceConfig) -> Upstream:
        # Whatever does not change where and as whom it is connected is no reason to connect anew.
        key = replace(service, schema=Path(), interface="", timeout_s=None, roles=(), rules=())
        upstream = self._upstreams.get(key)
        if upstream is None or upstream.stopped:
            upstream = self._upstreams[key] = PseudUpstream(service, self._config.limits, self._cork)
        self._claimed.add(upstream)
        return upstream

    async def _start_upstream(self, service: Service) -> None:
        upstream = service.upstream
        if upstream not in self._running:
            self._running.add(upstream)
            _Reports(service.name, upstream)
            upstream.on_state(partial(self._on_state, service.name))
            await upstream.start()

    async def _end_unused(self) -> None:
        while unused := self._running - {service.upstream for service in self._served.catalogue.services.values()}:
            for upstream in unused:
                if not upstream.is_used and upstream not in self._claimed:
                    await upstream.stop()
                    self._running.discard(upstream)
            await asyncio.sleep(RETIRED_S)

    def _service(self, name: str) -> Service | None:
        return self._served.catalogue.services.get(name)

    # Life.

    async def start(self) -> None:
        """Connect and listen.

        Raises:
            OSError: the address cannot be bound; nothing is left running.
        """
        config = self._config
        for exposure in exposures(config.listen, config.hosts, config.trusted_proxies):
            _LOG.warning("%s", exposure)
        self._bound = bound = bind(config.listen, config.socket_mode)
        self.port = bound.port
        for service in self._served.catalogue.services.values():
            await self._start_upstream(service)
        rates = self._rates()
        self._site = site = Site(
            served=self._served,
            calls=Calls(
                self._config.limits,
                expose_errors=self._config.expose_errors,
                admit=None if rates is None else rates.admit,
                authorise=self._permissions.authorise,
                refusals=self._refusals,
                stalls=self._turns.stalls,
            ),
            sessions=self._sessions,
            limits=self._config.limits,
            origins=OriginPolicy(_host_of(config.listen), config.hosts, config.origins),
            proxies=Proxies(config.trusted_proxies, config.base_path),
            log=self._log,
            cookie_name="cara_session" if self.port is None else f"cara_session_{self.port}",
            connections=self._connections(),
            refusals=self._refusals,
            closings=self._closings,
            transports=self._transports,
            compresses_sockets=self._config.websocket_compression,
            cork=self._cork,
            turns=self._turns,
            rates=rates,
        )
        self._application = GatewayApplication(site, str(static_tree()))
        self._server = GatewayServer(self._application, connections=site.connections)
        self._server.add_sockets(bound.sockets)
        reclaiming = Reclaiming(
            resident_bytes, lambda: len(self._sessions) + len(site.connections), lambda: site.is_busy, reclaim
        )
        self._reclaiming = asyncio.create_task(reclaiming.watch())

    def _rates(self) -> Rates | None:
        config = self._config.rates
        if config is None:
            return None
        if config.is_shared:
            self._counts_in_common = CommonCounts(RedisCounts(config.storage))
        return Rates(config, asyncio.get_running_loop().time, self._refusals, self._counts_in_common)

    def _connections(self) -> Connections:
        limits = self._config.limits
        most = most_connections(limits.max_connections, self._reserved_descriptors)
        if most < limits.max_connections:
            _LOG.warning(
                "the process may open too few files for max_connections = %d: at most %d connections are taken",
                limits.max_connections, most,
            )  # fmt: skip
        return Connections(limits, most, self._refusals, self._closings)

    async def stop(self) -> None:
        """Take no more, let calls under way end, close what is open."""
        site, server = self._site, self._server
        if site is None or server is None:
            return
        site.stopping = True
        server.stop()
        if self._bound is not None:
            self._bound.remove()
        for socket in site.sockets:
            socket.client.drain()
        await _until(lambda: not site.is_busy, _GRACE_S)
        for socket in list(site.sockets):
            socket.client.shut_down()
        await _until(lambda: not site.sockets, _CLOSING_S)
        self._sessions.end_all("the gateway stops")
        for task in (self._retired, self._reclaiming):
            if task is not None:
                task.cancel()
        await asyncio.gather(*[upstream.stop() for upstream in self._running])
        if self._counts_in_common is not None:
            await self._counts_in_common.close()
        await server.close_all_connections()
        self._log.flush()

    def _on_state(self, service: str, state: str) -> None:
        # Under a login objects outlive a connection, so only when it is up again it is known whether they are there.
        reason = f"{service} was restarted" if state == "up" else f"the connection to {service} was lost"
        self._sessions.service_lost(service, reason)

    async def services_up(self, timeout_s: float) -> bool:
        """Wait until every service is connected; False when the time is over before."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        for upstream in {service.upstream for service in self._served.catalogue.services.values()}:
            states: asyncio.Queue[str] = asyncio.Queue()
            forget = upstream.on_state(states.put_nowait)
            try:
                while upstream.state != "up":
                    await asyncio.wait_for(states.get(), until - loop.time())
            except TimeoutError:
                return False
            finally:
                forget()
        return True


def _host_of(listen: Listen | UnixListen) -> str | None:
    return listen.host if isinstance(listen, Listen) else None


class _Reports:
    """Logs what becomes of the connection to a service: a warning for each new reason why it cannot be used."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self._name = name
        self._upstream = upstream
        self._said: str | None = None
        upstream.on_state(self._look)
        upstream.on_trouble(self._look)

    def _look(self, _: str) -> None:
        upstream = self._upstream
        trouble = upstream.trouble
        # While it connects nothing is wrong yet.
        if upstream.stopped or upstream.state == "connecting" or trouble == self._said:
            return
        self._said = trouble
        if trouble:
            _LOG.warning("service %s at %s cannot be used: %s", self._name, upstream.endpoint, trouble)
        else:
            _LOG.info("service %s is up", self._name)


async def _until(is_over: Callable[[], bool], within_s: float) -> None:
    """Wait for something to be over, but not for ever."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    # This happens once, when the gateway stops; an event would have to be looked after by every call.
    while not is_over() and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
