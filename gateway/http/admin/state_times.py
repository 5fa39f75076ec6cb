"""Since when each endpoint of a service is in its state, by the wall clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gateway.catalogue import Service
from gateway.upstream.base import Endpoint


class StateTimes:
    """What was seen of endpoints, whenever somebody looked: when one says that it changed, and when somebody asks.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, dict[str, tuple[str, float]]] = {}

    def look(self, service: str, endpoints: Iterable[Endpoint]) -> None:
        """See how a service's endpoints are now; those that it has no more are forgotten."""
        before, now = self._since.get(service, {}), self._clock()
        self._since[service] = after = {}
        for endpoint in endpoints:
            state, since = before.get(endpoint.address, ("", now))
            after[endpoint.address] = (endpoint.state, since if state == endpoint.state else now)

    def look_at(self, services: Mapping[str, Service]) -> None:
        """The same of all services, by their names."""
        for name, service in services.items():
            self.look(name, service.upstream.endpoints)

    def keep(self, services: Iterable[str]) -> None:
        """Forget all services but these."""
        self._since = {name: self._since[name] for name in services if name in self._since}

    def since(self, service: str, address: str) -> float:
        """When an endpoint that was looked at came into its state."""
        return self._since[service][address][1]
