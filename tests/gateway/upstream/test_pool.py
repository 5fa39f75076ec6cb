"""Which connections there are after a reload: what is described as before stays, the rest goes when nothing uses it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gateway.config.connection import ConnectionConfig
from gateway.config.file import ServiceConfig
from gateway.upstream.base import Upstream
from gateway.upstream.pool import Pool


class Made:
    """A connection, as far as the pool looks at it."""

    def __init__(self, config: ConnectionConfig) -> None:
        self.endpoint = config.endpoint
        self.is_used = self.has_calls = self.started = self.stopped = False

    @property
    def connections(self) -> tuple[Made]:
        return (self,)

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.stopped = True


def service(*endpoints: str, **more: Any) -> ServiceConfig:
    return ServiceConfig(name="hall", schema=Path("hall.capnp"), interface="Hall", endpoints=endpoints, **more)


async def serve(pool: Pool, *configs: ServiceConfig) -> list[Any]:
    """Take configurations into use, as a reload does."""
    upstreams: list[Any] = [pool.upstream(config) for config in configs]
    for upstream in upstreams:
        for connection in upstream.connections:
            if connection not in pool.running:
                await pool.start(connection)
    pool.served()
    return upstreams


def made_pool() -> Pool:
    make: Any = Made
    return Pool(make)


def names(upstream: Upstream) -> list[str]:
    return [connection.endpoint for connection in upstream.connections]


def test_endpoints_are_added_and_removed_without_touching_the_others() -> None:
    async def main() -> None:
        pool = made_pool()
        (before,) = await serve(pool, service("a", "b"))
        (after,) = await serve(pool, service("b", "c"))
        assert (names(before), names(after)) == (["a", "b"], ["b", "c"])
        assert before.connections[1] is after.connections[0]
        first, kept = before.connections
        first.is_used = True
        assert await pool.end_unused([after])
        assert not first.stopped
        first.is_used = False
        assert not await pool.end_unused([after])
        assert (first.stopped, kept.stopped, after.connections[1].started) == (True, False, True)
        # It comes back as another one, as the old one is over.
        (again,) = await serve(pool, service("a", "b"))
        assert again.connections[0] is not first
        assert again.connections[1] is kept

    asyncio.run(main())


def test_a_service_that_is_described_as_before_keeps_its_way() -> None:
    async def main() -> None:
        pool = made_pool()
        before = await serve(pool, service("a", "b"), service("c"))
        after = await serve(pool, service("a", "b", timeout_s=3), service("c", timeout_s=3))
        assert [old is new for old, new in zip(before, after, strict=True)] == [True, True]
        (other,) = await serve(pool, service("c", peer="another"))
        assert other is not before[1]
        assert isinstance(before[1], Made)  # with one endpoint nothing stands in between

    asyncio.run(main())


def test_objects_keep_no_connection_of_a_service_that_is_served_no_more_but_calls_do() -> None:
    async def main() -> None:
        pool = made_pool()
        (gone,) = await serve(pool, service("a", "b"))
        first, second = gone.connections
        first.is_used = second.is_used = second.has_calls = True
        pool.dismiss(gone)
        assert await pool.end_unused([])
        assert (first.stopped, second.stopped) == (True, False)
        (back,) = await serve(pool, service("b"))
        assert back is second
        second.has_calls = False
        await serve(pool, service("c"))
        assert await pool.end_unused([])
        assert not second.stopped

    asyncio.run(main())


def test_what_is_made_for_a_reload_that_fails_is_forgotten() -> None:
    async def main() -> None:
        pool = made_pool()
        (served,) = await serve(pool, service("a"))
        never = pool.upstream(service("a", "b"))
        pool.unclaim()
        await pool.end_unused([served])
        assert pool.upstream(service("b")) is not never.connections[1]
        assert pool.upstream(service("a")) is served

    asyncio.run(main())


def test_what_is_made_for_a_reload_is_not_ended_before_it_is_served() -> None:
    async def main() -> None:
        pool = made_pool()
        (first,) = await serve(pool, service("a"))
        (second,) = await serve(pool, service("b"))
        assert pool.upstream(service("a")) is first
        assert await pool.end_unused([second])
        assert not first.stopped
        (again,) = await serve(pool, service("a"))
        assert again is first
        await pool.end_unused([again])
        assert (first.stopped, second.stopped) == (False, True)

    asyncio.run(main())


def test_all_end_with_the_gateway() -> None:
    async def main() -> None:
        pool = made_pool()
        (two,) = await serve(pool, service("a", "b"))
        await pool.stop()
        assert [connection.stopped for connection in two.connections] == [True, True]

    asyncio.run(main())
