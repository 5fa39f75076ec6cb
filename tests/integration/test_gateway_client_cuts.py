"""Over a network that breaks all the time: every call runs once, every answer and every callback comes once.

`make test` makes fewer calls; GATEWAY_CUTS_CALLS=2000 makes them all. As in tests/js/cuts.test.js there is a cut for
each 40 calls, in the middle of whatever is sent.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import cara_pseud
from tests.integration.conftest import HERE, Start

CALLS = int(os.environ.get("GATEWAY_CUTS_CALLS", "400"))
CUTS = CALLS // 40
IN_FLIGHT = 64
# A connection lives for so many bytes of one of its directions, on average.
BYTES_BETWEEN_CUTS = 5_000
# More than hello takes: the first connection is let through that.
FIRST_BYTES = 6_000


class BreakingProxy:
    """A TCP proxy that cuts each connection after so many bytes in one direction.

    Attributes:
        cuts: how many it has cut.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.cuts = 0
        self._port = port
        self._random = random.Random(seed)
        self._first = FIRST_BYTES

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._port)
        breaks = self._random.random() < 0.5
        left = int(self._random.random() * 2 * BYTES_BETWEEN_CUTS) + self._first
        self._first = 0
        ways = [
            asyncio.create_task(self._pass(reader, other_writer, left if breaks else None)),
            asyncio.create_task(self._pass(other_reader, writer, None if breaks else left)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for each in (writer, other_writer):
            each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
        try:
            while data := await reader.read(65536):
                if left is not None and len(data) > left:
                    # What was sent before the cut arrives, also half a frame.
                    writer.write(data[:left])
                    await writer.drain()
                    self.cuts += 1
                    return
                left = None if left is None else left - len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # one end is gone, and soon the other


@asynccontextmanager
async def breaking(port: int) -> AsyncIterator[tuple[BreakingProxy, str]]:
    proxy = BreakingProxy(port, seed=1)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    async with server:
        yield proxy, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_every_call_over_many_cuts_is_executed_and_answered_exactly_once(start: Start) -> None:
    _, endpoint = start.counting()
    schema: Any = cara_pseud.load(HERE / "counting.capnp")
    _, web = start.gateway(f"""
    [services.counting]
    schema = "{HERE}/counting.capnp"
    interface = "Counting"
    endpoint = "{endpoint}"
    peer = "counting"
    """)

    async def main() -> None:
        async with breaking(web.port) as (proxy, url), cara_pseud.gateway.connect(url) as gateway:
            resumed: list[bool] = []
            gateway.on("state", lambda change: change.state.value == "open" and resumed.append(change.resumed))
            service = gateway.service("counting", schema.Counting)
            heard: list[int] = []
            answers: list[int] = []
            await service.listen(heard.append)
            made = 0

            async def work() -> None:
                nonlocal made
                # How much travels in one frame, and so how many bytes there are to cut, depends on the machine.
                while made < CALLS or proxy.cuts < CUTS:
                    made += 1
                    answers.append(await service.add(made))

            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(work())
            # The last callbacks may still be on their way.
            while (counted := await service.sum()).heard < made:
                await asyncio.sleep(0.01)
            assert dict(counted) == {"calls": made, "sum": made * (made + 1) // 2, "heard": made, "objects": 1}
            assert sorted(answers) == sorted(heard) == list(range(1, made + 1))
            assert resumed
            assert all(resumed)

    async def within() -> None:
        async with asyncio.timeout(60 + CALLS / 10):
            await main()

    asyncio.run(within())
