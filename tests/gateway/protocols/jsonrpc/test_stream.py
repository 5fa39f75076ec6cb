"""Conversations, played: what the client writes, what the edge is told, what the client reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.counting import ACK_MESSAGES
from gateway.protocols.jsonrpc.events import (
    AnswerDropped,
    CallbackAnswered,
    CallRequested,
    CancelRequested,
    Close,
    DescribeRequested,
    Event,
    HandleTarget,
    Hello,
    ReleaseRequested,
    RequestDropped,
    Send,
    ServiceTarget,
)
from gateway.protocols.jsonrpc.messages import Meta
from gateway.protocols.jsonrpc.stream import Stream

ADD = '"method":"calculator.add","params":{"first":2,"second":5}'


@pytest.fixture
def stream() -> Stream:
    return Stream("s1", Limits())


@pytest.fixture
def greeted(stream: Stream) -> Stream:
    (hello,) = stream.receive('{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{"protocol":1}}')
    assert isinstance(hello, Hello)
    stream.welcome(hello.call, "secret")
    return stream


def call(id: Any, rest: str = ADD) -> str:
    return f'{{"jsonrpc":"2.0","id":{json.dumps(id)},{rest}}}'


def read(events: list[Event]) -> list[Any]:
    """What the client reads."""
    return [json.loads(event.data) for event in events if isinstance(event, Send)]


def codes(events: list[Event]) -> list[Any]:
    """(id, code) of every error the client reads."""
    return [(message["id"], message["error"]["code"]) for message in read(events)]


def test_a_call_and_its_answer(stream: Stream) -> None:
    assert stream.receive(call(1)) == [
        CallRequested(1, False, ServiceTarget("calculator"), "add", {"first": 2, "second": 5}, Meta())
    ]
    assert list(stream.calls) == [1]
    assert read(stream.answer(1, {"result": 7})) == [{"jsonrpc": "2.0", "id": 1, "result": {"result": 7}}]
    assert list(stream.calls) == []


def test_a_call_that_fails(stream: Stream) -> None:
    stream.receive(call("a"))
    (answer,) = read(stream.fail(1, GatewayError(Status.UNAVAILABLE, "down")))
    assert answer["id"] == "a"
    assert answer["error"]["code"] == -32014
    assert answer["error"]["message"] == "down"
    assert answer["error"]["data"]["code"] == "unavailable"


def test_a_notification_is_called_and_never_answered(stream: Stream) -> None:
    (event,) = stream.receive(f'{{"jsonrpc":"2.0",{ADD}}}')
    assert isinstance(event, CallRequested)
    assert event.notification
    assert stream.answer(event.call, {"result": 7}) == [AnswerDropped(event.call)]
    (event,) = stream.receive(f'{{"jsonrpc":"2.0",{ADD}}}')
    assert isinstance(event, CallRequested)
    assert stream.fail(event.call, GatewayError(Status.INTERNAL, "x")) == []
    assert stream.receive('{"jsonrpc":"2.0","method":"nonsense"}') == []
    assert stream.receive('{"jsonrpc":"2.0","method":"rpc.nonsense"}') == []


def test_answers_come_in_any_order_and_null_is_an_id(stream: Stream) -> None:
    stream.receive(call(1))
    stream.receive(call(None))
    stream.receive(call(None))
    assert [message["id"] for number in (3, 1, 2) for message in read(stream.answer(number, 0))] == [None, 1, None]


def test_an_id_in_use_is_refused_and_the_first_call_goes_on(stream: Stream) -> None:
    stream.receive(call(1))
    assert codes(stream.receive(call(1))) == [(1, -32600)]
    assert stream.receive(call("1")) != []
    assert read(stream.answer(1, 7)) == [{"jsonrpc": "2.0", "id": 1, "result": 7}]
    assert isinstance(stream.receive(call(1))[0], CallRequested)


SPECIFICATION: list[tuple[str, list[Any]]] = [
    # https://www.jsonrpc.org/specification#examples, the invalid ones
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', [(None, -32700)]),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', [(None, -32600)]),
    ('[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
     [(None, -32700)]),
    ("[]", [(None, -32600)]),
    ("1", [(None, -32600)]),
    ('{"jsonrpc":"2.0","id":"g:7","method":"a.b"}', [("g:7", -32600)]),
    ('{"jsonrpc":"2.0","id":1.5,"method":"a.b"}', [(None, -32600)]),
    ('{"jsonrpc":"2.0","id":1,"method":"foobar"}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":""}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":".x"}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":"a."}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":"!c.changed"}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":"rpc.nonsense"}', [(1, -32601)]),
    ('{"jsonrpc":"2.0","id":1,"method":"#5.person.updater.update"}', [(1, -32009)]),
]


@pytest.mark.parametrize(("text", "answers"), SPECIFICATION)
def test_invalid_messages_are_answered_and_the_stream_lives_on(
    stream: Stream, text: str, answers: list[Any]
) -> None:
    assert codes(stream.receive(text)) == answers
    assert isinstance(stream.receive(call(1))[0], CallRequested)


def test_a_batch_is_answered_by_one_array_when_all_its_calls_are_done(stream: Stream) -> None:
    notification = '{"jsonrpc":"2.0","method":"calculator.add","params":[1,2]}'
    events = stream.receive(f"[{call(1)},{notification},1,{call(2)}]")
    assert [event.call for event in events if isinstance(event, CallRequested)] == [1, 2, 3]
    assert stream.answer(3, "three") == []
    assert stream.answer(2, "nobody waits") == [AnswerDropped(2)]
    (array,) = read(stream.fail(1, GatewayError(Status.CANCELLED, "gone")))
    assert [(item["id"], item.get("result"), item.get("error", {}).get("code")) for item in array] == [
        (1, None, -32001), (None, None, -32600), (2, "three", None),
    ]  # fmt: skip


def test_a_batch_of_invalid_messages_is_answered_at_once(stream: Stream) -> None:
    (array,) = read(stream.receive("[1,2,3]"))
    assert [item["error"]["code"] for item in array] == [-32600] * 3
    (array,) = read(stream.receive('[{"jsonrpc":"2.0","id":1,"method":"rpc.release","params":{"handle":"h"}}]'))
    assert array == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_a_batch_of_notifications_is_answered_by_nothing(stream: Stream) -> None:
    notification = '{"jsonrpc":"2.0","method":"calculator.add"}'
    first, second = stream.receive(f"[{notification},{notification}]")
    assert isinstance(first, CallRequested)
    assert isinstance(second, CallRequested)
    assert stream.fail(first.call, GatewayError(Status.INTERNAL, "x")) == []
    assert stream.answer(second.call, 1) == [AnswerDropped(second.call)]


def test_calls_on_handles(stream: Stream) -> None:
    (event,) = stream.receive('{"jsonrpc":"2.0","id":1,"method":"@tok-en_1.read.it","params":[1]}')
    assert isinstance(event, CallRequested)
    assert event.target == HandleTarget("tok-en_1")
    assert event.method == "read.it"
    assert event.params == [1]


def test_meta_travels_with_the_call(stream: Stream) -> None:
    (event,) = stream.receive(call(1, ADD + ',"meta":{"timeout":1.5,"request_id":"r"}'))
    assert isinstance(event, CallRequested)
    assert event.meta == Meta(1.5, "r")
    assert codes(stream.receive(call(2, ADD + ',"meta":{"timeout":-1}'))) == [(2, -32602)]


def test_a_call_is_cancelled_and_still_answered(stream: Stream) -> None:
    stream.receive(call("a"))
    assert stream.receive('{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":"a"}}') == [CancelRequested(1)]
    assert codes(stream.fail(1, GatewayError(Status.CANCELLED, "cancelled"))) == [("a", -32001)]
    assert read(stream.receive('{"jsonrpc":"2.0","id":2,"method":"rpc.cancel","params":{"id":"a"}}')) == [
        {"jsonrpc": "2.0", "id": 2, "result": {}}
    ]


def test_the_answer_to_a_call_that_ended_is_dropped(stream: Stream) -> None:
    stream.receive(call(1))
    stream.fail(1, GatewayError(Status.CANCELLED, "cancelled"))
    assert stream.answer(1, {"handle": 1}) == [AnswerDropped(1)]
    assert stream.fail(1, GatewayError(Status.INTERNAL, "x")) == []


def test_a_result_that_is_too_large_becomes_an_error() -> None:
    stream = Stream("s1", Limits(max_message_bytes=200))
    stream.receive(call(1))
    with pytest.raises(GatewayError) as raised:
        stream.answer(1, "x" * 200)
    sent = stream.fail(1, raised.value)
    assert codes(sent) == [(1, -32018)]
    assert read(sent)[0]["error"]["message"] == "the result has 236 bytes, more than the 200 of one message"


def test_a_result_that_is_no_json_becomes_an_error(stream: Stream) -> None:
    stream.receive(call(1))
    with pytest.raises(GatewayError) as raised:
        stream.answer(1, "\ud800")
    assert codes(stream.fail(1, raised.value)) == [(1, -32603)]


def test_handles_are_given_back(stream: Stream) -> None:
    text = '{"jsonrpc":"2.0","id":1,"method":"rpc.release","params":{"handle":"t1","count":3}}'
    release, answer = stream.receive(text)
    assert release == ReleaseRequested("t1", 3)
    assert read([answer]) == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    assert stream.receive('{"jsonrpc":"2.0","method":"rpc.release","params":{"handle":"t1"}}') == [
        ReleaseRequested("t1", 1)
    ]


BAD_CONTROL: list[tuple[str, str, str]] = [
    ("rpc.release", "{}", "$.handle: expected a handle's token"),
    ("rpc.release", '{"handle":"a b"}', "$.handle: expected a handle's token"),
    ("rpc.release", '{"handle":"a","count":0}', "$.count: expected a number of references, at least 1"),
    ("rpc.release", '{"handle":"a","count":1.5}', "$.count: expected a number of references, at least 1"),
    ("rpc.release", '["a"]', "$: rpc.release takes its parameters by name"),
    ("rpc.cancel", "{}", "$.id: expected the id of a call"),
    ("rpc.describe", "{}", "$: expected one of service, interface and handle"),
    ("rpc.describe", '{"service":"a","handle":"b"}', "$: expected one of service, interface and handle"),
    ("rpc.describe", '{"service":5}', "$.service: expected a name"),
    ("rpc.ack", "{}", "$.received: expected a number of messages"),
]


@pytest.mark.parametrize(("method", "params", "detail"), BAD_CONTROL)
def test_bad_parameters_of_the_gateways_own_methods(stream: Stream, method: str, params: str, detail: str) -> None:
    events = stream.receive(f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}')
    assert codes(events) == [(1, -32602)]
    assert read(events)[0]["error"]["message"] == detail


def test_what_can_be_described(stream: Stream) -> None:
    def ask(params: str) -> list[Event]:
        return stream.receive(f'{{"jsonrpc":"2.0","id":null,"method":"rpc.describe","params":{params}}}')

    assert ask('{"service":"calculator"}') == [DescribeRequested(1, "service", "calculator")]
    assert ask('{"handle":"t1"}') == [DescribeRequested(2, "handle", "t1")]
    assert ask('{"interface":"A.B"}') == [DescribeRequested(3, "interface", "A.B")]
    assert ask('{"interface":"A.B","service":"a"}') == [DescribeRequested(4, "interface", "A.B", "a")]
    assert read(stream.answer(4, {"methods": []})) == [{"jsonrpc": "2.0", "id": None, "result": {"methods": []}}]


def test_a_callback_is_called_and_answers(stream: Stream) -> None:
    key, events = stream.call_callback("listener", "changed", [{"name": "Ann"}, "added"])
    assert key == "g:1"
    assert read(events) == [
        {"jsonrpc": "2.0", "id": "g:1", "method": "!listener.changed", "params": [{"name": "Ann"}, "added"]}
    ]
    assert list(stream.requests) == ["g:1"]
    assert stream.receive('{"jsonrpc":"2.0","id":"g:1","result":{}}') == [CallbackAnswered("g:1", {}, None)]
    assert stream.call_callback("listener", "changed", [])[0] == "g:2"


def test_a_callback_that_fails(stream: Stream) -> None:
    key, _ = stream.call_callback("listener", "changed", [])
    (event,) = stream.receive('{"jsonrpc":"2.0","id":"g:1","error":{"code":-32007,"message":"no"}}')
    assert isinstance(event, CallbackAnswered)
    assert event.key == key
    assert event.error is not None
    assert event.error.status is Status.PERMISSION_DENIED


def test_a_malformed_answer_of_a_callback_ends_its_call(stream: Stream) -> None:
    stream.call_callback("listener", "changed", [])
    (event,) = stream.receive('{"jsonrpc":"2.0","id":"g:1"}')
    assert isinstance(event, CallbackAnswered)
    assert event.error is not None
    assert event.error.detail == (
        "the client's answer is malformed: a message must have a method, or a result or an error"
    )
    assert list(stream.requests) == []


def test_late_repeated_and_unknown_answers_are_forgotten(stream: Stream) -> None:
    key, _ = stream.call_callback("listener", "changed", [])
    assert stream.withdraw(key) == []
    for id in ('"g:1"', '"g:99"', "5", "null", '"x"'):
        assert stream.receive(f'{{"jsonrpc":"2.0","id":{id},"result":{{}}}}') == []


def test_a_request_that_was_written_is_called_off_and_replayed_as_void(greeted: Stream) -> None:
    key, _ = greeted.call_callback("c", "changed", [])
    assert read(greeted.withdraw(key)) == [{"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": "g:1"}}]
    assert greeted.withdraw(key) == []
    greeted.counting.leave()
    assert [message["method"] for message in read(greeted.resume(0, 0, 60))[1:]] == ["rpc.void", "rpc.cancel"]


def test_a_request_that_was_not_written_never_is(greeted: Stream) -> None:
    greeted.counting.leave()
    keys = [greeted.call_callback("c", "changed", [number])[0] for number in (1, 2)]
    assert greeted.withdraw(keys[0]) == [RequestDropped("g:1")]
    _, void, request = read(greeted.resume(0, 0, 60))
    assert void == {"jsonrpc": "2.0", "method": "rpc.void", "params": {}}
    assert request["params"] == [2]
    assert greeted.can_resume(2)


def test_a_request_that_the_client_has_is_called_off_after_it_was_away(greeted: Stream) -> None:
    key, _ = greeted.call_callback("c", "changed", [])
    greeted.counting.leave()
    greeted.withdraw(key)
    _, cancel = read(greeted.resume(0, 1, 60))
    assert cancel["method"] == "rpc.cancel"


def test_a_call_of_a_callback_that_is_too_large_is_not_sent() -> None:
    stream = Stream("s1", Limits(max_message_bytes=100))
    with pytest.raises(GatewayError, match="the call has 171 bytes, more than the 100 of one message") as raised:
        stream.call_callback("listener", "changed", ["x" * 100])
    assert raised.value.status is Status.TOO_LARGE
    assert list(stream.requests) == []
    assert stream.call_callback("listener", "changed", [])[0] == "g:1"


def test_a_plain_stream_is_told_of_nothing(stream: Stream) -> None:
    stream.receive(call(1))
    assert stream.released(handle="t1", code="unavailable", reason="the service is gone") == []
    assert stream.acknowledge() == []
    assert not stream.greeted


def test_hello_opens_a_counted_stream(stream: Stream) -> None:
    (hello,) = stream.receive(
        '{"jsonrpc":"2.0","id":"h","method":"rpc.hello","params":{"protocol":1,"unbox":true,"new":1}}'
    )
    assert hello == Hello(1, None, None, None)
    (answer,) = read(stream.welcome(1, "secret", resume_window_s=0))
    assert answer["id"] == "h"
    assert answer["result"] == {
        "protocol": 1, "session": "secret", "stream": "s1", "received": 0, "resumed": False, "resume_window_s": 0,
        "limits": Limits().public(),
    }  # fmt: skip
    assert stream.greeted
    assert stream.unbox


def test_a_refused_hello_may_be_said_again(stream: Stream) -> None:
    (hello,) = stream.receive(call(1, '"method":"rpc.hello","params":{"protocol":1,"session":"x","unbox":true}'))
    assert isinstance(hello, Hello)
    assert hello.session == "x"
    assert codes(stream.fail(hello.call, GatewayError(Status.NOT_FOUND, "no such session"))) == [(1, -32005)]
    assert not stream.unbox
    (hello,) = stream.receive(call(1, '"method":"rpc.hello","params":{"protocol":1}'))
    assert isinstance(hello, Hello)


def test_an_unsupported_protocol_is_refused_with_the_supported_ones(stream: Stream) -> None:
    for protocol in ("2", '"1"', "null", "true", "1.0"):
        events = stream.receive(call(1, f'"method":"rpc.hello","params":{{"protocol":{protocol}}}'))
        assert codes(events) == [(1, -32012)]
        assert read(events)[0]["error"]["data"]["details"] == {"supported": [1]}
    assert isinstance(stream.receive(call(1, '"method":"rpc.hello","params":{"protocol":1}'))[0], Hello)


BAD_HELLOS: list[tuple[str, int]] = [
    ('{"protocol":1,"session":5}', -32602),
    ('{"protocol":1,"session":""}', -32602),
    ('{"protocol":1,"unbox":1}', -32602),
    ('{"protocol":1,"received":-1}', -32602),
    ("[1]", -32602),
]


@pytest.mark.parametrize(("params", "code"), BAD_HELLOS)
def test_a_bad_hello_is_refused(stream: Stream, params: str, code: int) -> None:
    assert codes(stream.receive(call(1, f'"method":"rpc.hello","params":{params}'))) == [(1, code)]


def test_resuming_is_asked_of_the_edge(stream: Stream) -> None:
    (hello,) = stream.receive(
        call(1, '"method":"rpc.hello","params":{"protocol":1,"session":"x","stream":"y","received":12}')
    )
    assert hello == Hello(1, "x", "y", 12)


def test_hello_must_come_first_and_alone(stream: Stream) -> None:
    hello = call(9, '"method":"rpc.hello","params":{"protocol":1}')
    (array,) = read(stream.receive(f"[{hello}]"))
    assert array[0]["error"]["message"] == "rpc.hello must be the first message and alone in its frame"
    assert array[0]["error"]["code"] == -32009
    stream.receive(call(1))
    assert codes(stream.receive(hello)) == [(9, -32009)]


def test_a_hello_that_wants_no_answer_opens_nothing(stream: Stream) -> None:
    assert stream.receive('{"jsonrpc":"2.0","method":"rpc.hello","params":{"protocol":1}}') == []
    assert not stream.greeted


def test_after_hello_each_message_is_answered_on_its_own(greeted: Stream) -> None:
    greeted.receive(f"[{call(1)},{call(2)}]")
    assert read(greeted.answer(3, "two")) == [{"jsonrpc": "2.0", "id": 2, "result": "two"}]
    assert read(greeted.answer(2, "one")) == [{"jsonrpc": "2.0", "id": 1, "result": "one"}]
    assert codes(greeted.receive("[]")) == [(None, -32600)]


def test_every_message_is_counted_but_hello_and_ack(greeted: Stream) -> None:
    assert (greeted.counting.received, greeted.counting.sent) == (0, 0)
    greeted.receive(f'[{call(1)},{{}},{{"jsonrpc":"2.0","id":"g:9","result":1}}]')
    greeted.receive('{"jsonrpc":"2.0","method":"rpc.ack","params":{"received":0}}')
    assert greeted.counting.received == 3
    assert greeted.counting.sent == 1  # the error for {}
    greeted.answer(2, 0)
    greeted.call_callback("c", "m", [])
    greeted.released(callback="c", code="unavailable", reason="gone")
    assert greeted.counting.sent == 4
    assert read(greeted.acknowledge()) == [{"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 3}}]
    assert greeted.acknowledge() == []
    assert greeted.counting.sent == 4


def test_an_acknowledgement_is_due_after_so_many_messages(greeted: Stream) -> None:
    notification = '{"jsonrpc":"2.0","method":"rpc.release","params":{"handle":"h"}}'
    for _ in range(ACK_MESSAGES - 1):
        assert read(greeted.receive(notification)) == []
    assert read(greeted.receive(notification)) == [
        {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": ACK_MESSAGES}}
    ]


def test_an_acknowledgement_is_due_after_so_many_bytes(greeted: Stream) -> None:
    text = f'{{"jsonrpc":"2.0","method":"nonsense","params":["{"x" * 150_000}"]}}'
    assert greeted.receive(text) == []
    assert read(greeted.receive(text)) == [{"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 2}}]


def test_the_client_acknowledges(greeted: Stream) -> None:
    greeted.receive(call(1))
    greeted.answer(2, 0)
    assert greeted.receive('{"jsonrpc":"2.0","method":"rpc.ack","params":{"received":1}}') == []
    assert greeted.counting.acknowledged == 1
    assert greeted.receive('{"jsonrpc":"2.0","method":"rpc.ack","params":{"received":0}}') == []
    assert greeted.counting.acknowledged == 1
    assert greeted.receive('{"jsonrpc":"2.0","method":"rpc.ack","params":{"received":2}}') == [
        Close(4000, "rpc.ack of a message that was not sent")
    ]
    assert greeted.receive(call(3)) == []


def test_after_hello_a_frame_that_is_no_json_ends_the_stream(greeted: Stream) -> None:
    greeted.receive(call(1))
    assert greeted.receive("{") == [Close(4000, "the message is no JSON")]
    assert greeted.receive(call(2)) == []
    assert greeted.answer(2, 1) == []


def test_a_greeted_client_is_told_what_is_gone(greeted: Stream) -> None:
    assert read(greeted.released(handle="t1", code="unavailable", reason="the service went away")) == [
        {"jsonrpc": "2.0", "method": "rpc.released",
         "params": {"handle": "t1", "code": "unavailable", "reason": "the service went away"}},
    ]  # fmt: skip
    (told,) = read(greeted.released(callback="c", code="resource_exhausted", reason="r"))
    assert told["params"]["callback"] == "c"


def test_an_acknowledgement_that_asks_for_an_answer_gets_one(greeted: Stream) -> None:
    text = '{"jsonrpc":"2.0","id":5,"method":"rpc.ack","params":{"received":0}}'
    assert read(greeted.receive(text)) == [{"jsonrpc": "2.0", "id": 5, "result": {}}]
    assert (greeted.counting.received, greeted.counting.sent) == (0, 1)


def test_an_acknowledgement_without_hello_confirms_nothing(stream: Stream) -> None:
    text = '{"jsonrpc":"2.0","id":5,"method":"rpc.ack","params":{"received":3}}'
    assert read(stream.receive(text)) == [{"jsonrpc": "2.0", "id": 5, "result": {}}]
