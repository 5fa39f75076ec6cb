"""Stock pseud objects handed over to peers of ours."""

from __future__ import annotations

import asyncio

import pytest

from cara_pseud.adoption import adopt_client, adopt_server
from cara_pseud.client import Client
from cara_pseud.server import Server
from cara_pseud.stock import StockClient, StockServer


def test_bound_and_connected_stock_objects_become_peers_that_work() -> None:
    async def main() -> None:
        stock_server = StockServer(b"server", loop=asyncio.get_running_loop())
        stock_server.bind("tcp://127.0.0.1:*")
        stock_server.register_rpc(lambda a, b: a + b, name="add")
        server = adopt_server(stock_server)
        stock_client = StockClient(b"server", loop=asyncio.get_running_loop())
        stock_client.connect(server.endpoint)
        client = adopt_client(stock_client)
        async with server, client:
            assert await client.add(1, 2) == 3

    asyncio.run(asyncio.wait_for(main(), 20))


def test_stock_objects_without_a_socket_are_adopted_too() -> None:
    async def main() -> None:
        server = adopt_server(StockServer(b"server", loop=asyncio.get_running_loop()))
        server.register_rpc(lambda: "pong", name="ping")
        server.bind("tcp://127.0.0.1:*")
        client = adopt_client(StockClient(b"server", loop=asyncio.get_running_loop()))
        client.connect(server.endpoint)
        async with server, client:
            assert await client.ping() == "pong"

    asyncio.run(asyncio.wait_for(main(), 20))


def test_peers_of_ours_are_given_back_and_others_refused() -> None:
    server, client = Server(b"server"), Client(b"server")
    assert adopt_server(server) is server
    assert adopt_client(client) is client
    with pytest.raises(TypeError, match="expected a pseud Server, not Client"):
        adopt_server(client)
    with pytest.raises(TypeError, match="expected a pseud Client, not int"):
        adopt_client(5)
