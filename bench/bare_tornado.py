"""The yardstick for the gateway: Tornado handlers that read and write the same JSON and do nothing else.

`python -m bench.bare_tornado` prints its port.
"""

from __future__ import annotations

import asyncio

import orjson
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket


class Add(tornado.web.RequestHandler):
    def post(self) -> None:
        params = orjson.loads(self.request.body)
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps({"result": params["first"] + params["second"]}))


class Socket(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        request = orjson.loads(message)
        params = request["params"]
        result = {"result": params["first"] + params["second"]}
        self.write_message(orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).decode())


async def main() -> None:
    application = tornado.web.Application([("/api/calculator/add", Add), ("/ws", Socket)], log_function=lambda _: None)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(application).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
