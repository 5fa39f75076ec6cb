"""``objects.py server ENDPOINT`` gives objects away, ``objects.py client ENDPOINT COUNT`` uses them up."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from cara_pseud.client import Client
from cara_pseud.local import LocalCapability
from cara_pseud.server import Server

IN_FLIGHT = 64


class Thing:
    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return args[0] + 1

    def released(self) -> None:
        pass


def rss_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def serve(endpoint: str) -> None:
    server = Server(b"server")
    server.bind(endpoint)
    made = 0

    def make() -> LocalCapability:
        nonlocal made
        made += 1
        return LocalCapability(Thing())

    server.register_rpc(make)
    server.register_rpc(
        lambda: (made, sum(len(connection.exports) for connection in server.connections), rss_bytes()), name="tally"
    )
    async with server:
        await asyncio.Event().wait()


async def use_up(endpoint: str, count: int) -> None:
    client = Client(b"server", timeout=60)
    client.connect(endpoint)
    async with client:
        await client.tally()

        async def work(rounds: int) -> None:
            for _ in range(rounds):
                thing = await client.make()
                assert await thing.call(1, 0, (41,)) == 42
                thing.release()

        await asyncio.gather(*[work(count // IN_FLIGHT) for _ in range(IN_FLIGHT)])
        # The last releases are on their way before this answer is.
        await client.tally()


if __name__ == "__main__":
    if sys.argv[1] == "server":
        asyncio.run(serve(sys.argv[2]))
    else:
        asyncio.run(use_up(sys.argv[2], int(sys.argv[3])))
