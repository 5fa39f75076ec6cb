"""A native service, by pycapnp, that gives back what it is given: ``echo_service.py SCHEMA FOLDER unix:PATH``.

Its interface is ``Echo`` in the schema, each of whose methods takes and gives a ``value``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import capnp

PARSER = capnp.SchemaParser()


async def give(self: Any, context: Any) -> None:
    context.results.value = context.params.value


async def serve(schema: str, folder: str, endpoint: str) -> None:
    echo = PARSER.load(schema, imports=[folder, str(Path(capnp.__file__).parents[1])]).Echo
    methods = {f"{name}_context": give for name in echo.schema.method_names}
    implementation = type("Implementation", (echo.Server,), methods)

    async def connected(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=implementation()).on_disconnect()

    server = await capnp.AsyncIoStream.create_unix_server(connected, endpoint.removeprefix("unix:"))
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(capnp.run(serve(*sys.argv[1:])))
