"""Handlers that raise what is meant for the process: it ends their call, and the reader lives."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.cork import Cork
from cara_pseud.inbox import Inbox, Inboxes
from cara_pseud.local import LocalCapability

KINDS = [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, StopIteration, StopAsyncIteration]


class Raising:
    def __init__(self, kind: type[BaseException], when: str) -> None:
        self._kind = kind
        self._when = when

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        if self._when == "at once":
            raise self._kind("the end")
        return self._later()

    async def _later(self) -> None:
        # Some time, so that it is interrupted in the middle.
        await asyncio.sleep(0 if self._when == "soon" else 0.01)
        raise self._kind("the end")

    def released(self) -> None:
        pass


@pytest.mark.parametrize("when", ["at once", "soon", "later"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_its_call_at_a_server_and_in_a_callback(
    serving: Any, connected: Any, kind: type[BaseException], when: str
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client, connected(server.endpoint) as other:
            raising = Raising(kind, when)
            server.register_rpc(lambda: raising.invoke(1, 0, (), {}, None), name="end")
            server.register_rpc(lambda: LocalCapability(raising), name="give")
            server.register_rpc(lambda a, b: a + b, name="add")

            async def call_back(listener: Any) -> Any:
                return await listener.call(1, 0)

            server.register_rpc(call_back)
            thing = await client.give()
            for _ in range(3):
                for call in (client.end(), thing.call(1, 0), client.call_back(LocalCapability(raising))):
                    with pytest.raises((errors.RpcError, RuntimeError)):
                        await call
                assert await asyncio.gather(client.add(1, 2), other.add(3, 4)) == [3, 7]
            while any(connection.running for peer in (server, client) for connection in peer.connections):
                await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_object_that_raises_when_it_is_let_go_keeps_no_other_from_it(
    serving: Any, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    class Ending(Raising):
        def released(self) -> None:
            gone.append(self)
            raise kind("the end")

    gone: list[Ending] = []

    async def main() -> None:
        async with serving() as server:
            server.register_rpc(lambda: LocalCapability(Ending(kind, "at once")), name="give")
            async with Client(b"server") as client:
                client.connect(server.endpoint)
                kept = [await client.give() for _ in range(10)]
                kept.pop().release()
                while not gone:
                    await asyncio.sleep(0.001)
            while len(gone) < 10:
                await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(main(), 20))
    assert caplog.text.count("an object failed when it was let go") == 10


def test_an_interrupt_while_batches_are_worked_off_stops_the_rest_for_no_longer_than_the_loop() -> None:
    """As Ctrl-C in a notebook, whose loop goes on afterwards."""
    loop = asyncio.new_event_loop()
    handled: list[bytes] = []

    class Owner:
        inbox = Inbox()
        lost = False

    def handle(owner: Any, uid: bytes, kind: bytes, body: bytes) -> None:
        handled.append(uid)
        if uid == b"1":
            raise KeyboardInterrupt

    inboxes = Inboxes(handle, Counter(), lambda: None)
    inboxes.put(Owner(), [(uid, b"\x03", b"") for uid in (b"0", b"1", b"2", b"3")], Cork(), loop)
    with pytest.raises(KeyboardInterrupt):
        # Two stretches of the loop, as in a notebook, each for as long as something may come.
        loop.run_until_complete(asyncio.sleep(0.01))
    loop.run_until_complete(asyncio.sleep(0.01))  # the second one
    loop.close()
    assert handled == [b"0", b"1", b"2", b"3"]
    assert len(inboxes) == 0
