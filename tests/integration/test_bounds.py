"""What clients cannot make grow: memory behind a client that does not read, and what thousands of sessions leave."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

SCHEMA = Path(__file__).with_name("counting.capnp")
CONFIG = """
[services.counting]
schema = "{schema}"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
timeout = 20

[gateway.limits]
{limits}
"""
SESSIONS = int(os.environ.get("LEAK_SESSIONS", "2000"))
AT_ONCE = 50


def resident_bytes(process: Process) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def running(start: Start, limits: str = "") -> tuple[Process, Web]:
    _, endpoint = start.counting()
    return start.gateway(CONFIG.format(schema=SCHEMA, endpoint=endpoint, limits=limits))


@pytest.mark.parametrize("greeted", [True, False])
def test_a_flood_of_callbacks_to_a_client_that_does_not_read(
    start: Start, greeted: bool, eventually: Callable[..., None]
) -> None:
    process, web = running(start, "slow_client_s = 2.0")
    with web.socket(max_queue=1, max_size=None, compression=None) as socket, web.socket() as other:
        if greeted:
            socket.result("rpc.hello", {"protocol": 1})
        before = resident_bytes(process)
        flood = {"listener": {"$callback": "f"}, "calls": 600, "size": 100_000}
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "counting.flood", "params": flood})
        most = before
        while web.get("/metrics").text.count("cara_gateway_callbacks 0.0\n") == 0 or most == before:
            most = max(most, resident_bytes(process))
            assert "calls" in other.result("counting.count")
        # Services are refused before anybody is closed, so it is still to be noticed that nothing is read.
        eventually(lambda: "reads too slowly" in process.log.read_text(), 20)
        code, reason = socket.closed()
    assert code == 4003
    assert "bytes" in reason
    # 8 MiB of messages, twice where a message stands in a frame too, and what is on its way from the service.
    assert most - before < 64 * 2**20


def test_sessions_leave_nothing_behind(start: Start, eventually: Callable[..., None]) -> None:
    """Half of them close, half are dropped; one in two says hello."""
    process, web = running(start, "resume_window_s = 0.5")

    def metric(name: str) -> float:
        (line,) = [line for line in web.get("/metrics").text.splitlines() if line.startswith(f"cara_gateway_{name} ")]
        return float(line.split()[1])

    def is_quiet() -> bool:
        return not any(metric(name) for name in ("sessions", "streams", "sockets", "handles", "callbacks"))

    def objects_released() -> Any:
        return web.post("/api/counting/released").json["objects"]

    async def many(count: int) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await a_session(web.port, greeted=number % 2 == 0, closes=number % 4 < 2)

        await asyncio.gather(*(one(number) for number in range(count)))

    asyncio.run(many(SESSIONS // 2))
    eventually(is_quiet, 10)
    half_way = resident_bytes(process)
    asyncio.run(many(SESSIONS - SESSIONS // 2))
    eventually(is_quiet, 10)
    eventually(lambda: bool(objects_released() == SESSIONS), 10)
    assert resident_bytes(process) < half_way * 1.05


async def a_session(port: int, *, greeted: bool, closes: bool) -> None:
    """Connect, get an object, leave a call under way; by hand, since a library costs more than the gateway."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    if greeted:
        writer.write(frame({"id": 0, "method": "rpc.hello", "params": {"protocol": 1}}))
        await answer(reader)
    writer.write(frame({"id": 1, "method": "counting.object"}))
    assert "$handle" in (await answer(reader))["result"]["object"]
    writer.write(frame({"id": 2, "method": "counting.slow", "params": [5_000]}))
    if closes:
        writer.write(bytes((0x88, 0x82, 0, 0, 0, 0)) + (1000).to_bytes(2, "big"))
        await reader.read()
    writer.transport.abort()


def frame(message: Any) -> bytes:
    text = json.dumps({"jsonrpc": "2.0", **message}).encode()
    assert len(text) < 126
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


async def answer(reader: asyncio.StreamReader) -> Any:
    _, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return json.loads(await reader.readexactly(size))
