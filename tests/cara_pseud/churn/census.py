"""``census.py CALLS`` makes so many calls and prints what the process has then that it had not before, as JSON.

A process of its own: in another one the interpreter might collect at any moment what has nothing to do with it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys

from cara_pseud.client import Client
from cara_pseud.server import Server


def census() -> dict[str, int]:
    gc.collect()
    found = {"futures": 0, "handles": 0, "all": 0}
    for thing in gc.get_objects():
        found["futures"] += isinstance(thing, asyncio.Future)
        found["handles"] += isinstance(thing, asyncio.Handle)
        found["all"] += 1
    return found


async def main() -> None:
    server = Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    client = Client(b"server")
    client.connect(server.endpoint)
    server.register_rpc(lambda first, second: first + second, name="add")
    async with server, client:

        async def calls(count: int) -> None:
            for _ in range(count // 50):
                await asyncio.gather(*[client.add(1, 2) for _ in range(50)])

        await calls(2_000)
        before = census()
        await calls(int(sys.argv[1]))
        grown = {name: count - before[name] for name, count in census().items()}
        for side in (client, server):
            grown["deadlines"] = grown.get("deadlines", 0) + len(side.deadlines)
            for connection in side.connections:
                kept = len(connection.pending) + len(connection.running) + len(connection.exports)
                grown["kept"] = grown.get("kept", 0) + kept
        scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        grown["timers"] = len([timer for timer in scheduled if not timer.cancelled()])
    print(json.dumps(grown))


asyncio.run(main())
