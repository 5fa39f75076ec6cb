"""The conformance cases made by the real capnp tool, judged by the rules under which we may differ.

A case must give the expected outcome, unless it is a quirk of the tool (then a clear error or the plain reading of the
RFCs will do), gives JSON to an AnyPointer, an interface or plain Data that the tool refuses, gives null where null
means absent, or misuses an annotation, which we refuse when the schema is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError
from gateway.json.codec import CodecOptions
from gateway.json.text import dump, parse
from tests.codecs import Codec

LENIENT = CodecOptions(unknown_fields="ignore")

PLAIN_READINGS: dict[str, Any] = {
    '{"t":"\\ud83d\\ude00"}': {"t": "😀"},
    '{"foo":5,"kind":"foo"}': {"kind": "foo", "foo": 5},
}
"""Quirks that we read as the RFCs would have it: a surrogate pair is one character, members come in any order."""

ACCEPTED: dict[str, Any] = {
    '{"un":{"item":"x"}}': {"un": {"item": "x"}},
    '{"any":null}': {"n": 0},
    '{"cap":null}': {"n": 0},
    '{"bools":null}': {},
    '{"g":null}': {"a": 0, "g": {"x": 0, "inner": {"z": False}}},
}
"""What the tool refuses and we take: JSON in an AnyPointer, null for what may be absent."""


def test_the_codec_does_as_the_real_tool(
    case: dict[str, Any],
    vector_schemas: dict[str, Schema],
    struct_type: Callable[[Schema, str], Type],
    wire_of: Callable[[str, str, str], Any],
) -> None:
    schema = vector_schemas[case["schema"]]
    codec, type = Codec(schema, LENIENT), struct_type(schema, case["type"])
    expected = case.get("capnp_1_4_0", case)
    if case.get("output_not_json"):
        assert_no_json_for_a_call(codec, type)
        return
    try:
        if case["kind"] == "encode":
            wire = wire_of(case["schema"], case["type"], case["value_binary_b64"])
        else:
            wire = codec.reader(type)(parse(case["input_json"]))
        outcome = parse(dump(codec.writer(type)(wire)))
    except (GatewayError, SchemaError) as error:
        outcome = str(error)
    text = case.get("input_json")
    if isinstance(outcome, str):
        assert outcome  # a clear error
        assert case.get("expected_error") or "quirk" in case, outcome
        return
    if "expected_json" in expected and "quirk" not in case:
        assert outcome == expected["expected_json"]
    elif "quirk" in case:
        assert outcome in (expected.get("expected_json"), PLAIN_READINGS.get(text, outcome if text is None else None))
    else:
        assert case.get("expected_error")
        assert outcome == ACCEPTED.get(text, "refused")


def assert_no_json_for_a_call(codec: Codec, type: Type) -> None:
    call = {6: {0: "f", 1: ({2: 1.0},)}}
    with pytest.raises(GatewayError, match=r"a Json.Value with call an object cannot be written as JSON"):
        codec.writer(type)({0: call})


def test_what_the_tool_decoded_is_written_alike(
    case: dict[str, Any],
    vector_schemas: dict[str, Schema],
    struct_type: Callable[[Schema, str], Type],
    wire_of: Callable[[str, str, str], Any],
) -> None:
    expected = case.get("capnp_1_4_0", case)
    if "value_binary_b64" in expected and "expected_json" in expected:
        schema = vector_schemas[case["schema"]]
        wire = wire_of(case["schema"], case["type"], expected["value_binary_b64"])
        outcome = Codec(schema).writer(struct_type(schema, case["type"]))(wire)
        assert parse(dump(outcome)) == expected["expected_json"]


def test_misused_annotations_are_found_when_the_schema_is_loaded(vector_schemas: dict[str, Schema]) -> None:
    Codec(vector_schemas["types.capnp"]).check()
    Codec(vector_schemas["annot.capnp"]).check()
    with pytest.raises(SchemaError):
        Codec(vector_schemas["badannot.capnp"]).check()


BAD_STRUCTS = {
    "FlattenScalar": "field 'a': only a struct or group can be flattened",
    "Base64Text": "field 'a': only Data can be written as base64",
    "HexInt": "field 'a': only Data can be written as hex",
    "DupFlat": "two members have the JSON name 'x'",
    "DupName": "two members have the JSON name 'b'",
    "SelfFlat": "a struct cannot be flattened into itself",
}


@pytest.mark.parametrize("name", BAD_STRUCTS)
def test_a_misused_annotation_names_its_struct(
    name: str, vector_schemas: dict[str, Schema], struct_type: Callable[[Schema, str], Type]
) -> None:
    schema = vector_schemas["badannot.capnp"]
    with pytest.raises(SchemaError) as raised:
        Codec(schema).reader(struct_type(schema, name))({})
    assert str(raised.value) == f"badannot.capnp:{name}: {BAD_STRUCTS[name]}"
