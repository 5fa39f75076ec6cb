"""Values that JSON permits and nobody can take: each is the fault of its own message, and the stream lives on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.protocols.jsonrpc.events import CallbackAnswered, CallRequested, Close, Event, Hello, Send
from gateway.protocols.jsonrpc.message_faults import without_faults
from gateway.protocols.jsonrpc.stream import Stream

HALF = "holds the lone surrogate U+D83D, which is no character"
BEYOND = "the number is beyond what a double holds (±1.798e+308)"


@pytest.fixture
def stream() -> Stream:
    stream = Stream("s1", Limits())
    (hello,) = stream.receive('{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{"protocol":1}}')
    assert isinstance(hello, Hello)
    stream.welcome(hello.call, "secret")
    return stream


def message(id: Any, members: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{json.dumps(id)},{members}}}'


def errors(events: list[Event]) -> list[Any]:
    """Id, JSON-RPC code, detail and path of each error that the client reads."""
    read = [json.loads(event.data) for event in events if isinstance(event, Send)]
    return [
        (one["id"], one["error"]["code"], one["error"]["message"], one["error"]["data"].get("path"))
        for one in read
        if "error" in one
    ]


ADD = '"method":"calculator.add","params":[2,5]'
FAULTS = [
    ('"method":"x.y","params":["Ann \\ud83d"]', -32602, f"$[0]: {HALF}", "$[0]"),
    ('"method":"x.y","params":{"a":[{"b":"\\ud83d"}]}', -32602, f"$.a[0].b: {HALF}", "$.a[0].b"),
    ('"method":"x.y","params":{"a\\ud83d":1}', -32602, f"$: the name of a member {HALF}", "$"),
    ('"method":"x.y","params":[1e400]', -32602, f"$[0]: {BEYOND}", "$[0]"),
    ('"method":"x.y","params":[' + "1" * 5000 + "]", -32602, f"$[0]: {BEYOND}", "$[0]"),
    ('"method":"x.y","params":' + "[" * 1100 + "]" * 1100, -32602,
     f"${'[0]' * 64}: nested more than 64 levels deep", "$" + "[0]" * 64),
    ('"method":"x.y\\ud83d"', -32600, f"method: {HALF}", None),
    ('"method":"x.y","meta":{"request_id":"\\ud83d"}', -32600, f"meta.request_id: {HALF}", None),
    ('"method":"x.y","\\ud83d":1', -32602, f"$: the name of a member {HALF}", "$"),
    ('"method":"rpc.describe","params":{"service":"\\ud83d"}', -32602, f"$.service: {HALF}", "$.service"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "code", "detail", "path"), FAULTS, ids=[detail[:40] for _, _, detail, _ in FAULTS])
def test_a_call_with_a_fault_fails_alone(stream: Stream, members: str, code: int, detail: str, path: str) -> None:
    told = (7, code, detail, path)
    assert errors(stream.receive(message(7, members))) == [told]
    array = stream.receive(f"[{message(1, ADD)},{message(7, members)},{message(2, ADD)}]")
    assert errors(array) == [told]
    assert [event.call for event in array if isinstance(event, CallRequested)] == list(stream.calls)
    assert len(stream.calls) == 2
    assert stream.counting.received == 4


def test_before_hello_it_is_the_same_in_batches() -> None:
    plain = Stream("s1", Limits())
    members, code, _, path = FAULTS[0]
    events = plain.receive(f"[{message(1, ADD)},{message(7, members)}]")
    (call,) = (event.call for event in events if isinstance(event, CallRequested))
    (sent,) = (event for event in plain.answer(call, {"result": 7}) if isinstance(event, Send))
    first, second = json.loads(sent.data)
    assert (first["result"], second["id"]) == ({"result": 7}, 7)
    assert (second["error"]["code"], second["error"]["data"]["path"]) == (code, path)


def test_a_hello_with_a_fault_may_be_said_again() -> None:
    stream = Stream("s1", Limits())
    hello = '"method":"rpc.hello","params":{"protocol":1,"token":"%s"}'
    assert errors(stream.receive(message(0, hello % "\\ud83d"))) == [(0, -32602, f"$.token: {HALF}", "$.token")]
    assert isinstance(stream.receive(message(0, hello % "x"))[0], Hello)


def test_an_id_with_a_fault_is_answered_without_it(stream: Stream) -> None:
    text = f'{{"jsonrpc":"2.0","id":"\\ud83d",{ADD}}}'
    assert errors(stream.receive(text)) == [(None, -32600, f"id: {HALF}", None)]
    assert not stream.calls


def test_a_notification_with_a_fault_is_not_made(stream: Stream) -> None:
    assert stream.receive('{"jsonrpc":"2.0","method":"x.y","params":["\\ud83d"]}') == []
    assert stream.counting.received == 1


def test_an_answer_with_a_fault_fails_the_call_that_waits_for_it(stream: Stream) -> None:
    key, _ = stream.call_callback("people", "changed", [])
    (event,) = stream.receive(message(key, '"result":{"name":"\\ud83d"}'))
    assert isinstance(event, CallbackAnswered)
    assert event.error is not None
    assert (event.key, event.error.detail, event.error.path) == (key, f"$.name: {HALF}", "$.name")


def test_what_a_client_says_of_a_failure_is_taken_as_far_as_it_can_be_read(stream: Stream) -> None:
    key, _ = stream.call_callback("people", "changed", [])
    error = '{"code":-32005,"message":"no Ann \\ud83d","data":{"code":"not_found","stack":"\\ud83d"}}'
    (event,) = stream.receive(message(key, f'"error":{error}'))
    assert isinstance(event, CallbackAnswered)
    assert event.error is not None
    assert (event.error.status.code, event.error.detail) == ("not_found", "no Ann \ufffd")


@pytest.mark.parametrize("text", ['{"a":"\\ud83d"', '[{"a":1e400},]', '[{"a":1e400},5]', '["\\ud83d"]'])
def test_a_text_of_which_messages_cannot_be_counted_ends_the_stream(stream: Stream, text: str) -> None:
    *_, close = stream.receive(text)
    assert isinstance(close, Close)
    assert close.code == 4000


def test_what_has_no_fault_stays_what_it_is() -> None:
    whole = {"jsonrpc": "2.0", "id": 1, "method": "x.y", "params": {"a": ["é"]}}
    assert without_faults(whole, 64) == (whole, None)
    assert without_faults(5, 64) == (5, None)
