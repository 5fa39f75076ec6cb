"""References between peers: whose objects are whose, how long they live, where calls on them go; over real sockets."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from cara_pseud import errors, link
from cara_pseud.client import Client
from cara_pseud.local import LentCapability, LocalCapability
from tests.cara_pseud.waiting import until_greeted


class Recorder:
    """A target that keeps the calls it got and answers with a function of the arguments."""

    def __init__(self, answer: Any = lambda *args: args) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        self.gone = asyncio.Event()

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        self.calls.append((interface_id, method, tuple(args)))
        return self.answer(*args)

    def released(self) -> None:
        self.gone.set()


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def test_an_object_belongs_to_its_holder(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, security_plugin="plain", user_id=b"alice", password=b"_") as alice,
            connected(server.endpoint, security_plugin="plain", user_id=b"bob", password=b"_") as bob,
        ):
            target = Recorder()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            held = await alice.get()
            assert await held.call(1, 0, (5,)) == (5,)
            with pytest.raises(errors.RpcError, match="no such object") as caught:
                await bob.call(held.id, 1, 0, (5,), {})
            assert caught.value.code == "not_found"
            assert len(target.calls) == 1

    run(main())


@pytest.mark.parametrize("plugin", ["plain", "trusted_peer"])
def test_only_a_verified_user_shares_objects_between_connections(serving: Any, connected: Any, plugin: str) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"alice", "password": b"_"}
        async with (
            serving(security_plugin=plugin, passwords={"alice": "_"}) as server,
            connected(server.endpoint, **login) as first,
            connected(server.endpoint, **login) as second,
        ):
            server.register_rpc(lambda: LocalCapability(Recorder()), name="get")
            held = await first.get()
            if plugin == "plain":
                assert await second.call(held.id, 1, 0, (5,), {}) == (5,)
            else:
                with pytest.raises(errors.RpcError, match="no such object"):
                    await second.call(held.id, 1, 0, (5,), {})

    run(main())


def test_a_callback_goes_to_its_process_over_the_newest_connection(serving: Any, connected: Any) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"alice", "password": b"_"}
        async with serving(security_plugin="plain", passwords={"alice": "_"}) as server:
            kept: list[Any] = []
            server.register_rpc(kept.append, name="put")
            server.register_rpc(lambda: "pong", name="ping")
            target = Recorder()
            async with connected(server.endpoint, **login) as client, connected(server.endpoint, **login) as other:
                await client.put(LocalCapability(target))
                await other.ping()
                old = next(connection for connection in server.connections if connection is kept[0].connection)
                client.disconnect(server.endpoint)
                while not old.lost:
                    await asyncio.sleep(0.001)
                assert not kept[0].alive
                with pytest.raises(errors.Unavailable):
                    await kept[0].call(1, 0, (1,))
                client.connect(server.endpoint)
                await client.ping()
                assert kept[0].alive
                assert await kept[0].call(1, 0, (1,)) == (1,)
            while server.connections:
                await asyncio.sleep(0.001)
            # Another process of the same user does not have it.
            async with connected(server.endpoint, **login) as client:
                await client.ping()
                assert not kept[0].alive

    run(main())


def test_what_a_server_held_for_us_ends_when_it_was_away_for_too_long(
    serving: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        login: dict[str, Any] = {"security_plugin": "plain", "user_id": b"alice", "password": b"_"}
        async with (
            serving(security_plugin="plain", passwords={"alice": "_"}) as server,
            connected(server.endpoint, **login) as client,
        ):
            target, told, ended = Recorder(), [], asyncio.Event()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            held = await client.get()
            client.on_state(lambda state: (told.append(state), held.alive or ended.set()))
            with monkeypatch.context() as short:
                short.setattr(link, "HOLDER_GRACE_S", 0.4)
                client.disconnect(server.endpoint)
            await ended.wait()
            assert told[-2:] == ["down", "down"]
            with pytest.raises(errors.RpcError, match="ended with the connection"):
                await held.call(1, 0, (1,))
            # It is the same process, which keeps it for longer: so it is given back.
            assert not target.gone.is_set()
            client.connect(server.endpoint)
            await target.gone.wait()

    run(main())


def test_a_forged_user_in_a_passed_object_is_refused(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(security_plugin="trusted_peer") as server,
            connected(server.endpoint, security_plugin="plain", user_id=b"alice", password=b"_") as alice,
        ):
            server.register_rpc(lambda value: "taken", name="take")
            alice.user_id = b"bob"
            with pytest.raises(errors.RpcError) as caught:
                await alice.take(LocalCapability(Recorder()))
            assert caught.value.code == "permission_denied"

    run(main())


def test_released_objects_leave_the_table_and_tell_the_target(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            target = Recorder()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            first, second = await client.get(), await client.get()
            assert first is second
            (connection,) = server.connections
            assert len(connection.exports) == 1
            await until_greeted(client)
            first.release()
            await target.gone.wait()
            assert len(connection.exports) == 0
            with pytest.raises(errors.RpcError, match="no such object"):
                await client.call(first.id, 1, 0, (), {})

    run(main())


def test_what_is_released_at_once_is_freed(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            target = Recorder()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            (await client.get()).release()
            await target.gone.wait()

    run(main())


def test_an_object_in_an_answer_that_nobody_waits_for_is_released(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            target, given = Recorder(), asyncio.Event()

            async def give() -> LocalCapability:
                try:
                    await given.wait()
                except asyncio.CancelledError:
                    await given.wait()  # it does not let itself be stopped
                return LocalCapability(target)

            server.register_rpc(give)
            server.register_rpc(lambda: None, name="ping")
            call = client.give()
            await client.ping()
            call.cancel()
            await client.ping()
            given.set()
            await target.gone.wait()
            assert len(server.connections[0].exports) == 0

    run(main())


def test_a_forgotten_reference_is_released_by_the_collector(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            target = Recorder()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            held = await client.get()
            await until_greeted(client)
            del held
            await target.gone.wait()

    run(main())


def test_objects_of_a_vanished_client_are_freed(serving: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            target = Recorder()
            server.register_rpc(lambda: LocalCapability(target), name="get")
            client = Client(b"server")
            client.connect(server.endpoint)
            await client.start()
            await client.get()
            await client.stop()
            await target.gone.wait()
            assert server.connections == []

    run(main())


def test_objects_in_a_call_that_was_never_sent_are_taken_back() -> None:
    async def main() -> None:
        async with Client(b"server", connect_grace=0.01) as client:
            client.connect("tcp://127.0.0.1:1")
            target = Recorder()
            with pytest.raises(errors.Unavailable):
                await client.put(LocalCapability(target))
            await target.gone.wait()
            assert len(client.connections[0].exports) == 0

    run(main())


def test_own_objects_come_home_unwrapped(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            own = LocalCapability(Recorder())
            server.register_rpc(lambda: own, name="get")
            server.register_rpc(lambda value: value is own, name="is_own")
            server.register_rpc(lambda value: value, name="echo")
            assert await client.is_own(await client.get()) is True
            mine = LocalCapability(Recorder())
            assert await client.echo(mine) is mine

    run(main())


def test_three_parties_can_share_an_object(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as alice, connected(server.endpoint) as bob:
            kept: list[Any] = []
            server.register_rpc(kept.append, name="put")
            server.register_rpc(lambda: kept[0], name="take")
            target = Recorder(lambda number: number + 1000)
            await alice.put(LocalCapability(target))
            borrowed = await bob.take()
            assert await borrowed.call(9, 2, (1,)) == 1001
            assert target.calls == [(9, 2, (1,))]

    run(main())


class Guard(Recorder):
    """The lender of an object: it answers in its place."""

    def __init__(self) -> None:
        super().__init__(lambda *args: "guarded")
        self.lendings = 0

    def lent(self) -> None:
        self.lendings += 1


def test_a_lent_object_is_itself_at_home_and_its_lender_s_affair_elsewhere(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving() as home, serving() as elsewhere,
            connected(home.endpoint) as at_home, connected(elsewhere.endpoint) as client,
        ):  # fmt: skip
            target, came_home, kept, guard = LocalCapability(Recorder()), [], [], Guard()
            home.register_rpc(lambda: target, name="get")
            home.register_rpc(came_home.append, name="put")
            elsewhere.register_rpc(kept.extend, name="put")
            elsewhere.register_rpc(kept.clear, name="drop")
            lent = LentCapability(await at_home.get(), guard, "lent")
            await at_home.put(lent)
            assert came_home == [target]
            assert guard.lendings == 0
            await client.put([lent, lent])  # one object, as often as it is passed
            await client.put([lent])
            assert guard.lendings == 1
            assert await kept[0].call(1, 0, (5,)) == "guarded"
            assert guard.calls == [(1, 0, (5,))]
            assert target.target.calls == []
            await client.drop()
            await guard.gone.wait()

    run(main())


def test_more_references_than_one_message_may_name_are_given_back(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving(max_values=50_000) as server, connected(server.endpoint) as client:
            targets = [Recorder() for _ in range(25_000)]
            server.register_rpc(lambda at: [LocalCapability(target) for target in targets[at : at + 5000]], name="get")
            held = [await client.get(at) for at in range(0, 25_000, 5000)]
            assert all(map(len, held))
            held.clear()
            gc.collect()
            for target in targets:
                await target.gone.wait()
            [connection] = server.connections
            assert len(connection.exports) == 0

    run(main())
