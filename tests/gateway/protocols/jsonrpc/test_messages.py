from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Status
from gateway.protocols.jsonrpc.messages import (
    Answer,
    Invalid,
    Meta,
    Request,
    error,
    notification,
    parse,
    request,
    result,
)

CALL = {"jsonrpc": "2.0", "method": "a.b"}


def test_a_request_is_read() -> None:
    assert parse({**CALL, "id": 1, "params": {"x": 1}}) == Request(1, False, "a.b", {"x": 1}, Meta())
    assert parse({**CALL, "id": "one", "params": [1]}) == Request("one", False, "a.b", [1], Meta())
    assert parse({**CALL, "id": None, "params": None, "extra": 1}) == Request(None, False, "a.b", None, Meta())


def test_a_request_without_id_is_a_notification() -> None:
    assert parse(CALL) == Request(None, True, "a.b", None, Meta())


@pytest.mark.parametrize("id", ["", "x" * 128, 0, -1, 2**53, -(2**53), None])
def test_ids_that_are_permitted(id: Any) -> None:
    assert parse({**CALL, "id": id}) == Request(id, False, "a.b", None, Meta())


INVALID: list[tuple[Any, Any, str]] = [
    (5, None, "a message must be a JSON object"),
    ([], None, "a message must be a JSON object"),
    ({"method": "a.b", "id": 1}, 1, 'a message must have the member "jsonrpc": "2.0"'),
    ({**CALL, "jsonrpc": 2.0, "id": 1}, 1, 'a message must have the member "jsonrpc": "2.0"'),
    ({"jsonrpc": "2.0", "id": 1}, 1, "a message must have a method, or a result or an error"),
    ({**CALL, "id": 1, "method": 5}, 1, "method must be a string"),
    ({**CALL, "id": 1, "params": "bar"}, 1, "params must be an object or an array"),
    ({**CALL, "id": "x" * 129}, None, "id must be at most 128 characters long"),
    ({**CALL, "id": 2**53 + 1}, None, "id must be an integer from -2^53 to 2^53"),
    ({**CALL, "id": 1.5}, None, "id must be a string, an integer or null"),
    ({**CALL, "id": True}, None, "id must be a string, an integer or null"),
    ({**CALL, "id": [1]}, None, "id must be a string, an integer or null"),
    ({**CALL, "id": {}}, None, "id must be a string, an integer or null"),
    ({**CALL, "id": "g:1"}, "g:1", 'ids that begin with "g:" are the gateway\'s'),
]


@pytest.mark.parametrize(("obj", "id", "detail"), INVALID)
def test_what_is_no_message_is_an_invalid_request(obj: Any, id: Any, detail: str) -> None:
    message = parse(obj)
    assert isinstance(message, Invalid)
    assert message.id == id
    assert message.error.detail == detail
    assert message.error.jsonrpc_error()["code"] == -32600


def test_meta_is_read_and_unknown_members_are_ignored() -> None:
    meta = {"timeout": 2, "request_id": "r", "traceparent": "00-…", "idempotency_key": "k", "new": {}}
    message = parse({**CALL, "id": 1, "meta": meta})
    assert isinstance(message, Request)
    assert message.meta == Meta(2.0, "r", "00-…", "k")


@pytest.mark.parametrize("name", ["request_id", "traceparent", "idempotency_key"])
@pytest.mark.parametrize("text", ["x", "x" * 512])
def test_a_text_in_meta_has_1_to_512_characters(name: str, text: str) -> None:
    message = parse({**CALL, "id": 1, "meta": {name: text}})
    assert isinstance(message, Request)
    assert getattr(message.meta, name) == text


@pytest.mark.parametrize("timeout", [0.001, 1, 1e9])
def test_any_time_above_zero_is_a_timeout(timeout: float) -> None:
    message = parse({**CALL, "id": 1, "meta": {"timeout": timeout}})
    assert isinstance(message, Request)
    assert message.meta == Meta(timeout)
    assert isinstance(message.meta.timeout_s, float)


BAD_META: list[tuple[Any, str]] = [
    (5, "meta must be an object"),
    ({"timeout": 0}, "meta.timeout must be a number of seconds greater than 0"),
    ({"timeout": "5"}, "meta.timeout must be a number of seconds greater than 0"),
    ({"timeout": True}, "meta.timeout must be a number of seconds greater than 0"),
    ({"request_id": 5}, "meta.request_id must be 1 to 512 printable characters"),
    ({"request_id": ""}, "meta.request_id must be 1 to 512 printable characters"),
    ({"traceparent": "a\nb"}, "meta.traceparent must be 1 to 512 printable characters"),
    ({"idempotency_key": "x" * 513}, "meta.idempotency_key must be 1 to 512 printable characters"),
]


@pytest.mark.parametrize(("meta", "detail"), BAD_META)
def test_bad_meta_is_an_invalid_argument(meta: Any, detail: str) -> None:
    message = parse({**CALL, "id": 1, "meta": meta})
    assert isinstance(message, Invalid)
    assert message.error.detail == detail
    assert message.error.jsonrpc_error()["code"] == -32602


def test_answers_are_read() -> None:
    assert parse({"jsonrpc": "2.0", "id": "g:1", "result": 5}) == Answer("g:1", 5, None)
    assert parse({"jsonrpc": "2.0", "id": "g:1", "result": None}) == Answer("g:1", None, None)
    assert parse({"jsonrpc": "2.0", "id": "g:1", "result": 5, "error": None}) == Answer("g:1", 5, None)


ERRORS: list[tuple[Any, Status, str]] = [
    ({"code": -32009, "message": "too early"}, Status.FAILED_PRECONDITION, "too early"),
    ({"code": -32602, "message": "m", "data": {"code": "out_of_range"}}, Status.OUT_OF_RANGE, "m"),
    ({"code": 1, "message": "m", "data": {"code": "invented"}}, Status.UNKNOWN, "m"),
    ({"code": -32601, "message": "Method not found"}, Status.UNIMPLEMENTED, "Method not found"),
    ({"code": -32600, "message": "m"}, Status.UNKNOWN, "m"),
    ({"code": "x"}, Status.UNKNOWN, "the client answered with an error"),
    ({"code": -32001, "message": 5}, Status.CANCELLED, "the client answered with an error"),
    ("boom", Status.UNKNOWN, "the client answered with an error that is no object"),
    (None, Status.UNKNOWN, "the client answered with an error that is no object"),
]


@pytest.mark.parametrize(("obj", "status", "detail"), ERRORS)
def test_a_clients_error_keeps_its_status(obj: Any, status: Status, detail: str) -> None:
    message = parse({"jsonrpc": "2.0", "id": "g:1", "error": obj})
    assert isinstance(message, Answer)
    assert message.error is not None
    assert message.error.status is status
    assert message.error.detail == detail


def test_what_we_ask_is_formed() -> None:
    assert request("g:1", "!f.add", [1]) == {"jsonrpc": "2.0", "id": "g:1", "method": "!f.add", "params": [1]}
    assert notification("rpc.ack", {"received": 1}) == {
        "jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 1},
    }  # fmt: skip


def test_answers_are_formed() -> None:
    assert result(1, {"x": 1}) == {"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}
    message = parse(5)
    assert isinstance(message, Invalid)
    told = error(None, message.error)
    assert told["id"] is None
    assert told["error"] == {
        "code": -32600,
        "message": "a message must be a JSON object",
        "data": {
            "type": "about:blank", "title": "Bad Request", "status": 400,
            "detail": "a message must be a JSON object", "code": "invalid_argument",
        },
    }  # fmt: skip
