"""A service whose every word is meant to be taken for something else.

Usage: hostile_service.py SCHEMA; prints its endpoint.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import cara_pseud


async def main(path: str) -> None:
    schema = cara_pseud.load(path)

    class Hostile(schema.Hostile):  # type: ignore[misc, name-defined]
        def echo(self, what: str) -> Any:
            return what

        def fail(self, what: str) -> None:
            raise cara_pseud.RpcError("aborted", what, {"what": what})

    server = cara_pseud.Server(b"server")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.register_interface(server, schema.Hostile, Hostile())
    async with server:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(server.endpoint, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
