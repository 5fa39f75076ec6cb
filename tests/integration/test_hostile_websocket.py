"""A hundred thousand hostile messages and frames from several connections, while a good client works.

Every message says how many answers it must get, every broken frame with which code its connection is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

SEED = 6455
CONNECTIONS = 2_000
MESSAGES = 49  # of each connection, beside the frame that ends it
ATTACKERS = 8
WARM_UP = 400
WAIT_S = 20.0
GROWTH_BYTES = 8 * 2**20

METHODS = (
    "calculator.add", "calculator.nope", "nothing.add", "add", "@x.add", "#1.a.b", "!f.g", "rpc.nope", "", ".",
    "x" * 300,
)  # fmt: skip
NO_JSON = ("[" * 2000, '{"a":' * 2000, "nan", "NaN", "Infinity", "-", "'x'", '"\t"', "tru", "01", "{1:2}")
HELLO = b'{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{"protocol":1}}'
VALUES: tuple[Any, ...] = (None, True, -1, 2**53, 2**70, 1.5, 1e300, "", "x", "\x00", [], {}, [[]], {"$handle": "x"})
CODES = {-32700, -32600, -32601, -32602, -32603, *range(-32018, -32000)}


@dataclass
class Message:
    """One message; ``answers`` is how many it must get, ``text`` what is sent."""

    text: bytes
    answers: int


def call(rng: random.Random) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": rng.randrange(10**6, 10**9),
        "method": "calculator.add",
        "params": {"first": rng.randrange(100), "second": 5},
    }


def no_json(rng: random.Random) -> Message:
    text = json.dumps(call(rng))
    kind = rng.randrange(5)
    if kind == 0:
        text = text[: rng.randrange(len(text) - 1)]
    elif kind == 1:
        text += rng.choice(("}", ",", "x", "{}", "\x00"))
    elif kind == 2:
        text = rng.choice(NO_JSON)
    elif kind == 3:
        text = text.replace('"', "'")
    else:
        text = "".join(map(chr, rng.choices(range(0x100, 0xD7FF), k=rng.randrange(40))))
    return Message(text.encode(), 1)


def deep(rng: random.Random) -> Message:
    depth = rng.choice((60, 70, 1000, 1023))
    nested = "[" * depth + "]" * depth
    return Message(b'{"jsonrpc":"2.0","id":1,"method":"calculator.add","params":[%s,1]}' % nested.encode(), 1)


def no_request(rng: random.Random) -> Message:
    shape: Any = rng.choice((None, True, 5, "x", [], 1.5, {}, {"id": 1}, {"jsonrpc": "1.0", "id": 1, "method": "a.b"}))
    if isinstance(shape, dict) and shape and rng.random() < 0.5:
        shape = {**shape, rng.choice(("jsonrpc", "method", "params", "meta")): rng.choice((None, 1, [], {}))}
    return Message(json.dumps(shape).encode(), 1)


def odd_request(rng: random.Random) -> Message:
    request = call(rng)
    for _ in range(rng.randrange(1, 4)):
        member = rng.choice(("id", "method", "params", "meta", "params"))
        request[member] = rng.choice(METHODS if member == "method" and rng.random() < 0.8 else VALUES)
    if rng.random() < 0.3:
        request["params"] = {rng.choice(("first", "second", "nope", "")): rng.choice(VALUES) for _ in range(3)}
    return Message(json.dumps(request).encode(), 1)


def unanswered(rng: random.Random) -> Message:
    kind = rng.randrange(3)
    if kind == 0:
        obj = {"jsonrpc": "2.0", "method": rng.choice(METHODS), "params": rng.choice(([], {}, [1, 2], {"x": 1}))}
    elif kind == 1:
        obj = {"jsonrpc": "2.0", "id": rng.choice(("g:1", "g:99", 5, "x")), "result": rng.choice(VALUES)}
    else:
        obj = {"jsonrpc": "2.0", "id": "g:7", "error": rng.choice(VALUES)}
    return Message(json.dumps(obj).encode(), 0)


def batch(rng: random.Random) -> Message:
    parts = [rng.choice((odd_request, unanswered, no_request))(rng) for _ in range(rng.randrange(1, 6))]
    return Message(b"[" + b",".join(part.text for part in parts) + b"]", int(any(part.answers for part in parts)))


def mutated(rng: random.Random) -> Message:
    """A call with a few characters changed, within its parameters, so that it stays one that must be answered."""
    text = bytearray(b'{"jsonrpc":"2.0","id":7,"method":"calculator.add","params":')
    tail = bytearray(json.dumps(call(rng)["params"]).encode() + b"}")
    for _ in range(rng.randrange(1, 4)):
        tail[rng.randrange(len(tail))] = rng.randrange(32, 127)
    return Message(bytes(text + tail), 1)


MESSAGES_OF = (no_json, deep, no_request, odd_request, odd_request, unanswered, batch, mutated, mutated)


def frame(first: int, payload: bytes, *, length: int | None = None, mask: bytes = b"\xa5\x5a\x3c\xc3") -> bytes:
    size = len(payload) if length is None else length
    if size < 126:
        header = bytes((first, 0x80 | size))
    elif size < 65536:
        header = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return header + mask + plain.to_bytes(len(payload), "big")


def last_frame(rng: random.Random) -> tuple[bytes, int]:
    """A frame that ends its connection, and the code with which it is closed."""
    kind = rng.randrange(11)
    some = rng.randbytes(rng.randrange(100))
    if kind == 0:
        return frame(0x81, b"ok" * rng.randrange(40) + rng.choice((b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"))), 1007
    if kind == 1:
        return frame(0x01, b"\xe2\x82") + frame(0x89, b"?") + frame(0x80, b"x"), 1007
    if kind == 2:
        return frame(0x81, some, length=rng.choice((2**20 + 1, 2**32, 2**63 - 1))), 1009
    if kind == 3:
        return frame(0x01, b"x" * 600_000) + frame(0x80, b"x" * 600_000), 1009
    if kind == 4:
        return bytes((rng.choice((0x81, 0x89, 0x01)), len(some))) + some, 1002
    if kind == 5:
        return frame(rng.choice((0x08, 0x09, 0x0A)), b"x"), 1002
    if kind == 6:
        return frame(rng.choice((0x89, 0x8A, 0x88)), b"x" * rng.choice((126, 70_000))), 1002
    if kind == 7:
        return frame(rng.choice((0xC1, 0xA1, 0x91, 0xF1, 0xC9, 0x83, 0x87, 0x8B, 0x8F, 0x80)), some), 1002
    if kind == 8:
        return frame(rng.choice((0x82, 0x02)), some), 1003
    if kind == 9:
        return frame(0x88, rng.choice((b"\x03", b"\x03\xec", b"\x00\x00", b"\xff\xff", b"\x03\xf7x"))), 1002
    return frame(0x01, b"x") + frame(0x81, b"y"), 1002


class Attacker(asyncio.Protocol):
    """One raw WebSocket connection, whose frames are made elsewhere."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self._buffer = bytearray()
        self._upgraded = False
        self._wanted = 0
        self._ready: asyncio.Future[None] | None = None
        self.closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    async def answers(self, count: int) -> None:
        """Wait until so many messages have come."""
        self._wanted = count
        self._ready = asyncio.get_running_loop().create_future()
        self._look()
        await asyncio.wait_for(self._ready, WAIT_S)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101 ")
            self._upgraded, self._buffer = True, bytearray(rest)
        at = 0
        buffer = self._buffer
        while len(buffer) - at >= 2:
            start, size = at + 2, buffer[at + 1]
            if size >= 126:
                start = at + (4 if size == 126 else 10)
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start + size:
                break
            payload = bytes(buffer[start : start + size])
            if buffer[at] == 0x81:
                self.texts.append(payload)
            elif buffer[at] == 0x88 and not self.closed.done():
                self.closed.set_result(int.from_bytes(payload[:2], "big"))
            at = start + size
        del buffer[:at]
        self._look()

    def _look(self) -> None:
        if self._ready is not None and not self._ready.done():
            if self.closed.done():
                self._ready.set_exception(ConnectionError(f"closed with {self.closed.result()} instead"))
            elif len(self.texts) >= self._wanted and self._upgraded:
                self._ready.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._look()


async def attack(port: int, rng: random.Random) -> None:
    """One connection: its messages, each answered as it must be, then a frame that ends it as documented."""
    loop = asyncio.get_running_loop()
    transport, attacker = await loop.create_connection(Attacker, "127.0.0.1", port)
    try:
        sent, (last, code) = [rng.choice(MESSAGES_OF)(rng) for _ in range(MESSAGES)], last_frame(rng)
        if rng.random() < 0.05:
            sent, last, code = [Message(HELLO, 1)], frame(0x81, no_json(rng).text), 4000
        data = b"".join(frame(0x81, message.text) for message in sent)
        # Cut anywhere, but not often: many frames a write.
        at = rng.randrange(len(data))
        transport.write(data[:at])
        await attacker.answers(0)
        transport.write(data[at:])
        expected = sum(message.answers for message in sent)
        waits = code == 4000 or rng.random() < 0.8
        if waits:
            await attacker.answers(expected)
        transport.write(last)
        if rng.random() < 0.1:
            return  # gone without a word
        told = await asyncio.wait_for(attacker.closed, WAIT_S)
        assert told == code, last[:100]
        # What was under way at the end is not answered any more, but nothing is answered twice.
        count = len(attacker.texts)
        assert count == expected if waits else count <= expected, [message.text for message in sent]
        for text in attacker.texts:
            check(json.loads(text))
    finally:
        transport.abort()


def check(answer: Any) -> None:
    """That it is an answer of JSON-RPC with a code of the table."""
    for one in answer if isinstance(answer, list) else [answer]:
        assert one["jsonrpc"] == "2.0"
        assert "id" in one
        if "error" in one:
            assert one["error"]["code"] in CODES, one
        else:
            assert one["result"].keys() & {"result", "session"}


async def attack_all(port: int, count: int, rng: random.Random) -> None:
    numbers = iter(range(count))

    async def attack_on() -> None:
        for _ in numbers:
            await attack(port, rng)

    await asyncio.gather(*(attack_on() for _ in range(ATTACKERS)))


def rss_bytes(process: Process) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class GoodClient(threading.Thread):
    """Calls without a pause until it is told to stop."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self._web = web
        self.enough = threading.Event()
        self.calls = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with self._web.socket() as socket:
                while not self.enough.is_set():
                    assert socket.result("calculator.add", [self.calls, 5]) == {"result": self.calls + 5}
                    self.calls += 1
        except BaseException as error:
            self.failure = error


def test_nobody_dies_hangs_or_is_left_without_an_answer(start: Start, eventually: Callable[..., None]) -> None:
    process, web = start.demo()
    rng = random.Random(SEED)
    good = GoodClient(web)
    good.start()
    try:
        asyncio.run(attack_all(web.port, WARM_UP, rng))
        level = rss_bytes(process)
        asyncio.run(attack_all(web.port, CONNECTIONS - WARM_UP, rng))
    finally:
        good.enough.set()
        good.join()
    assert good.failure is None
    assert good.calls > 100
    eventually(lambda: "cara_gateway_sockets 0.0\n" in web.get("/metrics").text, WAIT_S)
    assert rss_bytes(process) - level < GROWTH_BYTES
    assert web.post("/api/calculator/add", [2, 5]).json == {"result": 7}
    assert "Traceback" not in process.log.read_text("utf-8")
