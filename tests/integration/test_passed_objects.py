"""An object of one service that a client passes to another one: whose calls these are, and until when.

Real services and a real gateway, all in the test's loop.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.websocket import websocket_connect

import cara_pseud
from gateway.app import Gateway
from gateway.config.file import GatewayConfig, load
from gateway.config.key_file import KeyEntry, digest_of, key_of
from gateway.logs import LogWriter

KEY = key_of(b"a" * 24)

VAULT = """@0xd2b90e2d3c2f7fa1;
interface Vault {
  box @0 () -> (box :Box);
  watch @1 (watcher :Watcher) -> ();
  interface Watcher { opened @0 () -> (); }
  interface Box extends(Thing) {
    open @0 () -> (content :Text);
    inner @1 () -> (box :Box);
    pour @2 (other :Box) -> (content :Text);
  }
  interface Thing { weigh @0 () -> (grams :Int32); }
}
"""
COURIER = """@0xd2b90e2d3c2f7fa2;
using Vault = import "vault.capnp".Vault;
interface Courier {
  carry @0 (box :Vault.Box) -> ();
  open @1 () -> (content :Text);
  openInner @2 () -> (content :Text);
  weigh @3 () -> (grams :Int32);
  lend @4 () -> (box :Vault.Box);
  drop @5 () -> ();
}
"""


class Houses:
    """Two services and a gateway before them.

    Attributes:
        released: how often a box was let go by its last holder.
        watchers: objects of clients that the vault holds.
        callers: who the calls of boxes were made for, with their roles, as the vault is told.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.released = 0
        self.callers: list[tuple[str | None, tuple[str, ...]]] = []
        self.watchers: list[Any] = []
        self.endpoints: dict[str, str | list[str]] = {}
        self.gateway: Any = None
        self._http = AsyncHTTPClient(max_clients=100)

    def config(self, rules: str = "") -> GatewayConfig:
        self.set_roles("a", "b")
        text = '[gateway]\nlisten = "127.0.0.1:0"\n[gateway.auth]\nrequired = false\nkeys = "keys.txt"\n'
        for name, endpoint in self.endpoints.items():
            text += (
                f'[services.{name}]\nschema = "{name}.capnp"\ninterface = "{name.capitalize()}"\npeer = "{name}"\n'
                f'endpoint = {json.dumps(endpoint)}\nsecurity = "plain"\nuser_id = "gateway"\npassword = "secret"\n'
            )
        (self.folder / "gateway.toml").write_text(text + rules, "utf-8")
        return load(self.folder / "gateway.toml", {})

    def set_roles(self, *roles: str) -> None:
        """Write down which roles Ann has; a reload reads it."""
        file = self.folder / "keys.txt"
        file.write_text(KeyEntry("ann", frozenset(roles), digest_of(KEY)).line(), "utf-8")
        file.chmod(0o600)

    async def have_rules(self, text: str) -> None:
        """Serve on with these rules of the vault."""
        await self.gateway.replace(self.gateway.catalogue(self.config(text)))

    async def post(
        self, path: str, params: Any = None, session: str | None = None, key: str | None = None
    ) -> HTTPResponse:
        said = {"Content-Type": "application/json", "Session-Id": session, "X-API-Key": key}
        headers = {name: value for name, value in said.items() if value is not None}
        url, body = self.gateway.url + path, json.dumps(params or {})
        return await self._http.fetch(url, method="POST", headers=headers, body=body, raise_error=False)

    async def end(self, session: str) -> None:
        url, headers = self.gateway.url + "/api/session", {"Session-Id": session}
        assert (await self._http.fetch(url, method="DELETE", headers=headers)).code == 204

    async def carried(self, key: str | None = None) -> tuple[str, str]:
        """Have the courier carry a box; the session that passed it, and the box's handle there."""
        made = await self.post("/api/vault/box", key=key)
        session, handle = made.headers["Session-Id"], json.loads(made.body)["box"]["$handle"]
        assert (await self.post("/api/courier/carry", {"box": {"$handle": handle}}, session, key)).code == 200
        return session, handle

    async def told(self, method: str) -> Any:
        """What a method of the courier gives, or the code with which it fails."""
        answer = await self.post(f"/api/courier/{method}")
        obj = json.loads(answer.body)
        return obj if answer.code == 200 else obj["code"]


async def serve(schema: Any, name: str, implementation: Any) -> Any:
    server = cara_pseud.Server(
        name.encode(), security_plugin="plain", passwords={"gateway": "secret"}, gateways=["gateway"]
    )
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, schema, implementation)
    await server.start()
    return server


@asynccontextmanager
async def houses(folder: Path, vaults: int = 1) -> AsyncIterator[Houses]:
    state = Houses(folder)
    (folder / "vault.capnp").write_text(VAULT, "utf-8")
    (folder / "courier.capnp").write_text(COURIER, "utf-8")
    schema, carrying = cara_pseud.load(folder / "vault.capnp"), cara_pseud.load(folder / "courier.capnp")

    class Box(schema.Vault.Box):  # type: ignore[misc, name-defined]
        def open(self) -> str:
            call = cara_pseud.current_call()
            state.callers.append((call.principal, call.roles))
            return "gold"

        def inner(self) -> Any:
            return Box()

        async def pour(self, other: Any) -> str:
            return str(await other.open())

        def weigh(self) -> int:
            return 7

        def __released__(self) -> None:
            state.released += 1

    class Vault(schema.Vault):  # type: ignore[misc, name-defined]
        def box(self) -> Any:
            return Box()

        def watch(self, watcher: Any) -> None:
            state.watchers.append(watcher)

    class Courier(carrying.Courier):  # type: ignore[misc, name-defined]
        def carry(self, box: Any) -> None:
            self.box = box

        async def open(self) -> str:
            return str(await self.box.open())

        async def openInner(self) -> str:
            return str(await (await self.box.inner()).open())

        async def weigh(self) -> int:
            return int(await self.box.weigh())

        def lend(self) -> Any:
            return self.box

        def drop(self) -> None:
            del self.box

    servers = [await serve(schema.Vault, "vault", Vault()) for _ in range(vaults)]
    servers.append(await serve(carrying.Courier, "courier", Courier()))
    *own, courier = [server.endpoint for server in servers]
    state.endpoints = {"vault": own if vaults > 1 else own[0], "courier": courier}
    config, log = state.config(), LogWriter(io.StringIO(), as_json=True)
    state.gateway = gateway = Gateway(config, log, source=lambda: load(folder / "gateway.toml", {}))
    await gateway.start()
    try:
        assert await gateway.services_up(10)
        yield state
    finally:
        await gateway.stop()
        for server in servers:
            await server.stop()


def rule(*methods: str, role: str = "keeper") -> str:
    return f'[[services.vault.rules]]\nmethods = {json.dumps(methods)}\nroles = ["{role}"]\n'


def test_another_service_calls_what_its_session_may_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            await state.carried()
            assert await state.told("open") == await state.told("openInner") == {"content": "gold"}
            assert await state.told("weigh") == {"grams": 7}

    asyncio.run(main())


def test_a_rule_that_comes_later_holds_for_what_was_passed_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            session, handle = await state.carried()
            await state.have_rules(rule("Box.open"))
            assert await state.told("open") == "permission_denied"
            assert await state.told("weigh") == {"grams": 7}  # what requires nothing goes on
            assert (await state.post(f"/api/handles/{handle}/open", session=session)).code == 401
            await state.have_rules("")
            assert await state.told("open") == {"content": "gold"}
            await state.have_rules(rule("Thing.weigh"))
            assert await state.told("weigh") == "permission_denied"

    asyncio.run(main())


def test_it_is_called_as_who_passed_it_and_a_role_that_a_reload_takes_away_acts_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            await state.have_rules(rule("Box.open", role="a"))
            session, handle = await state.carried(KEY)
            path = f"/api/handles/{handle}/open"
            # The courier is asked by somebody else; it is Ann's box all the same.
            assert await state.told("open") == await state.told("openInner") == {"content": "gold"}
            assert (await state.post(path, session=session, key=KEY)).code == 200
            assert state.callers == [("key:ann", ("a", "b"))] * 3
            state.set_roles("b")
            await state.gateway.reload()
            assert await state.told("open") == await state.told("openInner") == "permission_denied"
            assert (await state.post(path, session=session, key=KEY)).code == 403
            assert await state.told("weigh") == {"grams": 7}
            assert len(state.callers) == 3
            state.set_roles("a")
            await state.gateway.reload()
            assert await state.told("open") == {"content": "gold"}
            assert state.callers[-1] == ("key:ann", ("a",))

    asyncio.run(main())


def test_what_a_passed_object_gives_is_under_the_same_rules(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            await state.carried()
            await state.have_rules(rule("Box.open"))
            opened = len(state.callers)
            assert await state.told("openInner") == "permission_denied"
            assert len(state.callers) == opened

    asyncio.run(main())


def test_a_service_that_gives_a_passed_object_on_gives_no_more_than_it_has(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            await state.carried()
            made = await state.post("/api/courier/lend")
            session, handle = made.headers["Session-Id"], json.loads(made.body)["box"]["$handle"]
            path = f"/api/handles/{handle}/open"
            assert json.loads((await state.post(path, session=session)).body) == {"content": "gold"}
            await state.have_rules(rule("Box.open"))
            refused = await state.post(path, session=session)
            assert json.loads(refused.body)["code"] == "permission_denied"

    asyncio.run(main())


def test_an_object_at_another_endpoint_of_its_service_is_called_by_the_rules_of_who_passed_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path, vaults=2) as state:
            session = (await state.post("/api/session")).headers["Session-Id"]
            # Where nothing is under way the endpoints take turns.
            made = [await state.post("/api/vault/box", session=session) for _ in range(4)]
            boxes = [json.loads(answer.body)["box"] for answer in made]

            async def pour(other: Any) -> Any:
                path = f"/api/handles/{boxes[0]['$handle']}/pour"
                return json.loads((await state.post(path, {"other": other}, session)).body)

            assert [await pour(other) for other in boxes] == [{"content": "gold"}] * 4
            await state.have_rules(rule("Box.open"))
            told = [(await pour(other)).get("code", "its own") for other in boxes]
            assert told == ["its own", "permission_denied", "its own", "permission_denied"]

    asyncio.run(main())


def test_nothing_is_called_when_the_session_that_passed_it_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            session, _ = await state.carried()
            await state.end(session)
            assert await state.told("open") == "not_found"
            assert await state.told("openInner") == "not_found"
            assert state.callers == []
            # The courier has it still, but nobody could call it: the vault need not keep it.
            async with asyncio.timeout(10):
                while not state.released:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_an_object_that_its_client_lets_go_lives_as_long_as_the_other_service_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            session, handle = await state.carried()
            url = f"{state.gateway.url}/api/handles/{handle}"
            await AsyncHTTPClient().fetch(url, method="DELETE", headers={"Session-Id": session})
            assert await state.told("open") == {"content": "gold"}
            assert state.released == 0
            assert await state.told("drop") == {}
            async with asyncio.timeout(10):
                while not state.released:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_an_object_that_is_passed_again_is_the_same_to_who_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            session, handle = await state.carried()
            for _ in range(3):
                await state.post("/api/courier/carry", {"box": {"$handle": handle}}, session)
            (passed,) = next(one for one in state.gateway._sessions if one.id == session).passed.lent
            assert await state.told("open") == {"content": "gold"}
            await state.told("drop")
            async with asyncio.timeout(10):
                while passed._lent:
                    await asyncio.sleep(0.01)
            assert state.released == 0  # its session has it

    asyncio.run(main())


def test_an_object_of_a_client_ends_when_a_rule_forbids_the_call_that_it_was_passed_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with houses(tmp_path) as state:
            socket = await websocket_connect(state.gateway.url.replace("http", "ws") + "/ws")

            async def says(id: int, method: str, params: Any) -> None:
                await socket.write_message(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))

            async def hears(id: int | None) -> Any:
                async with asyncio.timeout(10):
                    while (said := json.loads(await socket.read_message() or "{}")).get("id") != id:
                        pass
                return said

            await says(1, "rpc.hello", {"protocol": 1})
            await says(2, "vault.watch", {"watcher": {"$callback": "w"}})
            assert (await hears(2))["result"] == {}
            await state.have_rules(rule("Box.open"))  # another one
            await state.have_rules(rule("watch"))
            told = await hears(None)
            assert told["method"] == "rpc.released"
            assert (told["params"]["callback"], told["params"]["code"]) == ("w", "permission_denied")
            with pytest.raises(cara_pseud.RpcError):
                await state.watchers[0].opened()
            socket.close()

    asyncio.run(main())
