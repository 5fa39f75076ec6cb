"""The connections of a gateway: each is made once, started when it is served, and ended when nothing uses it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from gateway.config.connection import ConnectionConfig
from gateway.config.file import ServiceConfig
from gateway.upstream.balancer import Balancer
from gateway.upstream.base import EndpointConnection, Upstream
from gateway.upstream.health import nobody


class Pool:
    """Everything that the gateway is connected to, or will be.

    Attributes:
        running: the connections that were started and not stopped.
    """

    def __init__(
        self, make: Callable[[ConnectionConfig], EndpointConnection], changed: Callable[[], None] = nobody
    ) -> None:
        """Begin with none.

        Args:
            make: makes a connection, which is not started yet.
            changed: see `gateway.upstream.balancer.Balancer`.
        """
        self._make = make
        self._changed = changed
        # Catalogues are made in threads of their own.
        self._lock = threading.Lock()
        self._connections: dict[ConnectionConfig, EndpointConnection] = {}
        self._balancers: dict[tuple[ConnectionConfig, ...], Balancer] = {}
        self.running: set[EndpointConnection] = set()
        # What catalogues need that are made and not served yet.
        self._claimed: set[EndpointConnection] = set()
        # Of services that are served no more: what these hold of clients keeps nobody.
        self._dismissed: set[EndpointConnection] = set()

    def upstream(self, service: ServiceConfig, fingerprint: str = "") -> Upstream:
        """The way to a service. A connection that is described as before stays the same one, whatever else changed.

        What is given out here is not ended before it was served, see `served`.

        Args:
            fingerprint: of the service's schema; see `gateway.config.connection.fingerprint`.
        """
        configs = service.connections(fingerprint)
        with self._lock:
            connections = [self._connection(config) for config in configs]
            self._claimed.update(connections)
            self._dismissed.difference_update(connections)
            if len(connections) == 1:
                return connections[0]
            balancer = self._balancers.get(configs)
            if balancer is None:
                balancer = self._balancers[configs] = Balancer(connections, self._changed)
            return balancer

    def _connection(self, config: ConnectionConfig) -> EndpointConnection:
        connection = self._connections.get(config)
        if connection is None:
            connection = self._connections[config] = self._make(config)
        return connection

    async def start(self, connection: EndpointConnection) -> None:
        """Start a connection, which is not running."""
        self.running.add(connection)
        await connection.start()

    def unclaim(self) -> None:
        """Take note that nobody will serve what was given out and not started."""
        with self._lock:
            self._claimed &= self.running

    def dismiss(self, upstream: Upstream) -> None:
        """Take note that a service is served no more: only calls under way keep what it is connected by."""
        self._dismissed.update(upstream.connections)

    def served(self) -> None:
        """Take note that what was given out is served, or never will be."""
        with self._lock:
            self._claimed.clear()

    async def end_unused(self, upstreams: Iterable[Upstream]) -> bool:
        """End the connections that are no part of these and that nothing uses; whether some are left that will be."""
        needed = {connection for upstream in upstreams for connection in upstream.connections}
        with self._lock:
            kept = needed | self._claimed
            unused = {connection for connection in self.running - kept if not self._is_used(connection)}
            self.running -= unused
            self._dismissed -= unused
            kept |= self.running
            self._connections = {config: known for config, known in self._connections.items() if known in kept}
            for configs, balancer in list(self._balancers.items()):
                if not kept.issuperset(balancer.connections):
                    self._balancers.pop(configs).close()
        for connection in unused:
            await connection.stop()
        return not self.running <= needed

    def _is_used(self, connection: EndpointConnection) -> bool:
        return connection.has_calls if connection in self._dismissed else connection.is_used

    async def stop(self) -> None:
        """End everything."""
        for balancer in self._balancers.values():
            balancer.close()
        await asyncio.gather(*[connection.stop() for connection in self.running])
