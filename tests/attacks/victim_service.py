"""The service behind the attacked gateway: its methods give a hostile client things that are large, slow or many."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import cara_pseud

SCHEMA = Path(__file__).resolve().with_name("victim.capnp")
victim = cara_pseud.load(SCHEMA)


class Object(victim.Object):  # type: ignore[misc, name-defined]
    def poke(self) -> int:
        return 1

    def self(self) -> Object:
        return self


class Victim(victim.Victim):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, first: int, second: int) -> int:
        return first + second

    def numbers(self, list: list[int]) -> int:
        return len(list)

    def texts(self, list: list[str]) -> int:
        return len(list)

    def things(self, list: list[Any]) -> int:
        return len(list)

    def tree(self, tree: Any) -> None:
        return None

    def find(self, node: Any) -> str:
        return str(node.name)

    def data(self, data: bytes) -> int:
        return len(data)

    def object(self) -> Object:
        return Object()

    def objects(self, count: int) -> list[Object]:
        return [Object() for _ in range(count)]

    def take(self, objects: list[Any]) -> int:
        return len(objects)

    def large(self, bytes: int) -> str:
        return "x" * bytes

    def many(self, count: int) -> list[Any]:
        thing = victim.Thing(name="a thing", count=1, tags=["a", "b"])
        return [thing] * count

    async def slow(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def fail(self, depth: int, bytes: int) -> None:
        details: dict[str, Any] = {"text": "x" * bytes}
        for _ in range(depth):
            details = {"in": details}
        raise cara_pseud.RpcError("failed_precondition", "x" * bytes, details)

    def watch(self, listener: Any, times: int) -> None:
        task = asyncio.ensure_future(self._tell(listener, times))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, listener: Any, times: int) -> None:
        calls = [listener.changed("x" * 1000) for _ in range(times)]
        await asyncio.gather(*calls, return_exceptions=True)

    def labelled(self, list: list[Any], on: Any) -> int:
        return len(list)


async def main() -> None:
    server = cara_pseud.Server(b"victim")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, victim.Victim, Victim())
    async with server:
        print(server.endpoint, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
