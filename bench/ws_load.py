"""WebSocket load: one connection with a fixed number of JSON-RPC calls under way.

The frames are made here, without a library: the load has to cost less than what it measures. The mask is zero, which
RFC 6455 permits and which saves the masking on this side only; the server unmasks as always.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Sequence
from typing import Any

import orjson

FIRST_ID = 1_000_000  # ids of one width make frames of one length
# First bytes of frames that are whole messages (RFC 6455, section 5.2).
TEXT = 0x81
CLOSE = 0x88
PING = 0x89
PONG = 0x8A
MASKED = 0x80
RESULT = {"result": 7}
ADD = b"calculator.add"
HELLO = b'{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{"protocol":1}}'
CONFIRM_MESSAGES = 64


def call_text(call_id: int, method: bytes = ADD) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":"%s","params":{"first":2,"second":5}}' % (call_id, method)


def frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        header = bytes((first, MASKED | size))
    elif size < 65536:
        header = bytes((first, MASKED | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, MASKED | 127)) + size.to_bytes(8, "big")
    return header + bytes(4) + payload


def text_frame(text: bytes) -> bytes:
    return frame(TEXT, text)


class WsLoad(asyncio.Protocol):
    """One WebSocket; it stays open between runs.

    Args:
        greets: whether it says hello, so that its messages are counted and confirmed.
        batched: whether the calls that it makes at once travel in one frame; answers come as they are ready.

    Attributes:
        methods: what is called, in turn.
        p99_s: not measured.
    """

    p99_s: float | None = None

    def __init__(self, port: int, *, greets: bool = False, batched: bool = False) -> None:
        self._port = port
        self._greets = greets
        self._batched = batched
        self.methods: Sequence[bytes] = (ADD,)
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._next_id = FIRST_ID
        self._open: set[int] = set()
        self._answers = 0
        self._confirmed = 0
        self._calls = 0
        self._until = 0.0
        self._upgraded = False
        self._results: list[Any] | None = None
        self._done: asyncio.Future[None] | None = None
        self._lost: str | None = None

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
        if self._greets:
            transport.write(text_frame(HELLO))
            self._open.add(0)
        await self._done

    async def run(self, seconds: float, in_flight: int) -> int:
        done = self._begin()
        self._until = time.perf_counter() + seconds
        self._send(in_flight)
        await done
        return self._calls

    async def collect(self, text: bytes, count: int) -> list[Any]:
        """Make one call so many times; the results in no order. ``text`` has a ``%d`` for the id."""
        done = self._begin()
        results: list[Any] = []
        self._results = results
        self._write(b"".join(map(text_frame, self._confirmation())))
        for _ in range(count):
            self._next_id += 1
            self._open.add(self._next_id)
            self._write(text_frame(text % self._next_id))
        await done
        self._results = None
        return results

    def close(self) -> None:
        self._done = None
        if self._transport is not None:
            self._transport.close()

    def _begin(self) -> asyncio.Future[None]:
        if self._lost is not None:
            raise RuntimeError(self._lost)
        self._done = done = asyncio.get_running_loop().create_future()
        self._calls = 0
        self._until = 0.0
        return done

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            if not self._upgraded:
                self._take_upgrade()
            answered = self._take_frames() if self._upgraded else 0
        except (ValueError, KeyError) as error:
            self._fail(f"{error!r} in {bytes(self._received[:200])!r}")
            return
        self._calls += answered
        if answered and time.perf_counter() < self._until:
            self._send(answered)
        elif not self._open and self._upgraded and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the connection was lost")

    def _send(self, count: int) -> None:
        texts = [*(self._next_call() for _ in range(count)), *self._confirmation()]
        if self._batched:
            self._write(text_frame(b"[" + b",".join(texts) + b"]"))
        else:
            self._write(b"".join(map(text_frame, texts)))

    def _confirmation(self) -> list[bytes]:
        if not self._greets or self._answers - self._confirmed < CONFIRM_MESSAGES:
            return []
        self._confirmed = self._answers
        return [b'{"jsonrpc":"2.0","method":"rpc.ack","params":{"received":%d}}' % self._answers]

    def _next_call(self) -> bytes:
        self._next_id += 1
        self._open.add(self._next_id)
        return call_text(self._next_id, self.methods[self._next_id % len(self.methods)])

    def _take_upgrade(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end >= 0:
            if not self._received.startswith(b"HTTP/1.1 101 "):
                raise ValueError("no WebSocket")
            del self._received[: end + 4]
            self._upgraded = True

    def _take_frames(self) -> int:
        received, position, answered = self._received, 0, 0
        while len(received) - position >= 2:
            length, start = received[position + 1], position + 2
            if length == 126:
                start = position + 4
                length = int.from_bytes(received[position + 2 : start], "big")
            if len(received) < start + length:
                break
            payload = received[start : start + length]
            if received[position] == TEXT:
                answered += self._take(orjson.loads(payload))
            else:
                self._take_control(received[position], bytes(payload))
            position = start + length
        del received[:position]
        return answered

    def _take_control(self, first: int, payload: bytes) -> None:
        """Answer a ping: a server that is kept waiting for a pong closes, and a slow machine takes that long."""
        if first == PING:
            self._write(frame(PONG, payload))
        elif first == CLOSE:
            raise ValueError(f"closed by the server: {int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}")
        elif first != PONG:
            raise ValueError(f"a frame that begins with {first:#04x}")

    def _take(self, answer: dict[str, Any]) -> int:
        if "method" in answer:  # an acknowledgement
            return 0
        self._open.remove(answer["id"])
        result = answer["result"]
        if answer["id"] == 0:  # hello's, which is not counted
            return 0
        self._answers += 1
        if self._results is not None:
            self._results.append(result)
        elif result != RESULT:
            raise ValueError(f"not the answer: {answer}")
        return 1

    def _fail(self, what: str) -> None:
        # The first reason counts: what comes later follows from it.
        self._lost = self._lost or what
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(self._lost))
