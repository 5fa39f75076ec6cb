"""The service behind `bench.attacks`, whose methods take and give what is large; prints its endpoint first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import cara_pseud


async def main() -> None:
    """Serve until killed."""
    schema = cara_pseud.load(Path(__file__).with_name("heavy.capnp"))
    server = cara_pseud.setup_server(cara_pseud.Server(b"heavy"))

    class Box(schema.Heavy.Box):  # type: ignore[name-defined, misc]
        def open(self) -> Any:
            return Box()

    @cara_pseud.register_interface(server)
    class Heavy(schema.Heavy):  # type: ignore[name-defined, misc]
        def add(self, first: int, second: int) -> int:
            return first + second

        def takeNumbers(self, numbers: Any) -> int:
            return len(numbers)

        def takeThings(self, things: Any) -> int:
            return len(things)

        def takeAny(self, any: Any) -> None:
            return None

        def giveNumbers(self, count: int) -> Any:
            return list(range(count))

        def giveThings(self, count: int) -> Any:
            return [{"name": "a thing"}] * count

        def giveObjects(self, count: int) -> Any:
            return [Box() for _ in range(count)]

        def box(self) -> Any:
            return Box()

        def echoThings(self, things: Any) -> Any:
            return things

    server.bind("tcp://127.0.0.1:*")
    await server.start()
    print(server.endpoint, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
