"""Clients that leave every byte, and the time at which it is read, to the test: HTTP, events and WebSockets.

They wait by the loop's clock, which a test may have moved before it asks, but not while it waits.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance import rfc6455

WAIT_S = 5.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455 §1.3, which has this answer:"""
ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FEW_BYTES = 4096


@dataclass(frozen=True)
class Head:
    """The beginning of an answer; names of headers in lower case, those that come twice joined with a comma."""

    status: int
    headers: Mapping[str, str]


class RawConnection:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, *, reads_little: bool = False) -> RawConnection:
        """Connect; ``reads_little``: next to nothing is taken from the network before the test reads it."""
        if not reads_little:
            return cls(*await asyncio.open_connection("127.0.0.1", port))
        connecting = socket.socket()
        connecting.setblocking(False)
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
        await asyncio.get_running_loop().sock_connect(connecting, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=connecting, limit=FEW_BYTES))

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    def ask(self, method: str, path: str, *lines: str, body: bytes | None = None) -> None:
        """Send a request with those lines in its head."""
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", *lines]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*head, "", ""]).encode(), body or b"")

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(size)

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(mark)

    async def head(self) -> Head:
        first, *lines = (await self.until(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        return Head(int(first.split(" ")[1]), headers)

    async def answer(self) -> tuple[Head, bytes]:
        """An answer whose head says its length."""
        head = await self.head()
        return head, await self.read(int(head.headers.get("content-length", "0")))

    async def chunk(self) -> bytes:
        """The next chunk of an answer in chunks; empty at its end."""
        size = int(await self.until(b"\r\n"), 16)
        return (await self.read(size + 2))[:-2]

    async def rest(self) -> bytes:
        """What comes until the other side closes the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    def is_at_end(self) -> bool:
        """Whether everything is read and the other side has closed, as far as the loop has noticed."""
        return self.reader.at_eof() or self.reader.exception() is not None

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return  # the other side was quicker


class RawSocket(RawConnection):
    """A WebSocket that answers nothing by itself: no ping and no close frame."""

    @classmethod
    async def open(  # type: ignore[override]
        cls, port: int, *lines: str, reads_little: bool = False
    ) -> RawSocket:
        """Connect and go through the handshake, with those lines beside the usual ones."""
        connection = await RawConnection.open(port, reads_little=reads_little)
        opened = cls(connection.reader, connection.writer)
        opened.ask("GET", "/ws", *handshake(), *lines)
        opened.greeting = await opened.head()
        assert opened.greeting.status == 101
        return opened

    greeting: Head

    def say(self, method: str, params: Any = None, id: Any = 1, **members: Any) -> None:
        self.send(request(method, params, id=id, **members))

    def notify(self, method: str, params: Any = None) -> None:
        self.send(rfc6455.text(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}).encode()))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its first byte and its payload."""
        first, length = await self.read(2)
        if length > 125:
            length = int.from_bytes(await self.read(2 if length == 126 else 8), "big")
        return first, await self.read(length)

    async def hear(self) -> Any:
        """The next message, which must be the next frame."""
        first, payload = await self.frame()
        assert first == rfc6455.FINAL | rfc6455.TEXT, (first, payload)
        return json.loads(payload)

    async def closed(self) -> tuple[int, str]:
        """Code and reason of a close frame, which must be the next frame."""
        first, payload = await self.frame()
        assert first == rfc6455.FINAL | rfc6455.CLOSE, (first, payload)
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def leave(self, code: int) -> None:
        """Close with a code, as a client does that is done; the other side has noticed when this returns."""
        self.send(rfc6455.close(code))
        assert await self.closed() == (code, "")
        assert await self.rest() == b""

    async def heard(self) -> list[tuple[int, bytes]]:
        """What was sent to us until now and not read: the frames before the answer to a ping. Lets no time pass."""
        self.send(rfc6455.frame(rfc6455.FINAL | rfc6455.PING, b"until now"))
        frames = []
        while (received := await self.frame()) != (rfc6455.FINAL | rfc6455.PONG, b"until now"):
            frames.append(received)
        return frames


def handshake(version: str = "13") -> Sequence[str]:
    return (
        "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", f"Sec-WebSocket-Version: {version}",
    )  # fmt: skip


def request(method: str, params: Any = None, id: Any = 1, **members: Any) -> bytes:
    """The frame of a request."""
    text = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}, **members})
    return rfc6455.text(text.encode())
