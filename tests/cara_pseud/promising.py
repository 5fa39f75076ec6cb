"""A service whose objects give objects, a client of it, and what passed between the two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cara_pseud
from cara_pseud import batches, wire
from cara_pseud.client import Client
from cara_pseud.server import Server

SCHEMA = """@0x8f5b2c6d91e3a704;
interface Numbers {
  number @0 (value :Int64) -> (number :Number);
  later @1 (value :Int64) -> (number :Number);
  fail @2 () -> (number :Number);
  page @3 () -> (page :Page);
  both @4 (value :Int64) -> (first :Number, second :Number);
  any @5 (value :Int64) -> (any :AnyPointer);
  sum @6 (terms :List(Term)) -> (total :Int64);
  pass @7 (number :Number) -> (number :Number);
  order @8 () -> (log :List(Int64));
}
interface Number {
  read @0 () -> (value :Int64);
  plus @1 (by :Int64 = 1) -> (number :Number);
  add @2 (other :Number) -> (number :Number);
  note @3 (mark :Int64) -> ();
}
struct Page { title @0 :Text; best :group { number @1 :Number; } none @2 :Number; all @3 :List(Number); }
struct Term { number @0 :Number; }
"""


def loaded(folder: Path) -> Any:
    path = folder / "numbers.capnp"
    path.write_text(SCHEMA)
    return cara_pseud.load(path)


class OldServer(Server):
    """A server from before calls could name answers."""

    def hello(self, version: int) -> Mapping[str, Any]:
        return {key: value for key, value in super().hello(version).items() if key != "pipelines"}


@dataclass
class Stage:
    """What runs.

    Attributes:
        gate: lets `later` answer.
        begun: the calls of `later` that have come.
        log: the marks that numbers were given to note.
        released: how many numbers were let go.
        reason: what `fail` says.
        left_s: what the last call of `sum` had left of its time.
        passes: what `pass` gives for what it was given.
        traffic: which way each message went, as the server sees it, and how many calls were in it.
    """

    module: Any
    server: Server
    client: Client
    numbers: Any
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    log: list[int] = field(default_factory=list)
    released: int = 0
    left_s: float = 0.0
    reason: str = "on purpose"
    passes: Callable[[Any], Any] = lambda number: number
    traffic: list[tuple[str, int]] = field(default_factory=list)

    def forget(self) -> None:
        """Begin to count anew."""
        self.traffic.clear()

    @property
    def round_trips(self) -> int:
        """How often the client had something to say that it could not say before it heard an answer."""
        ways = [way for way, calls in self.traffic if calls or way == "from"]
        return sum(1 for place, way in enumerate(ways) if way == "to" and (place == 0 or ways[place - 1] == "from"))

    @property
    def calls(self) -> int:
        """How many calls came to the server."""
        return sum(count for way, count in self.traffic if way == "to")


def _made(module: Any, stage: Stage) -> tuple[Any, Any]:
    class MyNumber(module.Number):  # type: ignore[misc, name-defined]
        def __init__(self, value: int) -> None:
            self.value = value

        def read(self) -> int:
            return self.value

        def plus(self, by: int = 1) -> Any:
            return MyNumber(self.value + by)

        async def add(self, other: Any) -> Any:
            return MyNumber(self.value + await other.read())

        def note(self, mark: int) -> None:
            stage.log.append(mark)

        def __released__(self) -> None:
            stage.released += 1

    class MyNumbers(module.Numbers):  # type: ignore[misc, name-defined]
        def number(self, value: int) -> Any:
            return MyNumber(value)

        async def later(self, value: int) -> Any:
            stage.begun += 1
            await stage.gate.wait()
            return MyNumber(value)

        async def fail(self) -> Any:
            await stage.gate.wait()
            raise cara_pseud.RpcError("aborted", stage.reason, {"why": "a test"})

        async def page(self) -> Any:
            await stage.gate.wait()
            return {"title": "t", "best": {"number": MyNumber(5)}, "all": [MyNumber(6)]}

        async def both(self, value: int) -> Any:
            await stage.gate.wait()
            return {"second": MyNumber(value + 1), "first": MyNumber(value)}

        async def any(self, value: int) -> Any:
            await stage.gate.wait()
            return module.Number(MyNumber(value))

        async def sum(self, terms: Any) -> int:
            deadline = cara_pseud.current_call().deadline
            stage.left_s = 0.0 if deadline is None else deadline - asyncio.get_running_loop().time()
            return sum([await term.number.read() for term in terms])

        def pass_(self, number: Any) -> Any:
            return stage.passes(number)

        def order(self) -> list[int]:
            return stage.log

    return MyNumbers, MyNumber


def _count(server: Server, stage: Stage) -> None:
    taken, given = server.on_message, server._transport.send

    def on_message(frames: list[bytes], *more: Any) -> None:
        if len(frames) == 6:
            stage.traffic.append(("to", _calls(*frames[4:])))
        taken(frames, *more)

    def send(routing_id: bytes, uid: bytes, kind: bytes, *more: Any) -> Any:
        if kind in (wire.OK, wire.ERROR, wire.BATCH):
            stage.traffic.append(("from", 0))
        return given(routing_id, uid, kind, *more)

    server.on_message = on_message  # type: ignore[method-assign]
    server._transport.send = send  # type: ignore[method-assign, assignment]


def _calls(kind: bytes, body: bytes) -> int:
    inner = batches.parse(body) if kind == wire.BATCH else [(b"", kind, body)]
    return sum(kind == wire.WORK and wire.EXT_RELEASE.encode() not in body for _, kind, body in inner)


@asynccontextmanager
async def stage(module: Any, server_class: type[Server] = Server, **arguments: Any) -> AsyncIterator[Stage]:
    """A server and a client of it that have greeted each other."""
    server = server_class(b"server", **arguments)
    server.bind("tcp://127.0.0.1:*")
    client = Client(b"server")
    client.connect(server.endpoint)
    made = Stage(module, server, client, module.Numbers(client))
    numbers, _ = _made(module, made)
    cara_pseud.register_interface(server, module.Numbers, numbers())
    async with asyncio.timeout(20), server, client:
        await made.numbers.order()
        _count(server, made)
        yield made
