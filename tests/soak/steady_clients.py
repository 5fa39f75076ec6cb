"""Clients that behave: calls at an even pace over WebSockets that stay open, each of which must succeed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, Final

from tests.attacks.wire import HELLO, Connection, Target, dumped, frame

SOCKETS: Final = 4
TICK_S: Final = 0.01
IN_FLIGHT: Final = 32
"""Of each socket, while it is measured how much there can be."""
MOST_IN_FLIGHT: Final = 128
"""Of each socket at the pace. More are left out, or one bad second of the machine would be followed by many."""
CONFIRM_EVERY: Final = 64


class SteadyClient:
    """One WebSocket. ``took_s`` has how long calls took since somebody last cleared it."""

    def __init__(self, connection: Connection, failures: Counter[str]) -> None:
        self._connection = connection
        self._failures = failures
        self._begun: dict[int, float] = {}
        self._last_id = self._received = self._confirmed = 0
        self._refill_until = 0.0
        self.took_s: list[float] = []
        self.calls = 0
        self._reading = asyncio.ensure_future(self._read())

    @property
    def room(self) -> int:
        """How many more calls may be under way."""
        return MOST_IN_FLIGHT - len(self._begun)

    def begin(self, count: int) -> None:
        """Make so many calls, in one piece."""
        now = asyncio.get_running_loop().time()
        data = bytearray()
        for _ in range(count):
            self._last_id += 1
            self._begun[self._last_id] = now
            data += frame(b'{"jsonrpc":"2.0","id":%d,"method":"steady.sum"}' % self._last_id)
        if self._received - self._confirmed >= CONFIRM_EVERY:
            self._confirmed = self._received
            ack = {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": self._received}}
            data += frame(dumped(ack))
        self._connection.writer.write(data)

    def as_many_as_possible(self, seconds: float) -> None:
        """From now on make a call for each that is answered."""
        self._refill_until = asyncio.get_running_loop().time() + seconds
        self.begin(IN_FLIGHT)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                answer: Any = await self._connection.received()
            except (OSError, EOFError) as error:
                self._failures[f"the socket ended: {error}"] += 1
                return
            if "id" not in answer:
                continue
            self._received += 1
            now = loop.time()
            self.took_s.append(now - self._begun.pop(answer["id"]))
            self.calls += 1
            if "error" in answer:
                self._failures[json.dumps(answer["error"])[:200]] += 1
            if now < self._refill_until:
                self.begin(1)

    async def end(self) -> None:
        """Wait for what is under way, and close."""
        async with asyncio.timeout(10):
            while self._begun and not self._reading.done():
                await asyncio.sleep(TICK_S)
        self._reading.cancel()
        await self._connection.message(b"")
        self._connection.close()


async def connected(target: Target, failures: Counter[str]) -> SteadyClient:
    """A client that has said hello."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", target.port, limit=2**22))
    await connection.send(target.upgrade())
    await connection.head()
    await connection.calls(HELLO)
    await connection.received()
    return SteadyClient(connection, failures)


class SteadyClients:
    """Several of them."""

    def __init__(self, clients: list[SteadyClient]) -> None:
        self._clients = clients
        self.left_out = 0

    async def most_per_s(self, seconds: float) -> float:
        """How many calls a second there can be, one client's next as soon as one is answered."""
        before = sum(client.calls for client in self._clients)
        for client in self._clients:
            client.as_many_as_possible(seconds)
        await asyncio.sleep(seconds)
        most = (sum(client.calls for client in self._clients) - before) / seconds
        await asyncio.sleep(1)  # until what is under way is answered, so that the pace begins with none
        self.taken()
        return most

    async def pace(self, per_s: float) -> None:
        """Make so many calls a second, until it is cancelled."""
        loop = asyncio.get_running_loop()
        began, made, turn = loop.time(), 0, 0
        while True:
            await asyncio.sleep(TICK_S)
            due = int((loop.time() - began) * per_s) - made
            made += due
            turn += 1
            share, rest = divmod(due, len(self._clients))
            for number, client in enumerate(self._clients):
                wanted = share + ((number + turn) % len(self._clients) < rest)
                count = min(wanted, client.room)
                self.left_out += wanted - max(count, 0)
                if count > 0:
                    client.begin(count)

    def taken(self) -> list[float]:
        """How long the calls took that were answered since this was last asked."""
        took: list[float] = []
        for client in self._clients:
            took += client.took_s
            client.took_s = []
        return took

    async def end(self) -> None:
        """Close all of them."""
        for client in self._clients:
            await client.end()


async def steady_clients(target: Target, failures: Counter[str]) -> SteadyClients:
    """Connect them."""
    return SteadyClients([await connected(target, failures) for _ in range(SOCKETS)])
