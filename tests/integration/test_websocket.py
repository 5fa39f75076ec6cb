"""JSON-RPC on the WebSocket against the demo, with a client that knows nothing of us."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import websockets.exceptions

if TYPE_CHECKING:
    from tests.integration.conftest import Socket, Web

ADD = {"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": {"first": 2, "second": 5}}
SEVEN = {"jsonrpc": "2.0", "id": 1, "result": {"result": 7}}


def callback(name: str) -> dict[str, str]:
    return {"$callback": name}


def answer(request: Any, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def test_a_call_by_name_and_by_position(socket: Socket) -> None:
    socket.send(ADD)
    assert socket.receive() == SEVEN
    assert socket.result("calculator.add", [2, 5]) == {"result": 7}
    assert socket.result("calculator.divide", {"dividend": 7, "divisor": 2}) == {"quotient": 3, "remainder": 1}


def test_a_batch_is_answered_by_one_array(socket: Socket) -> None:
    socket.send([ADD, {**ADD, "id": "two", "params": [1, 1]}, {"jsonrpc": "2.0", "method": "calculator.add"}])
    answers = socket.receive()
    assert {str(one["id"]): one["result"]["result"] for one in answers} == {"1": 7, "two": 2}
    socket.send([])
    assert socket.receive()["error"]["code"] == -32600


MALFORMED: list[tuple[str, int, str]] = [
    # text, JSON-RPC code, status
    ("{", -32700, "invalid_argument"),
    ("5", -32600, "invalid_argument"),
    ('{"id":1}', -32600, "invalid_argument"),
    ('{"jsonrpc":"2.0","id":[],"method":"calculator.add"}', -32600, "invalid_argument"),
    ('{"jsonrpc":"2.0","id":1,"method":"calculator.add","params":{"first":"x"}}', -32602, "invalid_argument"),
    ('{"jsonrpc":"2.0","id":1,"method":"calculator.nope"}', -32601, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"nothing.add"}', -32601, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"add"}', -32601, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"@abc.add"}', -32005, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"#0.value"}', -32009, "failed_precondition"),
    ('{"jsonrpc":"2.0","id":1,"method":"rpc.nope"}', -32601, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"rpc.hello","params":{"protocol":9}}', -32012, "unimplemented"),
    ('{"jsonrpc":"2.0","id":1,"method":"rpc.hello","params":{"protocol":1,"session":"x"}}', -32005, "not_found"),
    ('{"jsonrpc":"2.0","id":1,"method":"addressbook.find","params":["Nobody"]}', -32005, "not_found"),
]


@pytest.mark.parametrize(("text", "number", "code"), MALFORMED)
def test_a_bad_message_is_told_and_the_next_call_works(socket: Socket, text: str, number: int, code: str) -> None:
    socket.send(text)
    error = socket.receive()["error"]
    assert (error["code"], error["data"]["code"]) == (number, code)
    assert error["message"] == error["data"]["detail"]
    assert "Traceback" not in error["message"]
    socket.send(ADD)
    assert socket.receive() == SEVEN


def test_an_error_says_which_call_and_where(socket: Socket) -> None:
    data = socket.call("calculator.add", {"first": 3_000_000_000}, meta={"request_id": "mine"})["error"]["data"]
    assert (data["path"], data["service"], data["method"]) == ("$.first", "calculator", "add")
    assert (data["request_id"], data["status"]) == ("mine", 400)


def test_hello_opens_a_session_in_which_rest_has_the_handles_too(web: Web, socket: Socket) -> None:
    hello = socket.result("rpc.hello", {"protocol": 1})
    assert hello["limits"]["max_message_bytes"] == 1_048_576
    value = socket.result("calculator.accumulator", [40])["accumulator"]
    assert value["interface"] == "Calculator.Accumulator"
    assert socket.result(f"@{value['$handle']}.add", ["2"]) == {"total": "42"}
    headers = {"Session-Id": hello["session"]}
    assert web.post(f"/api/handles/{value['$handle']}/value", {}, headers).json == {"total": "42"}
    assert web.get("/api/session", **headers).json["streams"] == 1


def test_a_stream_joins_the_session_of_rest(web: Web, socket: Socket) -> None:
    made = web.post("/api/calculator/accumulator", [1])
    session = made.headers["session-id"]
    handle = made.json["accumulator"]["$handle"]
    assert socket.result("rpc.hello", {"protocol": 1, "session": session, "unbox": True})["session"] == session
    assert socket.result(f"@{handle}.value") == "1"


def test_a_session_without_hello_ends_with_its_socket(web: Web) -> None:
    with web.socket() as socket:
        handle = socket.result("calculator.accumulator")["accumulator"]["$handle"]
        assert socket.result(f"@{handle}.value") == {"total": "0"}
    with web.socket() as socket:
        assert socket.call(f"@{handle}.value")["error"]["data"]["code"] == "not_found"


def test_ending_the_session_closes_its_sockets(web: Web, socket: Socket) -> None:
    session = socket.result("rpc.hello", {"protocol": 1})["session"]
    assert web.request("DELETE", "/api/session", headers={"Session-Id": session}).status == 204
    assert socket.closed()[0] == 4002


def test_released_handles_are_gone(socket: Socket) -> None:
    handle = socket.result("calculator.accumulator")["accumulator"]["$handle"]
    assert socket.result("rpc.release", {"handle": handle, "count": 1}) == {}
    assert socket.call(f"@{handle}.value")["error"]["data"]["code"] == "not_found"
    assert socket.result("rpc.release", {"handle": handle}) == {}


def test_the_same_object_is_the_same_handle_and_counted(socket: Socket) -> None:
    tokens = {socket.result("addressbook.find", ["Bela"])["person"]["updater"]["$handle"] for _ in range(2)}
    (token,) = tokens
    socket.result("rpc.release", {"handle": token})
    assert socket.result(f"@{token}.update", {"person": {}})["person"]["name"] == "Bela"
    # The answer of the update had it once more.
    socket.result("rpc.release", {"handle": token, "count": 2})
    assert socket.call(f"@{token}.update", {"person": {}})["error"]["data"]["code"] == "not_found"


def test_a_method_calls_the_client_s_object_while_it_runs(socket: Socket) -> None:
    socket.send({"jsonrpc": "2.0", "id": 1, "method": "calculator.map", "params": [[1, 2], callback("double")]})
    for value in (1, 2):
        request = socket.receive()
        assert (request["method"], request["params"]) == ("!double.apply", [value])
        assert request["id"].startswith("g:")
        socket.send(answer(request, {"result": 2 * value}))
    assert socket.receive() == {"jsonrpc": "2.0", "id": 1, "result": {"results": [2, 4]}}


def test_a_client_that_answers_nonsense_fails_the_call_that_asked(socket: Socket) -> None:
    for wrong in ({"result": {"result": "x"}}, {"error": {"code": -32000, "message": "no"}}, {"result": 5}):
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "calculator.map", "params": [[1], callback("f")]})
        socket.send({"jsonrpc": "2.0", "id": socket.receive()["id"], **wrong})
        assert "error" in socket.receive()
    assert socket.result("calculator.add", [2, 5]) == {"result": 7}


def test_a_listener_hears_of_changes_until_it_cancels(web: Web, socket: Socket) -> None:
    socket.result("rpc.hello", {"protocol": 1})
    subscription = socket.result("addressbook.watch", {"listener": callback("people")})["subscription"]
    session_callbacks = socket.result("rpc.describe", {"service": "addressbook"})
    assert session_callbacks["service"] == "addressbook"
    web.post("/api/addressbook/add", {"person": {"name": "Dora"}})
    request = socket.receive()
    assert request["method"] == "!people.changed"
    person, change = request["params"]
    assert (person["name"], change) == ("Dora", "added")
    assert person["updater"]["interface"] == "Person.Updater"
    socket.send(answer(request, {}))
    socket.send({"jsonrpc": "2.0", "id": 2, "method": f"@{person['updater']['$handle']}.delete"})
    messages = [socket.receive(), socket.receive()]
    (request,) = [message for message in messages if message.get("method") == "!people.changed"]
    assert request["params"][1] == "deleted"
    socket.send(answer(request, None))
    socket.send({"jsonrpc": "2.0", "id": 3, "method": f"@{subscription['$handle']}.cancel"})
    messages = [socket.receive(), socket.receive()]
    (released,) = [message for message in messages if message.get("method") == "rpc.released"]
    assert released["params"]["callback"] == "people"
    web.post("/api/addressbook/add", {"person": {"name": "Emil"}})
    assert socket.result("calculator.add", [2, 5]) == {"result": 7}


def test_a_watcher_without_hello_hears_of_changes_too(web: Web, socket: Socket) -> None:
    socket.result("addressbook.watch", [callback("w")])
    web.post("/api/addressbook/add", {"person": {"name": "Fay"}})
    assert socket.receive()["method"] == "!w.changed"


def test_notifications_are_not_answered_and_keep_nothing(web: Web, socket: Socket) -> None:
    session = socket.result("rpc.hello", {"protocol": 1})["session"]
    socket.send({"jsonrpc": "2.0", "method": "calculator.accumulator"})
    socket.send({"jsonrpc": "2.0", "method": "calculator.nope"})
    assert socket.result("calculator.add", [2, 5]) == {"result": 7}
    assert web.get("/api/session", **{"Session-Id": session}).json["handles"] == []


def test_describe_says_what_rest_says(web: Web, socket: Socket) -> None:
    assert socket.result("rpc.describe", {"service": "calculator"}) == web.get("/api/calculator").json
    described = socket.result("rpc.describe", {"interface": "AddressBook.Listener"})
    assert [method["name"] for method in described["methods"]] == ["changed"]
    handle = socket.result("calculator.accumulator")["accumulator"]["$handle"]
    assert socket.result("rpc.describe", {"handle": handle})["interface"] == "Calculator.Accumulator"
    for wrong in ({"service": "x"}, {"interface": "x"}, {"handle": "x"}):
        assert socket.call("rpc.describe", wrong)["error"]["data"]["code"] == "not_found"


def test_calls_on_one_object_start_in_order(socket: Socket) -> None:
    handle = socket.result("calculator.accumulator")["accumulator"]["$handle"]
    calls = [{"jsonrpc": "2.0", "id": n, "method": f"@{handle}.add", "params": [str(n)]} for n in range(1, 101)]
    for call in calls:
        socket.send(call)
    totals = {one["id"]: int(one["result"]["total"]) for one in (socket.receive() for _ in calls)}
    assert totals == {n: n * (n + 1) // 2 for n in range(1, 101)}


def test_compression_is_off_unless_it_is_configured(socket: Socket) -> None:
    response = socket.connection.response
    assert response is not None
    assert "Sec-WebSocket-Extensions" not in response.headers


# Closing.


def test_a_binary_message_closes(web: Web, socket: Socket) -> None:
    socket.send(b"{}")
    assert socket.closed()[0] == 1003
    assert web.get("/healthz").status == 200


def test_bad_utf8_closes(socket: Socket) -> None:
    socket.connection.send(b"\xff", text=True)
    assert socket.closed()[0] == 1007


@pytest.mark.parametrize("greets", [True, False])
def test_a_message_over_the_limit_closes(socket: Socket, greets: bool) -> None:
    if greets:
        socket.result("rpc.hello", {"protocol": 1})
    socket.send('"' + "x" * 1_048_576 + '"')
    code, reason = socket.closed()
    assert (code, reason) == (1009, "a message may have at most 1048576 bytes")


def test_a_message_of_the_limit_is_read(socket: Socket) -> None:
    start = json.dumps(ADD)
    socket.send(start + " " * (1_048_576 - len(start)))
    assert socket.receive() == SEVEN


def test_no_json_after_hello_closes(socket: Socket) -> None:
    socket.result("rpc.hello", {"protocol": 1})
    socket.send("{")
    assert socket.closed()[0] == 4000


def test_a_foreign_page_cannot_open_a_socket(web: Web) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised, web.socket(origin="https://evil.example"):
        pass
    assert raised.value.response.status_code == 403
    with web.socket(origin=web.url) as socket:
        assert socket.result("calculator.add", [2, 5]) == {"result": 7}


def test_pings_are_answered(socket: Socket) -> None:
    assert socket.connection.ping(b"hello").wait(10)


def test_a_socket_that_vanishes_takes_its_callbacks_along(web: Web) -> None:
    with web.socket() as other:
        with web.socket() as socket:
            socket.send({"jsonrpc": "2.0", "id": 1, "method": "calculator.map", "params": [[1], callback("f")]})
            assert socket.receive()["method"] == "!f.apply"
        assert other.result("calculator.add", [2, 5]) == {"result": 7}
    assert web.post("/api/addressbook/add", {"person": {"name": "Gus"}}).status == 200
