"""A service that gives back what it is given, for structs of a schema.

`python vector_service.py SCHEMA_FILE` prints its endpoint and serves its interface `Echo` until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cara_pseud


async def main(path: Path, methods: list[str]) -> None:
    schema = cara_pseud.load(path, import_path=[path.parent])
    server = cara_pseud.Server(b"echo")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, schema.Echo, dict.fromkeys(methods, echo()))
    await server.start()
    print(server.endpoint, flush=True)
    await asyncio.Event().wait()


def echo() -> Callable[[Any], Any]:
    return lambda value: value


if __name__ == "__main__":
    file = Path(sys.argv[1])
    asyncio.run(main(file, [line.split()[0] for line in file.read_text("utf-8").splitlines() if " @" in line]))
