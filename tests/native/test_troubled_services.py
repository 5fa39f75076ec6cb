"""Services that are not there, hang, have no room, or are no native services: what is told of them, and to whom."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zmq

from cara_pseud.cork import Cork
from cara_pseud.errors import OutcomeUnknown, ResourceExhausted, Unavailable
from cara_pseud.schema.nodes import Kind, Type
from gateway.bridge import native_connection, service
from gateway.bridge import rpc_messages as messages
from gateway.bridge.named_structs import SchemaStructs
from gateway.bridge.native_connection import NativeConnection
from gateway.bridge.native_methods import NativeMethods
from gateway.bridge.objects import NativeObject
from gateway.bridge.rpc_messages import Descriptor, Hosted
from gateway.bridge.service import CONNECT_AGAIN_S, Bridge, ServedAs
from gateway.config.connection import ConnectionConfig, NativeSource
from gateway.config.limits import Limits
from gateway.upstream.bridged import BridgedUpstream
from tests.native.bridges import TRIALS, WAIT_S, loaded
from tests.native.services import NativeService

Said = Callable[[bytes], bytes]
"""What a service says when it hears something for the first time; then it hangs up."""


def first_object(heard: bytes, hosted: Hosted = Hosted.BY_SENDER) -> bytes:
    b = messages.begin_return(0, messages.object_pointer(0), 0)
    messages.put_table(b, messages.RETURN_CONTENT + 8, [Descriptor(hosted, 0)])
    return bytes(messages.seal(b))


@asynccontextmanager
async def saying(path: Path, said: Said) -> AsyncIterator[list[float]]:
    """A service that says one thing to each who connects; when they did."""
    times: list[float] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(asyncio.get_running_loop().time())
        writer.write(said(await reader.read(4096)))
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(connected, path):
        yield times


def made_bridge(path: Path, troubles: asyncio.Queue[str]) -> Bridge:
    compiled, _ = loaded(TRIALS)
    trials = compiled.find("Trials")
    assert trials is not None
    return Bridge(
        compiled, Type(Kind.INTERFACE, trials.id), f"unix:{path}", ServedAs(bind=f"ipc://{path.parent / 'bridge'}"),
        lambda _: None, troubles.put_nowait,
    )  # fmt: skip


@asynccontextmanager
async def bridge_to(path: Path) -> AsyncIterator[asyncio.Queue[str]]:
    """A bridge, and what it says of its service."""
    troubles: asyncio.Queue[str] = asyncio.Queue()
    bridge = made_bridge(path, troubles)
    serving = asyncio.create_task(bridge.run())
    try:
        yield troubles
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def play(scenario: Callable[[Path], Awaitable[None]]) -> None:
    async def run() -> None:
        # Not below pytest's folder, whose paths are too long for sockets.
        with TemporaryDirectory() as folder:
            async with asyncio.timeout(WAIT_S):
                await scenario(Path(folder) / "service.sock")

    asyncio.run(run())


SAID: dict[str, tuple[Said, str]] = {
    "another protocol": (
        lambda heard: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "it has no object to begin with: a message has 1347703881 segments, at most 512 are permitted",
    ),
    "nothing": (lambda heard: b"", "it has no object to begin with: the service closed the connection"),
    "no object": (lambda heard: first_object(heard, Hosted.NOWHERE), "it has no object to begin with"),
    "an abort": (
        lambda heard: bytes(messages.abort("see /srv/secret/reason")),
        "it has no object to begin with: it ended the connection: see …/reason",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_it_is_told_why_a_service_cannot_be_called(name: str) -> None:
    said, trouble = SAID[name]

    async def scenario(path: Path) -> None:
        async with saying(path, said), bridge_to(path) as troubles:
            assert await troubles.get() == trouble

    play(scenario)


def test_nobody_and_no_room_are_told_apart() -> None:
    async def scenario(path: Path) -> None:
        async with bridge_to(path) as troubles:
            assert await troubles.get() == "nobody listens at the endpoint"
            with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
                listener.bind(str(path))
                listener.listen(0)
                other.connect(str(path))
                while (trouble := await troubles.get()) == "nobody listens at the endpoint":
                    pass
                assert trouble == "as many connections wait there as may"

    play(scenario)


def test_who_is_lost_at_once_each_time_is_connected_to_after_a_pause_each_time() -> None:
    async def scenario(path: Path) -> None:
        async with saying(path, first_object) as times, bridge_to(path):
            while len(times) < len(CONNECT_AGAIN_S):
                await asyncio.sleep(0.02)
            pauses = [later - earlier for earlier, later in pairwise(times)]
            assert all(pause > 0.75 * least for pause, least in zip(pauses, CONNECT_AGAIN_S, strict=False)), pauses

    play(scenario)


def test_a_service_that_does_not_read_is_called_no_more_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_connection, "MAX_WAITING_BYTES", 2**16)

    async def scenario(path: Path) -> None:
        loop, reads = asyncio.get_running_loop(), asyncio.Event()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reads.wait()
            while await reader.read(2**20):
                pass
            writer.close()

        compiled, _ = loaded(TRIALS)
        methods = NativeMethods(compiled, SchemaStructs(compiled))
        trials = compiled.find("Trials")
        assert trials is not None
        fail = methods.find((), trials.id, "fail")
        async with await asyncio.start_unix_server(connected, path, limit=2**10):
            make = partial(NativeConnection, methods, Cork(), loop)
            connection = await native_connection.connect(f"unix:{path}", make, loop)
            vat = connection.vat
            calls = []
            while not vat.is_full:
                calls.append(vat.call(NativeObject(vat, 0), fail, [0, "x" * 2**14], {}))
                await asyncio.sleep(0)
            assert len(calls) > 2
            with pytest.raises(ResourceExhausted, match="does not read as fast"):
                vat.call(NativeObject(vat, 0), fail, [0, "x"], {})
            reads.set()
            while vat.is_full:
                await asyncio.sleep(0.01)
            calls.append(vat.call(NativeObject(vat, 0), fail, [0, "again"], {}))
            connection.close()
            assert {type(each) for each in await asyncio.gather(*calls, return_exceptions=True)} == {OutcomeUnknown}

    play(scenario)


def test_a_bridge_does_not_take_the_place_of_another_one(
    abacus: NativeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BIND_S", 0.1)

    async def run() -> None:
        async with bridge_to(abacus.path) as troubles, asyncio.timeout(WAIT_S):
            assert await troubles.get() == ""
            with pytest.raises(zmq.ZMQError, match="in use"):
                await made_bridge(abacus.path, troubles).run()

    asyncio.run(run())


def test_a_bridge_answers_for_a_service_only_if_that_does(abacus: NativeService) -> None:
    """What decides whether one of several endpoints is given calls."""

    async def run() -> None:
        source = NativeSource(schema=TRIALS, import_path=(), interface="Trials")
        config = ConnectionConfig(service="abacus", endpoint=abacus.endpoint, native=source)
        upstream = BridgedUpstream(config, Limits())
        await upstream.start()
        try:
            while upstream.state != "up":
                await asyncio.sleep(0.01)
            assert await upstream.answers(WAIT_S)
            abacus.hang()
            assert not await upstream.answers(0.2)
            abacus.go_on()
            assert await upstream.answers(WAIT_S)
            abacus.kill()
            while upstream.state != "down":
                await asyncio.sleep(0.01)
            assert not await upstream.answers(WAIT_S)
            with pytest.raises(Unavailable, match="nobody listens at the endpoint"):
                await upstream.root.call(0, "census")
        finally:
            await upstream.stop()

    asyncio.run(asyncio.wait_for(run(), 2 * WAIT_S))
    abacus.start()
