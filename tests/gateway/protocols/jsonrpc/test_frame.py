"""Texts of one message or many: taken one by one, exactly, and bounded one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.json.text import InexactFloat
from gateway.protocols.jsonrpc.batch import Batch
from gateway.protocols.jsonrpc.frame import Frame, read

TOO_MANY = "more than 20 values (elements and members) are in one message"


def taken(data: bytes, max_values: int = 100) -> list[tuple[Any, str | None]]:
    frame = read(data, max_values, 64)
    assert isinstance(frame, Frame)
    found = []
    while len(frame):
        found += [(obj, None if fault is None else fault.detail) for obj, fault in frame.take(2)]
    return found


def test_an_array_gives_its_elements_in_order() -> None:
    assert taken(b'[{"a":1}, [2], 3]') == [({"a": 1}, None), ([2], None), (3, None)]


def test_one_message_comes_as_it_is() -> None:
    assert read(b'{"a":[1]}', 100, 64) == ({"a": [1]}, None)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(GatewayError, match="no JSON"):
        read(b"[{}", 100, 64)


def test_only_the_messages_of_too_many_values_are_marked() -> None:
    many = {"params": [1] * 20}
    data = json.dumps([{"a": 1}, many, {"b": 2}, many]).encode()
    assert [fault for _, fault in taken(data, 20)] == [None, TOO_MANY, None, TOO_MANY]
    assert [fault for _, fault in taken(data, 21)] == [None] * 4


def test_the_values_of_one_message_are_counted() -> None:
    data = json.dumps({"params": [1] * 20}).encode()
    assert read(data, 20, 64)[1].detail == TOO_MANY  # type: ignore[index]
    assert read(data, 21, 64)[1] is None  # type: ignore[index]


@pytest.mark.parametrize("space", ["", " ", "\n\t "])
def test_numbers_are_exact_in_each_element(space: str) -> None:
    elements = ['{"n":9007199254740993.0}', "1", '"9007199254740993.0]"', "[9007199254740993]", "-0.5"]
    data = f"{space}[{space}{f'{space},{space}'.join(elements)}{space}]{space}".encode()
    (first, _), one, text, whole, half = taken(data)
    assert type(first["n"]) is InexactFloat
    assert [one, text, whole, half] == [
        (1, None), ("9007199254740993.0]", None), ([9007199254740993], None), (-0.5, None)
    ]


def test_an_element_of_too_many_values_is_passed_over_where_numbers_must_be_exact() -> None:
    many = "[" + ",".join(["123456789012345678901234567890"] * 50) + "]"
    data = f"[{many},9007199254740993.0]".encode()
    (_, is_too_much), (number, _) = taken(data, 40)
    assert is_too_much
    assert type(number) is InexactFloat


DEEP = "[" * 1000 + "9007199254740993.0" + "]" * 1000


@pytest.mark.parametrize(
    ("element", "detail"),
    [
        ('{"params":["\\ud83d"]}', "$[0]: holds the lone surrogate U+D83D, which is no character"),
        ('{"params":{"a":[1e400]}}', "$.a[0]: the number is beyond what a double holds (±1.798e+308)"),
        (f'{{"params":[{DEEP}]}}', f"${'[0]' * 64}: nested more than 64 levels deep"),
        (f'{{"params":[{"[" * 1100 + "]" * 1100}]}}', f"${'[0]' * 64}: nested more than 64 levels deep"),
    ],
)
def test_what_cannot_be_taken_is_a_fault_of_its_own_message_only(element: str, detail: str) -> None:
    assert taken(f'[{{"a":1}},{element},9007199254740993]'.encode(), 2000) == [
        ({"a": 1}, None), ({}, detail), (9007199254740993, None)
    ]  # fmt: skip
    one = read(element.encode(), 2000, 64)
    assert isinstance(one, tuple)
    assert (one[0], one[1] and one[1].detail) == ({}, detail)


def test_an_element_of_too_many_values_is_not_looked_at_for_faults() -> None:
    assert [fault for _, fault in taken(b'[["\\ud800",1,2],"\\ud800",3]', 2)] == [
        "more than 2 values (elements and members) are in one message", None, None
    ]  # fmt: skip


def test_a_batch_is_bounded_and_an_array_of_a_stream_that_said_hello_is_not() -> None:
    frame = read(b"[1,2,3]", 100, 64)
    assert isinstance(frame, Frame)
    assert frame.fault(2) is None
    frame.batch = Batch()
    assert frame.fault(3) is None
    error = frame.fault(2)
    assert error is not None
    assert error.detail == "a batch may hold at most 2 messages without rpc.hello, this one holds 3"


def test_an_empty_array_is_no_batch() -> None:
    frame = read(b"[]", 100, 64)
    assert isinstance(frame, Frame)
    error = frame.fault(2)
    assert error is not None
    assert error.detail == "the batch is empty"
