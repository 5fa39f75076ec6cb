"""Connections on which a request does not come, or does not end, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import tornado.netutil
import tornado.web

from gateway.http.arrivals import Arrivals
from gateway.http.server import GatewayServer

PATIENCE_S = 0.3
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    arrivals = Arrivals(PATIENCE_S)

    class Handler(tornado.web.RequestHandler):
        def prepare(self) -> None:
            arrivals.arrived(self.request.connection.context)

        async def get(self) -> None:
            # Longer than anything may take to arrive.
            await asyncio.sleep(2 * PATIENCE_S)
            self.finish("done")

        post = get

    application = tornado.web.Application([("/", Handler)], log_function=lambda handler: None)
    server = GatewayServer(application, arrivals=arrivals, sweep_s=0.05)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield sockets[0].getsockname()[1]
    server.stop()
    await server.close_all_connections()
    assert len(arrivals) == 0


async def all_read(port: int, *sent: bytes) -> bytes:
    """What the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for data in sent:
        writer.write(data)
        await writer.drain()
        # So that the pieces arrive one by one.
        await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b"GET / HT"],
        [b"POST / HTTP/1.1\r\nHost: a\r\n"],
        [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", b"12345"],
        [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\n12345\r\n"],
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half of the chunks"],
)
def test_half_a_request_is_not_waited_for(sent: list[bytes]) -> None:
    async def main() -> None:
        async with serving() as port:
            assert await all_read(port, *sent) == b""

    asyncio.run(main())


def test_a_slow_answer_is_waited_for_and_the_next_request_has_its_own_time() -> None:
    async def main() -> None:
        async with serving() as port:
            answered = await all_read(port, GET, GET)
            assert answered.count(b"HTTP/1.1 200 OK") == 2

    asyncio.run(main())
