"""Clients without manners: what goes over the socket is what the attack says, and nothing is checked."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

HELLO: Final = {"jsonrpc": "2.0", "id": 0, "method": "rpc.hello", "params": {"protocol": 1}}
CHUNK: Final = 2**16


def call(id: Any, method: str, params: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {} if params is None else params}


def dumped(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def frame(payload: bytes, opcode: int = 1, final: bool = True) -> bytes:
    """A client's frame; the mask is zero, which is legal and costs the attacker nothing."""
    head = bytes((opcode | (0x80 if final else 0),))
    size = len(payload)
    if size < 126:
        head += bytes((size | 0x80,))
    elif size < 2**16:
        head += b"\xfe" + struct.pack("!H", size)
    else:
        head += b"\xff" + struct.pack("!Q", size)
    return head + b"\0\0\0\0" + payload


class Connection:
    """A TCP connection to the gateway. What it answers is read and forgotten, unless the attack reads itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._forgetting: asyncio.Task[None] | None = None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def message(self, payload: bytes) -> None:
        await self.send(frame(payload))

    async def calls(self, *objs: Any) -> None:
        """Each object in a frame of its own."""
        await self.send(b"".join(frame(dumped(obj)) for obj in objs))

    async def received(self) -> Any:
        """The next message of a WebSocket, as an object."""
        while True:
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            payload = await self.reader.readexactly(size)
            if first & 0xF == 1:
                return json.loads(payload)
            if first & 0xF == 8:
                raise ConnectionError(f"closed with {payload!r}")

    async def head(self) -> bytes:
        """The head of the next HTTP answer."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """The next HTTP answer's head and, if it has a length, its body."""
        head = await self.head()
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return head + await self.reader.readexactly(int(value))
        return head

    def forget(self) -> None:
        """From here on read what comes and drop it."""
        self._forgetting = asyncio.ensure_future(self._forget())

    async def _forget(self) -> None:
        with suppress(OSError):
            while await self.reader.read(CHUNK):
                pass
        self.writer.close()

    def close(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self.writer.transport.abort()


class Target:
    """The gateway that is attacked."""

    def __init__(self, port: int) -> None:
        self.port = port

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        opened = Connection(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**22))
        try:
            yield opened
        finally:
            opened.close()

    @asynccontextmanager
    async def socket(self, hello: bool = True, reads: bool = True) -> AsyncIterator[Connection]:
        """A WebSocket, greeted or not, whose answers are forgotten or left to the attack."""
        async with self.connection() as opened:
            await opened.send(self.upgrade())
            head = await opened.head()
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise ConnectionError(f"no upgrade: {head[:100]!r}")
            if hello:
                await opened.calls(HELLO)
                answer = await opened.received()
                if "result" not in answer:
                    raise ConnectionError(f"no hello: {answer}")
            if reads:
                opened.forget()
            yield opened

    def upgrade(self) -> bytes:
        key = base64.b64encode(os.urandom(16))
        return self.request(
            "GET", "/ws", b"",
            b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + key,
        )  # fmt: skip

    def request(self, verb: str, path: str, body: bytes = b"", *headers: bytes) -> bytes:
        """A request as it goes over the wire."""
        lines = [f"{verb} {path} HTTP/1.1".encode(), b"Host: 127.0.0.1:%d" % self.port, *headers]
        if body:
            lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def post(self, method: str, params: Any = None, *headers: bytes, service: str = "victim") -> bytes:
        """A call of a service over REST; ``params`` may be JSON already."""
        body = params if isinstance(params, bytes) else dumped({} if params is None else params)
        return self.request("POST", f"/api/{service}/{method}", body, *headers)
