"""The end of a server, graceful or not, and peers that fall silent: real processes and sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest

from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.local import LocalCapability
from tests.cara_pseud.waiting import until_state
from tests.clock import MovedClock

SERVER = """
import asyncio, sys
import cara_pseud

async def main():
    server = cara_pseud.Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    server.register_rpc(lambda size: b"x" * size, name="give")
    begun = asyncio.Event()

    async def slow(size):
        begun.set()
        await asyncio.sleep(0.2)
        return b"x" * size

    server.register_rpc(slow)

    @server.register_rpc
    async def hang():
        print("hanging", flush=True)
        await asyncio.sleep(60)

    await server.start()
    print(server.endpoint, flush=True)
    if sys.argv[1] == "stop when busy":
        await begun.wait()
        await server.stop(grace=5)
        return
    await asyncio.sleep(60)

asyncio.run(main())
"""
CLIENT = """
import asyncio, sys
import cara_pseud
from cara_pseud.local import LocalCapability

class Target:
    def invoke(self, *_):
        return "here"

    def released(self):
        pass

async def main():
    client = cara_pseud.Client(b"server")
    client.connect(sys.argv[1])
    await client.start()
    await client.keep(LocalCapability(Target()))
    kept = await client.give()
    await asyncio.sleep(60)

asyncio.run(main())
"""


class Slow:
    """A handler that tells that it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def wait(self) -> bool:
        self.begun.set()
        return await self.go_on.wait()


class Target:
    """An object that says where it is."""

    def invoke(self, *_: Any) -> str:
        return "from the caller"

    def released(self) -> None:
        """Nobody asks."""


def run(main: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 30)

    asyncio.run(bounded())


@asynccontextmanager
async def process(source: str, argument: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, argument, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def line_of(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.readline()).decode().strip()


def test_a_stopping_process_gives_every_answer_before_it_ends(connected: Any) -> None:
    size = 500_000

    async def main() -> None:
        async with process(SERVER, "stop when busy") as child, connected(await line_of(child)) as client:
            # Together far more than a socket's buffers take: they are still on their way when the last was sent.
            answers = await asyncio.gather(*[client.slow(size) for _ in range(40)])
            assert [len(answer) for answer in answers] == [size] * 40
            assert await child.wait() == 0

    run(main())


def test_what_was_sent_before_a_stop_arrives(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            seen: list[int] = []
            server.register_rpc(lambda number, ballast: seen.append(number), name="take")
            async with connected(server.endpoint) as client:
                await client.take(-1, b"")
                ballast = b"x" * 200_000
                calls = [client.take(number, ballast) for number in range(100)]
                await asyncio.sleep(0)  # the calls leave at the end of the turn
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {type(None), errors.OutcomeUnknown}
            while len(seen) < 101:
                await asyncio.sleep(0.002)
            assert seen == list(range(-1, 100))

    run(main())


@pytest.mark.parametrize(("grace", "at_least_s", "at_most_s"), [(0, 0.2, 1), (5, 0.9, 2)])
def test_a_peer_that_does_not_read_delays_a_stop_no_longer_than_said(
    serving: Any, connected: Any, raw_dealer: Any, grace: float, at_least_s: float, at_most_s: float
) -> None:
    async def main() -> None:
        async with serving() as server:
            server.register_rpc(lambda size: b"x" * size, name="give")
            dealer = raw_dealer(server.endpoint, rcvhwm=1, rcvbuf=4096)
            for number in range(100):
                body = msgpack.packb(("give", (1_000_000,), {}))
                dealer.send_multipart([b"", b"v1", number.to_bytes(16, "big"), b"\x03", body])
            while not server.connections:
                await asyncio.sleep(0.002)
            started = time.monotonic()
            await server.stop(grace)
            assert at_least_s < time.monotonic() - started < at_most_s
        # ZeroMQ closes sockets one after the other: what is left of this one must not keep the next from its end.
        for short in (0, 0.1):
            async with serving() as server, connected(server.endpoint) as client:
                slow = Slow()
                server.register_rpc(slow.wait, name="for_ever")
                in_flight = client.for_ever()
                await slow.begun.wait()
                await server.stop(short)
                with pytest.raises(errors.OutcomeUnknown):
                    await asyncio.wait_for(in_flight, 2)

    run(main())


def test_a_stop_that_is_cancelled_is_done_all_the_same(serving: Any, connected: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            server.register_rpc(lambda size: b"x" * size, name="give")
            assert await client.give(3) == b"xxx"
            dealer = raw_dealer(server.endpoint, rcvhwm=1, rcvbuf=4096)
            for number in range(100):
                body = msgpack.packb(("give", (1_000_000,), {}))
                dealer.send_multipart([b"", b"v1", number.to_bytes(16, "big"), b"\x03", body])
            while len(server.connections) < 2:
                await asyncio.sleep(0.002)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.stop(grace=5), 0.05)
            while client.state == "up" or server._transport._monitor is not None:
                await asyncio.sleep(0.01)

    run(main())


def test_a_graceful_stop_answers_what_is_in_flight_and_refuses_what_comes_later(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as busy, connected(server.endpoint) as late:
            slow = Slow()
            server.register_rpc(slow.wait, name="slow")
            server.register_rpc(lambda: "pong", name="ping")
            assert await late.ping() == "pong"
            in_flight = busy.slow()
            await slow.begun.wait()
            stopped = asyncio.create_task(server.stop(grace=10))
            # Until it has begun.
            await asyncio.sleep(0.02)
            with pytest.raises(errors.RpcError, match="the Server is being stopped") as caught:
                await late.ping()
            assert caught.value.code == "unavailable"
            # The answer may depend on this one.
            assert await busy.ping() == "pong"
            assert not stopped.done()
            slow.go_on.set()
            assert await in_flight is True
            await stopped

    run(main())


def test_a_handler_in_flight_may_still_call_its_caller(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:

            begun = asyncio.Event()

            async def ask(callback: Any) -> Any:
                begun.set()
                # Until the server is being stopped.
                await asyncio.sleep(0.05)
                return await callback.call(1, 0)

            server.register_rpc(ask)
            answer = client.ask(LocalCapability(Target()))
            await begun.wait()
            await server.stop(grace=10)
            assert await answer == "from the caller"

    run(main())


def test_the_grace_has_an_end(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            slow = Slow()
            server.register_rpc(slow.wait, name="for_ever")
            in_flight = client.for_ever()
            await slow.begun.wait()
            started = time.monotonic()
            await server.stop(grace=0.1)
            assert time.monotonic() - started < 2
            with pytest.raises(errors.OutcomeUnknown):
                await in_flight

    run(main())


def test_answers_that_arrived_come_before_the_loss(connected: Any) -> None:
    async def main() -> None:
        async with process(SERVER, "stay") as child, connected(await line_of(child)) as client:
            await client.give(1)
            hanging = client.hang()
            assert await line_of(child) == "hanging"
            answered = [client.give(1000) for _ in range(300)]
            await asyncio.sleep(0)  # the calls leave at the end of the turn
            # The loop sleeps while the answers come in and the process dies: both are found at once.
            time.sleep(0.3)  # noqa: ASYNC251
            child.kill()
            # Until the socket of the dead is closed; a loop that is blocked cannot ask.
            time.sleep(0.3)  # noqa: ASYNC251
            assert {len(answer) for answer in await asyncio.gather(*answered)} == {1000}
            with pytest.raises(errors.OutcomeUnknown):
                await hanging

    run(main())


def test_a_server_that_falls_silent_is_noticed(connected: Any) -> None:
    async def main() -> None:
        async with process(SERVER, "stay") as child, connected(await line_of(child), timeout=25) as client:
            hanging = client.hang()
            assert await line_of(child) == "hanging"
            os.kill(child.pid, signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(errors.OutcomeUnknown):
                await hanging
            with pytest.raises(errors.Unavailable):
                await client.give(1)
            assert time.monotonic() - started < 10
            # Back again, it is found without anybody's help.
            os.kill(child.pid, signal.SIGCONT)
            await until_state(client, "up")
            assert await client.give(3) == b"xxx"

    run(main())


def test_a_client_that_falls_silent_is_noticed_and_loses_its_objects(serving: Any) -> None:
    async def main() -> None:
        async with serving(timeout=25) as server:
            kept: list[Any] = []

            async def keep(capability: Any) -> None:
                kept.append(capability)

            server.register_rpc(keep)
            server.register_rpc(lambda: LocalCapability(Target()), name="give")
            async with process(CLIENT, server.endpoint) as child:
                while not (server.connections and len(server.connections[0].exports)):
                    await asyncio.sleep(0.01)
                (connection,) = server.connections
                assert await kept[0].call(1, 0) == "here"
                os.kill(child.pid, signal.SIGSTOP)
                clock = MovedClock()
                await clock.advance(60)
                assert server.connections, "a busy interpreter is not dead"
                await clock.advance(40)
                assert (len(server.connections), len(connection.exports)) == (0, 0)
                assert not kept[0].alive
                with pytest.raises(errors.Unavailable):
                    await kept[0].call(1, 0)

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_a_client_that_was_held_for_gone_is_known_again(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint, timeout=500) as client:
            server.register_rpc(lambda x: x, name="echo")
            assert await client.echo(1) == 1
            clock = MovedClock()
            client._beat_timer.cancel()
            await clock.advance(100)
            assert not server.connections
            # Two at once go as a batch, which only a greeted connection may send.
            assert await asyncio.gather(client.echo(2), client.echo(3)) == [2, 3]
            assert not server.dropped

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_a_client_with_nothing_to_say_is_not_held_for_gone(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint, timeout=500) as client:
            server.register_rpc(lambda x: x, name="echo")
            assert await client.echo(1) == 1
            (before,) = server.connections
            clock = MovedClock()
            for _ in range(20):
                await clock.advance(10)
                # Time for what the client's beats bring, which nobody tells of; without them the test fails.
                await asyncio.sleep(0.01)
            assert server.connections == [before]

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_a_client_stops_in_time_though_its_server_does_not_read(
    serving: Any, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with process(SERVER, "stay") as child, connected(await line_of(child)) as client:
            await client.give(1)
            os.kill(child.pid, signal.SIGSTOP)
            lost = client.give(1)
            began = time.perf_counter()
            await client.stop()
            assert time.perf_counter() - began < 2
            with pytest.raises(errors.OutcomeUnknown):
                await lost
        gc.collect()
        assert caplog.text == ""

    run(main())


def test_a_stopped_peer_stays_stopped(serving: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            client = Client(b"server")
            client.connect(server.endpoint)
            await asyncio.gather(server.stop(grace=1), server.stop(grace=1), server.stop())
            async with client:
                await client.stop(grace=1)
                with pytest.raises(errors.Unavailable):
                    await client.ping()

    run(main())
