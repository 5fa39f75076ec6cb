"""REST load: keep-alive connections that each send the next POST when their answer has come and is right."""

from __future__ import annotations

import asyncio
import time

CONNECTIONS = 32
PATH = "/api/calculator/add"
BODY = b'{"first":2,"second":5}'
ANSWER = b'{"result":7}'
REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
)


class _Connection(asyncio.Protocol):
    def __init__(self, load: HttpLoad) -> None:
        self._load = load
        self._received = b""
        self._asked = 0.0

    def ask(self) -> None:
        self._asked = time.perf_counter()
        self.transport.write(self._load.request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < len(ANSWER):
            return
        if body != ANSWER or not head.startswith(b"HTTP/1.1 200 "):
            self._load.fail(self._received)
            return
        self._received = b""
        self._load.answered(self, time.perf_counter() - self._asked)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail(b"the connection was lost")


class HttpLoad:
    """Connections to one server; they stay open between runs.

    Args:
        key: what each request shows; None shows nothing.

    Attributes:
        p99_s: of the last run.
    """

    p99_s: float | None = None

    def __init__(self, port: int, key: str | None = None) -> None:
        self._port = port
        shown = "" if key is None else f"X-API-Key: {key}\r\n"
        self.request = f"{REQUEST % port}{shown}\r\n".encode() + BODY
        self._connections: list[_Connection] = []
        self._took: list[float] = []
        self._open = 0
        self._until = 0.0
        self._done: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._connections.append(connection)

    async def run(self, seconds: float, in_flight: int) -> int:
        """Return how many calls were answered; `in_flight` is the number of connections used."""
        self._done = asyncio.get_running_loop().create_future()
        self._took, self._open = [], in_flight
        self._until = time.perf_counter() + seconds
        for connection in self._connections[:in_flight]:
            connection.ask()
        await self._done
        self.p99_s = sorted(self._took)[len(self._took) * 99 // 100]
        return len(self._took)

    def close(self) -> None:
        self._done = None
        for connection in self._connections:
            connection.transport.close()

    def answered(self, connection: _Connection, took_s: float) -> None:
        self._took.append(took_s)
        if time.perf_counter() < self._until:
            connection.ask()
            return
        self._open -= 1
        if not self._open and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def fail(self, what: bytes) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(f"not the answer: {what!r}"))
