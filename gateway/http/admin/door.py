"""The admin listener: a server of its own, on the gateway's loop, with connections of its own.

So whoever floods the other doors takes no place from an operator, and descriptors for it are kept back.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway import admin_paths, fixed_paths
from gateway.config.file import GatewayConfig
from gateway.config.limits import Limits
from gateway.config.values import Listen, UnixListen
from gateway.errors import GatewayError, Status
from gateway.host_names import ANY_HOST
from gateway.http.admin.handlers import ListedSessionHandler, ReloadHandler, SessionsHandler, UpstreamsHandler
from gateway.http.admin.operations import Operations
from gateway.http.admin.state_times import StateTimes
from gateway.http.application import Application
from gateway.http.base import RefusingHandler
from gateway.http.bound_sockets import BoundSockets, bind
from gateway.http.connections import Connections
from gateway.http.metrics import MetricsHandler
from gateway.http.origins import OriginPolicy
from gateway.http.path_table import Route
from gateway.http.proxies import Proxies
from gateway.http.server import GatewayServer
from gateway.http.site import Site
from gateway.sessions.overview import SessionOverview

MAX_CONNECTIONS: Final = 32
"""A scraper or two, and some operators with several tools."""
ADMIN_DESCRIPTORS: Final = MAX_CONNECTIONS + 20
"""Its guests stand in it, its sockets that listen, and what these keep for themselves."""
SOCKET_MODE: Final = 0o600
"""Of a unix socket: who may use the gateway's own is often everybody's proxy, who must not be an operator."""

_SESSION: Final = admin_paths.SESSION.partition("{")[0]


class AdminPaths:
    """Which handler answers a path there."""

    def __init__(self, site: Site, operations: Operations) -> None:
        plain = {"site": site, "operations": operations}
        self._site = site
        self._plain = plain
        self._fixed: dict[str, Route] = {
            fixed_paths.METRICS: (MetricsHandler, {"site": site}),
            admin_paths.SESSIONS: (SessionsHandler, plain),
            admin_paths.UPSTREAMS: (UpstreamsHandler, plain),
            admin_paths.RELOAD: (ReloadHandler, plain),
        }

    def find(self, verb: str, path: str) -> Route:
        """The route of a path; one that refuses if there is nothing there."""
        id = path.removeprefix(_SESSION)
        if id and id != path and "/" not in id:
            return ListedSessionHandler, {**self._plain, "id": unquote_to_bytes(id).decode("utf-8", "replace")}
        error = GatewayError(Status.NOT_FOUND, "there is nothing at this path of the admin listener")
        return self._fixed.get(path) or (RefusingHandler, {"site": self._site, "error": error})


class AdminAddressError(OSError):
    """The sockets of the admin listener cannot be bound; those of the gateway itself could be."""


def bind_admin(config: GatewayConfig) -> BoundSockets | None:
    """Bind the sockets of the listener that a configuration has; None if it has none.

    Raises:
        AdminAddressError: they cannot be bound.
    """
    if config.admin is None:
        return None
    try:
        return bind(config.admin, SOCKET_MODE)
    except OSError as error:
        raise AdminAddressError(error.errno, error.strerror or str(error)) from None


class AdminDoor:
    """The admin listener of one gateway; it hears who comes, until `close`.

    Args:
        bound: its sockets, which are closed with it.
        site: that of the other doors, with which it shares what is looked at.
        states: since when services are as they are.
        reload: see `gateway.http.admin.operations.Operations`.

    Attributes:
        url: where it is.
    """

    def __init__(
        self,
        config: GatewayConfig,
        bound: BoundSockets,
        site: Site,
        states: StateTimes,
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        address = config.admin
        assert address is not None  # it is bound
        if isinstance(address, UnixListen):
            self._host, self.url = None, address.url
        else:
            self._host = address.host
            self.url = f"http://{Listen(address.host, bound.port or address.port)}"
        self._site = own = replace(
            site,
            origins=self._origins(config),
            proxies=Proxies(),
            connections=Connections(_bounds(site.limits), MAX_CONNECTIONS, site.refusals, site.closings),
            identification=None,
            rates=None,
        )
        overview = SessionOverview(site.sessions, secrets.token_hex(4))
        operations = Operations(sessions=overview, served=site.served, states=states, reload=reload)
        self._server = GatewayServer(
            Application(own, AdminPaths(own, operations)),
            connections=own.connections,
            # Descriptors are kept back, but something else of the process may have taken them.
            make_room=lambda: site.connections.make_room() or own.connections.make_room(),
        )
        self._bound = bound
        self._server.add_sockets(bound.sockets)

    def adopt(self, config: GatewayConfig) -> None:
        """Answer to the names that a configuration has."""
        self._site.origins = self._origins(config)

    def _origins(self, config: GatewayConfig) -> OriginPolicy:
        # A gateway may answer to every name because a proxy stands before it; none stands here, and a page that points
        # its own name at this address could end sessions.
        return OriginPolicy(self._host, [name for name in config.hosts if name != ANY_HOST], None)

    async def close(self) -> None:
        """Take no more, and close what is open."""
        self._server.stop()
        self._bound.remove()
        await self._server.close_all_connections()


def _bounds(limits: Limits) -> Limits:
    # A scraper has one address, and so have all operators of a network.
    return replace(
        limits,
        max_connections=MAX_CONNECTIONS,
        max_connections_per_address=MAX_CONNECTIONS,
        max_half_open=MAX_CONNECTIONS,
        max_half_open_per_address=MAX_CONNECTIONS,
    )
