"""A client that behaves: so many calls a second over REST and over a WebSocket, and how long each took.

A process of its own, so that what the attackers do does not delay its clock. Each line of its input is a number of
seconds; it answers with a line of JSON: ``{"rest": [seconds…], "websocket": [seconds…], "errors": [text…]}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

from tests.attacks.wire import HELLO, Connection, Target, call

CALLS_A_SECOND: Final = 25
"""Of each kind, so that there are fifty."""
TIMEOUT_S: Final = 30.0
ACKNOWLEDGE_EVERY: Final = 64
WebSocket = websockets.asyncio.client.ClientConnection


class GoodClient:
    """Its WebSocket stays open from the first measurement to the last, unless it is closed; REST connects for each."""

    _socket: WebSocket

    def __init__(self, target: Target) -> None:
        self._target = target
        self._errors: list[str] = []
        self._received = 0
        self._last_id = 0

    async def connect(self) -> None:
        self._socket = await websockets.asyncio.client.connect(f"ws://127.0.0.1:{self._target.port}/ws")
        await self._socket.send(json.dumps(HELLO))
        assert "result" in json.loads(await self._socket.recv())
        self._received = 0

    async def measure(self, seconds: float) -> dict[str, Any]:
        self._errors = []
        async with self._target.connection() as rest:
            measured = await self._measure(seconds, rest)
        if self._socket.close_code is not None:
            await self.connect()
        return measured

    async def _measure(self, seconds: float, rest: Connection) -> dict[str, Any]:
        measured = await asyncio.gather(
            self._paced("rest", seconds, lambda number: self._rest(rest, number)),
            self._paced("websocket", seconds, self._websocket),
        )
        return {"rest": measured[0], "websocket": measured[1], "errors": self._errors}

    async def _paced(self, kind: str, seconds: float, once: Any) -> list[float]:
        """Calls at fixed times: one that is late delays the next, and what that one waits counts for it."""
        loop, took = asyncio.get_running_loop(), []
        begin = loop.time()
        for number in range(max(int(seconds * CALLS_A_SECOND), 2)):
            due = begin + number / CALLS_A_SECOND
            await asyncio.sleep(due - loop.time())
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await once(number)
            except (OSError, EOFError, TimeoutError, AssertionError, ValueError, ConnectionClosed) as error:
                self._errors.append(f"{kind}: {type(error).__name__}: {error}")
                break
            took.append(loop.time() - due)
        return took

    async def _rest(self, connection: Connection, number: int) -> None:
        await connection.send(self._target.post("add", {"first": number, "second": 5}, service="other"))
        head, _, body = (await connection.answer()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head + body
        assert json.loads(body) == {"result": number + 5}, body

    async def _websocket(self, number: int) -> None:
        self._last_id += 1
        id = self._last_id
        await self._socket.send(json.dumps(call(id, "other.add", {"first": number, "second": 5})))
        while (answer := await self._next()).get("id") != id:
            assert answer.get("method") == "rpc.ack", answer
        assert answer.get("result") == {"result": number + 5}, answer

    async def _next(self) -> Any:
        message = json.loads(await self._socket.recv())
        if message.get("method") != "rpc.ack":
            self._received += 1
            if self._received % ACKNOWLEDGE_EVERY == 0:
                ack = {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": self._received}}
                await self._socket.send(json.dumps(ack))
        return message


async def main(port: int) -> None:
    good = GoodClient(Target(port))
    await good.connect()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await good.measure(float(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
