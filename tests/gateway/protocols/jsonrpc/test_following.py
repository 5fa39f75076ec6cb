"""Chains of a client that span a real service: one round trip to it, and the answers as if each call had waited."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from cara_pseud.server import Server
from gateway.app import Gateway
from gateway.config.file import load
from gateway.logs import LogWriter
from tests.cara_pseud.promising import OldServer, Stage, loaded, stage

Scenario = Callable[["Page", Stage], Coroutine[Any, Any, None]]


class Page:
    """A client of the gateway that writes a tick's calls as one message."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._answers: dict[Any, dict[str, Any]] = {}

    async def say(self, *messages: tuple[Any, str, Any]) -> None:
        said = [{"jsonrpc": "2.0", "id": id, "method": method, "params": params} for id, method, params in messages]
        await self._socket.write_message(json.dumps(said if len(said) > 1 else said[0]))

    async def answer(self, id: Any) -> Any:
        """The result of a call, or its error as a problem object."""
        while id not in self._answers:
            heard = json.loads(await self._socket.read_message() or "null")
            for message in heard if isinstance(heard, list) else [heard]:
                if message.get("id") is not None:
                    self._answers[message["id"]] = message
        told = self._answers.pop(id)
        return told["result"] if "result" in told else {**told["error"], **told["error"]["data"]}

    async def chain(self, *messages: tuple[Any, str, Any]) -> list[Any]:
        await self.say(*messages)
        return [await self.answer(id) for id, _, _ in messages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("numbers")


@pytest.fixture(scope="module")
def numbers(folder: Path) -> Any:
    return loaded(folder)


@asynccontextmanager
async def running(made: Stage, folder: Path, extra: str = "") -> AsyncIterator[Gateway]:
    file = folder / "gateway.toml"
    file.write_text(
        f'[gateway]\nlisten = "127.0.0.1:0"\n{extra}[services.numbers]\nschema = "{folder}/numbers.capnp"\n'
        f'interface = "Numbers"\nendpoint = "{made.server.endpoint}"\npeer = "server"\nsecurity = "noop"\n',
        "utf-8",
    )
    gateway = Gateway(load(file, {}), LogWriter(io.StringIO(), as_json=True))
    await gateway.start()
    try:
        assert await gateway.services_up(10)
        yield gateway
    finally:
        await gateway.stop()


def play(
    numbers: Any, folder: Path, scenario: Scenario, server: type[Server] = Server, *, unbox: bool = True
) -> None:
    async def main() -> None:
        async with stage(numbers, server) as made, running(made, folder) as gateway:
            socket = await websocket_connect(gateway.url.replace("http", "ws") + "/ws")
            try:
                page = Page(socket)
                await page.chain((0, "rpc.hello", {"protocol": 1, "unbox": unbox}))
                made.forget()
                await scenario(page, made)
            finally:
                socket.close()

    asyncio.run(main())


@pytest.mark.parametrize(("unbox", "way"), [(True, ""), (False, "number.")])
def test_a_chain_costs_one_round_trip_to_the_service(numbers: Any, folder: Path, unbox: bool, way: str) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        await page.say(
            (1, "numbers.later", [1]), (2, f"#1.{way}plus", [2]), (3, f"#2.{way}plus", [3]), (4, f"#3.{way}read", [])
        )
        while not made.begun:
            await asyncio.sleep(0.001)
        made.gate.set()
        assert await page.answer(4) == ("6" if unbox else {"value": "6"})
        assert (made.round_trips, made.calls) == (1, 4)

    play(numbers, folder, scenario, unbox=unbox)


def test_answers_that_have_not_come_are_arguments_too(numbers: Any, folder: Path) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        await page.say(
            (1, "numbers.later", [1]),
            (2, "numbers.page", []),
            (3, "#1.add", [{"$result": 2, "path": ["best", "number"]}]),
            (4, "numbers.sum", [[{"number": {"$result": 1}}, {"number": {"$result": 3}}]]),
            (5, "#2.best.number.read", []),
        )
        while not made.begun:
            await asyncio.sleep(0.001)
        made.gate.set()
        assert [await page.answer(id) for id in (4, 5)] == ["7", "5"]
        assert (made.round_trips, made.calls) == (1, 5)

    play(numbers, folder, scenario)


@pytest.mark.parametrize("server", [Server, OldServer])
def test_a_chain_fails_with_its_first_call_and_says_so(numbers: Any, folder: Path, server: Any) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        made.gate.set()
        first, second, third = await page.chain((1, "numbers.fail", []), (2, "#1.plus", [1]), (3, "#2.read", []))
        assert (first["code"], first["detail"]) == ("aborted", "on purpose")
        for failed in (second, third):
            assert (failed["code"], failed["detail"]) == ("aborted", "the call that it refers to failed: on purpose")
            assert failed["cause"]["request_id"] == first["request_id"]

    play(numbers, folder, scenario, server)


@pytest.mark.parametrize("server", [Server, OldServer])
def test_where_no_object_is_the_call_says_so(numbers: Any, folder: Path, server: Any) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        made.gate.set()
        _, empty, list_item, text, unknown = await page.chain(
            (1, "numbers.page", []),
            (2, "#1.none.read", []),
            (3, "#1.all.0.read", []),
            (4, "#1.title.read", []),
            (5, "#1.best.number.nope", []),
        )
        assert (empty["code"], empty["detail"]) == (
            "invalid_argument", 'at "none" in the answer is no object that could be called'
        )  # fmt: skip
        assert list_item == "6"
        assert text["code"] == "invalid_argument"
        assert unknown["code"] == "not_found"

    play(numbers, folder, scenario, server)


def test_an_object_of_another_interface_is_refused_before_anything_is_sent(numbers: Any, folder: Path) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        made.gate.set()
        _, refused = await page.chain((1, "numbers.any", [1]), (2, "#1.read", []))
        assert refused["code"] == "failed_precondition"

    play(numbers, folder, scenario)


@pytest.mark.parametrize("server", [Server, OldServer])
def test_to_cancel_a_call_ends_those_that_name_it(numbers: Any, folder: Path, server: Any) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        await page.say((1, "numbers.later", [1]), (2, "#1.plus", [1]), (3, "#2.read", []))
        while not made.begun:
            await asyncio.sleep(0.001)
        await page.say((4, "rpc.cancel", {"id": 2}))
        assert [(await page.answer(id))["code"] for id in (2, 3)] == ["cancelled", "cancelled"]
        made.gate.set()
        assert "$handle" in await page.answer(1)
        assert await page.chain((5, "#1.read", [])) == ["1"]
        while made.server.connections[-1].running:
            await asyncio.sleep(0.001)

    play(numbers, folder, scenario, server)


def test_a_call_is_cancelled_in_the_message_that_brought_it(numbers: Any, folder: Path) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        await page.say((1, "numbers.later", [1]), (2, "#1.read", []), (3, "rpc.cancel", {"id": 2}))
        assert (await page.answer(2))["code"] == "cancelled"
        made.gate.set()
        assert "$handle" in await page.answer(1)

    play(numbers, folder, scenario, OldServer)


def test_calls_that_name_each_other_have_no_such_calls(numbers: Any, folder: Path) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        made.gate.set()
        await page.say((1, "#2.read", []), (2, "#1.read", []), (3, "#3.read", []))
        assert [(await page.answer(id))["code"] for id in (1, 2, 3)] == ["failed_precondition"] * 3

    play(numbers, folder, scenario)


def test_a_chain_may_go_on_behind_the_answers(numbers: Any, folder: Path) -> None:
    async def scenario(page: Page, made: Stage) -> None:
        made.gate.set()
        assert await page.chain((1, "numbers.later", [1]), (2, "#1.plus", [1]), (3, "#2.read", []))
        assert await page.chain((4, "#2.plus", [1]), (5, "#4.add", [{"$result": 1}]), (6, "#5.read", [])) != []
        assert await page.chain((7, "#5.read", [])) == ["4"]

    play(numbers, folder, scenario)
