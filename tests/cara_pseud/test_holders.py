"""What processes of one user hold, and when it is freed: each for itself, but within one bound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.connection import Connection
from cara_pseud.exports import HolderExports
from cara_pseud.holders import Holders
from cara_pseud.local import LocalCapability
from cara_pseud.server import Server
from tests.cara_pseud.hostile import zmtp
from tests.cara_pseud.lone_host import Host, Thing
from tests.clock import MovedClock

PLAIN: dict[str, Any] = {"security_plugin": "plain", "passwords": {"ann": "nna", "eve": "eve"}}
ANN: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"nna"}
EVE: dict[str, Any] = {"security_plugin": "plain", "user_id": b"eve", "password": b"eve"}


class Target:
    def __init__(self, gone: list[Any]) -> None:
        self._gone = gone

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return "here"

    def released(self) -> None:
        self._gone.append(self)


def take_and_die(endpoint: str, number: int, incarnation: bytes) -> None:
    """Be another process of ann that takes objects and is killed."""
    raw = zmtp.connect(endpoint, (b"ann", b"nna"))
    raw.greet(incarnation=incarnation)
    for _ in range(number):
        assert raw.call("give").code == 100
    raw.reset()


async def dead(server: Server, connections: int) -> None:
    while len(server.connections) > connections:
        await asyncio.sleep(0.005)


def test_what_a_killed_process_held_is_freed_while_another_one_of_its_user_goes_on(
    serving: Any, connected: Any
) -> None:
    async def main() -> None:
        gone: list[Any] = []
        async with serving(**PLAIN) as server, connected(server.endpoint, timeout=500, **ANN) as other:
            server.register_rpc(lambda: LocalCapability(Target(gone)), name="give")
            mine = await other.give()
            await asyncio.to_thread(take_and_die, server.endpoint, 500, b"a" * 16)
            await dead(server, 1)
            clock = MovedClock()
            for _ in range(11):
                await clock.advance(5)
                assert await mine.call(1, 0) == "here"
            assert gone == []
            await clock.advance(6)
            assert len(gone) == 500
            assert await mine.call(1, 0) == "here"

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_the_bound_is_for_all_processes_of_a_user_those_in_grace_too(serving: Any, connected: Any) -> None:
    async def main() -> None:
        gone: list[Any] = []
        async with (
            serving(max_exports=100, **PLAIN) as server,
            connected(server.endpoint, timeout=500, **ANN) as other,
            connected(server.endpoint, timeout=500, **EVE) as eve,
        ):
            server.register_rpc(lambda: LocalCapability(Target(gone)), name="give")
            kept = [await other.give()]
            await asyncio.to_thread(take_and_die, server.endpoint, 40, b"a" * 16)
            await asyncio.to_thread(take_and_die, server.endpoint, 20, b"b" * 16)
            await dead(server, 2)
            kept += [await other.give() for _ in range(39)]
            with pytest.raises(errors.RpcError, match="100 objects are held"):
                await other.give()
            kept += await asyncio.gather(*[eve.give() for _ in range(100)])
            clock = MovedClock()
            await clock.advance(61)
            assert len(gone) == 60
            kept += [await other.give() for _ in range(60)]
            with pytest.raises(errors.RpcError, match="100 objects are held"):
                await other.give()

    asyncio.run(main())  # without a bound: its clock is moved, too


@pytest.mark.parametrize("security", ["plain", "noop_auth_backend"])
def test_a_client_knows_that_a_restarted_server_knows_nothing(security: str) -> None:
    async def main() -> None:
        server_has, login = (PLAIN, ANN) if security == "plain" else ({}, {})
        gone: list[Any] = []
        kept: list[Any] = []

        def serve(endpoint: str) -> Server:
            server = Server(b"server", **server_has)
            server.bind(endpoint)
            server.register_rpc(lambda: LocalCapability(Target([])), name="give")
            server.register_rpc(kept.append, name="keep")
            return server

        first = serve("tcp://127.0.0.1:*")
        endpoint = first.endpoint
        client = Client(b"server", connect_grace=10, **login)
        client.connect(endpoint)
        told: list[tuple[str, int, bool]] = []
        is_up_again = asyncio.Event()
        async with client:
            async with first:
                held = await client.give()
                for _ in range(3):
                    await client.keep(LocalCapability(Target(gone)))
                assert await held.call(1, 0) == "here"
                client.on_state(lambda state: told.append((state, len(gone), held.alive)))
                client.on_state(lambda state: is_up_again.set() if state == "up" else None)
            async with serve(endpoint):
                # Its state may still be "up" when the first server has ended.
                await is_up_again.wait()
                assert told[-1] == ("up", 3, False)
                assert len(client.connections[0].exports) == 0
                with pytest.raises(errors.RpcError) as caught:
                    await held.call(1, 0)
                assert caught.value.code == "not_found"
                assert await (await client.give()).call(1, 0) == "here"

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_client_that_meets_the_same_server_again_keeps_what_it_has(serving: Any) -> None:
    async def main() -> None:
        gone: list[Any] = []
        kept: list[Any] = []
        async with serving(**PLAIN) as server, Client(b"server", **ANN) as client:
            server.register_rpc(lambda: LocalCapability(Target([])), name="give")
            server.register_rpc(kept.append, name="keep")
            client.connect(server.endpoint)
            held = await client.give()
            await client.keep(LocalCapability(Target(gone)))
            for _ in range(3):
                client.disconnect(server.endpoint)
                await dead(server, 0)
                client.connect(server.endpoint)
                assert await held.call(1, 0) == "here"
                assert await kept[0].call(1, 0) == "here"
            assert gone == []

    asyncio.run(asyncio.wait_for(main(), 20))


class Play:
    """Holders of at most two objects a user, and connections to be theirs; made in a running loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        ids = iter(range(1, 1000))
        self.holders = Holders(lambda quota: HolderExports(lambda: next(ids), quota), 2)

    def join(self, user: bytes, incarnation: bytes) -> Connection:
        connection = Host().connection
        self.holders.join(connection, (user, incarnation))
        return connection

    def leave(self, connection: Connection) -> None:
        connection.lost = True
        self.holders.leave(connection, self.loop)


def test_who_comes_back_within_a_minute_has_everything_and_another_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        play, clock, thing = Play(), MovedClock(), LocalCapability(Thing())
        first = play.join(b"ann", b"1")
        first.exports.add(thing)
        for _ in range(3):
            play.leave(first)
            await clock.advance(59)
            first = play.join(b"ann", b"1")
            assert len(first.exports) == 1
        play.leave(first)
        await clock.advance(61)
        assert (thing.target.let_go, len(first.exports)) == (1, 0)
        assert len(play.holders._quotas) == 0

    asyncio.run(main())  # without a bound: its clock is moved, too
    assert caplog.text == ""


def test_the_bound_of_a_user_outlives_those_of_its_processes_that_go() -> None:
    async def main() -> None:
        play, clock = Play(), MovedClock()
        stays, goes = play.join(b"ann", b"1"), play.join(b"ann", b"2")
        for _ in range(2):
            stays.exports.add(LocalCapability(Thing()))
        play.leave(goes)
        await clock.advance(61)
        with pytest.raises(errors.ResourceExhausted, match="2 objects are held already"):
            play.join(b"ann", b"3").exports.add(LocalCapability(Thing()))

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_once_cleared_nothing_is_held_or_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        play, clock, thing = Play(), MovedClock(), LocalCapability(Thing())
        connection = play.join(b"ann", b"1")
        connection.exports.add(thing)
        play.leave(connection)
        play.holders.clear()
        assert thing.target.let_go == 1
        await clock.advance(61)

    asyncio.run(main())  # without a bound: its clock is moved, too
    assert caplog.text == ""
