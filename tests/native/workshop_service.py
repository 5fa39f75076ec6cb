"""The workshop as a program of its own, served through pycapnp: ``workshop_service.py unix:/path``.

Prints a line once it listens. pycapnp may abort the process that it runs in, so tests start this as a child.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import capnp

HERE = Path(__file__).parent
PARSER = capnp.SchemaParser()
SCHEMA = PARSER.load(str(HERE / "workshop.capnp"), imports=[str(Path(capnp.__file__).parents[1])])


class Tally:
    """What is counted."""

    counters = cancelled = calls = chunks = octets = 0


class Counter(SCHEMA.Counter.Server):  # type: ignore[misc]
    def __init__(self, start: int) -> None:
        self.number = start
        Tally.counters += 1

    def __del__(self) -> None:
        Tally.counters -= 1

    async def value(self, **_: Any) -> int:
        return self.number

    async def add(self, amount: int, **_: Any) -> Counter:
        return Counter(self.number + amount)

    async def next(self, **_: Any) -> Counter:
        return Counter(self.number + 1)


class Factory(SCHEMA.Factory.Server):  # type: ignore[misc]
    async def make_context(self, context: Any) -> None:
        entry = context.results.init("entry")
        entry.name = f"number {context.params.start}"
        entry.counter = Counter(context.params.start)


class Workshop(SCHEMA.Workshop.Server):  # type: ignore[misc]
    kept: Any = None

    async def add(self, first: int, second: int, **_: Any) -> int:
        Tally.calls += 1
        return first + second

    async def divide(self, first: int, second: int, **_: Any) -> tuple[int, int]:
        return divmod(first, second)

    async def counter(self, start: int, **_: Any) -> Counter:
        return Counter(start)

    async def factory(self, **_: Any) -> Factory:
        return Factory()

    async def total(self, entries: Any, **_: Any) -> int:
        values = [await entry.counter.value() for entry in entries]
        return sum(value.value for value in values)

    async def watch(self, listener: Any, times: int, **_: Any) -> list[str]:
        answers = [await listener.changed(text=f"call {number}", number=number) for number in range(times)]
        return [answer.answer for answer in answers]

    async def keep(self, listener: Any, **_: Any) -> None:
        Workshop.kept = listener

    async def poke(self, text: str, **_: Any) -> str:
        return (await Workshop.kept.changed(text=text, number=-1)).answer

    async def drop(self, **_: Any) -> None:
        Workshop.kept = None

    async def echo(self, thing: Any, **_: Any) -> Any:
        return thing

    async def echoAny_context(self, context: Any) -> None:
        context.results.any = context.params.any

    async def fail(self, how: str, **_: Any) -> None:
        if how == "path":
            raise OSError("cannot open /srv/secrets/keys/private.pem")
        raise ValueError(how)

    async def upload(self, chunk: bytes, **_: Any) -> None:
        Tally.chunks += 1
        Tally.octets += len(chunk)

    async def uploaded(self, **_: Any) -> tuple[int, int]:
        return Tally.chunks, Tally.octets

    async def wait(self, milliseconds: int, **_: Any) -> None:
        try:
            await asyncio.sleep(milliseconds / 1000)
        except asyncio.CancelledError:
            Tally.cancelled += 1
            raise

    async def tally(self, **_: Any) -> tuple[int, int, int]:
        return Tally.counters, Tally.cancelled, Tally.calls

    async def nothing(self, listener: Any, **_: Any) -> Any:
        return listener

    async def many(self, count: int, **_: Any) -> list[Counter]:
        return [Counter(number) for number in range(count)]

    async def self(self, **_: Any) -> Workshop:
        return Workshop()

    async def pair_context(self, context: Any) -> None:
        for name in ("flag", "small", "large", "ratio", "name"):
            setattr(context.results, name, getattr(context.params, name))


async def connected(stream: Any) -> None:
    await capnp.TwoPartyServer(stream, bootstrap=Workshop()).on_disconnect()


async def main(endpoint: str) -> None:
    async with capnp.kj_loop():
        if endpoint.startswith("unix:"):
            server = await capnp.AsyncIoStream.create_unix_server(connected, endpoint.removeprefix("unix:"))
        else:
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            server = await capnp.AsyncIoStream.create_server(connected, host, int(port))
        print("ready", flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
