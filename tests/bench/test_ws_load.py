"""The load generator is a WebSocket client like others: it answers pings and says why a connection ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
import websockets.asyncio.server as server
from websockets.protocol import State

from bench.ws_load import WsLoad

ANSWER_S = 10.0


async def with_load(
    handle: Callable[[server.ServerConnection], Awaitable[None]], use: Callable[[WsLoad], Awaitable[None]]
) -> None:
    async with asyncio.timeout(ANSWER_S), server.serve(handle, "127.0.0.1", 0, compression=None) as serving:
        load = WsLoad(next(iter(serving.sockets)).getsockname()[1])
        await load.connect()
        try:
            await use(load)
        finally:
            load.close()


async def answer(socket: server.ServerConnection, text: str | bytes) -> None:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": json.loads(text)["id"], "result": {"result": 7}}))


def test_a_ping_is_answered_before_and_among_calls() -> None:
    answered: list[bytes] = []

    async def handle(socket: server.ServerConnection) -> None:
        async def ping(payload: bytes) -> None:
            await (await socket.ping(payload))
            answered.append(payload)

        await ping(b"")
        async for text in socket:
            await ping(b"x" * 125)
            await answer(socket, text)

    async def use(load: WsLoad) -> None:
        assert await load.run(0, 3) == 3

    asyncio.run(with_load(handle, use))
    assert answered == [b"", *[b"x" * 125] * 3]


def test_a_ping_in_the_midst_of_answers_costs_none_of_them() -> None:
    async def handle(socket: server.ServerConnection) -> None:
        texts = [await socket.recv() for _ in range(4)]
        for text in texts:
            await socket.ping()
            await answer(socket, text)
            await socket.pong(b"unasked")
        await socket.wait_closed()

    async def use(load: WsLoad) -> None:
        assert await load.run(0, 4) == 4

    asyncio.run(with_load(handle, use))


def test_the_reason_of_a_close_is_told_at_once_and_to_the_next_run_too() -> None:
    async def handle(socket: server.ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011, "no pong")
        assert socket.state is State.CLOSED

    async def use(load: WsLoad) -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="closed by the server: 1011 no pong"):
                await load.run(0, 1)

    asyncio.run(with_load(handle, use))
