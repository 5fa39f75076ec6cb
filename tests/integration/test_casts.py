"""Objects of which the schema says too little, from a real service through a real gateway: cast, called, let go.

Services and gateway are all in the test's loop.
"""

from __future__ import annotations

import asyncio
import io
import json
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.websocket import websocket_connect

import cara_pseud
from gateway.app import Gateway
from gateway.config.file import load
from gateway.logs import LogWriter

SCHEMA = """@0xd2b90e2d3c2f7fa3;
interface Store {
  restore @0 (start :Int32) -> (cap :Capability);
  all @1 () -> (caps :List(Capability));
  anything @2 () -> (it :AnyPointer);
  base @3 () -> (readable :Readable);
  kept @4 () -> (shelf :Shelf);
  keep @5 (cap :Capability, struct :AnyStruct, list :AnyList) -> (struct :AnyStruct, list :AnyList);
  alive @6 () -> (count :Int32);
  struct Shelf { item @0 :AnyPointer; box :group { cap @1 :Capability; } }
}
interface Readable { read @0 () -> (value :Int32); }
interface Counter extends(Readable) { increment @0 (by :Int32) -> (value :Int32); }
interface Unrelated { nothing @0 () -> (); }
"""
CONFIG = """
[gateway]
listen = "127.0.0.1:0"
[services.store]
schema = "store.capnp"
interface = "Store"
peer = "store"
endpoint = "{endpoint}"
security = "noop"
"""


class Shop:
    """A store and the gateway before it.

    Attributes:
        kept: what the objects say that clients gave to be kept.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kept: list[Any] = []
        self._http = AsyncHTTPClient(max_clients=100)

    async def post(self, path: str, body: Any = None, session: str | None = None) -> HTTPResponse:
        headers = {"Content-Type": "application/json", **({} if session is None else {"Session-Id": session})}
        url, text = self.url + path, json.dumps(body or {})
        return await self._http.fetch(url, method="POST", headers=headers, body=text, raise_error=False)

    async def end(self, session: str) -> None:
        await self._http.fetch(self.url + "/api/session", method="DELETE", headers={"Session-Id": session})

    async def alive(self) -> int:
        return int(json.loads((await self.post("/api/store/alive")).body)["count"])


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    (folder / "store.capnp").write_text(SCHEMA, "utf-8")
    schema = cara_pseud.load(folder / "store.capnp")
    counters: weakref.WeakSet[Any] = weakref.WeakSet()
    state: Shop | None = None

    class Counter(schema.Counter):  # type: ignore[misc, name-defined]
        def __init__(self, value: int) -> None:
            self.value = value
            counters.add(self)

        def read(self) -> int:
            return self.value

        def increment(self, by: int) -> int:
            self.value += by
            return self.value

    class Store(schema.Store):  # type: ignore[misc, name-defined]
        def restore(self, start: int) -> Any:
            return Counter(start)

        def all(self) -> Any:
            return [Counter(1), None, Counter(2)]

        def anything(self) -> Any:
            return {"deep": [Counter(3)]}

        def base(self) -> Any:
            return Counter(4)

        def kept(self) -> Any:
            return {"item": Counter(5), "box": {"cap": Counter(6)}}

        async def keep(self, cap: Any, struct: Any, list: Any) -> Any:
            assert state is not None
            state.kept.append(await cap.cast(schema.Counter).read())
            return {"struct": struct, "list": list}

        def alive(self) -> int:
            return len(counters)

    server = cara_pseud.Server(b"store", security_plugin="noop_auth_backend")
    server.bind("tcp://127.0.0.1:*")
    cara_pseud.setup_server(server)
    cara_pseud.register_interface(server, schema.Store, Store())
    await server.start()
    (folder / "gateway.toml").write_text(CONFIG.format(endpoint=server.endpoint), "utf-8")
    gateway = Gateway(load(folder / "gateway.toml", {}), LogWriter(io.StringIO(), as_json=True))
    await gateway.start()
    try:
        assert await gateway.services_up(10)
        state = Shop(gateway.url)
        yield state
    finally:
        await gateway.stop()
        await server.stop()


def test_over_rest_objects_of_each_kind_are_cast_called_and_let_go(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path) as store:
            session = json.loads((await store.post("/api/session")).body)["session"]

            async def called(handle: Any, by: int) -> Any:
                cast = await store.post(f"/api/handles/{handle['$handle']}", {"interface": "Counter"}, session)
                token = json.loads(cast.body)["$handle"]
                return json.loads((await store.post(f"/api/handles/{token}/increment", {"by": by}, session)).body)

            async def given(method: str, params: Any = None) -> Any:
                return json.loads((await store.post(f"/api/store/{method}", params, session)).body)

            assert await called((await given("restore", {"start": 10}))["cap"], 5) == {"value": 15}
            assert await called((await given("all"))["caps"][2], 5) == {"value": 7}
            assert await called((await given("anything"))["it"]["deep"][0], 5) == {"value": 8}
            assert await called((await given("base"))["readable"], 5) == {"value": 9}
            shelf = (await given("kept"))["shelf"]
            assert [await called(shelf["item"], 1), await called(shelf["box"]["cap"], 1)] == [
                {"value": 6}, {"value": 7},
            ]  # fmt: skip
            assert await store.alive() == 7
            await store.end(session)
            assert await store.alive() == 0

    asyncio.run(main())


def test_what_an_object_does_not_have_is_unimplemented(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path) as store:
            made = await store.post("/api/store/restore", {"start": 1})
            token, session = json.loads(made.body)["cap"]["$handle"], made.headers["Session-Id"]
            cast = await store.post(f"/api/handles/{token}", {"interface": "Unrelated"}, session)
            other = json.loads(cast.body)["$handle"]
            answer = await store.post(f"/api/handles/{other}/nothing", {}, session)
            assert (answer.code, json.loads(answer.body)["code"]) == (501, "unimplemented")

    asyncio.run(main())


def test_a_socket_restores_casts_and_calls_in_one_message_and_gives_both_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path) as store:
            socket = await websocket_connect(store.url.replace("http", "ws") + "/ws")
            messages = [
                {"jsonrpc": "2.0", "id": 1, "method": "store.restore", "params": {"start": 1}},
                {"jsonrpc": "2.0", "id": 2, "method": "rpc.cast",
                 "params": {"handle": {"$result": 1, "path": ["cap"]}, "interface": "Counter"}},
                {"jsonrpc": "2.0", "id": 3, "method": "#2.increment", "params": [41]},
            ]  # fmt: skip
            await socket.write_message(json.dumps(messages))
            first, counter, value = [each["result"] for each in json.loads(str(await socket.read_message()))]
            assert (counter["interface"], value) == ("Counter", {"value": 42})
            for token, alive in ((first["cap"]["$handle"], 1), (counter["$handle"], 0)):
                release = {"jsonrpc": "2.0", "id": 4, "method": "rpc.release", "params": {"handle": token}}
                await socket.write_message(json.dumps(release))
                await socket.read_message()
                assert await store.alive() == alive
            socket.close()

    asyncio.run(main())


def test_a_cast_object_goes_back_to_its_service_as_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with shop(tmp_path) as store:
            made = await store.post("/api/store/restore", {"start": 1})
            token, session = json.loads(made.body)["cap"]["$handle"], made.headers["Session-Id"]
            cast = json.loads((await store.post(f"/api/handles/{token}", {"interface": "Counter"}, session)).body)
            body = {"cap": {"$handle": cast["$handle"]}, "struct": {"a": [1]}, "list": ["x", {}]}
            answer = await store.post("/api/store/keep", body, session)
            assert json.loads(answer.body) == {"struct": {"a": [1]}, "list": ["x", {}]}
            assert store.kept == [1]
            for name, value in (("cap", 5), ("cap", "no cap"), ("struct", []), ("list", {}), ("list", "text")):
                answer = await store.post("/api/store/keep", {**body, name: value}, session)
                assert (answer.code, json.loads(answer.body)["path"]) == (400, f"$.{name}")
            assert store.kept == [1]

    asyncio.run(main())
