"""Peers that are attacked, and good ones beside them, each in a process of its own.

``target.py server SECURITY`` serves ``ann`` and ``eve`` (password: the name backwards) and prints its endpoint; every
line it reads is answered with its state. ``target.py client ENDPOINT`` calls ``echo`` again and again and answers every
line likewise. ``target.py good ENDPOINT`` makes calls one after the other and some at the same time; a line ends one
stretch, and it prints how it went.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from cara_pseud import errors
from cara_pseud.client import Client
from cara_pseud.dispatch import current_call
from cara_pseud.local import LocalCapability
from cara_pseud.server import Server

AT_ONCE = 16
EVERY_S = 0.002


class Thing:
    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return args[0]

    def released(self) -> None:
        pass


def rss_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()
    transport.close()


def say(said: Any) -> None:
    print(json.dumps(said), flush=True)


def register(peer: Any) -> None:
    calls = 0

    def counted(*args: Any) -> int:
        nonlocal calls
        calls += 1
        return calls

    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slept"

    kept: list[Any] = []

    def keep(listener: Any) -> int:
        kept.append(listener)
        return len(kept)

    async def tell_all() -> list[str]:
        """What became of a call of each listener."""
        told = []
        for listener in kept:
            try:
                told.append(listener.call(1, 0, ("news",)))
            except Exception as error:
                told.append(error)
        outcomes = [told_one if isinstance(told_one, Exception) else await ended(told_one) for told_one in told]
        return [type(outcome).__name__ for outcome in outcomes]

    async def ended(call: Any) -> Any:
        try:
            return await call
        except BaseException as error:
            return error

    peer.register_rpc(counted)
    peer.register_rpc(slow)
    peer.register_rpc(keep)
    peer.register_rpc(tell_all)
    peer.register_rpc(lambda value: value, name="echo")
    peer.register_rpc(lambda seconds: time.sleep(seconds), name="block")
    peer.register_rpc(lambda value: None, name="swallow")
    peer.register_rpc(lambda size: b"x" * size, name="big")
    peer.register_rpc(lambda: LocalCapability(Thing()), name="give")
    peer.register_rpc(lambda: os._exit(3), name="die")
    peer.register_rpc(lambda: current_call().user.decode(), name="who")


def state(peer: Any) -> dict[str, Any]:
    gc.collect()
    return {
        "connections": len(peer.connections),
        "users": sorted(connection.user.decode() for connection in peer.connections),
        "running": sum(len(connection.running) for connection in peer.connections),
        "exports": sum(len(connection.exports) for connection in peer.connections),
        "dropped": dict(peer.dropped),
        "rss": rss_bytes(),
    }


async def serve(security: str) -> None:
    more: dict[str, Any] = {"passwords": {"ann": "nna", "eve": "eve"}} if security == "plain" else {}
    server = Server(b"server", security_plugin=security, timeout=30, **more)
    server.bind("tcp://127.0.0.1:*")
    register(server)
    async with server:
        print(server.endpoint, flush=True)
        async for _ in lines():
            say(state(server))


async def use(endpoint: str) -> None:
    client = Client(b"server", timeout=3)
    register(client)
    client.connect(endpoint)
    counts = {"good": 0, "failed": 0, "wrong": 0}

    async def calls() -> None:
        while True:
            try:
                good = await client.echo(1) == 1
                counts["good" if good else "wrong"] += 1
            except (errors.RpcError, errors.ProtocolError):
                counts["failed"] += 1
            await asyncio.sleep(EVERY_S)

    async with client:
        print("started", flush=True)
        calling = asyncio.create_task(calls())
        async for _ in lines():
            say(state(client) | counts | {"state": client.state, "calling": not calling.done()})
        calling.cancel()


async def be_good(endpoint: str) -> None:
    client = Client(b"server", timeout=20)
    client.connect(endpoint)
    async with client:
        await client.echo(0)
        print("started", flush=True)
        durations: list[float] = []
        failures: list[str] = []

        async def one(number: int) -> None:
            begun = time.perf_counter()
            try:
                if await client.echo(number) != number:
                    failures.append("a wrong answer")
            except Exception as error:
                failures.append(repr(error))
            durations.append(time.perf_counter() - begun)

        async def calls() -> None:
            number = 0
            while True:
                number += 1
                await one(number)
                if number % 10 == 0:
                    await asyncio.gather(*[one(number + more) for more in range(AT_ONCE)])
                await asyncio.sleep(EVERY_S)

        calling = asyncio.create_task(calls())
        async for _ in lines():
            taken, durations = sorted(durations), []
            p99 = taken[int(len(taken) * 0.99)] if taken else None
            most = taken[-1] if taken else None
            say({"calls": len(taken), "failures": failures[:5], "p99": p99, "max": most, "dead": calling.done()})
        calling.cancel()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    asyncio.run({"server": serve, "client": use, "good": be_good}[role](*arguments))
