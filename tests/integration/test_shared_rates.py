"""Two gateways that count calls together in a real Redis, and what they do while it is gone."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient

from gateway.access.shared_counts import PATIENCE_S
from gateway.app import Gateway
from gateway.logs import LogWriter
from tests.integration.running_gateway import Running, running
from tests.redis_server import RedisServer


@asynccontextmanager
async def two_gateways(folder: Path, redis: RedisServer, rate: str) -> AsyncIterator[tuple[Running, Gateway]]:
    """Two before one service, with one client address."""
    table = f'[gateway.rates]\nper_address = "{rate}"\nstorage = "{redis.url}"\n'
    async with running(folder, extra=table) as one:
        other = Gateway(one.config(table), LogWriter(io.StringIO(), as_json=True))
        await other.start()
        try:
            assert await other.services_up(10)
            yield one, other
        finally:
            await other.stop()


async def calls(client: AsyncHTTPClient, url: str, count: int) -> list[int]:
    """The statuses of so many calls, one after the other."""
    return [
        (await client.fetch(f"{url}/api/lobby/room", method="POST", body=b"", raise_error=False)).code
        for _ in range(count)
    ]


async def metric(client: AsyncHTTPClient, url: str) -> float:
    text = (await client.fetch(f"{url}/metrics")).body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("cara_gateway_rates_shared "))


def test_what_one_gateway_let_in_the_other_counts(tmp_path: Path) -> None:
    async def main() -> None:
        redis = RedisServer(tmp_path)
        redis.start()
        try:
            async with two_gateways(tmp_path, redis, "10/h") as (one, other):
                client = AsyncHTTPClient(force_instance=True)
                assert await calls(client, one.gateway.url, 8) == [200] * 8
                assert await calls(client, other.url, 4) == [200, 200, 429, 429]
                assert await calls(client, one.gateway.url, 2) == [429, 429]
                answer = await client.fetch(f"{other.url}/api/lobby/room", method="POST", body=b"", raise_error=False)
                assert 1 <= int(answer.headers["Retry-After"]) <= 3600
                assert answer.headers["RateLimit"].startswith('"per_address";r=0;t=')
                assert one.rooms == 10
                client.close()
        finally:
            redis.stop()

    asyncio.run(main())


def test_calls_of_a_socket_keep_their_order(tmp_path: Path) -> None:
    async def main() -> None:
        redis = RedisServer(tmp_path)
        redis.start()
        try:
            async with two_gateways(tmp_path, redis, "1000/h") as (one, _):
                socket = await one.socket()
                batch = [{"jsonrpc": "2.0", "id": id, "method": "lobby.room"} for id in range(50)]
                await socket.write_message(json.dumps(batch))
                told = json.loads(str(await socket.read_message()))
                assert [message["id"] for message in told] == list(range(50))
                assert all("result" in message for message in told)
                assert one.rooms == 50
                socket.close()
        finally:
            redis.stop()

    asyncio.run(main())


@pytest.mark.parametrize("way", ["gone", "hanging", "never there"])
def test_without_redis_calls_go_on_and_each_gateway_counts_for_itself(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        redis = RedisServer(tmp_path)
        if way != "never there":
            redis.start()
        try:
            async with two_gateways(tmp_path, redis, "10/h") as (one, other):
                client = AsyncHTTPClient(force_instance=True)
                if way == "gone":
                    assert await calls(client, one.gateway.url, 1) == [200]
                    redis.stop()
                elif way == "hanging":
                    redis.hang()
                began = time.monotonic()
                left = 9 if way == "gone" else 10
                assert await calls(client, one.gateway.url, left + 1) == [200] * left + [429]
                assert await calls(client, other.url, 11) == [200] * 10 + [429]
                # Each waits once, and at most once more when it looks whether Redis is back.
                assert time.monotonic() - began < 10 * PATIENCE_S
                assert await metric(client, other.url) == 0
                warnings = [record for record in caplog.records if "counted by this gateway alone" in record.message]
                assert len(warnings) == 2
                client.close()
        finally:
            if way == "hanging":
                redis.go_on()
            redis.stop()

    asyncio.run(main())
