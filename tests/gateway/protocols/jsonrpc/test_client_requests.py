"""What a client is asked: keys, texts and which of them wait."""

from __future__ import annotations

import json

import pytest

from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.client_requests import ClientRequests, check_size

TEXT = b'{"jsonrpc":"2.0","id":"g:1","method":"!f.apply","params":[1]}'


def test_requests_have_keys_that_go_on() -> None:
    requests = ClientRequests(1000)
    assert requests.write("f", "apply", [1]) == ("g:1", TEXT)
    key, data = requests.write("log", "line", ["x"])
    assert key == "g:2"
    assert json.loads(data) == {"jsonrpc": "2.0", "id": "g:2", "method": "!log.line", "params": ["x"]}
    assert requests.made == 2


def test_keys_go_on_behind_those_of_another_process() -> None:
    requests = ClientRequests(1000, 41)
    assert requests.write("f", "apply", [])[0] == "g:42"
    assert requests.made == 42


def test_a_request_waits_from_when_it_is_sent_until_it_ends() -> None:
    requests = ClientRequests(1000)
    key, _ = requests.write("f", "apply", [])
    assert requests.end(key) is None
    requests.sent(key, 17)
    assert set(requests.keys) == {key}
    assert requests.end(key) == 17
    assert requests.end(key) is None
    assert not requests.keys


def test_a_request_that_is_not_counted_waits_as_well() -> None:
    requests = ClientRequests(1000)
    requests.sent("g:1", 0)
    assert requests.end("g:1") == 0


def test_a_request_that_is_too_large_was_never_made() -> None:
    requests = ClientRequests(len(TEXT))
    with pytest.raises(GatewayError, match="the call has 62 bytes, more than the 61 of one message") as raised:
        requests.write("f", "apply", [10])
    assert raised.value.status is Status.TOO_LARGE
    assert requests.made == 0
    assert requests.write("f", "apply", [1]) == ("g:1", TEXT)


def test_parameters_that_are_no_json_are_an_error_of_ours() -> None:
    requests = ClientRequests(1000)
    with pytest.raises(GatewayError) as raised:
        requests.write("f", "apply", ["\ud800"])
    assert raised.value.status is Status.INTERNAL
    assert requests.made == 0


def test_a_text_may_be_as_large_as_the_limit() -> None:
    check_size(b"abc", 3, "the result")
    with pytest.raises(GatewayError, match="the result has 3 bytes, more than the 2 of one message"):
        check_size(b"abc", 2, "the result")
