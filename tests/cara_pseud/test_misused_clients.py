"""What a client's user may do wrong without harm to anything else."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from cara_pseud import errors
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_state


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def test_a_listener_that_fails_keeps_nobody_from_anything(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def fail(state: str) -> None:
            raise RuntimeError(state)

        async with serving() as server, connected(server.endpoint) as client:
            client.on_state(fail)
            told: list[str] = []
            client.on_state(told.append)
            begun = asyncio.Event()

            async def hang() -> None:
                begun.set()
                await asyncio.Event().wait()

            server.register_rpc(hang)
            server.register_rpc(lambda: "pong", name="ping")
            assert await client.ping() == "pong"
            hanging = client.hang()
            await begun.wait()
            endpoint = server.endpoint
            await server.stop()
            with pytest.raises(errors.OutcomeUnknown):
                await hanging
            again = Server(b"server")
            again.bind(endpoint)
            again.register_rpc(lambda: "pong", name="ping")
            async with again:
                await until_state(client, "up")
                assert await client.ping() == "pong"
            assert told[:2] == ["up", "connecting"]
        assert "a function that is told the state failed" in caplog.text

    run(main())


@pytest.mark.parametrize(
    "options", [CallOptions(request_id="\ud800"), CallOptions(principal="\udfff"), CallOptions(timeout=math.nan)]
)
def test_a_call_that_cannot_be_written_harms_no_other_that_waits(
    serving: Any, connected: Any, options: CallOptions
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda value: value, name="echo")
            first = client.request("echo", (1,), {}, CallOptions(timeout=5))
            wrong = client.request("echo", (2,), {}, options)
            third = client.request("echo", (3,), {}, CallOptions(timeout=5))
            with pytest.raises(errors.InvalidValue, match="cannot be sent"):
                await wrong
            assert [await first, await third] == [1, 3]
            assert await client.echo(4) == 4
            with pytest.raises(errors.InvalidValue, match="cannot be sent"):
                await client.request("echo", (5,), {}, options)

    run(main())


def test_a_call_may_wait_for_ever(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint, timeout=math.inf) as client:
            server.register_rpc(lambda: "pong", name="ping")
            options = CallOptions(timeout=math.inf)
            assert await client.request("ping", (), {}, options) == "pong"
            assert await client.request("ping", (), {}, options) == "pong"
            assert await client.ping() == "pong"

    run(main())


@pytest.mark.parametrize("kind", [Client, Server])
def test_a_stopped_peer_says_that_it_cannot_be_started_again(kind: Any) -> None:
    async def main() -> None:
        peer = kind(b"server")
        await peer.start()
        await peer.stop()
        with pytest.raises(RuntimeError, match=f"this {kind.__name__} was stopped; make a new one"):
            await peer.start()

    run(main())


def test_a_greeting_that_is_lost_is_no_error_of_anybody(serving: Any) -> None:
    async def main() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        async with serving() as server:
            client = Client(b"server")
            client.connect(server.endpoint)
            async with client:
                while client._connection._greeting_call is None:
                    await asyncio.sleep(0)
                client._on_loss()
                # Told in a turn of its own.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        assert reported == []

    run(main())


def test_an_endpoint_that_can_never_be_up_is_refused() -> None:
    client = Client(b"server")
    with pytest.raises(ValueError, match="'inproc://x': ZeroMQ tells nothing of connections by inproc"):
        client.connect("inproc://x")
    asyncio.run(client.stop())


@pytest.mark.parametrize("kind", [Client, Server])
@pytest.mark.parametrize(("bound", "least"), [("max_message_bytes", 100), ("max_values", 16), ("max_calls", 1)])
def test_bounds_that_no_greeting_keeps_are_refused(kind: Any, bound: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"{bound} must be at least {least}, not {least - 1}"):
        kind(b"server", **{bound: least - 1})


def test_the_least_bounds_are_enough(serving: Any, connected: Any) -> None:
    async def main() -> None:
        least: dict[str, Any] = {"max_message_bytes": 100, "max_values": 16, "max_calls": 1}
        async with serving(**least) as server, connected(server.endpoint, callback_timeout=2.5, **least) as client:
            server.register_rpc(lambda: "pong", name="ping")
            assert await client.ping() == "pong"

    run(main())
