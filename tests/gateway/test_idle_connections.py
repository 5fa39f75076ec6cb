"""How long a whole gateway keeps a connection that asks for nothing; the time is the composition root's."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.app import Gateway
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.config.values import Listen
from gateway.logs import LogWriter
from tests.clock import MovedClock
from tests.gateway.http.raw import RawConnection

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@asynccontextmanager
async def serving() -> AsyncIterator[Gateway]:
    """A gateway whose service is not there."""
    service = ServiceConfig(
        name="calculator", schema=SCHEMAS / "calculator.capnp", interface="Calculator", endpoints=("tcp://127.0.0.1:1",)
    )
    config = GatewayConfig(listen=Listen("127.0.0.1", 0), services=(service,))
    gateway = Gateway(config, LogWriter(io.StringIO(), as_json=True))
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def is_open(gateway: Gateway, connection: RawConnection) -> bool:
    """Whether a connection is: had it been closed, we would have read so before the answer to a later request."""
    other = await RawConnection.open(gateway.port)
    other.ask("GET", "/healthz")
    assert (await other.answer())[0].status == 200
    await other.close()
    return not connection.is_at_end()


def test_a_connection_without_a_request_is_closed_after_two_minutes() -> None:
    async def main() -> None:
        async with serving() as gateway:
            clock = MovedClock()
            connection = await RawConnection.open(gateway.port)
            # Proxies close theirs after 60 s, and shall be the first.
            await clock.advance(119)
            assert await is_open(gateway, connection)
            await clock.advance(7)
            assert not await is_open(gateway, connection)
            await connection.close()

    asyncio.run(main())  # without a bound: its clock is moved, too
