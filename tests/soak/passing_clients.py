"""Clients that come and go: with and without a word, in the middle of calls, with objects and callbacks."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.attacks.wire import HELLO, Connection, Target, call, frame

REST_S: Final = 0.05
"""So long one waits before it comes again, on average."""
LONGEST_S: Final = 30.0
SESSION: Final = b"Session-Id: "
Visit = Callable[[Target, "Told"], Awaitable[None]]


class Told:
    """What was told to clients whose calls may fail, by code."""

    def __init__(self, codes: Counter[str]) -> None:
        self._codes = codes

    def take(self, answer: Any) -> Any:
        """Note the code of an answer; its result, if it has one."""
        error = answer.get("error")
        self._codes["ok" if error is None else error["data"]["code"]] += 1
        return answer.get("result") or {}


async def answer(socket: Connection, told: Told, id: int, method: str, params: Any = None) -> Any:
    """Make a call, answer what callbacks are asked meanwhile, and return the result."""
    await socket.calls(call(id, method, params))
    while True:
        message = await socket.received()
        if message.get("method", "").startswith("!") and "id" in message:
            await socket.calls({"jsonrpc": "2.0", "id": message["id"], "result": {}})
        elif message.get("id") == id:
            return told.take(message)


async def polite(target: Target, told: Told) -> None:
    async with target.socket(reads=False) as socket:
        token = (await answer(socket, told, 1, "steady.object"))["object"]["$handle"]
        await answer(socket, told, 2, f"@{token}.name")
        await socket.calls({"jsonrpc": "2.0", "method": "rpc.release", "params": {"handle": token, "count": 1}})
        await answer(socket, told, 3, "steady.flood", [{"$callback": "listener"}, 3, 100])
        await socket.send(frame(b"\x03\xe8", opcode=8))
        await socket.reader.read()


async def without_hello(target: Target, told: Told) -> None:
    async with target.socket(hello=False, reads=False) as socket:
        token = (await answer(socket, told, 1, "failing.object")).get("object", {}).get("$handle", "none")
        await answer(socket, told, 2, f"@{token}.name")
        await answer(socket, told, 3, "failing.flood", [{"$callback": "listener"}, 2, 10])


async def at_a_passing_service(target: Target, told: Told) -> None:
    async with target.socket(reads=False) as socket:
        token = (await answer(socket, told, 1, "passing.object")).get("object", {}).get("$handle", "none")
        await answer(socket, told, 2, "passing.listen", [{"$callback": "adder"}])
        await answer(socket, told, 3, "passing.slow", [random.randrange(1000)])
        await answer(socket, told, 4, f"@{token}.name")


async def gone_in_the_middle(target: Target, told: Told) -> None:
    async with target.socket(reads=False) as socket:
        for id in range(1, 6):
            await answer(socket, told, id, "failing.object")
        await answer(socket, told, 6, "failing.listen", [{"$callback": "adder"}])
        # What the listener is asked nobody answers.
        await socket.calls(call(7, "steady.flood", [{"$callback": "silent"}, 5, 1000]), call(8, "failing.slow", [500]))
        await answer(socket, told, 9, "failing.add", [1])


async def resumed(target: Target, told: Told) -> None:
    async with target.socket(hello=False, reads=False) as socket:
        await socket.calls(HELLO)
        hello = (await socket.received())["result"]
        token = (await answer(socket, told, 1, "steady.object"))["object"]["$handle"]
        await socket.calls(call(2, "steady.slow", [50]))
    stream = {"protocol": 1, "received": 1, "session": hello["session"], "stream": hello["stream"]}
    async with target.socket(hello=False, reads=False) as socket:
        await socket.calls({**HELLO, "params": stream})
        assert (await socket.received())["result"]["resumed"]
        await answer(socket, told, 3, f"@{token}.name")
        await socket.send(frame(b"\x03\xe8", opcode=8))
        await socket.reader.read()


async def wrong(target: Target, told: Told) -> None:
    async with target.socket(reads=False) as socket:
        for id, (method, params) in enumerate((
            ("failing.crash", []),
            ("failing.short", [400]),
            ("failing.nothing", []),
            ("failing.slow", ["x"]),
            ("nobody.slow", []),
            ("@none.name", []),
            ("failing.anything", [[[[[[1]]]]]]),
        ), 1):  # fmt: skip
            await answer(socket, told, id, method, params)
        await socket.calls(call(20, "failing.slow", [10_000]))
        await socket.calls({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 20}})
        await answer(socket, told, 21, "failing.big", [100_000])
        await socket.send(frame(b"no JSON"))


async def over_rest(target: Target, told: Told) -> None:
    async with target.connection() as connection:
        await connection.send(target.post("object", service="steady"))
        head, _, body = (await connection.answer()).partition(b"\r\n\r\n")
        token, session = json.loads(body)["object"]["$handle"], header(head, SESSION)
        for path in (f"/api/handles/{token}/name", "/api/failing/crash", f"/api/handles/{token}x/name"):
            await connection.send(target.request("POST", path, b"{}", session))
            await connection.answer()
        if random.random() < 0.5:
            await connection.send(target.request("DELETE", "/api/session", b"", session))
            await connection.answer()


async def over_events(target: Target, told: Told) -> None:
    async with target.connection() as connection, target.connection() as events:
        await connection.send(target.request("POST", "/api/session"))
        session = header(await connection.answer(), SESSION)
        await events.send(target.request("GET", "/api/events", b"", session))
        await events.head()
        await connection.send(target.post("listen", [{"$callback": "adder"}], session, service="failing"))
        await connection.answer()
        await connection.send(target.post("add", [2], service="failing"))
        await connection.answer()


async def cut_off(target: Target, told: Told) -> None:
    whole = target.post("anything", {"value": None}, service="steady")
    async with target.connection() as connection:
        await connection.send(whole[:-3])
    async with target.connection() as connection:
        await connection.send(target.post("slow", [300], service="failing"))
        await asyncio.sleep(0.05)


def header(head: bytes, name: bytes) -> bytes:
    """The line of a header."""
    lines = head.split(b"\r\n")
    return next(line for line in lines if line.lower().startswith(name.lower().strip()))


VISITS: Final[tuple[Visit, ...]] = (
    polite, without_hello, at_a_passing_service, gone_in_the_middle, resumed, wrong, over_rest, over_events, cut_off,
)  # fmt: skip


async def come_and_go(target: Target, codes: Counter[str], failures: Counter[str], done: Counter[str]) -> None:
    """Be one client after the other, until cancelled."""
    told = Told(codes)
    while True:
        visit = random.choice(VISITS)
        name = getattr(visit, "__name__", "")
        try:
            async with asyncio.timeout(LONGEST_S):
                await visit(target, told)
        except (OSError, EOFError, TimeoutError, AssertionError, KeyError, StopIteration, ValueError) as error:
            failures[f"{name}: {type(error).__name__}: {error}"[:200]] += 1
        done[name] += 1
        await asyncio.sleep(random.uniform(0, 2 * REST_S))
