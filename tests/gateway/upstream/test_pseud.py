"""What the configuration of a service makes of its connection; a service to reach is in tests/integration."""

from __future__ import annotations

import asyncio
import re

import msgpack
import pytest
import zmq
import zmq.asyncio

from gateway.config.connection import ConnectionConfig
from gateway.config.file import SERVICE_KEYS
from gateway.config.limits import Limits
from gateway.upstream.pseud import PseudUpstream


def securities() -> list[str]:
    """The words that the configuration takes."""
    with pytest.raises(ValueError, match="expected") as caught:
        SERVICE_KEYS["security"].read("?")
    return re.findall(r'"(\w+)"', str(caught.value).partition(", not ")[0])


async def connected(security: str) -> tuple[str, bool]:
    public_key, secret_key = (key.decode() for key in zmq.curve_keypair())
    config = ConnectionConfig(
        service="calculator", endpoint="tcp://127.0.0.1:1", security=security, user_id="gateway",
        password="x", server_public_key=public_key, public_key=public_key, secret_key=secret_key,
    )  # fmt: skip
    upstream = PseudUpstream(config, Limits())
    await upstream.start()
    state = upstream.state
    await upstream.stop()
    return state, upstream.stopped


@pytest.mark.parametrize("security", securities())
def test_every_security_that_can_be_configured_has_a_plugin(security: str) -> None:
    assert asyncio.run(connected(security)) == ("connecting", True)


async def sign_of_life(*, alive: bool, original: bool) -> tuple[bool, int]:
    """Whether a service of the test's own gives one, and how many calls are under way afterwards."""
    socket = zmq.asyncio.Context.instance().socket(zmq.ROUTER)
    socket.setsockopt(zmq.IDENTITY, b"server")
    port = socket.bind_to_random_port("tcp://127.0.0.1")

    async def serve() -> None:
        while True:
            client, empty, version, uid, _, body = await socket.recv_multipart()
            said = msgpack.unpackb(body, strict_map_key=False)
            if original:
                kind, answer = b"\x10", ["ServiceNotFoundError", said[0], ""]
            else:
                kind, answer = b"\x01", {"version": 2, "incarnation": b"i" * 16} if said[0] == "cara:hello" else None
            if said[0] == "cara:hello" or alive:
                await socket.send_multipart([client, empty, version, uid, kind, msgpack.packb(answer)])

    upstream = PseudUpstream(ConnectionConfig(service="hall", endpoint=f"tcp://127.0.0.1:{port}"), Limits())
    serving = asyncio.create_task(serve())
    await upstream.start()
    while upstream.state != "up":
        await asyncio.sleep(0.01)
    try:
        return await upstream.answers(0.2), upstream.in_flight
    finally:
        await upstream.stop()
        serving.cancel()
        socket.close(0)


@pytest.mark.parametrize(
    ("alive", "original", "expected"), [(True, False, True), (False, False, False), (True, True, True)]
)
def test_a_sign_of_life_is_whatever_the_service_answers(alive: bool, original: bool, expected: bool) -> None:
    assert asyncio.run(sign_of_life(alive=alive, original=original)) == (expected, 0)


async def from_nobody() -> bool:
    upstream = PseudUpstream(ConnectionConfig(service="hall", endpoint="tcp://127.0.0.1:1"), Limits())
    await upstream.start()
    try:
        return await upstream.answers(5)
    finally:
        await upstream.stop()


def test_who_cannot_be_reached_gives_no_sign_of_life() -> None:
    assert not asyncio.run(from_nobody())
