"""A peer of the installed cara_pseud, or of the wheel that is named, for tests of two versions with each other.

``either_version.py WHEEL|- server SECURITY ENDPOINT`` prints its endpoint and serves. In place of ``server``,
``client`` says what came of each kind of exchange, as JSON, once for each line it reads. Both say on a line of their
own what they have dropped when their input ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from typing import Any

if sys.argv[1] != "-":
    sys.path.insert(0, sys.argv[1])

import cara_pseud
from cara_pseud import errors
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.dispatch import current_call
from cara_pseud.server import Server

try:
    from cara_pseud.local import LocalCapability
except ImportError:
    # The first version had it among the words.
    from cara_pseud.capabilities import LocalCapability

OPTIONS = CallOptions(
    timeout=8, request_id="request", principal="somebody", traceparent="trace", idempotency_key="key"
)
LOGIN: dict[str, Any] = {"user_id": b"ann", "password": b"nna"}


class Target:
    """An object that tells when it was let go."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def invoke(self, interface_id: int, method: Any, args: Any, kwargs: Any, call: Any) -> Any:
        return [interface_id, method, list(args)]

    def released(self) -> None:
        self.gone.set()


async def line() -> str:
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def register(server: Any) -> None:
    counts: Counter[str] = Counter()
    kept: list[Any] = []

    class Counted(Target):
        def released(self) -> None:
            counts["released"] += 1

    def who() -> list[Any]:
        call = current_call()
        in_time = call.deadline is not None and 0 < call.deadline - asyncio.get_running_loop().time() <= 8
        said = [call.user, call.request_id, call.principal, call.traceparent, call.idempotency_key]
        return [*said, in_time]

    async def slow(seconds: float) -> None:
        counts["begun"] += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            counts["cancelled"] += 1
            raise

    async def call_back(listener: Any) -> Any:
        return await listener.call(7, 3, ("how are you",))

    async def tell() -> Any:
        return await asyncio.gather(*[listener.call(7, 3, ("news",)) for listener in kept])

    def fail() -> None:
        raise errors.RpcError("not_found", "no such person", {"name": "Ann"})

    for handler in (who, slow, call_back, tell, fail):
        server.register_rpc(handler)
    server.register_rpc(lambda name: counts[name], name="count")
    server.register_rpc(lambda value: value, name="echo")
    server.register_rpc(lambda a, b: a + b, name="add")
    server.register_rpc(kept.append, name="keep")
    server.register_rpc(kept.clear, name="forget")
    server.register_rpc(lambda: LocalCapability(Counted()), name="give")


async def serve(security: str, endpoint: str) -> None:
    more: dict[str, Any] = {"passwords": {"ann": "nna"}, "gateways": ["ann"]} if security == "plain" else {}
    server = Server(b"server", security_plugin=security, **more)
    server.bind(endpoint)
    register(server)
    async with server:
        print(server.endpoint, flush=True)
        while await line():
            """Only its end is of interest."""
        print(json.dumps(server.dropped), flush=True)


async def error_of(call: Any) -> list[Any]:
    try:
        await call
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "code", None), getattr(error, "details", None)]
    return []


async def until_counted(client: Any, name: str, number: int) -> int:
    while (counted := await client.count(name)) < number:
        await asyncio.sleep(0.005)
    return int(counted)


async def exchanges(client: Any) -> dict[str, Any]:
    said: dict[str, Any] = {}
    first = [client.request("who", options=OPTIONS) for _ in range(50)]
    said["first"] = [await call for call in first]
    said["add"] = await client.add(2, b=5)
    while client.connections[0].extended is None:
        await asyncio.sleep(0.005)
    said["who"] = await client.request("who", options=OPTIONS)
    said["sum"] = sum(await asyncio.gather(*[client.add(number, 1) for number in range(300)]))
    said["large"] = len(await client.echo(b"x" * 1_000_000))
    said["errors"] = [await error_of(client.fail()), await error_of(client.no())]
    thing = await client.give()
    said["object"] = await thing.call(1, 0, (41,))
    thing.release()
    said["released"] = await until_counted(client, "released", 1)
    said["called back"] = await client.call_back(LocalCapability(Target()))
    targets = [Target() for _ in range(20)]
    await asyncio.gather(*[client.keep(LocalCapability(target)) for target in targets])
    said["told"] = await client.tell()
    await client.forget()
    for target in targets:
        await target.gone.wait()
    call = client.slow(30)
    await until_counted(client, "begun", 1)
    call.cancel()
    said["cancelled"] = await until_counted(client, "cancelled", 1)
    said["late"] = await error_of(client.request("slow", (30,), {}, CallOptions(timeout=0.1)))
    said["given up"] = await until_counted(client, "cancelled", 2)
    said["exports"] = len(client.connections[0].exports)
    return said


async def use(security: str, endpoint: str) -> None:
    login = LOGIN if security == "plain" else {}
    client = Client(b"server", security_plugin=security, **login)
    client.connect(endpoint)
    async with client:
        kept = None
        while await line():
            while client.state != "up":
                await asyncio.sleep(0.005)
            said = await exchanges(client)
            said["an object of before"] = None if kept is None else await error_of(kept.call(1, 0, (1,)))
            kept = await client.give()
            print(json.dumps(said, default=bytes.decode), flush=True)
        print(json.dumps(client.dropped), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    wheel, role, *arguments = sys.argv[1:]
    if wheel != "-":
        assert str(cara_pseud.__file__).startswith(wheel), cara_pseud.__file__
    asyncio.run({"server": serve, "client": use}[role](*arguments))
