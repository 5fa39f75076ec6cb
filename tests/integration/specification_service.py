"""The service of the JSON-RPC specification's examples; prints its endpoint and serves until it is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import cara_pseud


async def main() -> None:
    schema = cara_pseud.load(Path(__file__).with_name("specification.capnp"))
    server = cara_pseud.setup_server(cara_pseud.Server(b"specification"))
    seen: list[str] = []

    @cara_pseud.register_interface(server)
    class Specification(schema.Specification):  # type: ignore[misc]
        def subtract(self, minuend: int, subtrahend: int) -> int:
            return minuend - subtrahend

        def update(self, a: int, b: int, c: int, d: int, e: int) -> None:
            seen.append(f"update {a} {b} {c} {d} {e}")

        def sum(self, a: int, b: int, c: int) -> int:
            return a + b + c

        def notifyHello(self, number: int) -> None:
            seen.append(f"notify_hello {number}")

        def getData(self) -> dict[str, object]:
            return {"text": "hello", "number": 5}

        def seen(self) -> list[str]:
            return seen

    server.bind("tcp://127.0.0.1:*")
    await server.start()
    print(server.endpoint, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
