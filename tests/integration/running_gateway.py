"""A gateway and a service with a login in the test's own loop, so that the test can reach inside."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

import cara_pseud
from gateway.app import RETIRED_S, Gateway
from gateway.config.file import GatewayConfig, load
from gateway.logs import LogWriter

SCHEMA = """@0xd2b90e2d3c2f7f99;
interface Lobby {
  room @0 () -> (room :Room);
  slow @1 () -> (done :Bool);
  greet @2 (greeter :Greeter) -> (text :Text);
  interface Room { name @0 () -> (name :Text); }
  interface Greeter { greet @0 (name :Text) -> (text :Text); }
}
"""


class Running:
    """What runs.

    Attributes:
        released: how often it was let go by its last holder.
        let_go: set when it was let go.
        rooms: how often the one room was given out.
    """

    def __init__(self, folder: Path, schema: str = SCHEMA) -> None:
        self.folder = folder
        self.schema_file = folder / "lobby.capnp"
        self.schema_file.write_text(schema, "utf-8")
        self.rooms = self.released = 0
        self.let_go = asyncio.Event()
        self.server: Any = None
        self.gateway: Any = None
        self._http = AsyncHTTPClient(max_clients=100)

    def config(self, extra: str = "", name: str = "lobby") -> GatewayConfig:
        file = self.folder / "gateway.toml"
        file.write_text(
            f'[gateway]\nlisten = "127.0.0.1:0"\n{extra}[services.{name}]\nendpoint = "{self.server.endpoint}"\n'
            f'schema = "{self.schema_file}"\ninterface = "Lobby"\npeer = "lobby"\n'
            'security = "plain"\nuser_id = "gateway"\npassword = "secret"\n',
            "utf-8",
        )
        return load(file, {})

    async def post(self, path: str, params: Any = None, session: str | None = None) -> HTTPResponse:
        headers = {"Content-Type": "application/json"} | ({} if session is None else {"Session-Id": session})
        return await self._http.fetch(
            self.gateway.url + path, method="POST", headers=headers, body=json.dumps(params or {}), raise_error=False
        )

    async def delete(self, path: str, session: str) -> int:
        url, headers = self.gateway.url + path, {"Session-Id": session}
        return (await self._http.fetch(url, method="DELETE", headers=headers, raise_error=False)).code

    async def looked_for_unused(self) -> None:
        """Wait until the gateway has looked for connections that nothing uses, so that it would have ended them."""
        await asyncio.sleep(2 * RETIRED_S)

    async def socket(self) -> WebSocketClientConnection:
        return await websocket_connect(self.gateway.url.replace("http", "ws") + "/ws")


@asynccontextmanager
async def running(folder: Path, extra: str = "", schema: str = SCHEMA) -> AsyncIterator[Running]:
    """Start a service and a gateway before it."""
    state = Running(folder, schema)
    loaded = cara_pseud.load(state.schema_file)

    class Room(loaded.Lobby.Room):  # type: ignore[misc, name-defined]
        def name(self) -> str:
            return "the room"

        def __released__(self) -> None:
            state.released += 1
            state.let_go.set()

    shared = Room()

    class Lobby(loaded.Lobby):  # type: ignore[misc, name-defined]
        def room(self) -> Any:
            state.rooms += 1
            return shared

        async def slow(self) -> bool:
            await asyncio.sleep(30)
            return True

        async def greet(self, greeter: Any) -> str:
            return str(await greeter.greet("Ann"))

    server = cara_pseud.Server(b"lobby", security_plugin="plain", passwords={"gateway": "secret"})
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, loaded.Lobby, Lobby())
    await server.start()
    state.server = server
    gateway = Gateway(state.config(extra), LogWriter(io.StringIO(), as_json=True))
    state.gateway = gateway
    await gateway.start()
    try:
        assert await gateway.services_up(10)
        yield state
    finally:
        await gateway.stop()
        await server.stop()
