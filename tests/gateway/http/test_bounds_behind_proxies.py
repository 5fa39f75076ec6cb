"""Bounds per address behind a trusted proxy: they are those of its clients, and not its own."""

from __future__ import annotations

import pytest

from gateway.config.limits import Limits
from gateway.http.proxies import Proxies
from tests.gateway.http.conftest import Edge, problem

pytestmark = pytest.mark.gen_test


@pytest.fixture
def proxies() -> Proxies:
    return Proxies(["127.0.0.1"])


@pytest.fixture
def limits() -> Limits:
    return Limits(max_sessions_per_address=4, max_half_open_per_address=2, max_connections_per_address=3)


async def test_a_proxy_may_have_as_many_connections_as_it_has_clients(edge: Edge) -> None:
    connections = [await edge.connect() for _ in range(10)]
    for connection in connections:
        assert await edge.is_open(connection)


async def test_its_clients_have_bounds_of_their_own(edge: Edge) -> None:
    one, other = ({"X-Forwarded-For": client} for client in ("203.0.113.5", "203.0.113.6"))
    for _ in range(3):
        assert (await edge.post("/api/session", None, one)).code == 201
    found = problem(await edge.post("/api/session", None, one))
    assert found["detail"].startswith("there are 3 sessions already, as many as max_sessions_per_address permits")
    assert (await edge.post("/api/session", None, other)).code == 201
