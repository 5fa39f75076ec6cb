"""JSON that is made to break a parser or a walk, over HTTP and over a WebSocket: each text gets its reason, and nobody
else waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.integration.conftest import HERE, Start

if TYPE_CHECKING:
    from tests.integration.conftest import Web

MEGABYTE = 1_000_000
CONFIG = f"""
[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "{{endpoint}}"
peer = "counting"
"""


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A gateway whose service takes anything."""
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("hostile"), stack)
        _, endpoint = start.counting()
        yield start.gateway(CONFIG.format(endpoint=endpoint))[1]


class Hostile(NamedTuple):
    """A body for `anything`, and what the answer says: an error's words, or the value that comes back."""

    name: str
    body: bytes
    says: str | None = None
    value: Any = None


def nested(levels: int) -> bytes:
    """Parameters of so many levels: their own object is the first."""
    return b'{"value":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def deep_list(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


TABLE = [
    Hostile("64 levels", nested(64), value=deep_list(63)),
    Hostile("65 levels", nested(65), "64"),
    Hostile("1,000 levels", nested(1000), "64"),
    Hostile("a megabyte of [", b"[" * MEGABYTE, "no JSON"),
    Hostile("a megabyte of {", b'{"a":' * (MEGABYTE // 5), "no JSON"),
    Hostile("half a million levels", b"[" * 500_000 + b"]" * 500_000, "nested more than 64 levels deep"),
    Hostile("bad UTF-8", b'{"value":"\xff\xfe"}', "not valid UTF-8 at line 1 column 11"),
    Hostile("an overlong slash", b'{"value":"\xc0\xaf"}', "not valid UTF-8"),
    Hostile("a surrogate in UTF-8", b'{"value":"\xed\xa0\x80"}', "not valid UTF-8"),
    Hostile("a lone high surrogate", b'{"value":"\\ud800"}', "surrogate"),
    Hostile("a lone low surrogate", b'{"value":"\\udc00"}', "surrogate"),
    Hostile("a surrogate pair", b'{"value":"\\ud83d\\ude00"}', value="\U0001f600"),
    Hostile("NaN", b'{"value":NaN}', "no JSON"),
    Hostile("Infinity", b'{"value":-Infinity}', "no JSON"),
    Hostile("1e999", b'{"value":1e999}', "$.value: the number is beyond what a double holds"),
    Hostile("400 digits", b'{"value":' + b"9" * 400 + b"}", "$.value: the number is beyond what a double holds"),
    Hostile("a fraction of 10,000 digits", b'{"value":0.' + b"1" * 10_000 + b"}", value=0.1111111111111111),
    Hostile("leading zero", b'{"value":01}', "no JSON"),
    Hostile("plus", b'{"value":+1}', "no JSON"),
    Hostile("hexadecimal", b'{"value":0x10}', "no JSON"),
    Hostile("a comment", b'{"value":1/**/}', "no JSON"),
    Hostile("single quotes", b"{'value':1}", "no JSON"),
    Hostile("a comma too many", b'{"value":[1,]}', "no JSON"),
    Hostile("a control character", b'{"value":"\x01"}', "no JSON"),
    Hostile("NUL behind the value", b'{"value":1}\x00', "no JSON"),
    Hostile("a byte order mark", b'\xef\xbb\xbf{"value":1}', "no JSON"),
    Hostile("UTF-16", '{"value":1}'.encode("utf-16"), "no JSON"),
    Hostile("10,000 duplicate keys", b"{" + b'"value":0,' * 9_999 + b'"value":7}', value=7),
    Hostile("100,000 members", b'{"value":{' + b",".join(b'"a%d":0' % number for number in range(90_000)) + b"}}",
            value={f"a{number}": 0 for number in range(90_000)}),
    Hostile("__proto__", b'{"value":{"__proto__":{"a":1}}}', value={"__proto__": {"a": 1}}),
    Hostile("two values", b'{"value":1}{"value":2}', "no JSON"),
    Hostile("half a value", b'{"value":', "no JSON"),
]  # fmt: skip


@pytest.mark.parametrize("hostile", TABLE, ids=[hostile.name for hostile in TABLE])
def test_over_http(counting: Web, hostile: Hostile) -> None:
    answer = counting.post("/api/counting/anything", hostile.body)
    if hostile.says is None:
        assert (answer.status, answer.json) == (200, {"value": hostile.value})
    else:
        assert (answer.status, answer.code) == (400, "invalid_argument")
        assert hostile.says in answer.json["detail"]
    assert counting.post("/api/counting/slow", [0]).json == {"done": True}


@pytest.mark.parametrize("hostile", TABLE, ids=[hostile.name for hostile in TABLE])
def test_over_a_websocket(counting: Web, hostile: Hostile) -> None:
    message = b'{"jsonrpc":"2.0","id":1,"method":"counting.anything","params":' + hostile.body + b"}"
    with counting.socket() as socket:
        try:
            socket.send(message.decode())
        except UnicodeDecodeError:
            return  # what is no UTF-8 is no text message; tests of frames send it
        answer = socket.receive()
        if hostile.says is None:
            assert answer["result"] == {"value": hostile.value}
        else:
            assert answer["error"]["data"]["code"] == "invalid_argument"
        assert socket.result("counting.slow", [0], id=2) == {"done": True}


def test_nobody_waits_for_hostile_texts(counting: Web) -> None:
    """The longest pause of a client that calls meanwhile; it is far below a deadline, not a matter of microseconds."""
    stop = threading.Event()
    pauses: list[float] = []

    def call() -> None:
        with counting.socket() as socket:
            while not stop.is_set():
                began = time.monotonic()
                assert socket.result("counting.slow", [0]) == {"done": True}
                pauses.append(time.monotonic() - began)

    client = threading.Thread(target=call)
    client.start()
    for hostile in TABLE * 3:
        counting.post("/api/counting/anything", hostile.body)
    stop.set()
    client.join()
    assert len(pauses) > 10
    assert max(pauses) < 5, sorted(pauses)[-5:]
    print(f"the longest pause was {max(pauses) * 1000:.0f} ms")
