"""Short calls are read in fewer steps; what comes of a text is the same with and without."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.protocols.jsonrpc.events import CallRequested, Hello, ServiceTarget
from gateway.protocols.jsonrpc.stream import Stream
from gateway.protocols.jsonrpc.stream_state import StreamState
from gateway.protocols.jsonrpc.usual_calls import UsualCalls

HELLO = '{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{"protocol":1}}'
PLAIN = '{"jsonrpc":"2.0","id":0,"method":"rpc.ack","params":{"received":0}}'
USUAL = '{"jsonrpc":"2.0","id":1,"method":"calculator.add","params":{"first":1,"second":2}}'
TEXTS = [
    USUAL,
    USUAL.replace('"id":1', '"id":"a"'),
    USUAL.replace('"id":1', '"id":null'),
    USUAL.replace('"id":1,', ""),
    USUAL.replace('"id":1', '"id":-1'),
    USUAL.replace('"id":1', '"id":true'),
    USUAL.replace('"id":1', '"id":9007199254740993'),
    USUAL.replace('"2.0"', '"1.0"'),
    USUAL.replace("params", "parameters"),
    USUAL.replace('{"first":1,"second":2}', "[1,2]"),
    USUAL.replace('{"first":1,"second":2}', "7"),
    USUAL.replace('{"first":1,"second":2}', "null"),
    USUAL.replace('{"first":1,"second":2}', '{"first":18446744073709551617}'),
    USUAL.replace('{"first":1,"second":2}', '{"first":9007199254740993.0}'),
    USUAL.replace('{"first":1,"second":2}', '{"first":{"$result":"#1"}}'),
    USUAL.replace('{"first":1,"second":2}', '{"first":{"\\u0024result":"#1"}}'),
    USUAL.replace("}}", '},"meta":{"timeout":2,"request_id":"r"}}'),
    USUAL.replace("}}", '},"meta":{"timeout":0}}'),
    USUAL.replace("}}", '},"other":1}'),
    USUAL.replace("calculator.add", "calculator"),
    USUAL.replace("calculator.add", ".add"),
    USUAL.replace("calculator.add", ""),
    USUAL.replace("calculator.add", "@token.add"),
    USUAL.replace("calculator.add", "#1.result.add"),
    USUAL.replace("calculator.add", "!1.add"),
    USUAL.replace("calculator.add", "rpc.nope"),
    USUAL.replace("calculator.add", "rpc.describe"),
    USUAL.replace("calculator.add", "calculator." + "a" * 150),
    USUAL + " ",
    USUAL + "x",
    f"[{USUAL}]",
    f'[{USUAL},{USUAL.replace(":1", ":2")},{USUAL.replace(":1", ":3")}]',
    f'[{USUAL},{USUAL.replace(":1", ":2").replace("{", chr(123) + " ")},7,{USUAL.replace(":1", ":3")}]',
    f'[{USUAL.replace(":1,", ":7,")},{USUAL.replace("calculator.add", "#7.b.c")}]',
    "[" + ",".join(USUAL.replace(":1", f":{number}") for number in range(1, 40)) + "]",
    f'[{USUAL.replace("calculator.add", "calculator." + "a" * 5000)}]',
    '{"jsonrpc":"2.0","id":"g:1","result":1}',
    "{}",
    "7",
    USUAL.replace("1,", "1" + " " * 300 + ","),
]


def read(begun_by: str, text: str, limits: Limits, times: int = 1) -> list[Any]:
    """What comes of a text, so often, and what the stream knows afterwards."""
    stream = Stream("s", limits)
    for event in stream.receive(begun_by):
        if isinstance(event, Hello):
            stream.welcome(event.call, "session")
    events = [stream.receive(text) for _ in range(times)]
    return [events, stream.counting.received, dict(stream.ids), sorted(stream.calls), stream.unworked]


@pytest.mark.parametrize("begun_by", [HELLO, PLAIN], ids=["hello", "plain"])
@pytest.mark.parametrize("times", [1, 2, 70])
@pytest.mark.parametrize("text", TEXTS)
def test_what_comes_of_a_text_is_the_same(
    begun_by: str, text: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limits in (Limits(), Limits(max_values=3)):
        shortly = read(begun_by, text, limits, times)
        with monkeypatch.context() as patched:
            patched.setattr(UsualCalls, "begin", lambda self, obj: None)
            assert repr(read(begun_by, text, limits, times)) == repr(shortly)


def test_a_usual_call_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "_message", None)  # the long one
    stream = Stream("s", Limits())
    stream._state = StreamState.PLAIN
    [call] = stream.receive(USUAL)
    assert isinstance(call, CallRequested)
    assert (call.target, call.method) == (ServiceTarget("calculator"), "add")
