"""What a good client notices of hostile and heavy ones beside it, over real sockets: python -m bench.attacks [NAME…]

For each input a gateway runs with two services. A good client makes 50 calls a second to one of them, over REST and as
many over a WebSocket; the input is sent to the other one again and again, as fast as it is taken. The table says what the
good client saw. Alone it is measured first. Exit code 1: it saw an error, or waited longer than it may.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.processes import Child

SECONDS: Final = 5.0
CALLS_PER_SECOND: Final = 50
MEGABYTE: Final = 1_000_000
FACTOR: Final = 10
LEAST_S: Final = 0.1
"""The good client's p99 stays below ten times what it is alone, or this, whichever is more."""


def request(method: str, params: Any, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def notification(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


HELLO: Final = request("rpc.hello", {"protocol": 1}, 0)


def text(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def array(element: Callable[[int], bytes], size: int = MEGABYTE) -> bytes:
    """An array of elements of about that size."""
    parts, length, number = [], 0, 0
    while length < size:
        parts.append(element(number))
        length += len(parts[-1]) + 1
        number += 1
    return b"[" + b",".join(parts) + b"]"


def thing(number: int) -> bytes:
    return b'{"name":"a thing","count":%d,"price":0.5}' % number


def frames(*texts: bytes) -> list[bytes]:
    return list(texts)


def calls(method: str, params: Any) -> Callable[[int], bytes]:
    return lambda number: text(request(method, params, number))


Socket = tuple[bool, Callable[[], list[bytes]]]
"""Whether to say hello first, and the frames of one round."""

SOCKETS: Final[Mapping[str, Socket]] = {
    "array of numbers": (True, lambda: [b"[" + b"1," * 400_000 + b"1]"]),
    "array of empty objects": (True, lambda: [array(lambda _: b"{}")]),
    "array of arrays": (True, lambda: [array(lambda _: b"[[]]")]),
    "describes in one frame": (True, lambda: [array(calls("rpc.describe", {"service": "heavy"}))]),
    "releases in one frame": (True, lambda: [array(lambda _: text(notification("rpc.release", {"handle": "x"})))]),
    "cancels in one frame": (True, lambda: [array(lambda n: text(notification("rpc.cancel", {"id": n})))]),
    "calls in one frame": (True, lambda: [array(calls("heavy.add", [1, 2]))]),
    "pipelined calls in one frame": (True, lambda: [array(lambda n: text(
        request("heavy.box" if n == 0 else f"#b{n - 1}.box.open", {}, f"b{n}")))]),
    "unknown methods in one frame": (True, lambda: [array(calls("heavy.nothing", []))]),
    "describes, a frame each": (True, lambda: [calls("rpc.describe", {"service": "heavy"})(n) for n in range(5000)]),
    "calls, a frame each": (True, lambda: [calls("heavy.add", [1, 2])(n) for n in range(5000)]),
    "batch of the permitted size": (False, lambda: [text([request("heavy.add", [1, 2], n) for n in range(1000)])]),
    "batch over the permitted size": (False, lambda: [array(calls("heavy.add", [1, 2]))]),
    "list of empty arrays as a value": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeAny","params":[' + array(lambda _: b"[]") + b"]}"]),
    "one inexact number among many": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeAny","params":[[9007199254740993.0,' + b"1," * 400_000
        + b"1]]}"]),
    "inexact numbers in an array": (True, lambda: [
        b"[" + text(notification("heavy.takeAny", [[9007199254740993.0]])) + b"," + array(
            lambda n: text(notification("heavy.nothing", [n])))[1:]]),
    "many floats beyond 2^53": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeAny","params":[' + array(lambda _: b"1234567890123456789e1")
        + b"]}"]),
    "deeply nested": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeAny","params":[{"$result":1},' + b"[" * 900 + b"]" * 900 + b"]}"
    ] * 100),
    "a method name of a megabyte": (True, lambda: [text(request("heavy." + "x" * 900_000, []))]),
    "a long way into an answer": (True, lambda: [text(request("#1" + ".x" * 400_000, []))]),
    "wrong element at the end": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeThings","params":['
        + array(thing)[:-1] + b',{"nane":1}]]}']),
    "numbers, a megabyte": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.takeNumbers","params":[' + array(lambda _: b"123456789") + b"]}"]),
    "300,000 numbers as an answer": (True, lambda: [text(request("heavy.giveNumbers", [300_000]))]),
    "99,000 numbers as an answer": (True, lambda: [text(request("heavy.giveNumbers", [99_000]))]),
    "20,000 structs as an answer": (True, lambda: [text(request("heavy.giveThings", [20_000]))]),
    "300,000 objects as an answer": (True, lambda: [text(request("heavy.giveObjects", [300_000]))]),
    "9,000 objects as an answer": (True, lambda: [text(request("heavy.giveObjects", [9_000]))]),
    "structs that grow in the answer": (True, lambda: [
        b'{"jsonrpc":"2.0","id":1,"method":"heavy.echoThings","params":[[' + b"{}," * 90_000 + b"{}]]}"]),
}  # fmt: skip

BODIES: Final[Mapping[str, tuple[str, int, Callable[[], bytes]]]] = {
    "a megabyte of structs over REST": (
        "/api/heavy/takeThings", 1, lambda: b'{"things":' + array(thing, 990_000) + b"}"),
    "a megabyte of structs over REST, four clients": (
        "/api/heavy/takeThings", 4, lambda: b'{"things":' + array(thing, 990_000) + b"}"),
    "a megabyte of text over REST, four clients": (
        "/api/heavy/takeAny", 4, lambda: b'{"any":"' + b"x" * 990_000 + b'"}'),
    "99,000 values over REST, four clients": (
        "/api/heavy/takeNumbers", 4, lambda: b'{"numbers":[' + b"123456789," * 98_000 + b"1]}"),
    "350,000 empty objects over REST": ("/api/heavy/takeAny", 1, lambda: b'{"any":[' + b"{}," * 340_000 + b"{}]}"),
    "a query of many names": ("/api/heavy/add?" + "first=1&" * 7000, 1, lambda: b"{}"),
}  # fmt: skip


# Clients.


async def open_socket(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    return reader, writer


def frame(data: bytes) -> bytes:
    """A text frame; its mask of zeros leaves the payload as it is."""
    size = len(data)
    length = struct.pack("!B", size | 128) if size < 126 else (
        struct.pack("!BH", 254, size) if size < 65536 else struct.pack("!BQ", 255, size)
    )
    return b"\x81" + length + b"\0\0\0\0" + data


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 127
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    return first & 15, await reader.readexactly(size)


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes) -> int:
    writer.write(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (path.encode(), len(body)) + body
    )
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if "content-length: " in head:
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return int(head.split(" ")[1])


async def good(port: int, seconds: float) -> dict[str, list[float]]:
    """Make calls at a steady rate; how long each took, by door; an error is told as -1."""
    http = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = await open_socket(port)
    writer.write(frame(text(HELLO)))
    await read_frame(reader)
    took: dict[str, list[float]] = {"REST": [], "WebSocket": []}
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}

    async def hear() -> None:
        while True:
            _, data = await read_frame(reader)
            messages = json.loads(data)
            for message in messages if isinstance(messages, list) else [messages]:
                if "id" in message:
                    waited = loop.time() - sent.pop(message["id"])
                    took["WebSocket"].append(waited if message.get("result") == {"result": 7} else -1.0)

    hearing = asyncio.ensure_future(hear())
    begin = loop.time()
    posts: set[asyncio.Task[None]] = set()
    lock = asyncio.Lock()

    async def over_http(due: float) -> None:
        async with lock:
            status = await post(*http, "/api/calm/add", b'{"first":2,"second":5}')
        took["REST"].append(loop.time() - due if status == 200 else -1.0)

    for number in range(int(seconds * CALLS_PER_SECOND)):
        due = begin + number / CALLS_PER_SECOND
        await asyncio.sleep(due - loop.time())
        sent[number] = due
        writer.write(frame(text(request("calm.add", [2, 5], number))))
        posts.add(asyncio.ensure_future(over_http(due)))
    await asyncio.wait(posts, timeout=20)
    until = loop.time() + 5
    while sent and loop.time() < until and not hearing.done():  # noqa: ASYNC110 (it is at the end of all)
        await asyncio.sleep(0.01)
    took["WebSocket"] += [-1.0] * len(sent)
    took["REST"] += [-1.0] * sum(not task.done() for task in posts)
    hearing.cancel()
    return took


async def flood(port: int, says_hello: bool, texts: list[bytes], seconds: float) -> int:
    """Send a round of frames again and again, over a new socket where the old one was closed; rounds that were read."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    rounds = 0
    sent = b"".join(map(frame, texts))
    while loop.time() < until:
        reader, writer = await open_socket(port)
        if says_hello:
            writer.write(frame(text(HELLO)))

        async def drain(reader: asyncio.StreamReader = reader) -> None:
            while await reader.read(2**20):
                pass

        draining = asyncio.ensure_future(drain())
        with contextlib.suppress(ConnectionError, TimeoutError):
            while loop.time() < until and not draining.done():
                writer.write(sent)
                await asyncio.wait_for(writer.drain(), max(until - loop.time(), 0.01))
                rounds += 1
                await asyncio.sleep(0.01)
        draining.cancel()
        writer.transport.abort()
    return rounds


async def upload(port: int, path: str, clients: int, body: bytes, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    rounds = 0

    async def client() -> None:
        nonlocal rounds
        connection = await asyncio.open_connection("127.0.0.1", port)
        while loop.time() < until:
            await post(*connection, path, body)
            rounds += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    return rounds


# Processes.


@contextlib.contextmanager
def running() -> Iterator[int]:
    """A gateway before two services; its port."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        tables = []
        for service in ("heavy", "calm"):
            child = Child(["-m", "bench.heavy_service"], folder / f"{service}.log")
            stack.callback(child.stop)
            schema = Path(__file__).resolve().with_name("heavy.capnp")
            tables.append(
                f'[services.{service}]\nschema = "{schema}"\ninterface = "Heavy"\npeer = "heavy"\n'
                f'endpoint = "{child.line()}"\n'
            )
        config = folder / "gateway.toml"
        config.write_text('[gateway]\nlisten = "127.0.0.1:0"\n' + "\n".join(tables), "utf-8")
        gateway = Child(["-m", "gateway", "serve", "--config", str(config)], folder / "gateway.log")
        stack.callback(gateway.stop)
        yield int(gateway.line().rpartition(":")[2])
        stalled = [line for line in (folder / "gateway.log").read_text().splitlines() if "stood still" in line]
        for line in stalled[:3]:
            print("      ", json.loads(line)["message"], file=sys.stderr)


def measured(port: int, *attack: str) -> dict[str, list[float]]:
    """What the good client saw while a process of its own attacked."""
    program = [sys.executable, "-m", "bench.attacks"]
    attacking = subprocess.Popen([*program, "--attack", str(port), *attack]) if attack else None
    try:
        time.sleep(0.7 if attack else 0)  # until it has begun
        said = subprocess.run(
            [*program, "--good", str(port)], stdout=subprocess.PIPE, check=True
        )
    finally:
        if attacking is not None:
            attacking.wait(60)
    found: dict[str, list[float]] = json.loads(said.stdout)
    return found


def p99(took: list[float]) -> float:
    good_ones = sorted(one for one in took if one >= 0)
    return good_ones[int(len(good_ones) * 0.99)] if good_ones else 99.0


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.split(" ")[1]) for line in lines if line.startswith(f"cara_gateway_{name} ")), 0.0)


def main(names: list[str]) -> int:
    """Measure, and print the table as it grows."""
    failed = 0
    wanted = [name for name in (*SOCKETS, *BODIES) if not names or any(one in name for one in names)]
    print(f"{'input':<48} {'REST p99':>9} {'WS p99':>9} {'errors':>6} {'stalls':>6}")
    with running() as port:
        alone = {door: p99(took) for door, took in measured(port).items()}
    print(f"{'nothing':<48} {alone['REST'] * 1000:6.1f} ms {alone['WebSocket'] * 1000:6.1f} ms")
    for name in wanted:
        with running() as port:
            took = measured(port, name)
            stalls = metric(port, "loop_stalls_total")
            waits = {door: p99(times) for door, times in took.items()}
            errors = sum(one < 0 for times in took.values() for one in times)
            is_bad = errors > 0 or any(wait > max(FACTOR * alone[door], LEAST_S) for door, wait in waits.items())
            failed += is_bad
            print(
                f"{name:<48} {waits['REST'] * 1000:6.1f} ms {waits['WebSocket'] * 1000:6.1f} ms {errors:6d}"
                f" {stalls:6.0f}{'   BAD' if is_bad else ''}",
                flush=True,
            )
    return 1 if failed else 0


def attack(port: int, name: str) -> None:
    if name in SOCKETS:
        says_hello, texts = SOCKETS[name]
        asyncio.run(flood(port, says_hello, texts(), SECONDS + 1.5))
    else:
        path, clients, body = BODIES[name]
        asyncio.run(upload(port, path, clients, body(), SECONDS + 1.5))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--good"]:
        print(json.dumps(asyncio.run(good(int(sys.argv[2]), SECONDS))))
    elif sys.argv[1:2] == ["--attack"]:
        attack(int(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(main(sys.argv[1:]))
