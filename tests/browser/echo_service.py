"""A service that gives back what it gets. Usage: echo_service.py SCHEMA; prints its endpoint."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import cara_pseud


async def main(path: str) -> None:
    schema = cara_pseud.load(path)

    class Listener(schema.Listener):  # type: ignore[misc, name-defined]
        def changed(self, to: int) -> None:
            """Nobody is told."""

    class Echo(schema.Echo):  # type: ignore[misc, name-defined]
        def params(self, *args: Any) -> Any:
            return args

        def every(self, every: Any) -> Any:
            return every

        def lists(self, lists: Any) -> Any:
            return lists

        def one(self, one: Any) -> Any:
            return one

        def boxes(self, boxes: Any) -> Any:
            return boxes

        def object(self) -> Any:
            return Listener()

    server = cara_pseud.Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.register_interface(server, schema.Echo, Echo())
    async with server:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(server.endpoint, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
