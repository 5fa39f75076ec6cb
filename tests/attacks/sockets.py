"""Attacks by how WebSockets are used: frames, hellos, readers that do not read, objects that nobody lets go of."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from typing import Any

from tests.attacks.attack import Attack, Run
from tests.attacks.messages import FULL, SLICES
from tests.attacks.wire import HELLO, Target, call, dumped, frame


def frames(data: bytes, hello: bool = True) -> Run:
    """Send these bytes again and again behind the upgrade."""

    async def run(target: Target) -> None:
        async with target.socket(hello) as socket:
            while True:
                await socket.send(data)

    return run


def once(data: bytes, hello: bool = True) -> Run:
    """Send these bytes on a new socket, which ends by them."""

    async def run(target: Target) -> None:
        async with target.socket(hello, reads=False) as socket:
            await socket.send(data)
            while True:
                await socket.received()

    return run


async def fragments(target: Target) -> None:
    async with target.socket() as socket:
        await socket.send(frame(b'"', final=False))
        more = frame(b"x", 0, final=False) * 1000
        while True:
            await socket.send(more)


async def a_frame_byte_by_byte(target: Target) -> None:
    data = frame(b"x" * 100_000)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(_dripping(target, data))


async def _dripping(target: Target, data: bytes) -> None:
    async with target.socket() as socket:
        for index in range(len(data)):
            await socket.send(data[index : index + 1])
            await asyncio.sleep(0.005)


async def hellos(target: Target) -> None:
    async with target.socket(reads=False):
        pass


async def hello_again(target: Target) -> None:
    async with target.socket() as socket:
        flood = frame(dumped(HELLO)) * 500
        while True:
            await socket.send(flood)


async def guessed_sessions(target: Target) -> None:
    async with target.socket(hello=False) as socket:
        while True:
            params = {"protocol": 1, "session": os.urandom(16).hex(), "stream": "1", "received": 0}
            await socket.calls(*[call(0, "rpc.hello", params)] * 100)


async def half_upgrades(target: Target) -> None:
    async with target.connection() as opened:
        await opened.send(target.upgrade()[:-2])
        await asyncio.sleep(60)


def unread(method: str, params: Any) -> Run:
    """Call and never read an answer."""

    async def run(target: Target) -> None:
        async with target.socket(reads=False) as socket:
            for id in itertools.count(1):
                await socket.calls(call(id, method, params))

    return run


async def objects_kept(target: Target) -> None:
    async with target.socket() as socket:
        for id in itertools.count(1):
            await socket.calls(call(id, "victim.objects", {"count": 100}))
            await asyncio.sleep(0.001)


async def objects_released(target: Target) -> None:
    """Take objects by thousands and give them back one by one."""
    async with target.socket(reads=False) as socket:
        for id in itertools.count(1):
            await socket.calls(call(id, "victim.objects", {"count": 5000}))
            while (answer := await socket.received()).get("id") != id:
                pass
            handles = [obj["$handle"] for obj in answer["result"]["objects"]]
            await socket.message(
                dumped([call(None, "rpc.release", {"handle": handle, "count": 1}) for handle in handles])
            )


def callbacks(names: int, times: int, answers: bool) -> Run:
    """Pass callbacks that are called; answer with what is no answer, or not at all."""

    async def run(target: Target) -> None:
        async with target.socket(reads=not answers) as socket:
            for id in itertools.count(1):
                params = {"listener": {"$callback": f"c{id % names}"}, "times": times}
                await socket.calls(call(id, "victim.watch", params))
                if answers:
                    while (message := await socket.received()).get("id") != id:
                        if "method" in message and "id" in message:
                            await socket.calls({"jsonrpc": "2.0", "id": message["id"], "result": {"x": [1] * 1000}})
                else:
                    await asyncio.sleep(0.001)

    return run


def attacks() -> Iterator[Attack]:
    kind = "Frames"
    yield Attack(kind, "a message in fragments of one byte", "max_message_bytes; a fragment costs its bytes", fragments)
    yield Attack(kind, "frames that come byte by byte", "a connection costs what it sends", a_frame_byte_by_byte)
    yield Attack(kind, "pings of 125 bytes", "a pong each, as long as it reads", frames(frame(b"p" * 125, 9) * 500))
    yield Attack(kind, "pongs that nobody asked for", "ignored", frames(frame(b"p" * 125, 10) * 500))
    yield Attack(kind, "small messages by the thousand", SLICES, frames(frame(b"{}") * 2000))
    yield Attack(
        kind, "messages that are no JSON, before hello", "an error each", frames(frame(b"{") * 2000, hello=False)
    )
    yield Attack(kind, "a message that is no JSON", "close 4000", once(frame(b"{")))
    yield Attack(kind, "bad UTF-8", "close 1007", once(frame(b"\xff" * 100_000)))
    yield Attack(kind, "binary messages", "close 1003", once(frame(b"x" * FULL, 2)))
    yield Attack(
        kind,
        "a frame of 2^62 bytes",
        "close 1009 at its head",
        once(b"\x81\xff" + (2**62).to_bytes(8, "big") + b"\0\0\0\0" + b"x" * 10_000),
    )
    yield Attack(kind, "a message of two megabytes", "close 1009 at its head", once(frame(b"x" * 2**21)))
    yield Attack(kind, "reserved bits and opcodes", "close 1002", once(bytes((0xF5, 0x80, 0, 0, 0, 0))))

    kind = "Sessions and streams"
    yield Attack(
        kind, "a new session each time", "a share of max_sessions per address; provisional_session_s", hellos, 8
    )
    yield Attack(kind, "hello on a stream that said hello", "refused", hello_again)
    yield Attack(kind, "guessed sessions", "refused; nothing is made", guessed_sessions)
    yield Attack(kind, "upgrades whose head does not end", "bounds on half-open requests", half_upgrades, 100)
    for method, params in (
        ("large", {"bytes": 500_000}),
        ("many", {"count": 1_000}),
        ("add", {"first": 1, "second": 2}),
        ("slow", {"seconds": 0}),
    ):
        yield Attack(
            kind,
            f"answers of {method} that nobody reads",
            "send_buffer_bytes, max_kept_bytes, then 4003",
            unread(f"victim.{method}", params),
            4,
        )
    yield Attack(
        kind,
        "descriptions that nobody reads",
        "send_buffer_bytes, max_kept_bytes, then 4003",
        unread("rpc.describe", {"service": "victim"}),
        4,
    )

    kind = "Objects and callbacks"
    yield Attack(kind, "objects that nobody releases", "max_handles_per_session", objects_kept)
    yield Attack(kind, "5,000 objects, released one by one", SLICES, objects_released)
    yield Attack(kind, "300,000 objects in one answer", "counted before any is made", calls(300_000))
    yield Attack(
        kind,
        "callbacks that nobody answers",
        "max_callbacks_per_session; deadlines",
        callbacks(2_000, 20, answers=False),
    )
    yield Attack(
        kind, "callbacks answered by what does not fit", "checked against the schema", callbacks(50, 20, answers=True)
    )


def calls(count: int) -> Run:
    async def run(target: Target) -> None:
        async with target.socket(reads=False) as socket:
            for id in itertools.count(1):
                await socket.calls(call(id, "victim.objects", {"count": count}))
                while (await socket.received()).get("id") != id:
                    pass

    return run
