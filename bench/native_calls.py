"""The calculator as a native Cap'n Proto service, and the yardstick for a gateway in front of it.

`python -m bench.native_calls service PATH` serves it at a unix socket and prints its endpoint. `python -m
bench.native_calls bare PATH` is a Tornado handler that calls it through pycapnp in its own process; it prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import capnp
import orjson
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from cara_pseud.cork import Cork
from cara_pseud.local import LocalCapability
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Type
from gateway.bridge.named_structs import SchemaStructs
from gateway.bridge.native_connection import NativeConnection
from gateway.bridge.native_methods import NativeMethods

SCHEMA = Path(__file__).with_name("calculator.capnp")
PARSER = capnp.SchemaParser()
CALCULATOR = PARSER.load(str(SCHEMA)).Calculator


class Calculator:
    """An object of ours: pycapnp's own servers are so slow that calls would wait for each other at them."""

    def invoke(self, interface_id: int, method: int | str, args: Sequence[int], kwargs: Any, call: Any) -> Any:
        return args[0] + args[1] if method == 0 else LocalCapability(Calculator())

    def released(self) -> None: ...


async def serve(path: str) -> None:
    schema = compile_schema([SCHEMA])
    node = schema.find("Calculator")
    assert node is not None
    first = LocalCapability(Calculator()), Type(Kind.INTERFACE, node.id)
    methods, loop = NativeMethods(schema, SchemaStructs(schema)), asyncio.get_running_loop()

    def connected() -> NativeConnection:
        connection = NativeConnection(methods, Cork(), loop)
        connection.vat.first = first
        return connection

    server = await loop.create_unix_server(connected, path)
    print(f"unix:{path}", flush=True)
    async with server:
        await server.serve_forever()


class Socket(tornado.websocket.WebSocketHandler):
    def initialize(self, calculator: Any) -> None:
        self.calculator = calculator

    async def _answer(self, message: str | bytes) -> None:
        request = orjson.loads(message)
        answer = await self.calculator._send_helper("add", None, None, request["params"])
        result = {"result": answer.result}
        await self.write_message(orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).decode())

    def on_message(self, message: str | bytes) -> None:
        # Awaited here, each call would wait for the one before.
        asyncio.get_running_loop().create_task(self._answer(message))


async def bare(path: str) -> None:
    client = capnp.TwoPartyClient(await capnp.AsyncIoStream.create_unix_connection(path))
    calculator = client.bootstrap().cast_as(CALCULATOR)
    application = tornado.web.Application([("/ws", Socket, {"calculator": calculator})], log_function=lambda _: None)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(application).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2]) if sys.argv[1] == "service" else capnp.run(bare(sys.argv[2])))
