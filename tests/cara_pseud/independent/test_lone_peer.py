"""A peer written from docs/wire.md alone and the library's own understand each other, whichever side each is on."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

import cara_pseud
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import UP, Client
from cara_pseud.server import Server
from tests.cara_pseud.independent.lone_peer import BATCH, Failure, Line, LoneClient, LoneServer, Own, Theirs

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "wire.md").read_text("utf-8")
COUNTER = 0xD2B4F6A8C0E21435
ROOM = 0xC1A3B5D7F9E80213
TIMEOUT_S = 20


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    [text] = re.findall(r"```capnp\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "room.capnp"
    path.write_text(text)
    return cara_pseud.load(str(path))


def run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await play()

    asyncio.run(limited())


async def until(holds: Callable[[], Any]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


class Told:
    """What the handlers of a room saw."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.call: Any = None

    async def wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def library_counter(schema: Any, told: Told) -> Any:
    class Tally(schema.Counter):  # type: ignore[misc]
        total = 0

        def add(self, by: int) -> int:
            self.total += by
            return self.total

        def __released__(self) -> None:
            told.released.set()

    return Tally()


def library_room(schema: Any, told: Told) -> Any:
    class MyRoom(schema.Room):  # type: ignore[misc]
        def greet(self, person: Any) -> str:
            told.call = cara_pseud.current_call()
            if person.name == "nobody":
                raise cara_pseud.RpcError("not_found", "who?", {"asked": 1})
            return f"hello {person.name} of {person.address.city}, {person.nick}, {person.contact.email}"

        def divide(self, dividend: int, divisor: int) -> tuple[int, int]:
            return divmod(dividend, divisor)

        def rename(self, person: Any) -> Any:
            return person

        def counter(self) -> Any:
            return library_counter(schema, told)

        async def count(self, counter: Any, by: int) -> int:
            await counter.add(by)
            total: int = await counter.add(by)
            return total

        async def wait(self) -> None:
            await told.wait()

    return MyRoom()


def own_counter() -> Own:
    total = 0

    def add(by: int) -> int:
        nonlocal total
        total += by
        return total

    return Own({(COUNTER, 0): add, (COUNTER, "add"): add})


def own_room(line: Line, told: Told, counters: list[Own]) -> dict[str, Any]:
    def counter() -> Own:
        counters.append(own_counter())
        return counters[-1]

    async def count(counter: Theirs | Own, by: int) -> Any:
        if isinstance(counter, Own):
            # It came home.
            return counter.methods[COUNTER, 0](by)
        await counter.call(COUNTER, 0, by)
        total = await counter.call(COUNTER, "add", by)
        counter.release()
        return total

    def divide(dividend: int, divisor: int) -> dict[str, int]:
        return dict(zip(("quotient", "remainder"), divmod(dividend, divisor), strict=True))

    return {
        "greet": lambda person: f"hello {person[0]} of {person.get(1, {}).get(1)}",
        "divide": divide,
        "rename": lambda person: person,
        "counter": counter,
        "count": count,
        "wait": told.wait,
    }


async def all_that_a_client_does(line: Line, told: Told) -> None:
    await line.greet()
    assert line.version == 2
    assert line.their_incarnation is not None
    assert len(line.their_incarnation) == 16

    before = len(line.sent), len(line.received)
    divided, greeted, given = (
        line.call("divide", dividend=17, divisor=5),
        line.call("greet", {0: "Ann", 4: "A", 1: {1: "Bonn"}, 3: {1: "a@b"}}),
        line.call("counter"),
    )
    assert await divided == {"quotient": 3, "remainder": 2}
    assert (await greeted).startswith("hello Ann of Bonn")
    counter = await given
    assert (line.sent[before[0] :], line.received[before[1] :]) == ([BATCH], [BATCH])

    assert await counter.call(COUNTER, 0, 2) == 2
    assert await counter.call(COUNTER, "add", 3) == 5
    assert await line.call("count", counter, 1) in (6, 7)
    assert await line.call("rename", {0: "Ann"}) == {0: "Ann"}

    own = own_counter()
    assert await line.call("count", own, 10) == 20
    await own.released.wait()
    assert not line.own

    counter.release()
    await told.released.wait()
    with pytest.raises(Failure, match="object") as gone:
        await counter.call(COUNTER, 0, 1)
    assert gone.value.code == "not_found"
    with pytest.raises(Failure) as unknown:
        await line.call("nosuch")
    assert unknown.value.code == "unimplemented"

    waiting = line.call_with({"deadline_ms": 60_000}, "wait")
    await told.waiting.wait()
    waiting.cancel()
    await told.cancelled.wait()
    line.beat()
    assert await line.call("divide", 7, 2) == {"quotient": 3, "remainder": 1}


@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.DEALER])
def test_a_lone_client_and_a_server_of_the_library(schema: Any, serving: Any, kind: int) -> None:
    async def play() -> None:
        told = Told()
        async with serving() as server:
            cara_pseud.register_interface(server, library_room(schema, told))
            async with LoneClient(server.endpoint, kind) as line:
                await all_that_a_client_does(line, told)
                with pytest.raises(Failure) as failed:
                    await line.call("greet", {0: "nobody"})
                assert (failed.value.code, failed.value.details) == ("not_found", {"asked": 1})
                metadata = {"deadline_ms": 5000, "request_id": "r1", "principal": "eve", "new": 1}
                await line.call_with(metadata, "greet", {0: "Ann"})
                assert (told.call.request_id, told.call.principal) == ("r1", None)
                assert told.call.deadline is not None
                big = await line.call("greet", {0: 100_000 * "x"})
                assert len(big) > 100_000
                assert await asyncio.gather(*[line.call("divide", n, 1) for n in range(600)]) == [
                    {"quotient": n, "remainder": 0} for n in range(600)
                ]
            assert not server.dropped

    run(play)


def test_a_client_of_the_library_and_a_lone_server(schema: Any, connected: Any) -> None:
    async def play() -> None:
        told, counters = Told(), []  # type: ignore[var-annotated]
        async with (
            LoneServer(b"server", lambda line: own_room(line, told, counters)) as server,
            connected(server.endpoint) as client,
        ):
            room = schema.Room(client)
            divided, greeted, given = room.divide(17, 5), room.greet({"name": "Ann", "address": {"city": "B"}}), (
                room.counter()
            )  # fmt: skip
            assert dict(await divided) == {"quotient": 3, "remainder": 2}
            assert await greeted == "hello Ann of B"
            counter = await given
            assert client.state == UP
            [line] = server.lines.values()
            assert line.version == 2
            assert BATCH in line.received
            assert await counter.add(2) == 2
            assert await room.count(counter, 3) == 5
            assert await room.count(library_counter(schema, told), 10) == 20
            await told.released.wait()
            assert await room.rename(name="Ann") == {"name": "Ann"}
            del given
            cara_pseud.release(counter)
            await counters[0].released.wait()
            waiting = client.request("wait", options=CallOptions(timeout=60.0))
            await told.waiting.wait()
            assert line.metadata[-1] == {"deadline_ms": 60_000}
            waiting.cancel()
            await told.cancelled.wait()
            with pytest.raises(cara_pseud.RpcError) as unknown:
                await client.request("nosuch")
            assert unknown.value.code == "unimplemented"
            # That of the cancelled one, which nobody waits for.
            assert client.dropped == {"answer to no call": 1}

    run(play)
    gc.collect()


def test_two_lone_peers() -> None:
    async def play() -> None:
        told, counters = Told(), []  # type: ignore[var-annotated]
        async with LoneServer(b"server", lambda line: own_room(line, told, counters)) as server:

            async def tell() -> None:
                await until(lambda: counters)
                await counters[0].released.wait()
                told.released.set()

            teller = asyncio.create_task(tell())
            async with LoneClient(server.endpoint) as line:
                await all_that_a_client_does(line, told)
            await teller

    run(play)


def test_a_verified_user_finds_its_objects_after_a_loss(schema: Any, serving: Any) -> None:
    async def play() -> None:
        told = Told()
        async with serving(security_plugin="plain", passwords={"ann": "secret", "bob": "secret"}) as server:
            cara_pseud.register_interface(server, library_room(schema, told))
            login = {"plain_username": b"ann", "plain_password": b"secret"}
            async with LoneClient(server.endpoint, user="ann", **login) as line:
                await line.greet()
                counter = await line.call("counter")
                assert await counter.call(COUNTER, 0, 2) == 2
                assert await line.call("count", own_counter(), 1) == 2
            async with LoneClient(server.endpoint, user="ann", incarnation=line.incarnation, **login) as again:
                await again.greet()
                assert await Theirs(again, counter.id).call(COUNTER, 0, 1) == 3
                again._user = "bob"
                with pytest.raises(Failure) as refused:
                    await again.call("count", own_counter(), 1)
                assert refused.value.code == "permission_denied"
            other = {"plain_username": b"bob", "plain_password": b"secret"}
            async with LoneClient(server.endpoint, user="bob", **other) as bob:
                await bob.greet()
                with pytest.raises(Failure) as hidden:
                    await Theirs(bob, counter.id).call(COUNTER, 0, 1)
                assert hidden.value.code == "not_found"

    run(play)


def test_an_object_in_an_answer_that_came_too_late_is_given_back(schema: Any, serving: Any) -> None:
    async def play() -> None:
        told = Told()
        async with serving() as server:
            cara_pseud.register_interface(server, library_room(schema, told))
            async with LoneClient(server.endpoint) as line:
                await line.greet()
                # Given up without a word to the server.
                line.call("counter")
                line._waiting.clear()
                await told.released.wait()

    run(play)


def test_a_lone_client_logs_in_by_messages(schema: Any, serving: Any) -> None:
    async def play() -> None:
        public, secret = zmq.curve_keypair()
        mine = zmq.curve_keypair()
        async with serving(
            security_plugin="untrusted_curve", public_key=public, secret_key=secret, passwords={"ann": "secret"}
        ) as server:
            told = Told()
            cara_pseud.register_interface(server, library_room(schema, told))
            keys = {"curve_serverkey": public, "curve_publickey": mine[0], "curve_secretkey": mine[1]}
            async with LoneClient(server.endpoint, user="ann", **keys) as line:
                await line.greet((b"ann", b"secret"))
                assert await line.call("count", own_counter(), 1) == 2
                await line.call("greet", {0: "Ann"})
                assert told.call.user == b"ann"

    run(play)


def test_a_server_greets_a_client_that_it_calls_first() -> None:
    async def play() -> None:
        server = Server(b"server")
        server.bind("tcp://127.0.0.1:*")
        # A name of its own is the only way to call a client that nobody knows yet.
        async with server, LoneClient(server.endpoint, routing_id=b"ann") as line:
            line.methods["double"] = lambda n: 2 * n
            line.beat()
            await until(lambda: server.connections)
            assert await server.send_to(b"ann").double(21) == 42
            assert line.version == 2

    run(play)


def test_a_dealer_serves_one_client_of_the_library() -> None:
    async def play() -> None:
        with zmq.asyncio.Context() as zmq_context, zmq_context.socket(zmq.DEALER) as raw:
            raw.linger, raw.routing_id = 0, b"server"
            port = raw.bind_to_random_port("tcp://127.0.0.1")

            async def transmit(frames: list[bytes]) -> None:
                await raw.send_multipart(frames)

            line = Line(transmit, False, None)
            line.incarnation, line.methods = bytes(16), {"double": lambda n: 2 * n}

            async def read() -> None:
                while True:
                    line.take(await raw.recv_multipart())

            reader = asyncio.create_task(read())
            client = Client(b"server")
            client.connect(f"tcp://127.0.0.1:{port}")
            async with client:
                assert await client.request("double", (21,)) == 42
            reader.cancel()

    run(play)


def test_a_second_client_that_sets_the_routing_id_of_another_is_not_read(serving: Any, raw_dealer: Any) -> None:
    async def play() -> None:
        async with serving() as server:
            server.register("double", lambda call, args, kwargs: 2 * args[0])
            call = [b"", b"v1", b"u" * 16, b"\x03", bytes.fromhex("93a6646f75626c65911580")]
            first = raw_dealer(server.endpoint, routing_id=b"ann")
            first.send_multipart(call)
            await until(lambda: first.poll(0))
            second = raw_dealer(server.endpoint, routing_id=b"ann")
            third = raw_dealer(server.endpoint)
            second.send_multipart(call)
            third.send_multipart(call)
            await until(lambda: third.poll(0))
            assert not second.poll(50)

    run(play)


def test_a_greeting_in_a_longer_form_of_msgpack_makes_no_incarnation(serving: Any, raw_dealer: Any) -> None:
    async def play() -> None:
        async with serving(security_plugin="plain", passwords={"ann": "secret"}) as server:
            found = []
            for head in (b"\x93\xaa", b"\xdc\x00\x03\xaa", b"\x93\xd9\x0a"):
                raw = raw_dealer(server.endpoint, plain_username=b"ann", plain_password=b"secret")
                said = b"\x91\x82\xa7version\x02\xabincarnation\xc4\x10" + bytes(16) + b"\x80"
                raw.send_multipart([b"", b"v1", b"u" * 16, b"\x03", head + b"cara:hello" + said])
                await until(lambda raw=raw: raw.poll(0))
                found.append(server.connections[-1].owner)
            assert found == [(b"ann", bytes(16)), (b"ann", None), (b"ann", None)]

    run(play)


def test_the_lone_peer_knows_nothing_of_the_library() -> None:
    source = Path(__file__).with_name("lone_peer.py").read_text("utf-8")
    imported = set(re.findall(r"^(?:from|import) ([a-z_]+)", source, re.MULTILINE))
    assert imported <= sys.stdlib_module_names | {"__future__", "msgpack", "zmq"}


def test_a_req_socket_makes_calls(serving: Any, raw_dealer: Any) -> None:
    async def play() -> None:
        async with serving() as server:
            server.register("double", lambda call, args, kwargs: 2 * args[0])
            req = raw_dealer(server.endpoint, zmq.REQ)
            # As on the page: ["double", [21], {}].
            req.send_multipart([b"v1", b"u" * 16, b"\x03", bytes.fromhex("93a6646f75626c65911580")])
            await until(lambda: req.poll(0))
            assert req.recv_multipart() == [b"v1", b"u" * 16, b"\x01", bytes([42])]

    run(play)
