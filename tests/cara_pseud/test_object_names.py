"""Objects of a server by their names, with which another process of the same user goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cara_pseud.client import Client
from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.local import LocalCapability
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_greeted, until_state

PLAIN: dict[str, Any] = {"security_plugin": "plain", "passwords": {"ann": "nna"}}
ANN: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"nna"}


class Target:
    """An object that is told when nobody holds it any more."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return "here"

    def released(self) -> None:
        self.gone.set()


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def test_an_object_has_a_name_for_the_client_that_holds_it_and_for_no_other(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with (
            serving(**PLAIN) as server,
            connected(server.endpoint, **ANN) as first,
            connected(server.endpoint, **ANN) as second,
        ):
            server.register_rpc(lambda: LocalCapability(Target()), name="give")
            mine, theirs = await first.give(), await second.give()
            first_name, second_name = first.name_of(mine), second.name_of(theirs)
            assert first_name is not None
            assert second_name is not None
            assert first_name[0] == second_name[0]  # both are objects of one process
            assert first.name_of(theirs) is None
            assert first.name_of(LocalCapability(Target())) is None
            mine.release()
            assert first.name_of(mine) is None

    run(main())


def test_an_adopted_object_answers_and_is_freed_when_the_adopter_lets_go(serving: Any, connected: Any) -> None:
    async def main() -> None:
        target = Target()
        async with serving(**PLAIN) as server, connected(server.endpoint, **ANN) as client:
            server.register_rpc(lambda: LocalCapability(target), name="give")
            name = client.name_of(await client.give())
            assert name is not None
            assert client.is_used
            adopted = client.adopt(*name, 1)
            assert await adopted.call(0, 0) == "here"
            adopted.release()
            await target.gone.wait()

    run(main())


def test_an_object_of_another_process_is_not_found(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            await until_greeted(client)
            with pytest.raises(RpcError, match="ended with the process that had it") as caught:
                client.adopt(b"0" * 16, 1, 1)
            assert caught.value.code == "not_found"

    run(main())


def test_whether_the_server_has_an_object_is_not_known_before_it_answered_and_after_it_went(
    serving: Any, connected: Any
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            with pytest.raises(Unavailable, match="not known yet"):
                client.adopt(b"0" * 16, 1, 1)
            await until_greeted(client)
            await server.stop()
            await until_state(client, "down")
            with pytest.raises(Unavailable, match="not known yet"):
                client.adopt(b"0" * 16, 1, 1)

    run(main())


def test_a_client_is_used_while_a_call_is_under_way_or_an_object_is_held(serving: Any, connected: Any) -> None:
    async def main() -> None:
        let_go = asyncio.Event()
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(let_go.wait, name="wait")
            server.register_rpc(lambda: LocalCapability(Target()), name="give")
            await until_greeted(client)
            assert not client.is_used
            call = client.wait()
            assert client.is_used
            let_go.set()
            await call
            assert not client.is_used
            thing = await client.give()
            assert client.is_used
            del thing
            await asyncio.sleep(0)  # the loop has the answer's future until its next turn
            assert not client.is_used

    run(main())


def test_a_client_that_finds_another_process_says_that_it_connects_before_it_is_up_again(serving: Any) -> None:
    async def main() -> None:
        async with serving() as server, Client(b"server") as client:
            client.connect(server.endpoint)
            await until_greeted(client)
            states: list[str] = []
            client.on_state(states.append)
            endpoint = server.endpoint
            await server.stop()
            again = Server(b"server")
            again.bind(endpoint)
            async with again:
                await until_state(client, "down", "connecting")
                await until_greeted(client)
            assert states[0] == "connecting"
            assert states.count("up") == 1

    run(main())


def test_a_client_asks_nobody_but_its_server(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda: 1, name="one")
            assert await client.send_to(b"server").one() == 1
            with pytest.raises(Unavailable, match="connected to b'server', not to b'other'"):
                await client.send_to(b"other").one()

    run(main())
