"""The calculator as a native Cap'n Proto service, and the yardstick for a gateway in front of it.

`python -m bench.native_calls service PATH` serves it at a unix socket and prints its endpoint. `python -m
bench.native_calls bare PATH` is a Tornado handler that calls it through pycapnp in its own process; it prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import capnp
import orjson
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

SCHEMA = Path(__file__).with_name("calculator.capnp")
PARSER = capnp.SchemaParser()
CALCULATOR = PARSER.load(str(SCHEMA)).Calculator


class Calculator(CALCULATOR.Server):  # type: ignore[misc, name-defined]
    async def add(self, first: int, second: int, **_: Any) -> int:
        return first + second

    async def another(self, **_: Any) -> Calculator:
        return Calculator()


async def serve(path: str) -> None:
    async def connected(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=Calculator()).on_disconnect()

    server = await capnp.AsyncIoStream.create_unix_server(connected, path)
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
    asyncio.run(capnp.run(serve(sys.argv[2]) if sys.argv[1] == "service" else bare(sys.argv[2])))
