"""An admin listener beside the gateway of the other tests of HTTP, on a socket of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop

from gateway.config.file import GatewayConfig
from gateway.config.values import Listen
from gateway.http.admin.door import AdminDoor, bind_admin
from gateway.http.admin.state_times import StateTimes
from tests.gateway.http.conftest import Built, Edge


class Reload:
    """What the listener runs to have the configuration read again.

    Attributes:
        asked: how often.
        outcome: does it, or raises.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.outcome: Callable[[], Awaitable[None]] = self.succeed

    async def succeed(self) -> None:
        await asyncio.sleep(0)

    async def __call__(self) -> None:
        self.asked += 1
        await self.outcome()


@pytest.fixture
def reload() -> Reload:
    return Reload()


@pytest.fixture
def wall() -> list[float]:
    """The wall clock's time, which a test may change."""
    return [1_800_000_000.0]


@pytest.fixture
def states(wall: list[float]) -> StateTimes:
    return StateTimes(lambda: wall[0])


@pytest.fixture
def config() -> GatewayConfig:
    return GatewayConfig(admin=Listen("127.0.0.1", 0), hosts=("*", "gateway.example"))


@pytest.fixture
def admin(
    io_loop: IOLoop,
    edge: Edge,
    built: Built,
    http_client: AsyncHTTPClient,
    config: GatewayConfig,
    states: StateTimes,
    reload: Reload,
) -> Iterator[Edge]:
    """The listener as its clients see it; the gateway's other doors are `edge`."""

    async def open_door() -> AdminDoor:
        bound = bind_admin(config)
        assert bound is not None
        return AdminDoor(replace(config), bound, built.application.site, states, reload)

    door = io_loop.run_sync(open_door)
    made = Edge(door.url, http_client)
    yield made

    async def close() -> None:
        await made.close()
        await door.close()

    io_loop.run_sync(close)
