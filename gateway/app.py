"""The composition root: from a configuration to a gateway that listens. Only here do doors meet upstreams."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from cara_pseud.cork import Cork
from gateway.access.authentication import Authentication
from gateway.access.outside import AuthOutside
from gateway.access.permissions import Permissions
from gateway.access.refusals import Refusals
from gateway.access.shared_counts import MOST_AT_ONCE
from gateway.call_counts import CallCounts
from gateway.calls import Calls
from gateway.catalogue import Catalogue, Served, Service
from gateway.catalogue_loading import Former, load_routes, make_catalogue
from gateway.config.connection import ConnectionConfig, fingerprint
from gateway.config.exposure import exposures
from gateway.config.file import ConfigError, GatewayConfig, ServiceConfig
from gateway.config.lasting import changed, check_guard, lasting
from gateway.config.tracing import TracingConfig
from gateway.config.values import Listen, UnixListen
from gateway.connection_reports import ConnectionReports
from gateway.http.admin.door import ADMIN_DESCRIPTORS, AdminDoor, bind_admin
from gateway.http.admin.state_times import StateTimes
from gateway.http.application import GatewayApplication
from gateway.http.bound_sockets import BoundSockets, bind
from gateway.http.connections import Connections
from gateway.http.descriptors import most_connections, permit_descriptors
from gateway.http.draining import drain
from gateway.http.identification import Identification
from gateway.http.origins import OriginPolicy
from gateway.http.page_changes import PageChanges
from gateway.http.proxies import Proxies
from gateway.http.server import GatewayServer
from gateway.http.site import Site
from gateway.http.tls import Tls
from gateway.http.websocket.byte_transports import ByteTransports, best_transports
from gateway.logs import LogWriter
from gateway.rates_in_force import RatesInForce
from gateway.reclaiming import Reclaiming, reclaim, resident_bytes
from gateway.reload_counts import ReloadCounts
from gateway.reloads import Reloads
from gateway.routes import ServiceRoutes
from gateway.sessions.sessions import Sessions
from gateway.stalls import Stalls
from gateway.trees import static_tree
from gateway.turns import Turns
from gateway.upstream.base import EndpointConnection, Upstream
from gateway.upstream.bridged import BridgedUpstream, first_up_s
from gateway.upstream.pool import Pool
from gateway.upstream.pseud import PseudUpstream

if TYPE_CHECKING:
    from gateway.otlp_traces import OtlpTracer

_LOG: Final = logging.getLogger(__name__)

_DESCRIPTORS_OF_A_CONNECTION: Final = 8
"""Over ZeroMQ: its sockets, and pipes between threads. Twice what was counted, for a reload."""
_CLOSING_S: Final = 1.0
"""How long clients have to answer that their WebSocket is closed."""
_POLL_S: Final = 0.02
RETIRED_S: Final = 1.0
"""How often it is looked whether connections of an old catalogue are still used."""


class Gateway:
    """A gateway from `start` to `stop`.

    Attributes:
        port: the port it listens on, known after `start`; None at a unix socket.
        admin_url: where operators find it, known after `start`; None if they have no listener.
        attempted: the configuration that was read last, even if it could not be used.
        faults: what `/readyz` says is wrong with services beside their connections; whoever knows of it writes it here.
    """

    def __init__(
        self,
        config: GatewayConfig,
        log: LogWriter,
        transports: ByteTransports | None = None,
        stalls: Stalls | None = None,
        source: Callable[[], GatewayConfig] | None = None,
        passed: Sequence[socket.socket] = (),
        page_changes: PageChanges | None = None,
    ) -> None:
        """Load everything.

        Args:
            source: reads the configuration anew for `reload`, in a thread; None = it is always this one.
            page_changes: is told when the pages have changed, so that browsers load them again; None = they do not.
            passed: sockets that somebody has bound for it already, at ``config.listen``; none = it binds its own.
            transports: how the bytes of WebSockets travel; None = the best way there is.
            stalls: is told by the loop how long its turns take; None = the loop is not watched.

        Raises:
            ConfigError: something of the configuration cannot be used.
        """
        # Those in force: one object that everybody has, which `reload` changes.
        self._limits = replace(config.limits)
        self._config = config = replace(config, limits=self._limits)
        self.attempted = config
        self._source = (lambda: config) if source is None else source
        self._passed = list(passed)
        self.faults: dict[str, str] = {}
        self._reloads, self._reload_counts = Reloads(self._reload), ReloadCounts()
        self._log, self._page_changes = log, page_changes
        self._transports = best_transports() if transports is None else transports
        self._tls = None if config.tls is None else Tls(config.tls)
        self.port = config.listen.port if isinstance(config.listen, Listen) else None
        # One for both sides: what a read from one gives leaves at the other when it is handled.
        self._cork = Cork()
        self._turns = Turns(stalls, self._cork, watched=stalls is not None)
        self._counts = CallCounts()
        self._pool = Pool(self._connection, lambda: self._states.look_at(self._served.catalogue.services))
        self._tracer: OtlpTracer | None = None if config.tracing is None else _tracer(config.tracing)
        self._retired: asyncio.Task[None] | None = None
        self._reclaiming: asyncio.Task[None] | None = None
        self._served = Served(self.catalogue(config))
        self._permissions = Permissions(self._served)
        self._authentication = Authentication(config.auth, AuthOutside())
        self._refusals, self._closings = Refusals(), Refusals()
        self._rates = RatesInForce(self._refusals)
        self._sessions = Sessions(
            config.limits, services=self._service, refusals=self._refusals, admits=self._rates.admit,
            permits=self._permissions.may_call, permits_object=self._permissions.may_call_object,
        )  # fmt: skip
        self._server: GatewayServer | None = None
        self._site: Site | None = None
        self._bound: BoundSockets | None = None
        self._application: GatewayApplication | None = None
        self._admin: AdminDoor | None = None
        self._states = StateTimes(time.time)
        self.admin_url: str | None = None

    @property
    def url(self) -> str:
        """Where people find it, when nothing stands between."""
        listen = self._config.listen
        if isinstance(listen, UnixListen):
            return listen.url
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{Listen(listen.host, self.port or 0)}"

    @property
    def config(self) -> GatewayConfig:
        """What it was configured with, at the start or by the last reload that succeeded."""
        return self._config

    @property
    def wanted_descriptors(self) -> int:
        """How many files the process is to open at once, so that all connections that the limits permit are taken."""
        return self._config.limits.max_connections + self._reserved_descriptors

    @property
    def _reserved_descriptors(self) -> int:
        connections = sum(len(service.upstream.connections) for service in self._served.catalogue.services.values())
        reserved = self._config.limits.reserved_descriptors + connections * _DESCRIPTORS_OF_A_CONNECTION
        if self._config.admin is not None:
            reserved += ADMIN_DESCRIPTORS
        rates = self._config.rates
        return reserved + (MOST_AT_ONCE if rates is not None and rates.is_shared else 0)

    # What is served.

    def catalogue(self, config: GatewayConfig) -> Catalogue:
        """Make a catalogue for `replace`. A service whose connection is described as before keeps it.

        Raises:
            ConfigError: something of the configuration cannot be used; nothing has changed.
        """
        loaded = load_routes(config)
        upstreams = self._upstreams(config, loaded[0])
        return make_catalogue(config, loaded, upstreams.__getitem__, self._counts, self._tracer)

    def _upstreams(self, config: GatewayConfig, routes: Sequence[ServiceRoutes]) -> dict[ServiceConfig, Upstream]:
        """The ways to the services that have these routes."""
        pairs = zip(config.services, routes, strict=True)
        return {service: self._pool.upstream(service, fingerprint(route.schema)) for service, route in pairs}

    async def replace(self, catalogue: Catalogue) -> None:
        """Serve another catalogue from now on.

        The calls under way end as they began, and handles keep the service that they came from: a connection that the
        catalogue does not need ends when nothing of it is used any more.
        """
        for service in catalogue.services.values():
            await self._start_upstream(service)
        self._serve(catalogue)

    def _serve(self, catalogue: Catalogue) -> None:
        assert self._application is not None  # started
        self._application.serve(catalogue)
        self._pool.served()
        self._sessions.roles_changed()  # or what is needed for a call, which comes to the same
        services = catalogue.services
        self._counts.keep(lambda service, label: service in services and services[service].declares(label))
        if self._retired is None or self._retired.done():
            self._retired = asyncio.create_task(self._end_unused())

    async def reload(self) -> None:
        """Read the configuration and the schemas again, and serve what they say from now on.

        Everything is made beside what is served, which goes on meanwhile. Calls under way end as they began, handles
        live on; those of a service that is gone end. Whoever asks while another one is under way gets the next one.

        Raises:
            ConfigError: something cannot be used; everything is as it was.
        """
        await self._reloads.ask()

    async def _reload(self) -> None:
        try:
            config = self.attempted = await asyncio.to_thread(self._source)
            check_guard(lasting(self._config, config))
            tls = await self._new_tls(config)
            catalogue = await self._new_catalogue(config)
            self._authentication.reload(config.auth)
        except ConfigError as error:
            self._reload_counts.failure()
            for complaint in error.complaints:
                _LOG.error("the configuration is not reloaded, the one before is served on: %s", complaint)
            raise
        finally:
            self._pool.unclaim()
        for key in changed(self._config, config):
            _LOG.warning("gateway.%s has changed, which takes effect at the next start", key)
        before, after = self._served.catalogue.services, catalogue.services
        self._adopt(config)
        if self._tls is not None and tls is not None:
            self._tls.adopt(tls)
        self._serve(catalogue)
        for name in before.keys() - after.keys():
            self._pool.dismiss(before[name].upstream)
            self._sessions.service_removed(name, f"{name} is served no more")
        if self._site is not None and self._site.identification is not None:
            self._site.identification.reloaded()
        self._reload_counts.success(time.time())
        _LOG.info("the configuration is reloaded: %s", ", ".join(after))

    async def renew_certificates(self) -> None:
        """Make the next handshakes with what the files of `GatewayConfig.tls` have now.

        Raises:
            ConfigError: they cannot be used; those before are used on.
        """
        tls = await self._new_tls(self._config)
        if self._tls is not None and tls is not None:
            self._tls.adopt(tls)
            _LOG.info("the certificate is read again")

    async def _new_tls(self, config: GatewayConfig) -> Tls | None:
        return None if config.tls is None else await asyncio.to_thread(Tls, config.tls)

    async def _new_catalogue(self, config: GatewayConfig) -> Catalogue:
        """Make what a configuration says, and connect to what is new in it.

        Raises:
            ConfigError: something cannot be used.
        """
        former = Former(self._config, self._served.catalogue)
        loaded = await asyncio.to_thread(load_routes, config)
        upstreams = self._upstreams(config, loaded[0])
        catalogue = await asyncio.to_thread(
            make_catalogue, config, loaded, upstreams.__getitem__, self._counts, self._tracer, former
        )
        running = self._pool.running
        fresh = [each for each in catalogue.services.values() if not running.issuperset(each.upstream.connections)]
        for service in fresh:
            try:
                await self._start_upstream(service)
            except (OSError, ValueError) as error:
                raise ConfigError(f"services.{service.name}.endpoint: cannot be connected to: {error}") from None
        await _all_up(coming := {service.upstream for service in fresh}, first_up_s(coming))
        return catalogue

    def _adopt(self, config: GatewayConfig) -> None:
        """Have all that a configuration says, but for what is served, hold from now on."""
        site = self._site
        assert site is not None  # started
        self._limits.adopt(config.limits)
        self._config = config = replace(lasting(self._config, config), limits=self._limits)
        for exposure in exposures(config.listen, config.hosts, config.trusted_proxies, config.auth, config.admin):
            _LOG.warning("%s", exposure)
        permit_descriptors(self.wanted_descriptors)
        site.connections.rebound(self._most_connections())
        self._sessions.rebound()
        site.calls.rebound()
        site.calls.expose_errors = config.expose_errors
        site.origins = OriginPolicy(_host_of(config.listen), config.hosts, config.origins)
        if site.identification is not None:
            site.identification.origins = site.origins
        site.proxies = Proxies(config.trusted_proxies, config.base_path)
        self._log.adopt(config.log.level, config.log.format)
        site.compresses_sockets = config.websocket_compression
        site.pages = config.pages
        site.rates = rates = self._rates.adopt(config.rates)
        site.calls.admit = None if rates is None else rates.admit
        if self._admin is not None:
            self._admin.adopt(config)

    def _connection(self, config: ConnectionConfig) -> EndpointConnection:
        kind = PseudUpstream if config.native is None else BridgedUpstream
        return kind(config, self._config.limits, self._cork)

    async def _start_upstream(self, service: Service) -> None:
        connections = service.upstream.connections
        for connection in connections:
            if connection not in self._pool.running:
                ConnectionReports(service.name, connection, is_only=len(connections) == 1)
                connection.on_state(partial(self._on_state, service.name))
                await self._pool.start(connection)

    async def _end_unused(self) -> None:
        while True:
            services = self._served.catalogue.services.values()
            if not await self._pool.end_unused([service.upstream for service in services]):
                return
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
        for exposure in exposures(config.listen, config.hosts, config.trusted_proxies, config.auth, config.admin):
            _LOG.warning("%s", exposure)
        bound, admin = self._bind()
        self._bound = bound
        self.port = bound.port
        for service in self._served.catalogue.services.values():
            await self._start_upstream(service)
        rates = self._rates.adopt(config.rates)
        self._authentication.start()
        origins = OriginPolicy(_host_of(config.listen), config.hosts, config.origins)
        self._site = site = Site(
            served=self._served,
            calls=Calls(
                self._config.limits,
                expose_errors=self._config.expose_errors,
                admit=None if rates is None else rates.admit,
                authorise=self._permissions.authorise,
                refusals=self._refusals,
                stalls=self._turns.stalls,
                faults=self.faults,
            ),
            sessions=self._sessions,
            limits=self._config.limits,
            origins=origins,
            proxies=Proxies(config.trusted_proxies, config.base_path),
            log=self._log,
            cookie_name="cara_session" if self.port is None else f"cara_session_{self.port}",
            connections=Connections(self._limits, self._most_connections(), self._refusals, self._closings),
            refusals=self._refusals,
            closings=self._closings,
            transports=self._transports,
            compresses_sockets=self._config.websocket_compression,
            cork=self._cork,
            turns=self._turns,
            spans=None if self._tracer is None else self._tracer.counts,
            reloads=self._reload_counts,
            authentication_failures=self._authentication.failures,
            identification=Identification(self._authentication, self._sessions, origins),
            rates=rates,
            has_admin=admin is not None,
            pages=config.pages,
            page_changes=self._page_changes,
            faults=self.faults,
        )
        self._application = GatewayApplication(site, str(static_tree()))
        self._server = GatewayServer(self._application, connections=site.connections, tls=self._tls)
        self._server.add_sockets(bound.sockets)
        if admin is not None:
            self._admin = AdminDoor(config, admin, site, self._states, self.reload)
            self.admin_url = self._admin.url
            _LOG.info("operators are heard at %s", self.admin_url)
        reclaiming = Reclaiming(
            resident_bytes, lambda: len(self._sessions) + len(site.connections), lambda: site.is_busy, reclaim
        )
        self._reclaiming = asyncio.create_task(reclaiming.watch())

    def _bind(self) -> tuple[BoundSockets, BoundSockets | None]:
        """Bind all doors, or none.

        Raises:
            OSError: one of the addresses cannot be bound.
        """
        own = self._passed
        bound = BoundSockets(own) if own else bind(self._config.listen, self._config.socket_mode)
        try:
            return bound, bind_admin(self._config)
        except OSError:
            bound.close()
            raise

    def _most_connections(self) -> int:
        limits = self._limits
        most = most_connections(limits.max_connections, self._reserved_descriptors)
        if most < limits.max_connections:
            _LOG.warning(
                "the process may open too few files for max_connections = %d: at most %d connections are taken",
                limits.max_connections, most,
            )  # fmt: skip
        return most

    async def stop(self, delay_s: float = 0.0) -> None:
        """Say that it ends, take no more, let what is under way end, close what is open.

        Args:
            delay_s: how long it goes on taking all that comes, while ``/readyz`` says that it ends.
        """
        site, server = self._site, self._server
        if site is None or server is None:
            return
        site.stopping = True
        self._reloads.stop()
        await asyncio.sleep(delay_s)
        server.stop()
        if self._bound is not None:
            self._bound.remove()
        await drain(site, self._config.drain_s)
        await _until(lambda: not site.sockets, _CLOSING_S)
        self._sessions.end_all("the gateway stops")
        self._reloads.stop()
        for task in (self._retired, self._reclaiming):
            if task is not None:
                task.cancel()
        await self._pool.stop()
        await self._rates.close()
        await server.close_all_connections()
        if self._tracer is not None:
            await self._tracer.stop()
        self._authentication.close()
        if self._admin is not None:
            await self._admin.close()
        self._log.flush()

    def _on_state(self, service: str, state: str) -> None:
        # Under a login objects outlive a connection, so only when it is up again it is known whether they are there.
        reason = f"{service} was restarted" if state == "up" else f"the connection to {service} was lost"
        self._sessions.service_lost(service, reason)
        self._states.look_at(self._served.catalogue.services)

    async def services_up(self, timeout_s: float) -> bool:
        """Wait until every service is connected; False when the time is over before."""
        return await _all_up({service.upstream for service in self._served.catalogue.services.values()}, timeout_s)


def _host_of(listen: Listen | UnixListen) -> str | None:
    return listen.host if isinstance(listen, Listen) else None


async def _all_up(upstreams: Iterable[Upstream], timeout_s: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    for upstream in upstreams:
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


def _tracer(config: TracingConfig) -> OtlpTracer:
    # Its libraries are an extra, and to import them takes as long as all of the gateway.
    made: OtlpTracer = import_module("gateway.otlp_traces").OtlpTracer(config, version("cara-gateway"))
    return made


async def _until(is_over: Callable[[], bool], within_s: float) -> None:
    """Wait for something to be over, but not for ever."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    # This happens once, when the gateway stops.
    while not is_over() and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
