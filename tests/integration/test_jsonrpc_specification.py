"""The examples of https://www.jsonrpc.org/specification, section 7, in its order.

Two things differ by design: a method's name begins with its service (``spec.subtract``), and without hello results
stand by name (``{"difference": 19}``); with hello and ``unbox`` the answer is the example's own ``19``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import HERE, Start

if TYPE_CHECKING:
    from tests.integration.conftest import Socket, Web

CONFIG = """
[services.spec]
schema = "{schema}"
interface = "Specification"
endpoint = "{endpoint}"
peer = "specification"
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("specification"), stack)
        endpoint = start.process(str(HERE / "specification_service.py")).line()
        schema = Path(__file__).with_name("specification.capnp")
        yield start.gateway(CONFIG.format(schema=schema, endpoint=endpoint))[1]


@pytest.fixture
def socket(web: Web) -> Iterator[Socket]:
    with web.socket() as socket:
        yield socket


def call(method: str, params: Any = None, **members: Any) -> dict[str, Any]:
    given = {} if params is None else {"params": params}
    return {"jsonrpc": "2.0", "method": f"spec.{method}", **given, **members}


def result(value: Any, id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": value, "id": id}


def error(code: int, id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": code, "id": id}


def heard(message: Any) -> Any:
    """A message with an error's code alone in its place: texts are free in the specification."""
    if isinstance(message, list):
        return [heard(one) for one in message]
    return {**message, "error": message["error"]["code"]} if "error" in message else message


SUBTRACTIONS = [
    # what of the example, its params, its result, its id
    ("positional", [42, 23], 19, 1),
    ("positional, turned", [23, 42], -19, 2),
    ("named", {"subtrahend": 23, "minuend": 42}, 19, 3),
    ("named, turned", {"minuend": 42, "subtrahend": 23}, 19, 4),
]


@pytest.mark.parametrize(("what", "params", "difference", "id"), SUBTRACTIONS)
def test_parameters(socket: Socket, what: str, params: Any, difference: int, id: int) -> None:
    socket.send(call("subtract", params, id=id))
    assert socket.receive() == result({"difference": difference}, id), what


def test_with_unboxing_the_results_are_those_of_the_examples(socket: Socket) -> None:
    socket.result("rpc.hello", {"protocol": 1, "unbox": True})
    for what, params, difference, id in SUBTRACTIONS:
        socket.send(call("subtract", params, id=id))
        assert socket.receive() == result(difference, id), what
    socket.send(call("sum", [1, 2, 4], id="1"))
    assert socket.receive() == result(7, "1")


def test_notifications(socket: Socket) -> None:
    socket.send(call("update", [1, 2, 3, 4, 5]))
    socket.send(call("foobar"))
    assert socket.call("spec.seen")["result"]["notifications"] == ["update 1 2 3 4 5"]


FAULTS: list[tuple[str, str, Any]] = [
    ("method that there is not", json.dumps(call("foobar", id="1")), error(-32601, "1")),
    ("invalid JSON", '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', error(-32700, None)),
    ("invalid request", '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', error(-32600, None)),
    ("batch, invalid JSON", '[{"jsonrpc": "2.0", "method": "sum", "id": "1"},\n{"jsonrpc": "2.0", "method"\n]',
     error(-32700, None)),
    ("empty array", "[]", error(-32600, None)),
    ("invalid batch, not empty", "[1]", [error(-32600, None)]),
    ("invalid batch", "[1,2,3]", [error(-32600, None)] * 3),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "answer"), FAULTS)
def test_faults(socket: Socket, what: str, text: str, answer: Any) -> None:
    socket.send(text)
    assert heard(socket.receive()) == answer, what


def test_a_batch(socket: Socket) -> None:
    socket.send([
        call("sum", [1, 2, 4], id="1"),
        call("notify_hello", [7]),
        call("subtract", [42, 23], id="2"),
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        call("get_data", id="9"),
    ])  # fmt: skip
    answers = sorted(heard(socket.receive()), key=lambda answer: str(answer["id"]))
    assert answers == [
        result({"total": 7}, "1"), result({"difference": 19}, "2"), error(-32601, "5"),
        result({"text": "hello", "number": 5}, "9"), error(-32600, None),
    ]  # fmt: skip


def test_a_batch_of_notifications_is_answered_by_nothing(socket: Socket) -> None:
    before = socket.call("spec.seen")["result"]["notifications"]
    socket.send([call("update", [1, 2, 3, 4, 5]), call("notify_hello", [7])])
    after = socket.call("spec.seen")["result"]["notifications"]
    assert after == [*before, "update 1 2 3 4 5", "notify_hello 7"]
