"""JSON-RPC over HTTP: one message or batch a request, with the handles and sessions of REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from cara_pseud.errors import RpcError
from gateway.config.limits import Limits
from tests.clock import MovedClock
from tests.gateway.http.conftest import FRIEND, Built, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test

JSON = {"Content-Type": "application/json"}
NOTIFICATION = {"jsonrpc": "2.0", "method": "calculator.add", "params": [1, 2]}


def call(id: Any, method: str = "calculator.add", params: Any = None, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or [], **members}


def read(answer: HTTPResponse, status: int = 200) -> Any:
    assert answer.code == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    return json.loads(answer.body)


def codes(messages: Any) -> list[Any]:
    """The id and the error's code of each message, or its result."""
    return [(message["id"], message.get("result", message.get("error", {}).get("code"))) for message in messages]


async def test_a_call_is_answered(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/rpc", call(7, params={"first": 2, "second": 5}))
    made = await root.next_call()
    assert (made.method, made.args) == ("add", [2, 5])
    made.reply(7)
    answer = await asked
    assert read(answer) == {"jsonrpc": "2.0", "id": 7, "result": {"result": 7}}
    assert not {"Session-Id", "Set-Cookie", "Cache-Control"} & answer.headers.keys()


@pytest.mark.parametrize("fault", [b'"\\ud83d"', b"1e400", b"[" * 1100 + b"]" * 1100])
async def test_a_value_that_nobody_can_take_is_the_fault_of_its_call(edge: Edge, root: Any, fault: bytes) -> None:
    bad = b'{"jsonrpc":"2.0","id":1,"method":"calculator.add","params":{"first":%b}}' % fault
    message = read(await edge.post("/rpc", bad, JSON))
    assert (message["id"], message["error"]["code"]) == (1, -32602)
    assert message["error"]["data"]["path"].startswith("$.first")
    asked = edge.asks("POST", "/rpc", b"[%b,%b]" % (bad, json.dumps(call(2, params=[2, 5])).encode()), JSON)
    (await root.next_call()).reply(7)
    assert codes(read(await asked)) == [(1, -32602), (2, {"result": 7})]


async def test_an_error_is_an_answer_too(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/rpc", call("a"))
    (await root.next_call()).set_exception(RpcError("already_exists", "it is there"))
    message = read(await asked)
    assert (message["id"], message["error"]["code"], message["error"]["message"]) == ("a", -32006, "it is there")
    assert message["error"]["data"]["code"] == "already_exists"


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        ({"foo": "bar"}, (None, -32600)),
        ([], (None, -32600)),
        (5, (None, -32600)),
        (call(1, "calculator.nope"), (1, -32601)),
        (call(1, "nowhere.add"), (1, -32601)),
        (call(1, "rpc.hello", {"protocol": 1}), (1, -32601)),
        (call(1, "rpc.ack", {"received": 1}), (1, -32601)),
        (call(1, "rpc.nonsense"), (1, -32601)),
        (call(1, params=[1, 2, 3]), (1, -32602)),
        (call(1, "@unknown.add"), (1, -32005)),
        (call(1, "#5.accumulator.add"), (1, -32009)),
    ],
)
async def test_what_cannot_be_done_is_told_with_200(edge: Edge, root: Any, body: Any, answers: Any) -> None:
    (found,) = codes([read(await edge.post("/rpc", body))])
    assert found == answers
    assert root.calls == []


@pytest.mark.parametrize("body", [b"{", b"", b"[1,", b"\xff", b"nothing"])
async def test_what_is_no_json_is_a_bad_request(edge: Edge, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    (found,) = codes([read(await edge.request("POST", "/rpc", body, headers), 400)])
    assert found == (None, -32700)


async def test_a_batch_is_answered_in_its_order_with_its_errors(edge: Edge, root: Any) -> None:
    batch = [call(1), call(2, "calculator.nope"), NOTIFICATION, 5, call(3), call(1)]
    asked = edge.asks("POST", "/rpc", batch)
    first, notified, third = [await root.next_call() for _ in range(3)]
    third.reply(30)
    notified.reply(0)
    first.reply(10)
    assert codes(read(await asked)) == [
        (1, {"result": 10}), (2, -32601), (None, -32600), (3, {"result": 30}), (1, -32600),
    ]  # fmt: skip


async def test_notifications_alone_are_answered_by_nothing_and_run_on(edge: Edge, root: Any, built: Built) -> None:
    answer = await edge.post("/rpc", [NOTIFICATION, NOTIFICATION])
    assert (answer.code, answer.body) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert built.is_busy()  # the gateway waits for them before it stops
    for made in root.calls:
        made.reply(3)
    await asyncio.sleep(0)
    assert not built.is_busy()


async def test_what_fails_at_once_does_not_hide_what_takes_time(edge: Edge, root: Any, built: Built) -> None:
    found = codes(read(await edge.post("/rpc", [call(1, params=["x"]), NOTIFICATION])))
    assert found == [(1, -32602)]
    assert built.is_busy()
    (notified,) = root.calls
    notified.reply(3)
    await asyncio.sleep(0)
    assert not built.is_busy()


async def test_an_answer_from_nobody_s_question_is_answered_by_nothing(edge: Edge) -> None:
    assert (await edge.post("/rpc", {"jsonrpc": "2.0", "id": "g:1", "result": 5})).code == 204


async def test_a_handle_opens_a_session_that_later_requests_name(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    asked = edge.asks("POST", "/rpc", call(1, "calculator.accumulator"))
    (await root.next_call()).reply(thing)
    answer = await asked
    token = read(answer)["result"]["accumulator"]["$handle"]
    session = {"Session-Id": answer.headers["Session-Id"]}
    assert answer.headers["Cache-Control"] == "no-store"
    asked = edge.asks("POST", "/rpc", call(2, f"@{token}.value"), session)
    (await thing.next_call()).reply(41)
    assert read(await asked)["result"] == {"total": "41"}
    assert json.loads((await edge.get("/api/session", session)).body)["handles"][0]["count"] == 1
    assert read(await edge.post("/rpc", call(3, "rpc.release", {"handle": token}), session))["result"] == {}
    assert thing.released == 1


async def test_a_chain_of_calls_is_one_request(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    batch = [
        call(1, "calculator.accumulator"),
        call(2, "#1.accumulator.add", ["5"]),
        call("x", "calculator.map", {"values": [1], "transform": {"$result": 1, "path": ["accumulator"]}}),
    ]
    asked = edge.asks("POST", "/rpc", batch)
    (await root.next_call()).reply(thing)
    (await thing.next_call()).reply(5)
    first, second, third = read(answer := await asked)
    assert second["result"] == {"total": "5"}
    # What stands there is an object of another interface: the answer was found, and says so.
    assert "expected an object with the interface Calculator.Transform" in third["error"]["message"]
    assert third["error"]["data"]["path"] == "$.transform"
    assert first["result"]["accumulator"]["$handle"]
    assert answer.headers["Session-Id"]


async def test_one_session_is_opened_for_a_whole_batch(edge: Edge, root: Any, fakes: Any) -> None:
    asked = edge.asks("POST", "/rpc", [call(1, "calculator.accumulator"), call(2, "calculator.accumulator")])
    for key in ("one", "two"):
        (await root.next_call()).reply(fakes.Object(key))
    answer = await asked
    session = {"Session-Id": answer.headers["Session-Id"]}
    assert len(json.loads((await edge.get("/api/session", session)).body)["handles"]) == 2


@pytest.mark.parametrize("has_session", [False, True])
async def test_a_batch_whose_client_left_gives_everything_back(
    edge: Edge, root: Any, fakes: Any, built: Built, has_session: bool
) -> None:
    thing, session = fakes.Object(), await edge.session() if has_session else {}
    body = json.dumps([call(1, "calculator.accumulator"), call(2), NOTIFICATION]).encode()
    connection = await edge.connect()
    named = [f"{name}: {value}" for name, value in session.items()]
    connection.ask("POST", "/rpc", "Content-Type: application/json", *named, body=body)
    held, waiting, notified = [await root.next_call() for _ in range(3)]
    held.reply(thing)
    await connection.close()
    await Edge.ended(waiting)
    assert waiting.cancelled()
    assert thing.released == 1
    assert not notified.cancelled()
    assert built.is_busy()
    notified.reply(3)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ({"Origin": "https://evil.example"}, 403, "permission_denied"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "permission_denied"),
        ({"Host": "evil.example"}, 421, "misdirected"),
        ({"Session-Id": "unknown"}, 404, "not_found"),
        ({"Request-Timeout": "soon"}, 400, "invalid_argument"),
    ],
)
async def test_what_rest_refuses_is_refused_as_there(
    edge: Edge, root: Any, headers: Mapping[str, str], status: int, code: str
) -> None:
    found = problem(await edge.request("POST", "/rpc", call(1), headers))
    assert (found["status"], found["code"]) == (status, code)
    assert root.calls == []


MEDIA_TYPES = ["application/json-rpc", "application/jsonrequest", "Application/JSON; charset=utf-8"]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
async def test_what_other_clients_call_json_is_taken(edge: Edge, root: Any, media_type: str) -> None:
    asked = edge.asks("POST", "/rpc", call(1), {"Content-Type": media_type})
    (await root.next_call()).reply(1)
    assert read(await asked)["result"] == {"result": 1}


async def test_pages_of_a_configured_origin_may_use_it(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/rpc", call(1), {"Origin": FRIEND})
    (await root.next_call()).reply(1)
    answer = await asked
    assert answer.code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND


async def test_only_post_is_permitted(edge: Edge) -> None:
    answer = await edge.get("/rpc")
    assert (answer.code, answer.headers["Allow"]) == (405, "POST")
    assert problem(answer)["code"] == "method_not_allowed"


async def test_what_the_request_says_holds_for_its_calls_unless_a_message_says_more(edge: Edge, root: Any) -> None:
    headers = {"Request-Timeout": "1.5", "X-Request-Id": "mine", "Traceparent": "00-1-2-03"}
    own = {"timeout": 0.5, "request_id": "own", "traceparent": "00-9", "idempotency_key": "once"}
    asked = edge.asks("POST", "/rpc", [call(1), call(2, meta=own)], headers)
    first, second = [await root.next_call() for _ in range(2)]
    assert first.options == (1.5, "mine-1", None, "00-1-2-03", None, ())
    assert second.options == (0.5, "own", None, "00-9", "once", ())
    first.reply(1)
    second.reply(2)
    await asked


@moves_time
async def test_a_call_that_waits_too_long_for_another_one_fails(edge: Edge, root: Any, clock: MovedClock) -> None:
    batch = [call(1, "calculator.accumulator"), call(2, "#1.accumulator.value", meta={"timeout": 2})]
    asked = edge.asks("POST", "/rpc", batch)
    slow = await root.next_call()
    await clock.advance(3)
    slow.set_exception(RpcError("aborted", "after all"))
    assert codes(read(await asked)) == [(1, -32010), (2, -32004)]


async def test_services_and_everything_can_be_asked_for(edge: Edge) -> None:
    described = read(await edge.post("/rpc", call(1, "rpc.describe", {"service": "calculator"})))["result"]
    assert described["methods"][0]["name"] == "add"
    assert read(await edge.post("/rpc", call(1, "rpc.discover")))["result"] == {"openrpc": "made"}
    (missing,) = codes([read(await edge.post("/rpc", call(1, "rpc.describe", {"handle": "h"})))])
    assert missing == (1, -32005)


async def test_a_cancelled_call_of_a_batch_is_answered(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/rpc", [call(1), call(2, "rpc.cancel", {"id": 1})])
    await root.next_call()
    assert codes(read(await asked)) == [(1, -32001), (2, {})]


async def test_the_answers_of_a_batch_are_bounded_together(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", "/rpc", [call(number, "calculator.map", {"values": []}) for number in range(8)])
    for _ in range(8):
        (await root.next_call()).reply([1] * 2_000)
    found = [code for _, code in codes(read(await asked))]
    assert found[0] == {"results": [1] * 2_000}
    assert found[-1] == -32018
    assert all(isinstance(code, dict) or code == -32018 for code in found)


async def test_a_batch_has_a_bound(edge: Edge, root: Any, limits: Limits) -> None:
    most = limits.max_batch_messages
    message = read(await edge.request("POST", "/rpc", b"[" + b",".join([b"{}"] * (most + 1)) + b"]"))
    assert (message["id"], message["error"]["code"]) == (None, -32018)
    assert root.calls == []
    # Somebody else is not told of it.
    asked = edge.asks("POST", "/rpc", call(1))
    (await root.next_call()).reply(7)
    assert read(await asked)["result"] == {"result": 7}


LONG_BATCHES = pytest.mark.parametrize("limits", [Limits()], ids=["defaults"])


@LONG_BATCHES
async def test_quick_calls_of_a_batch_are_with_services_by_sixty_fours(edge: Edge, root: Any, built: Built) -> None:
    asked = edge.asks("POST", "/rpc", [call(id, params=[id, 1]) for id in range(100)])
    first = await root.next_call()
    while len(root.calls) < 64:
        await root.next_call()
    other = edge.asks("POST", "/rpc", call("other", params=[5, 5]))
    while root.calls[-1].args != [5, 5]:
        await root.next_call()
    assert len(root.calls) == 64 + 1
    root.calls[-1].reply(10)
    assert read(await other)["result"] == {"result": 10}
    first.reply(1)
    done = 1
    while done < 100:
        for made in root.calls:
            if not made.done():
                made.reply(sum(made.args))
                done += 1
        await asyncio.sleep(0)
    assert codes(read(await asked)) == [(id, {"result": id + 1}) for id in range(100)]
    assert not built.is_busy()


@LONG_BATCHES
async def test_what_waits_in_a_batch_ends_with_its_client_but_for_notifications(
    edge: Edge, root: Any, built: Built
) -> None:
    connection = await edge.connect()
    batch = [call(id, params=[id, 1]) for id in range(70)] + [NOTIFICATION]
    connection.ask("POST", "/rpc", "Content-Type: application/json", body=json.dumps(batch).encode())
    while len(root.calls) < 64:
        await root.next_call()
    await connection.close()
    notified = root.calls[-1]
    while notified.args != [1, 2]:
        notified = await root.next_call()
    assert len(root.calls) == 65
    for made in root.calls[:64]:
        await Edge.ended(made)
        assert made.cancelled()
    assert built.is_busy()
    notified.reply(3)
