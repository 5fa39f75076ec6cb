"""Why a client cannot call: each cause has a name, without an address or a user in it, and soon."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from typing import Any

import pytest
import zmq

import cara_pseud.client
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.errors import DeadlineExceeded, RpcError, Unauthenticated, Unavailable
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_state

LOGIN: dict[str, Any] = {"security_plugin": "plain", "user_id": b"ann", "password": b"secret"}
PASSWORDS: dict[str, Any] = {"security_plugin": "plain", "passwords": {"ann": "secret"}}
CANNOT = "the service cannot be reached: "


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


async def failure(client: Client, within_s: float = 5) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await client.request("add", (1, 2), {}, CallOptions(timeout=within_s))
    return caught.value


@pytest.mark.parametrize(("server", "client", "expected", "within_s"), [
    ({}, {"peer_routing_id": b"other"},
     Unavailable("connected, but the server there has another name than this client asks for"), 2),
    ({}, LOGIN, Unauthenticated("the server expects another security plugin"), 1),
    (PASSWORDS, {}, Unauthenticated("the server expects another security plugin"), 1),
    (PASSWORDS, LOGIN | {"password": b"wrong"}, Unauthenticated("the server refused the credentials"), 1),
])  # fmt: skip
def test_a_server_that_does_not_fit_is_told(
    serving: Any, server: dict[str, Any], client: dict[str, Any], expected: RpcError, within_s: float
) -> None:
    async def main() -> None:
        async with serving(**server) as there, Client(**{"peer_routing_id": b"server", **client}) as here:
            here.connect(there.endpoint)
            started = time.monotonic()
            error = await failure(here)
            assert time.monotonic() - started < within_s
            assert (type(error), str(error)) == (type(expected), str(expected))
            assert (here.state, here.trouble) == ("down", str(expected))

    run(main())


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def answer_as_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("answer", [close_at_once, answer_as_http])
def test_what_is_no_zeromq_is_told(answer: Any) -> None:
    async def main() -> None:
        other = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with other, Client(b"server", connect_grace=0.3) as client:
            client.connect(f"tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}")
            error = await failure(client)
            assert (type(error), str(error)) == (Unavailable, CANNOT + client.trouble)
            assert client.trouble.startswith("ZeroMQ's handshake fails with what listens at the endpoint")

    run(main())


def test_a_server_that_answers_nothing_at_all_is_told() -> None:
    async def main() -> None:
        listening = zmq.Context.instance().socket(zmq.STREAM)
        listening.linger = 0
        port = listening.bind_to_random_port("tcp://127.0.0.1")
        async with Client(b"server", connect_grace=0.2) as client:
            client.connect(f"tcp://127.0.0.1:{port}")
            assert str(await failure(client)) == f"{CANNOT}the server does not answer at its endpoint"
        listening.close()

    run(main())


def test_that_nobody_listens_is_told_and_a_cause_that_changes_is_told_again(serving: Any) -> None:
    async def main() -> None:
        async with serving() as before:
            endpoint = before.endpoint
        causes: list[str] = []
        async with Client(b"server", connect_grace=0.2) as client:
            client.on_trouble(causes.append)
            client.connect(endpoint)
            error = await failure(client)
            assert (type(error), str(error)) == (Unavailable, f"{CANNOT}nobody listens at the endpoint")
            server = Server(b"server", **PASSWORDS)
            server.bind(endpoint)
            refused = asyncio.Event()
            client.on_trouble(lambda cause: refused.set() if "security" in cause else None)
            async with server:
                await refused.wait()
                assert str(await failure(client)) == "the server expects another security plugin"
        assert causes[0] == "nobody listens at the endpoint"
        assert "the server expects another security plugin" in causes

    run(main())


def test_a_server_that_was_not_started_is_told() -> None:
    async def main() -> None:
        server = Server(b"server")
        server.bind("tcp://127.0.0.1:*")
        async with Client(b"server") as client:
            client.connect(server.endpoint)
            early = await failure(client, within_s=0.3)
            told = "the server does not answer the greeting"
            assert (type(early), str(early)) == (Unavailable, f"not sent within the deadline: {told}")
            late = await failure(client, within_s=2)
            assert (type(late), str(late)) == (DeadlineExceeded, f"no answer within the deadline: {told}")
            assert (client.state, client.trouble) == ("up", told)
            await server.start()
            server.register_rpc(lambda: 5, name="five")
            assert await client.request("five") == 5
            assert client.trouble == ""
        await server.stop()

    run(main())


def test_a_start_that_was_forgotten_is_told_at_once() -> None:
    async def main() -> None:
        client, server = Client(b"server"), Server(b"server")
        client.connect("tcp://127.0.0.1:1")
        assert str(await failure(client)) == "the Client is not started: await its start() before calls are made"
        assert client.trouble == "the Client is not started"
        with pytest.raises(Unavailable, match="the Server is not started: await its start"):
            server.send_to(b"ann")
        await client.stop()
        await server.stop()

    run(main())


def test_a_client_without_an_endpoint_is_told() -> None:
    async def main() -> None:
        async with Client(b"server") as client:
            assert str(await failure(client, 0.1)) == "not sent within the deadline: there is no endpoint to connect to"

    run(main())


def test_a_flood_is_what_comes_without_a_pause_and_not_what_came_in_a_life(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            await until_state(client, "up")
            for _ in range(3):
                client.dropped["junk"] += 20_000
                client.on_drained(True)
                assert client.state == "up"
                client.on_drained(False)
            client.dropped["junk"] += 20_001
            client.on_drained(True)
            assert client.state == "connecting"
            assert "the server sends more than can be worked off; the connection is ended" in caplog.text

    run(main())


def test_from_the_fourth_read_on_that_leaves_something_behind_all_is_read_before_it_is_worked_off(
    connected: Any,
) -> None:
    async def main() -> None:
        async with connected("tcp://127.0.0.1:1") as client:
            ahead = []
            for more in (True, True, True, True, True, False, True):
                client.on_drained(more)
                ahead.append(client._transport.ahead)
                assert client.connections[0].inbox.ahead is client._transport.ahead
            assert ahead == [False, False, False, True, True, False, False]

    run(main())


def test_a_server_may_let_wait_as_much_as_its_answers_and_calls_and_no_more(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(count: int, body: bytes, arguments: dict[str, Any], is_flood: bool) -> None:
        caplog.clear()
        async with serving() as server, connected(server.endpoint, **arguments) as client:
            await until_state(client, "up")
            inbox = client.connections[0].inbox
            inbox.put([(number.to_bytes(16), b"\x06", body) for number in range(count)])
            client._on_behind()
            assert (client.state == "connecting") is is_flood
            assert ("more than can be worked off" in caplog.text) is is_flood
            inbox.clear()

    run(main(20_000, b"", {"max_calls": 100}, False))
    run(main(20_001, b"", {"max_calls": 100}, True))
    run(main(40_000, b"", {"max_calls": 20_000}, False))
    run(main(40_001, b"", {"max_calls": 20_000}, True))
    run(main(5, bytes(100_000), {"max_backlog_bytes": 1_000_000}, False))
    run(main(11, bytes(100_000), {"max_backlog_bytes": 1_000_000}, True))


def test_of_calls_that_wait_for_a_login_only_so_many_are_kept_that_were_given_up(
    serving: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cara_pseud.client, "_MAX_UNANSWERED", 10)
    go_on = threading.Event()

    def check(user: bytes, password: bytes) -> bool:
        return go_on.wait(20)

    async def main() -> None:
        public, secret = zmq.curve_keypair()
        keys: dict[str, Any] = {"public_key": public, "secret_key": secret, "passwords": check}
        login: dict[str, Any] = {"peer_public_key": public, "user_id": b"ann", "password": b"x", "timeout": 20}
        async with (
            serving(security_plugin="untrusted_curve", **keys) as server,
            connected(server.endpoint, security_plugin="untrusted_curve", **login) as client,
        ):
            server.register_rpc(lambda a, b: a + b, name="add")
            while not client._login_uid:
                await asyncio.sleep(0.001)
            client.connections[0].go_bare()
            kept = client.add(1, 2)
            await asyncio.sleep(0)
            for number in range(100):
                given_up = client.add(number, 0)
                client.connections[0].flush()
                given_up.cancel()
                client.connections[0].flush()
                assert len(client._unanswered) <= 11
            go_on.set()
            assert await kept == 3
            assert client._unanswered == {}

    try:
        run(main())
    finally:
        go_on.set()


def test_a_failure_is_freed_without_the_collector(serving: Any, connected: Any) -> None:
    async def main() -> None:
        def fail() -> None:
            raise RpcError("aborted", "a text that may be megabytes long")

        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(fail, name="fail")
            await until_state(client, "up")
            gone: list[weakref.ref[Any]] = []
            failed = asyncio.Event()

            def note(done: asyncio.Future[Any]) -> None:
                gone.append(weakref.ref(done.exception()))
                failed.set()

            call = client.request("fail")
            call.add_done_callback(note)
            await failed.wait()
            del call
            assert gone[0]() is None

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()
