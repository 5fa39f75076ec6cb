"""A program with a loop and signals of its own, as those of web frameworks: each request is a task of theirs."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import cara_pseud

endpoint, url, path = sys.argv[1:]
schema: Any = cara_pseud.load(path)


async def use(counting: Any) -> None:
    told: list[str] = []

    async def listener(text: str) -> None:
        await asyncio.sleep(0)
        told.append(text)

    async with asyncio.TaskGroup() as group:
        made = group.create_task(counting.object())
        flooded = group.create_task(counting.flood(listener, 3, 2))
    assert (flooded.result(), told) == (0, ["xx"] * 3)
    request = asyncio.ensure_future(counting.slow(60_000))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, request.cancel)
    print("waiting", flush=True)
    try:
        await request
    except asyncio.CancelledError:
        print("interrupted", flush=True)
    assert await made.result().name() == "object"
    assert await asyncio.wait_for(counting.flood(listener, 1, 1), 10) == 0


async def main() -> None:
    async with cara_pseud.Client("counting", timeout=30) as client:
        client.connect(endpoint)
        await use(schema.Counting(client))
    async with cara_pseud.gateway.connect(url) as gateway:
        await use(gateway.service("counting", schema.Counting))


asyncio.run(main())
print("done")
