"""Servers and clients over real TCP sockets for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
import zmq

from cara_pseud.client import Client
from cara_pseud.server import Server


@pytest.fixture
def serving() -> Callable[..., AbstractAsyncContextManager[Server]]:
    """A started server named b"server" on a free loopback port."""

    @asynccontextmanager
    async def start(**arguments: Any) -> AsyncIterator[Server]:
        server = Server(b"server", **arguments)
        server.bind("tcp://127.0.0.1:*")
        async with server:
            yield server

    return start


@pytest.fixture
def connected() -> Callable[..., AbstractAsyncContextManager[Client]]:
    """A started client of the server b"server" at an endpoint."""

    @asynccontextmanager
    async def start(endpoint: str, **arguments: Any) -> AsyncIterator[Client]:
        client = Client(b"server", **arguments)
        client.connect(endpoint)
        async with client:
            yield client

    return start


@pytest.fixture
def raw_dealer() -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """Makes DEALER sockets that send whatever frames a test wants."""
    with raw_sockets() as make:
        yield make


@contextmanager
def raw_sockets() -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    zmq_context: zmq.Context[Any] = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []

    def make(endpoint: str, kind: int = zmq.DEALER, **options: Any) -> zmq.Socket[bytes]:
        socket = zmq_context.socket(kind)
        sockets.append(socket)
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(endpoint)
        return socket

    try:
        yield make
    finally:
        for socket in sockets:
            socket.close()
        zmq_context.term()
