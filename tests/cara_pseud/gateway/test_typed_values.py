"""Values as the client writes and reads them, judged by the gateway's own codec on the cases of the real capnp tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.errors import InvalidValue
from cara_pseud.gateway.members import Forms
from cara_pseud.gateway.typed_values import JsonReader, JsonWriter
from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.json.codec import CodecOptions
from gateway.json.text import dump, parse
from tests.codecs import Codec

VECTORS: Any = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "json_cases.json").read_text("utf-8"))
CASES = [case for case in VECTORS["cases"] if "expected_json" in case and case["schema"] != "badannot.capnp"]
SETTINGS = [
    CodecOptions(),
    CodecOptions(int64="number", data="base64"),
    CodecOptions(int64="auto", unknown_fields="ignore"),
]


class NoReferences:
    """The cases hold no objects."""

    values = 0

    def object(self, token: str, interface: str | None) -> Capability:
        raise AssertionError(token)

    def capability(self, *_: Any) -> Any:
        raise AssertionError


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Schema]:
    folder = tmp_path_factory.mktemp("vectors")
    for name, text in VECTORS["schemas"].items():
        (folder / name).write_text(text, "utf-8")
    return {name: compile_schema([folder / name], [folder]) for name in ("types.capnp", "annot.capnp")}


def struct(schema: Schema, name: str) -> Type:
    node = schema.find(name)
    assert node is not None
    return Type(Kind.STRUCT, node.id)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_both_sides_mean_the_same_by_a_value(case: dict[str, Any], schemas: dict[str, Schema]) -> None:
    schema = schemas[case["schema"]]
    type, forms = struct(schema, case["type"]), Forms(schema)
    wire = Codec(schema).reader(type)(parse(json.dumps(case["expected_json"])))
    said = Codec(schema).writer(type)(wire)
    written = JsonWriter(forms, NoReferences()).value(type, wire)
    assert Codec(schema).writer(type)(Codec(schema).reader(type)(written)) == said
    for options in SETTINGS:
        codec = Codec(schema, options)
        received = json.loads(dump(codec.writer(type)(wire)))
        read = JsonReader(forms, NoReferences()).value(type, received)
        assert Codec(schema).writer(type)(read) == said


def test_there_are_many_cases() -> None:
    assert len(CASES) > 150


WRONG = [
    ({"i64": "x"}, r"\$\.i64: 'x' is no integer"),
    ({"color": "blue-ish"}, r"\$\.color: 'blue-ish' is no Color"),
]


@pytest.mark.parametrize(("value", "reason"), WRONG)
def test_what_no_gateway_sends_is_refused_with_its_place(value: Any, reason: str, schemas: dict[str, Schema]) -> None:
    schema = schemas["types.capnp"]
    with pytest.raises(InvalidValue, match=reason):
        JsonReader(Forms(schema), NoReferences()).value(struct(schema, "Scalars"), value)


def test_what_a_newer_schema_has_is_no_error(schemas: dict[str, Schema]) -> None:
    schema = schemas["types.capnp"]
    read = JsonReader(Forms(schema), NoReferences()).value(struct(schema, "Scalars"), {"b": True, "newer": [1]})
    assert list(read.values()) == [True]
