"""Counting in a real Redis: what is permitted there, together, and what is said when it cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access.shared_counts import CountError
from gateway.config.rates import Rate
from gateway.redis_counts import RedisCounts
from tests.redis_server import RedisServer

RATE = Rate(10, 60)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, password="planted")
    server.start()
    yield server
    server.stop()


def run(redis: RedisServer, main: Any, count: int = 1) -> None:
    async def opened() -> None:
        counts = [RedisCounts(redis.url) for _ in range(count)]
        try:
            await main(*counts)
        finally:
            for each in counts:
                await each.close()

    running: Coroutine[Any, Any, None] = opened()
    asyncio.run(running)


def test_as_many_as_the_rate_names_are_permitted_whoever_asks(redis: RedisServer) -> None:
    async def main(one: RedisCounts, other: RedisCounts) -> None:
        permitted = [await which.take("p", RATE, "ann", 1) for _ in range(8) for which in (one, other)]
        assert [number for number, _ in permitted] == [1] * 10 + [0] * 6
        assert all(0 < wait_s <= 60 for _, wait_s in permitted[10:])

    run(redis, main, 2)


def test_of_several_as_many_are_permitted_as_are_left(redis: RedisServer) -> None:
    async def main(counts: RedisCounts) -> None:
        assert (await counts.take("p", RATE, "ann", 7))[0] == 7
        assert (await counts.take("p", RATE, "ann", 7))[0] == 3
        assert (await counts.take("p", RATE, "ann", 7))[0] == 0

    run(redis, main)


def test_callers_and_policies_are_counted_apart(redis: RedisServer) -> None:
    async def main(counts: RedisCounts) -> None:
        await counts.take("p", RATE, "ann", 10)
        assert (await counts.take("p", RATE, "bob", 10))[0] == 10
        assert (await counts.take("q", RATE, "ann", 10))[0] == 10

    run(redis, main)


def test_when_the_time_is_over_there_is_room_again(redis: RedisServer) -> None:
    async def main(counts: RedisCounts) -> None:
        rate = Rate(3, 1)
        await counts.take("p", rate, "ann", 3)
        permitted, wait_s = await counts.take("p", rate, "ann", 1)
        assert (permitted, wait_s <= 1.0) == (0, True)
        # Redis has a clock of its own, which no test can move.
        async with asyncio.timeout(10):
            while (await counts.take("p", rate, "ann", 1))[0] == 0:
                await asyncio.sleep(0.05)

    run(redis, main)


def test_a_redis_that_is_gone_cannot_be_asked_and_the_password_is_not_told(redis: RedisServer) -> None:
    async def main(counts: RedisCounts) -> None:
        await counts.take("p", RATE, "ann", 1)
        redis.stop()
        with pytest.raises(CountError) as raised:
            await counts.take("p", RATE, "ann", 1)
        assert "planted" not in str(raised.value)
        redis.start()
        assert (await counts.take("p", RATE, "ann", 1))[0] == 1

    run(redis, main)


def test_a_redis_that_wants_another_password_cannot_be_asked(redis: RedisServer) -> None:
    redis.url = redis.url.replace("planted", "another")

    async def main(counts: RedisCounts) -> None:
        with pytest.raises(CountError) as raised:
            await counts.take("p", RATE, "ann", 1)
        assert "another" not in str(raised.value)

    run(redis, main)


def test_a_redis_that_hangs_is_given_up(redis: RedisServer) -> None:
    async def main(counts: RedisCounts) -> None:
        await counts.take("p", RATE, "ann", 1)
        redis.hang()
        try:
            async with asyncio.timeout(10):
                with pytest.raises(CountError):
                    await counts.take("p", RATE, "ann", 1)
        finally:
            redis.go_on()

    run(redis, main)
