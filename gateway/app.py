"""The composition root: from a configuration to a gateway that listens. Only here do doors meet upstreams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import tornado.netutil

from cara_pseud.errors import SchemaError
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import InterfaceNode, Kind, Node, Schema, Type
from cara_pseud.turns import Turn
from gateway.access.roles import unenforced_roles
from gateway.calls import Calls
from gateway.catalogue import Service
from gateway.config.file import ConfigError, GatewayConfig, ServiceConfig
from gateway.describe.openapi import openapi_document
from gateway.describe.typescript import typescript_module
from gateway.errors import nearest, quote
from gateway.http.application import GatewayApplication
from gateway.http.arrivals import Arrivals
from gateway.http.base import Site
from gateway.http.documents import TEXT_TYPE, Document
from gateway.http.origins import OriginPolicy
from gateway.http.server import GatewayServer
from gateway.http.websocket.wires import Wires, best_wires
from gateway.json.codec import Codec
from gateway.json.text import dump
from gateway.logs import LogWriter
from gateway.reference_form import REFERENCE_FORM
from gateway.routes import HttpRoutes, RouteError, ServiceRoutes
from gateway.sessions.store import Sessions
from gateway.trees import static_tree
from gateway.upstream.base import Upstream
from gateway.upstream.pseud import PseudUpstream

_LOG: Final = logging.getLogger(__name__)

_IDLE_CONNECTION_S: Final = 120.0
"""A connection is closed on which no request comes, or only a part of one; longer than the proxies' 60 s, so that they
close first."""
_GRACE_S: Final = 10.0
"""How long calls under way may take to end when the gateway stops."""
_CLOSING_S: Final = 1.0
"""How long clients have to answer that their WebSocket is closed."""
_POLL_S: Final = 0.02


def load_routes(config: GatewayConfig) -> tuple[list[ServiceRoutes], HttpRoutes]:
    """Compile the schemas and make the routes.

    Raises:
        ConfigError: with every complaint: schemas that do not compile or that require roles, interfaces that there are
            not, clashing routes.
    """
    complaints: list[str] = []
    compiled: dict[Path, Schema] = {}
    broken: set[Path] = set()
    routes: list[ServiceRoutes] = []
    for service in config.services:
        if service.schema in broken:
            continue
        try:
            schema = compiled.get(service.schema)
            if schema is None:
                schema = compiled[service.schema] = _compile(service, config)
            interface = _interface(service, schema)
            complaints += map(str, unenforced_roles(schema, interface))
            routes.append(ServiceRoutes(service.name, schema, interface))
        except (SchemaError, ConfigError, RouteError) as error:
            complaints.append(str(error))
            if service.schema not in compiled:
                broken.add(service.schema)
    if complaints:
        # Two services may have one schema, and then one complaint.
        raise ConfigError(*dict.fromkeys(complaints))
    try:
        return routes, HttpRoutes(routes)
    except RouteError as error:
        raise ConfigError(f"routes: {error}") from None


def _compile(service: ServiceConfig, config: GatewayConfig) -> Schema:
    if not service.schema.is_file():
        raise ConfigError(f"services.{service.name}.schema: there is no file {service.schema}")
    schema = compile_schema([service.schema], config.import_path)
    Codec(schema, config.codec, form=REFERENCE_FORM).check()
    return schema


def _interface(service: ServiceConfig, schema: Schema) -> Type:
    node = schema.find(service.interface)
    if isinstance(node, InterfaceNode):
        return Type(Kind.INTERFACE, node.id)
    key = f"services.{service.name}.interface"
    if node is not None:
        raise ConfigError(f"{key}: {quote(service.interface)} is no interface")
    meant = nearest(service.interface, sorted(_interface_names(schema)))
    raise ConfigError(f"{key}: {service.schema} has no interface {quote(service.interface)}{meant}")


def _interface_names(schema: Schema) -> list[str]:
    def below(node: Node) -> list[str]:
        names = [node.qualified_name] if isinstance(node, InterfaceNode) else []
        for _, id in node.nested:
            inner = schema.nodes.get(id)
            names += below(inner) if inner is not None else []
        return names

    return [name for root in schema.roots for name in below(schema.nodes[root])]


class Gateway:
    """A gateway from `start` to `stop`.

    Attributes:
        port: the port it listens on, known after `start`.
    """

    def __init__(self, config: GatewayConfig, log: LogWriter, wires: Wires | None = None) -> None:
        """Load everything.

        Args:
            wires: how the bytes of WebSockets travel; None = the best way there is.

        Raises:
            ConfigError: something of the configuration cannot be used.
        """
        self._config = config
        self._log = log
        self._wires = best_wires() if wires is None else wires
        routes, self._http_routes = load_routes(config)
        self.port = config.listen.port
        limits = config.limits
        # One for both sides: what a read from one gives leaves at the other when it is handled.
        self._turn = Turn()
        self._upstreams = [PseudUpstream(service, limits, self._turn) for service in config.services]
        self._services: Mapping[str, Service] = {
            route.name: Service(
                route,
                Codec(route.schema, config.codec, form=REFERENCE_FORM),
                upstream,
                limits.default_call_timeout_s if service.timeout_s is None else service.timeout_s,
            )
            for route, upstream, service in zip(routes, self._upstreams, config.services, strict=True)
        }
        self._sessions = Sessions(limits)
        self._server: GatewayServer | None = None
        self._site: Site | None = None

    @property
    def url(self) -> str:
        """Where people find it."""
        host = self._config.listen.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Connect and listen.

        Raises:
            OSError: the address cannot be bound; nothing is left running.
        """
        listen = self._config.listen
        sockets = tornado.netutil.bind_sockets(listen.port, listen.host)
        self.port = sockets[0].getsockname()[1]
        for (name, service), upstream in zip(self._services.items(), self._upstreams, strict=True):
            _Reports(name, service.upstream)
            service.upstream.on_state(partial(self._on_state, name))
            await upstream.start()
        self._site = site = Site(
            services=self._services,
            calls=Calls(self._config.limits, expose_errors=self._config.expose_errors),
            sessions=self._sessions,
            limits=self._config.limits,
            origins=OriginPolicy(listen.host, self._config.hosts, self._config.origins),
            log=self._log,
            cookie_name=f"cara_session_{self.port}",
            arrivals=Arrivals(_IDLE_CONNECTION_S),
            wires=self._wires,
            compresses_sockets=self._config.websocket_compression,
            turn=self._turn,
        )
        application = GatewayApplication(site, self._http_routes, str(static_tree()), self._documents())
        self._server = GatewayServer(application, arrivals=site.arrivals)
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        """Take no more, let calls under way end, close what is open."""
        site, server = self._site, self._server
        if site is None or server is None:
            return
        site.stopping = True
        server.stop()
        for channel in site.sockets:
            channel.conversation.drain()
        await _until(lambda: not site.is_busy, _GRACE_S)
        for channel in list(site.sockets):
            channel.conversation.shut_down()
        await _until(lambda: not site.sockets, _CLOSING_S)
        self._sessions.end_all("the gateway stops")
        await asyncio.gather(*[upstream.stop() for upstream in self._upstreams])
        await server.close_all_connections()
        self._log.flush()

    def _documents(self) -> dict[str, Document]:
        """By their paths. Each is made when it is first asked for."""
        options = self._config.codec
        routes = [service.routes for service in self._services.values()]

        def openapi() -> bytes:
            return dump(openapi_document(routes, options, version("cara-gateway")))

        def types(service: ServiceRoutes) -> bytes:
            return typescript_module([service], options).encode("utf-8")

        return {
            "/openapi.json": Document(openapi),
            **{f"/types/{service.name}.d.ts": Document(partial(types, service), TEXT_TYPE) for service in routes},
        }

    def _on_state(self, service: str, state: str) -> None:
        # Under a login objects outlive a connection, so only when it is up again it is known whether they are there.
        reason = f"{service} was restarted" if state == "up" else f"the connection to {service} was lost"
        self._sessions.service_lost(service, reason)

    async def services_up(self, timeout_s: float) -> bool:
        """Wait until every service is connected; False when the time is over before."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        for upstream in self._upstreams:
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
