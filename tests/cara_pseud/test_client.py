"""Why a client cannot call: each cause has a name, without an address or a user in it, and soon."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import zmq

from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.errors import DeadlineExceeded, RpcError, Unauthenticated, Unavailable
from cara_pseud.server import Server

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
