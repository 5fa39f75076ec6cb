"""A hundred thousand objects come and go, and one of four clients is killed: nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from cara_pseud.client import Client

SCRIPT = Path(__file__).parent / "churn" / "objects.py"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
CLIENTS = 4
OBJECTS = 25_600


def test_objects_that_are_used_and_released_leave_nothing_behind() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, str(SCRIPT)]

    def clients(count: int, objects: int) -> list[subprocess.Popen[bytes]]:
        arguments = [*command, "client", endpoint, str(objects)]
        return [subprocess.Popen(arguments, env=ENVIRONMENT) for _ in range(count)]

    async def main() -> None:
        async with Client(b"server", timeout=60) as watch:
            watch.connect(endpoint)
            await watch.tally()
            first = clients(CLIENTS, OBJECTS // 2)
            while (await watch.tally())[0] < OBJECTS // 4:
                await asyncio.sleep(0.05)
            killed = first.pop()
            killed.kill()
            assert killed.wait() == -signal.SIGKILL
            for client in first:
                assert await asyncio.to_thread(client.wait) == 0
            _, _, half_way = await watch.tally()
            second = clients(CLIENTS + 1, OBJECTS // 2)
            for client in second:
                assert await asyncio.to_thread(client.wait) == 0
            until = time.monotonic() + 10
            while (state := await watch.tally())[1] and time.monotonic() < until:
                await asyncio.sleep(0.05)
            made, held, at_the_end = state
            assert made > 100_000
            assert held == 0
            assert at_the_end < half_way * 1.05

    with subprocess.Popen([*command, "server", endpoint], env=ENVIRONMENT) as server:
        try:
            asyncio.run(main())
        finally:
            server.kill()
