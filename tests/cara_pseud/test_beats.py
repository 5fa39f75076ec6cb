"""Heartbeats: who sends them when, and who is held for gone without them. The clock is the tests'."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import msgpack
import pytest
import zmq

import cara_pseud.client
from cara_pseud import wire
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_greeted, until_readable
from tests.clock import MovedClock

OURS = {"version": 2, "incarnation": b"i" * 16}
UID = bytes(15) + b"u"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)  # without a bound: its clock is moved, too


@pytest.fixture
def router() -> Iterator[zmq.Socket[bytes]]:
    """The socket of a server that says only what the test says."""
    zmq_context: zmq.Context[Any] = zmq.Context()
    socket = zmq_context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.routing_id = b"server"
    socket.bind("tcp://127.0.0.1:*")
    yield socket
    socket.close()
    zmq_context.term()


def endpoint_of(socket: zmq.Socket[bytes]) -> str:
    return socket.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")  # type: ignore[union-attr]


async def heard(socket: zmq.Socket[bytes]) -> list[bytes]:
    """The last three frames of the next message: uid, kind, body."""
    await until_readable(socket)
    return socket.recv_multipart()[-3:]


async def greet(router: zmq.Socket[bytes], said: dict[str, Any]) -> bytes:
    """Answer a client's greeting; its routing id."""
    await until_readable(router)
    routing_id, _, _, uid, _, _ = router.recv_multipart()
    router.send_multipart([routing_id, b"", b"v1", uid, wire.OK, msgpack.packb(said)])
    return routing_id


def test_a_client_that_has_said_nothing_for_twenty_seconds_lets_hear_from_it(
    router: zmq.Socket[bytes], connected: Any
) -> None:
    async def main() -> None:
        async with connected(endpoint_of(router), timeout=500) as client:
            await greet(router, OURS)
            await until_greeted(client)
            clock = MovedClock()
            # It has said something: the greeting.
            await clock.advance(20.5)
            assert not router.poll(50)
            await clock.advance(17)
            assert not router.poll(50)
            for seconds in (3.5, 20):
                await clock.advance(seconds)
                assert await heard(router) == [b"", wire.HEARTBEAT, b""]
            call = client.add(1, 2)
            await asyncio.sleep(0)
            assert (await heard(router))[1] == wire.WORK
            await clock.advance(20)
            assert not router.poll(50)
            await clock.advance(20)
            assert await heard(router) == [b"", wire.HEARTBEAT, b""]
            call.cancel()

    run(main())


@pytest.mark.parametrize("said", [{"version": 1}, {}], ids=["version 1", "original"])
def test_a_server_that_does_not_count_them_gets_no_heartbeats(
    router: zmq.Socket[bytes], connected: Any, said: dict[str, Any]
) -> None:
    async def main() -> None:
        async with connected(endpoint_of(router), timeout=500) as client:
            await greet(router, said)
            await until_greeted(client)
            clock = MovedClock()
            await clock.advance(100)
            assert not router.poll(50)

    run(main())


def test_a_stopped_client_is_silent(router: zmq.Socket[bytes], connected: Any) -> None:
    async def main() -> None:
        async with connected(endpoint_of(router)) as client:
            timer = client._beat_timer
            await greet(router, OURS)
            await until_greeted(client)
            router.close()
        assert timer.cancelled()

    run(main())


def test_attempts_to_connect_are_spread_by_a_fifth() -> None:
    delays = [cara_pseud.client._spread(1.0) for _ in range(1000)]
    assert 0.8 <= min(delays) < 0.85
    assert 1.15 < max(delays) <= 1.2


async def known(
    server: Server, dealer: zmq.Socket[bytes], said: dict[str, Any] | None, *, stopped: bool = False
) -> MovedClock:
    """Let a server hear from somebody, greeted or not, and begin to move the clock then."""
    server.register_rpc(lambda: None, name="ping")
    if said is not None:
        dealer.send_multipart([b"", b"v1", UID, wire.WORK, msgpack.packb(("cara:hello", (said,), {}))])
        await heard(dealer)
    dealer.send_multipart([b"", b"v1", UID, wire.WORK, msgpack.packb(("ping", (), {}))])
    await heard(dealer)
    return MovedClock(stopped=stopped)


async def say(server: Server, dealer: zmq.Socket[bytes], kind: bytes = wire.HEARTBEAT) -> None:
    """Send something that asks for nothing, and wait until the server has read it."""
    [connection] = server.connections
    connection.heard = False
    dealer.send_multipart([b"", b"v1", b"", kind, b""])
    while not connection.heard:
        await asyncio.sleep(0.001)


def test_who_is_silent_for_five_rounds_is_held_for_gone(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            clock = await known(server, raw_dealer(server.endpoint), OURS)
            # The first of them, every fifteen seconds, sees that it was heard.
            await clock.advance(88)
            [connection] = server.connections
            assert connection.silent_rounds == 4
            await clock.advance(3)
            assert server.connections == []
            assert connection.lost

    run(main())


def test_whatever_is_heard_begins_the_count_anew(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            dealer = raw_dealer(server.endpoint)
            clock = await known(server, dealer, OURS)
            await clock.advance(80)
            await say(server, dealer)
            await clock.advance(83)
            assert len(server.connections) == 1
            await clock.advance(3)
            assert server.connections == []

    run(main())


@pytest.mark.parametrize("said", [{"version": 1}, None], ids=["version 1", "original"])
def test_who_sends_no_heartbeats_is_not_held_for_gone(
    serving: Any, raw_dealer: Any, said: dict[str, Any] | None
) -> None:
    async def main() -> None:
        async with serving() as server:
            clock = await known(server, raw_dealer(server.endpoint), said)
            await clock.advance(300)
            assert len(server.connections) == 1

    run(main())


def test_who_was_held_for_gone_and_goes_is_forgotten(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            dealer = raw_dealer(server.endpoint)
            clock = await known(server, dealer, OURS)
            await clock.advance(100)
            await clock.advance(100)
            assert len(server._silent_ones) == 1, "it may wake up"
            dealer.close()
            while server._silent_ones:
                # Nothing tells that ZeroMQ has closed it.
                await clock.advance(15)

    run(main())


def test_a_server_that_is_stopped_listens_no_more(serving: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            timer = server._listen_timer
        assert timer.cancelled()

    run(main())


def test_a_lost_client_is_asked_for_four_times(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            dealer = raw_dealer(server.endpoint)
            clock = await known(server, dealer, None, stopped=True)
            [connection] = server.connections
            server._probe_later(connection, 0)
            for wait_s in (0.02, 0.1, 0.5, 2.0):
                await clock.advance(wait_s * 0.8, 0.01)
                assert not dealer.poll(20)
                await clock.advance(wait_s * 0.2 + 0.001, 0.01)
                assert await heard(dealer) == [b"", wire.HEARTBEAT, b""]
            await clock.advance(20)
            assert not dealer.poll(20)
            assert server.connections == [connection]

    run(main())


def test_a_closed_connection_is_kept_a_second_at_most_for_what_it_sent(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            clock = await known(server, raw_dealer(server.endpoint), None, stopped=True)
            [connection] = server.connections
            # While nothing is read nobody can tell what is still there.
            server._transport.paused = True
            server._end_soon(connection)
            await clock.advance(0.9)
            assert not connection.lost
            await clock.advance(0.2)
            assert connection.lost

    run(main())


def test_a_client_that_does_not_answer_the_greeting_gets_bare_calls_after_two_seconds(
    serving: Any, raw_dealer: Any
) -> None:
    async def main() -> None:
        async with serving(timeout=500) as server:
            dealer = raw_dealer(server.endpoint, routing_id=b"dealer")
            clock = await known(server, dealer, None)
            call = server.send_to(b"dealer").news(1)
            assert msgpack.unpackb((await heard(dealer))[2])[0] == "cara:hello"
            await clock.advance(1.5)
            assert not dealer.poll(50)
            await clock.advance(0.7)
            assert msgpack.unpackb((await heard(dealer))[2]) == ["news", [1], {}]
            call.cancel()

    run(main())


def test_a_server_looks_who_has_gone_before_it_sends_but_not_each_time(
    serving: Any, raw_dealer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving() as server:
            await known(server, raw_dealer(server.endpoint), None)
            [connection] = server.connections
            now, looks = [server.running_loop.time()], []
            monkeypatch.setattr(server.running_loop, "time", lambda: now[0])
            real = server._transport.drain_monitor
            monkeypatch.setattr(server._transport, "drain_monitor", lambda: (looks.append(now[0]), real()))
            for later_s in (0.1, 0.0005, 0.0004, 0.0002, 0.0009):
                now[0] += later_s
                server.transmit(connection, (b"", wire.HEARTBEAT, b""), False)
            assert len(looks) == 2

    run(main())
