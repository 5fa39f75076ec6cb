"""The ``rpc.*`` methods: what is read of their parameters, and what is told of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.presented import MAX_CREDENTIAL_CHARS
from gateway.protocols.jsonrpc.control import (
    Ack,
    Cancel,
    Control,
    Describe,
    HelloParams,
    PingParams,
    Release,
    Unknown,
    read_control,
)
from gateway.protocols.jsonrpc.messages import NO_META, Request

LARGEST = 2**53
LONGEST = "x" * 4096


def read(method: str, params: Any, notification: bool = False) -> Control | None:
    return read_control(Request(None if notification else 1, notification, method, params, NO_META))


READINGS: list[tuple[str, Any, Control | None]] = [
    ("calculator.add", {}, None),
    ("rpcx.hello", {}, None),
    ("rpc.hello", {"protocol": 1}, HelloParams()),
    ("rpc.hello", {"protocol": 1, "unbox": False, "session": None, "token": None, "stream": None}, HelloParams()),
    ("rpc.hello", {"protocol": 1, "session": "s", "unbox": True}, HelloParams("s", unbox=True)),
    ("rpc.hello", {"protocol": 1, "session": "s", "stream": "t", "received": 0}, HelloParams("s", "t", 0)),
    ("rpc.hello", {"protocol": 1, "session": "s", "stream": "t", "received": 0, "anew": True},
     HelloParams("s", "t", 0, anew=True)),
    ("rpc.hello", {"protocol": 1, "received": 5}, HelloParams(received=5)),
    ("rpc.hello", {"protocol": 1, "session": LONGEST}, HelloParams(session=LONGEST)),
    ("rpc.hello", {"protocol": 1, "token": 4 * LONGEST}, HelloParams(token=4 * LONGEST)),
    ("rpc.ack", {"received": 0}, Ack(0)),
    ("rpc.ack", {"received": 7, "new": 1}, Ack(7)),
    ("rpc.release", {"handle": "t-1_A"}, Release("t-1_A", 1)),
    ("rpc.release", {"handle": "t" * 64, "count": LARGEST}, Release("t" * 64, LARGEST)),
    ("rpc.cancel", {"id": "a"}, Cancel("a")),
    ("rpc.cancel", {"id": 0}, Cancel(0)),
    ("rpc.describe", {"service": "a"}, Describe("service", "a")),
    ("rpc.describe", {"interface": "A"}, Describe("interface", "A")),
    ("rpc.describe", {"interface": "A", "service": "a"}, Describe("interface", "A", "a")),
    ("rpc.describe", {"handle": "t1"}, Describe("handle", "t1")),
    ("rpc.discover", {}, Describe("everything", "")),
    ("rpc.discover", None, Describe("everything", "")),
    ("rpc.discover", [], Describe("everything", "")),
    ("rpc.ping", {}, PingParams()),
    ("rpc.ping", {"unknown": 1}, PingParams()),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "expected"), READINGS)
def test_what_fits_is_read(method: str, params: Any, expected: Control | None) -> None:
    assert read(method, params) == expected


PROTOCOL = "protocol {} is not supported; supported: 1"
TEXT = "$.{}: expected 1 to 4096 characters"
RECEIVED = "$.received: expected a number of messages"
COUNT = "$.count: expected a number of references, at least 1"
HANDLE = "$.handle: expected a handle's token"
ID = "$.id: expected the id of a call"
KINDS = "$: expected one of service, interface and handle"

REFUSALS: list[tuple[str, Any, type[Control], str]] = [
    ("rpc.hello", None, HelloParams, PROTOCOL.format("missing")),
    ("rpc.hello", ["protocol"], HelloParams, "$: rpc.hello takes its parameters by name"),
    ("rpc.hello", {"protocol": 0}, HelloParams, PROTOCOL.format(0)),
    ("rpc.hello", {"protocol": 2}, HelloParams, PROTOCOL.format(2)),
    ("rpc.hello", {"protocol": True}, HelloParams, PROTOCOL.format("true")),
    ("rpc.hello", {"protocol": 1.0}, HelloParams, PROTOCOL.format("1.0")),
    ("rpc.hello", {"protocol": "1"}, HelloParams, PROTOCOL.format('"1"')),
    ("rpc.hello", {"protocol": 1, "session": ""}, HelloParams, TEXT.format("session")),
    ("rpc.hello", {"protocol": 1, "stream": 5}, HelloParams, TEXT.format("stream")),
    ("rpc.hello", {"protocol": 1, "session": LONGEST + "x"}, HelloParams, TEXT.format("session")),
    ("rpc.hello", {"protocol": 1, "token": "x" * (MAX_CREDENTIAL_CHARS + 1)}, HelloParams,
     f"$.token: expected 1 to {MAX_CREDENTIAL_CHARS} characters"),
    ("rpc.hello", {"protocol": 1, "unbox": 1}, HelloParams, "$.unbox: expected true or false"),
    ("rpc.hello", {"protocol": 1, "unbox": None}, HelloParams, "$.unbox: expected true or false"),
    ("rpc.hello", {"protocol": 1, "received": -1}, HelloParams, RECEIVED),
    ("rpc.hello", {"protocol": 1, "received": True}, HelloParams, RECEIVED),
    ("rpc.hello", {"protocol": 1, "received": "1"}, HelloParams, RECEIVED),
    ("rpc.hello", {"protocol": 1, "stream": "t", "received": 1}, HelloParams,
     "$.session: a stream is resumed with session and received"),
    ("rpc.hello", {"protocol": 1, "stream": "t", "session": "s"}, HelloParams,
     "$.received: a stream is resumed with session and received"),
    ("rpc.ack", {"received": -1}, Ack, RECEIVED),
    ("rpc.ack", {"received": False}, Ack, RECEIVED),
    ("rpc.ack", {}, Ack, RECEIVED),
    ("rpc.ack", [1], Unknown, "$: rpc.ack takes its parameters by name"),
    ("rpc.release", {}, Unknown, HANDLE),
    ("rpc.release", {"handle": 5}, Unknown, HANDLE),
    ("rpc.release", {"handle": "a.b"}, Unknown, HANDLE),
    ("rpc.release", {"handle": "t" * 65}, Unknown, HANDLE),
    ("rpc.release", {"handle": "t1", "count": 0}, Unknown, COUNT),
    ("rpc.release", {"handle": "t1", "count": LARGEST + 1}, Unknown, COUNT),
    ("rpc.release", {"handle": "t1", "count": True}, Unknown, COUNT),
    ("rpc.cancel", {"id": None}, Unknown, ID),
    ("rpc.cancel", {"id": 1.5}, Unknown, ID),
    ("rpc.cancel", {"id": False}, Unknown, ID),
    ("rpc.describe", {}, Unknown, KINDS),
    ("rpc.describe", {"service": "a", "handle": "t1"}, Unknown, KINDS),
    ("rpc.describe", {"interface": "A", "handle": "t1"}, Unknown, KINDS),
    ("rpc.describe", {"service": 5}, Unknown, "$.service: expected a name"),
    ("rpc.describe", {"interface": []}, Unknown, "$.interface: expected a name"),
    ("rpc.describe", {"handle": None}, Unknown, "$.handle: expected a name"),
    ("rpc.describ", {}, Unknown, 'the gateway has no method "rpc.describ"; did you mean "rpc.describe"?'),
    ("rpc.xxxxxxxxxxxx", {}, Unknown,
     'the gateway has no method "rpc.xxxxxxxxxxxx"; known: rpc.ack, rpc.cancel, rpc.cast, rpc.describe, rpc.discover, '
     'rpc.hello, rpc.ping, rpc.release'),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "kind", "detail"), REFUSALS)
def test_what_does_not_fit_is_told(method: str, params: Any, kind: type[Control], detail: str) -> None:
    control = read(method, params)
    assert isinstance(control, kind)
    assert control.error is not None
    assert control.error.detail == detail


def test_an_acknowledgement_that_is_wrong_acknowledges_nothing() -> None:
    control = read("rpc.ack", {"received": "5"})
    assert isinstance(control, Ack)
    assert control.received == 0


def test_a_protocol_that_there_is_not_is_told_with_those_that_there_are() -> None:
    control = read("rpc.hello", {"protocol": 2})
    assert isinstance(control, HelloParams)
    assert control.error is not None
    assert control.error.problem()["code"] == "unimplemented"
    assert control.error.details == {"supported": [1]}


def test_only_hello_needs_an_answer() -> None:
    control = read("rpc.hello", {"protocol": 1}, notification=True)
    assert isinstance(control, HelloParams)
    assert control.error is not None
    assert control.error.jsonrpc_error()["code"] == -32600
    assert read("rpc.ack", {"received": 1}, notification=True) == Ack(1)
    assert read("rpc.describe", {"service": "a"}, notification=True) == Describe("service", "a")
