"""WebSocket load: one connection with a fixed number of JSON-RPC calls under way.

The frames are made here, without a library: the load has to cost less than what it measures. The mask is zero, which
RFC 6455 permits and which saves the masking on this side only; the server unmasks as always.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time

import orjson

FIRST_ID = 1_000_000  # ids of one width make frames of one length
TEXT = 0x81
MASKED = 0x80
RESULT = {"result": 7}


def call_frame(call_id: int) -> bytes:
    text = b'{"jsonrpc":"2.0","id":%d,"method":"calculator.add","params":{"first":2,"second":5}}' % call_id
    assert len(text) < 126
    return bytes((TEXT, MASKED | len(text), 0, 0, 0, 0)) + text


class WsLoad(asyncio.Protocol):
    """One WebSocket; it stays open between runs."""

    p99_s: float | None = None

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._next_id = FIRST_ID
        self._open: set[int] = set()
        self._calls = 0
        self._until = 0.0
        self._upgraded = False
        self._done: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await self._done

    async def run(self, seconds: float, in_flight: int) -> int:
        assert self._transport is not None
        self._done = asyncio.get_running_loop().create_future()
        self._calls = 0
        self._until = time.perf_counter() + seconds
        self._transport.write(b"".join(self._next_frame() for _ in range(in_flight)))
        await self._done
        return self._calls

    def close(self) -> None:
        self._done = None
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answered = self._take_frames() if self._upgraded else self._take_upgrade()
        except (ValueError, KeyError) as error:
            self._fail(f"{error!r} in {bytes(self._received[:200])!r}")
            return
        self._calls += answered
        if self._transport is not None and time.perf_counter() < self._until:
            self._transport.write(b"".join(self._next_frame() for _ in range(answered)))
        elif not self._open and self._upgraded and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the connection was lost")

    def _next_frame(self) -> bytes:
        self._next_id += 1
        self._open.add(self._next_id)
        return call_frame(self._next_id)

    def _take_upgrade(self) -> int:
        end = self._received.find(b"\r\n\r\n")
        if end >= 0:
            if not self._received.startswith(b"HTTP/1.1 101 "):
                raise ValueError("no WebSocket")
            del self._received[: end + 4]
            self._upgraded = True
        return 0

    def _take_frames(self) -> int:
        received, position, answered = self._received, 0, 0
        while len(received) - position >= 2:
            if received[position] != TEXT:
                raise ValueError(f"opcode {received[position]}")
            length = received[position + 1]
            start = position + 2
            if length >= 126:
                raise ValueError(f"an answer of more than 125 bytes: {length}")
            if len(received) < start + length:
                break
            answer = orjson.loads(received[start : start + length])
            self._open.remove(answer["id"])
            if answer["result"] != RESULT:
                raise ValueError(f"not the answer: {answer}")
            position = start + length
            answered += 1
        del received[:position]
        return answered

    def _fail(self, what: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(what))
