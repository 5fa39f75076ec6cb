"""Peers in the loop of the optional extra."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

import cara_pseud

Methods: Any = cara_pseud.load(Path(__file__).parent / "schemas" / "calls.capnp").Methods


def test_peers_converse_in_a_uvloop(serving: Any, connected: Any) -> None:
    async def main() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with serving() as server, connected(server.endpoint) as client:

            class Service(Methods):  # type: ignore[misc]
                def add(self, first: int, second: int) -> int:
                    return first + second

                async def count(self, counter: Any) -> int:
                    return int(await counter.increment(5))

                async def nothing(self) -> None:
                    await asyncio.sleep(60)

            cara_pseud.register_interface(server, Service())
            methods = Methods(client)
            sums = await asyncio.gather(*[methods.add(number, 1) for number in range(500)])
            assert sums == list(range(1, 501))
            assert await methods.count({"increment": lambda by: by * 2}) == 10
            with pytest.raises(cara_pseud.DeadlineExceeded):
                await cara_pseud.with_options(methods, timeout=0.05).nothing()
            # The cancelled one is still being ended.
            while any(connection.running for connection in server.connections):
                await asyncio.sleep(0)
            waiting = methods.nothing()
            while not any(connection.running for connection in server.connections):
                await asyncio.sleep(0)
            await server.stop()
            with pytest.raises(cara_pseud.OutcomeUnknown):
                await waiting
            with pytest.raises(cara_pseud.Unavailable):
                await methods.add(1, 2)

    uvloop.run(asyncio.wait_for(main(), 20))
