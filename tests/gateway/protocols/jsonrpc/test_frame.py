"""Texts of one message or many: taken one by one, exactly, and bounded one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.json.text import InexactFloat
from gateway.protocols.jsonrpc.batch import Batch
from gateway.protocols.jsonrpc.frame import Frame, read


def taken(data: bytes, max_values: int = 100) -> list[tuple[Any, bool]]:
    frame = read(data, max_values)
    assert isinstance(frame, Frame)
    found = []
    while len(frame):
        found += frame.take(2)
    return found


def test_an_array_gives_its_elements_in_order() -> None:
    assert taken(b'[{"a":1}, [2], 3]') == [({"a": 1}, False), ([2], False), (3, False)]


def test_one_message_comes_as_it_is() -> None:
    assert read(b'{"a":[1]}', 100) == ({"a": [1]}, False)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(GatewayError, match="no JSON"):
        read(b"[{}", 100)


def test_only_the_messages_of_too_many_values_are_marked() -> None:
    many = {"params": [1] * 20}
    data = json.dumps([{"a": 1}, many, {"b": 2}, many]).encode()
    assert [is_too_much for _, is_too_much in taken(data, 20)] == [False, True, False, True]
    assert [is_too_much for _, is_too_much in taken(data, 21)] == [False] * 4


def test_the_values_of_one_message_are_counted() -> None:
    assert read(json.dumps({"params": [1] * 20}).encode(), 20)[1] is True  # type: ignore[index]
    assert read(json.dumps({"params": [1] * 20}).encode(), 21)[1] is False  # type: ignore[index]


@pytest.mark.parametrize("space", ["", " ", "\n\t "])
def test_numbers_are_exact_in_each_element(space: str) -> None:
    elements = ['{"n":9007199254740993.0}', "1", '"9007199254740993.0]"', "[9007199254740993]", "-0.5"]
    data = f"{space}[{space}{f'{space},{space}'.join(elements)}{space}]{space}".encode()
    (first, _), one, text, whole, half = taken(data)
    assert type(first["n"]) is InexactFloat
    assert [one, text, whole, half] == [
        (1, False), ("9007199254740993.0]", False), ([9007199254740993], False), (-0.5, False)
    ]


def test_an_element_of_too_many_values_is_passed_over_where_numbers_must_be_exact() -> None:
    many = "[" + ",".join(["123456789012345678901234567890"] * 50) + "]"
    data = f"[{many},9007199254740993.0]".encode()
    (_, is_too_much), (number, _) = taken(data, 40)
    assert is_too_much
    assert type(number) is InexactFloat


def test_an_element_that_is_too_deep_to_be_read_exactly_is_an_error() -> None:
    deep = "[" * 1000 + "9007199254740993.0" + "]" * 1000
    frame = read(f"[1,{deep}]".encode(), 2000)
    assert isinstance(frame, Frame)
    messages = frame.take(2)
    assert next(messages) == (1, False)
    with pytest.raises(GatewayError, match="nested too deeply"):
        next(messages)


def test_a_batch_is_bounded_and_an_array_of_a_stream_that_said_hello_is_not() -> None:
    frame = read(b"[1,2,3]", 100)
    assert isinstance(frame, Frame)
    assert frame.fault(2) is None
    frame.batch = Batch()
    assert frame.fault(3) is None
    error = frame.fault(2)
    assert error is not None
    assert error.detail == "a batch may hold at most 2 messages without rpc.hello, this one holds 3"


def test_an_empty_array_is_no_batch() -> None:
    frame = read(b"[]", 100)
    assert isinstance(frame, Frame)
    error = frame.fault(2)
    assert error is not None
    assert error.detail == "the batch is empty"
