"""A client that behaves: so many calls a second over REST and over a WebSocket, and how long each took.

A process of its own, so that what the attackers do does not delay its clock. Each line of its input is a number of
seconds; it answers with a line of JSON: ``{"rest": [seconds…], "websocket": [seconds…], "errors": [text…]}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
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
    _reading: asyncio.Task[None]

    def __init__(self, target: Target) -> None:
        self._target = target
        self._errors: list[str] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._received = 0
        self._last_id = 0
        self._idle: list[Connection] = []

    async def connect(self) -> None:
        self._socket = await websockets.asyncio.client.connect(f"ws://127.0.0.1:{self._target.port}/ws")
        await self._socket.send(json.dumps(HELLO))
        assert "result" in json.loads(await self._socket.recv())
        self._received = 0
        self._reading = asyncio.ensure_future(self._read())

    async def measure(self, seconds: float) -> dict[str, Any]:
        self._errors = []
        rest, websocket = await asyncio.gather(
            self._paced("rest", seconds, self._rest), self._paced("websocket", seconds, self._websocket)
        )
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._reading.done():
            await self.connect()
        return {"rest": rest, "websocket": websocket, "errors": self._errors}

    async def _paced(self, kind: str, seconds: float, once: Callable[[int], Awaitable[None]]) -> list[float]:
        """Calls at fixed times, whether or not those before are answered; what each took from its time on."""
        begin = asyncio.get_running_loop().time()
        count = max(int(seconds * CALLS_A_SECOND), 2)
        took = await asyncio.gather(
            *(self._timed(kind, begin + number / CALLS_A_SECOND, once, number) for number in range(count))
        )
        return [seconds for seconds in took if seconds is not None]

    async def _timed(
        self, kind: str, due: float, once: Callable[[int], Awaitable[None]], number: int
    ) -> float | None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(due - loop.time())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await once(number)
        except (OSError, EOFError, TimeoutError, AssertionError, ValueError, ConnectionClosed) as error:
            self._errors.append(f"{kind}: {type(error).__name__}: {error}")
            return None
        return loop.time() - due

    async def _rest(self, number: int) -> None:
        if self._idle:
            connection = self._idle.pop()
        else:
            connection = Connection(*await asyncio.open_connection("127.0.0.1", self._target.port))
        try:
            await connection.send(self._target.post("add", {"first": number, "second": 5}, service="other"))
            head, _, body = (await connection.answer()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head + body
            assert json.loads(body) == {"result": number + 5}, body
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    async def _websocket(self, number: int) -> None:
        self._last_id = id = self._last_id + 1
        answered = self._answers[id] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps(call(id, "other.add", {"first": number, "second": 5})))
            answer = await answered
        finally:
            del self._answers[id]
        assert answer.get("result") == {"result": number + 5}, answer

    async def _read(self) -> None:
        closed: Exception = ConnectionResetError("the WebSocket ended")
        try:
            async for text in self._socket:
                await self._take(json.loads(text))
        except ConnectionClosed as error:
            closed = error
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(closed)

    async def _take(self, message: Any) -> None:
        if message.get("method") == "rpc.ack":
            return
        waiting = self._answers.get(message.get("id"))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        self._received += 1
        if self._received % ACKNOWLEDGE_EVERY == 0:
            ack = {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": self._received}}
            await self._socket.send(json.dumps(ack))


async def main(port: int) -> None:
    good = GoodClient(Target(port))
    await good.connect()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await good.measure(float(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
