"""A value that generated code refuses for no reason is taken, counted and told of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.errors import GatewayError
from gateway.json.codec import kinds
from gateway.json.codec.kinds import ROWS, Usual
from tests.codecs import Codec

SCHEMA = """
struct Person { name @0 :Text; age @1 :UInt8; friends @2 :List(Person); tags @3 :List(Text); mail @4 :List(Mail); }
struct Mail { text @0 :Text; }
"""
NAMED = {"name": "Ann", "age": 5}


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def person(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Type:
    return struct_type(schema, "Person")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated code that takes bytes for texts, while the careful walk is as it should be."""
    row = ROWS[Kind.TEXT]
    assert row.single is not None
    never = (Usual("type(v) is bytes", "v"),)
    single = replace(
        row.single, usually_read=lambda *_: never, usually_written=lambda *_: never, all_read=None, all_written=None
    )
    monkeypatch.setattr(kinds, "ROWS", {**ROWS, Kind.TEXT: replace(row, single=single)})


@pytest.mark.usefixtures("broken")
def test_a_reader_that_refuses_what_is_right_is_counted(
    schema: Schema, person: Type, caplog: pytest.LogCaptureFixture
) -> None:
    codec = Codec(schema)
    with caplog.at_level(logging.ERROR):
        assert codec.reader(person)(NAMED) == {0: "Ann", 1: 5}
        assert codec.needless_refusals == 1
        assert codec.reader(person)({"friends": [NAMED, NAMED]}) == {2: [{0: "Ann", 1: 5}] * 2}
        assert codec.needless_refusals == 3
    told = "the generated reader of Person refused a value in which nothing is wrong; it was taken all the same"
    assert [record.getMessage() for record in caplog.records] == [told]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("body", [{"tags": ["a", "b"]}, {"mail": [{"text": "a"}, {"text": "b"}]}])
def test_each_element_counts(schema: Schema, person: Type, body: Any) -> None:
    codec = Codec(schema)
    wire = codec.reader(person)(body)
    assert codec.needless_refusals == 2
    assert codec.writer(person)(wire) == {"age": 0, **body}
    assert codec.needless_refusals == 4


@pytest.mark.usefixtures("broken")
def test_a_value_that_is_wrong_was_refused_for_a_reason(schema: Schema, person: Type) -> None:
    codec = Codec(schema)
    with pytest.raises(GatewayError, match=r"^\$\.age: expected UInt8, got true$"):
        codec.reader(person)({"name": "Ann", "age": True})
    assert codec.needless_refusals == 0


ODD: list[Any] = [
    {"age": "5"}, {"age": 5.0}, {"friends": [{"age": "5"}, {"age": 5}]}, {"name": None}, {"friends": None}, {},
]  # fmt: skip


@pytest.mark.parametrize("body", ODD)
def test_what_is_right_in_an_odd_way_is_not_counted(schema: Schema, person: Type, body: Any) -> None:
    codec = Codec(schema)
    codec.writer(person)(codec.reader(person)(body))
    assert codec.needless_refusals == 0


def test_a_function_that_fails_before_it_began_is_counted(schema: Schema, person: Type) -> None:
    codec = Codec(schema)
    readers = codec._conversions._generated_readers

    def fails(*args: Any) -> Any:
        raise KeyError("of a faulty function")

    readers.namespace[readers.name(person)] = fails
    readers._compiled.add(readers.name(person))
    assert codec.reader(person)(NAMED) == {0: "Ann", 1: 5}
    assert codec.needless_refusals == 1
