"""Large bodies and frames over real sockets: they wait for each other, small calls pass in between, bounds hold."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.http.websocket.byte_transports import ByteTransports, LoopTransports, StreamTransports
from tests.clock import MovedClock
from tests.conformance.rfc6455 import text
from tests.gateway.http.conftest import Built, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test

WAYS = pytest.mark.parametrize("transports", [LoopTransports(), StreamTransports()], ids=["transport", "stream"])
ADD = "/api/calculator/add"
SPACE = " " * 70_000
"""Makes a message large and costs nothing else."""


@pytest.fixture
def limits() -> Limits:
    return Limits(max_message_bytes=200_000, max_values=1_000, max_query_parameters=5)


async def test_large_bodies_are_read_one_after_the_other(edge: Edge, root: Any) -> None:
    asked = [edge.asks("POST", ADD, f'{{"first":{number},{SPACE}"second":5}}'.encode()) for number in range(5)]
    small = edge.asks("POST", ADD, [100, 0])
    for _ in range(6):
        call = await root.next_call()
        call.reply(sum(call.args))
    assert [json.loads((await answer).body)["result"] for answer in (*asked, small)] == [5, 6, 7, 8, 9, 100]
    assert (await edge.metrics())["large_messages_waiting"] == 0


@moves_time
async def test_a_large_body_waits_for_its_turn_but_not_for_ever(
    edge: Edge, root: Any, built: Built, clock: MovedClock
) -> None:
    turns = built.application.site.turns
    turns._handle = asyncio.get_running_loop().call_later(3600, print)  # as if others went on and on
    large = await edge.connect()
    large.ask("POST", ADD, "Content-Type: application/json", body=f"[1,{SPACE}2]".encode())
    small = edge.asks("POST", ADD, [100, 0])
    call = await root.next_call()
    assert call.args == [100, 0]
    call.reply(100)
    assert (await small).code == 200
    while not len(turns):
        await asyncio.sleep(0)
    assert (await edge.get("/healthz")).code == 200
    await clock.advance(30.0)
    head, body = await large.answer()
    refused = json.loads(body)
    assert (head.status, refused["code"]) == (429, "resource_exhausted")
    assert refused["detail"] == "other large bodies of this address were read for 30 s before this one; try again"
    turns._handle.cancel()
    turns._lanes.clear()


async def test_a_client_that_leaves_while_its_body_waits_makes_no_trouble(edge: Edge, root: Any, built: Built) -> None:
    connection = await edge.connect()
    body = f"[1,{SPACE}2]".encode()
    for _ in range(3):
        connection.ask("POST", ADD, "Content-Type: application/json", body=body)
    await connection.writer.drain()
    await connection.close()
    answer = edge.asks("POST", ADD, [2, 5])
    while not answer.done():
        call = asyncio.ensure_future(root.next_call())
        await asyncio.wait([call, answer], return_when=asyncio.FIRST_COMPLETED)
        if call.done() and not call.result().done():
            call.result().reply(7)
        call.cancel()
    assert (await answer).code == 200


async def test_a_body_of_too_many_values_is_refused(edge: Edge) -> None:
    refused = problem(await edge.post(ADD, {"first": [1] * 999}))
    assert refused["code"] == "invalid_argument"  # but not for its size
    refused = problem(await edge.post(ADD, {"first": [1] * 1_000}))
    assert (refused["status"], refused["code"], refused["service"]) == (413, "too_large", "calculator")
    assert refused["detail"] == "more than 1000 values (elements and members) are in one message"


async def test_a_result_of_too_many_values_is_refused(edge: Edge, root: Any) -> None:
    for number, status in ((999, 200), (1_000, 413)):
        asked = edge.asks("POST", "/api/calculator/map", {"values": [1]})
        (await root.next_call()).reply([1] * number)
        assert (await asked).code == status
    assert problem(await asked)["code"] == "too_large"


async def test_a_query_of_too_many_names_is_refused(edge: Edge) -> None:
    path = "/api/calculator/divide?dividend=7&divisor=2"
    assert "more than once" in problem(await edge.get(path + "&divisor=2" * 3))["detail"]
    assert problem(await edge.get(path + "&divisor=2" * 4))["detail"] == (
        "a query may hold at most 5 parameters; use a JSON body"
    )


def describe(id: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": "rpc.describe", "params": {"interface": "Nothing"}}


@WAYS
async def test_what_comes_behind_large_frames_is_taken_in_order(edge: Edge, transports: ByteTransports) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1}, id="hello")
    hello = (await socket.hear())["result"]
    assert hello["limits"]["max_values"] == 1_000
    frames = [json.dumps([describe(300 * turn + number) for number in range(300)]) + SPACE for turn in range(3)]
    behind = [json.dumps(describe(900 + number)) for number in range(50)]
    socket.send(*(text(one.encode()) for one in (*frames, *behind)))
    heard: list[int] = []
    while len(heard) < 950:
        message = await socket.hear()
        heard += [message["id"]] if "id" in message else []
    assert heard == [*range(950)]
    session = {"Session-Id": hello["session"]}
    assert (await edge.request("DELETE", "/api/session", None, session)).code == 204
