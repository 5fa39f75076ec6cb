"""Floods and resets: no input ends a process, and none fills its memory."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import msgpack
import pytest

from tests.cara_pseud.hostile import children, zmtp
from tests.cara_pseud.hostile.zmtp import Raw, RawServer

LOGIN = (b"ann", b"nna")
UID = b"u" * 16


@pytest.mark.parametrize("security", ["noop_auth_backend", "trusted_peer", "plain"])
def test_a_flood_and_a_reset_do_not_end_a_server(security: str) -> None:
    login = None if security == "noop_auth_backend" else LOGIN
    with children.server(security) as (server, endpoint):
        for _ in range(3):
            raw = zmtp.connect(endpoint, login)
            assert raw.call("echo", 1) == 1
            raw.send_some(zmtp.work("block", 0.7) + b"".join(zmtp.work("echo", n) for n in range(6000)), 0.3)
            raw.reset()
        with zmtp.connect(endpoint, login) as raw:
            assert raw.call("echo", 2) == 2
        children.eventually(lambda: server.ask()["connections"] == 0)


@pytest.mark.parametrize("bytes_each", [10, 65536])
def test_a_flood_does_not_fill_the_memory_of_a_server_that_is_busy(bytes_each: int) -> None:
    with children.server() as (server, endpoint), zmtp.connect(endpoint) as raw:
        assert raw.call("echo", 1) == 1
        before = server.rss
        assert before < 100 * 2**20
        raw.send_some(zmtp.work("block", 5), 1)
        flood = threading.Thread(target=raw.flood, args=(zmtp.work("swallow", b"x" * bytes_each), 5.5))
        flood.start()
        most = before
        while flood.is_alive():
            most = max(most, server.rss)
            time.sleep(0.02)
        flood.join()
        assert most < 150 * 2**20, f"{before} before, {most} at most"
        with zmtp.connect(endpoint) as other:
            assert other.call("echo", 2) == 2


def hostile_service(raw: Raw) -> None:
    """Keeps its client busy, floods it meanwhile, and resets the connection."""
    zmtp.answer_greeting(raw)
    answers = [zmtp.message(b"", b"v1", os.urandom(16), b"\x01", msgpack.packb("x" * 100)) for _ in range(200)]
    calls = [zmtp.work("echo", "y" * 100) for _ in range(200)]
    batches = [zmtp.batch(*[(os.urandom(16), b"\x03", msgpack.packb(("echo", (n,), {}))) for n in range(200)])] * 20
    raw.send_some(zmtp.work("block", 0.3) + b"".join([*answers, *calls, *batches] * 10), 0.4)
    raw.reset()


def test_a_flood_and_a_reset_do_not_end_a_client() -> None:
    with RawServer(hostile_service) as service, children.child("client", service.endpoint) as client:
        assert client.line() == "started"
        children.eventually(lambda: service.connections >= 4, 20)
        said = client.ask()
        assert said["calling"]
        assert said["wrong"] == 0
        assert said["rss"] < 150 * 2**20


def test_a_client_ends_the_connection_of_a_server_that_floods_it() -> None:
    def flood(raw: Raw) -> None:
        zmtp.answer_greeting(raw)
        raw.send_some(zmtp.work("block", 2), 1)
        raw.flood(zmtp.message(b"", b"v1", os.urandom(16), b"\x01", b"x" * 1000) * 50, 4)

    with RawServer(flood) as service, children.child("client", service.endpoint) as client:
        assert client.line() == "started"
        children.eventually(lambda: service.connections >= 2, 20)
        assert client.ask()["calling"]


@pytest.mark.parametrize("bytes_each", [30, 1000])
@pytest.mark.parametrize("kind", ["answers", "calls", "batches of answers", "batches of calls"])
def test_a_flood_does_not_fill_the_memory_of_a_client(kind: str, bytes_each: int) -> None:
    """Its own bound is of what it has read: ZeroMQ's queue has none there."""
    ballast = "x" * bytes_each
    answer = (os.urandom(16), b"\x01", msgpack.packb(ballast))
    call = (os.urandom(16), b"\x03", zmtp.body("swallow", ballast))
    one = answer if "answers" in kind else call
    in_one = max(1, min(250, 60_000 // (bytes_each + 50))) if "batches" in kind else 0
    data = zmtp.batch(*[one] * in_one) if in_one else zmtp.message(b"", b"v1", *one)

    def flood(raw: Raw) -> None:
        zmtp.answer_greeting(raw)
        raw.flood(data * max(1, 2**18 // len(data)), 2)

    with RawServer(flood) as service, children.child("client", service.endpoint) as client:
        assert client.line() == "started"
        most, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            most = max(most, client.rss)
            time.sleep(0.005)
        assert client.ask()["calling"]
        # It keeps pace, or it has ended the connection.
        assert most < (900 if service.connections > 1 else 150) * 2**20, (most, service.connections)


def test_as_many_calls_as_are_permitted_in_both_directions_are_no_flood(serving: Any, connected: Any) -> None:
    async def main() -> None:
        calls = 9_999
        async with serving(timeout=60) as server, connected(server.endpoint, timeout=60) as client:

            async def call_back(number: int) -> Any:
                (connection,) = server.connections
                return await connection.request("double", (number,))

            server.register_rpc(call_back)
            client.register_rpc(lambda number: 2 * number, name="double")
            assert await client.call_back(1) == 2
            numbers = list(range(calls))
            for _ in range(2):
                made = [client.call_back(number) for number in numbers]
                assert await asyncio.gather(*made) == [2 * number for number in numbers]
            assert client.state == "up"
            assert (server.dropped, client.dropped) == ({}, {})

    asyncio.run(asyncio.wait_for(main(), 100))
