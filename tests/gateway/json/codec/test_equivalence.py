"""The generated functions and the careful walk are one codec: made-up values must not tell them apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cara_pseud.schema.nodes import INT_RANGES, Field, Kind, Schema, Type, substitute
from gateway.errors import GatewayError
from gateway.json.codec import CodecOptions
from gateway.json.codec.refusal import FAILURES
from gateway.json.codec.writing import Writing
from gateway.json.text import dump, parse
from tests.codecs import Codec, Conversions

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
enum Color { red @0; green @1; }
struct Node {
  b @0 :Bool; i8 @1 :Int8; u16 @2 :UInt16 = 7; i64 @3 :Int64; u64 @4 :UInt64; f32 @5 :Float32; f64 @6 :Float64;
  t @7 :Text; d @8 :Data; c @9 :Color = green; v @10 :Void; child @11 :Node; leaf @12 :Leaf;
  i8s @13 :List(Int8); i64s @14 :List(Int64); ts @15 :List(Text); bs @16 :List(Bool); fs @17 :List(Float64);
  cs @18 :List(Color); nodes @19 :List(Node); leaves @20 :List(Leaf); lists @21 :List(List(UInt8)); ds @22 :List(Data);
  any @23 :AnyPointer; raw @24 :Json.Value; box @25 :Box(Leaf);
  where :group { city @26 :Text; inner :group { zip @27 :UInt8; } }
  union { one @28 :Int8; two @29 :Text; three @30 :Void; four :group { x @31 :Int8; } }
  f32s @32 :List(Float32); vs @33 :List(Void); flat @34 :Leaf $Json.flatten(prefix = "f_"); tagged @35 :Tagged;
}
struct Leaf { name @0 :Text; n @1 :Int32; hex @2 :Data $Json.hex; more @3 :List(Leaf2); }
struct Leaf2 { x @0 :Int16; union { a @1 :Text; b @2 :Leaf3; } }
struct Leaf3 { y @0 :UInt32 = 5; }
struct Box(T) { item @0 :T; }
struct Tagged $Json.discriminator(name = "kind") { union { p :group $Json.flatten() { x @0 :Int8; } q @1 :Text; } }
"""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300)
    | st.sampled_from([2**53 + 1, 2**63, 1.0, 2.5, 1e300, "x", "5", "red"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "name", "x"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip

# Derandomized: the tests also count how many examples were taken, which must not depend on luck.
SETTINGS = settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture(scope="module")
def node(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Type:
    return struct_type(schema, "Node")


def json_of(schema: Schema, type: Type, depth: int) -> st.SearchStrategy[Any]:
    """JSON that fits a type, nearly always."""
    kind = type.kind
    if kind in INT_RANGES:
        low, high = INT_RANGES[kind]
        fitting = st.integers(low, high) | st.sampled_from([low, high])
        return (fitting.map(str) if kind in (Kind.INT64, Kind.UINT64) else fitting) | st.integers(0, 100).map(float)
    if kind in (Kind.FLOAT32, Kind.FLOAT64):
        return st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-9, 9) | st.just("-inf")
    if kind is Kind.LIST and type.element is not None:
        return st.lists(json_of(schema, type.element, depth - 1), max_size=3)
    if kind is Kind.STRUCT and schema.nodes[type.node_id].name != "Value":
        return struct_json(schema, type, depth)
    plain: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.BOOL: st.booleans(),
        Kind.TEXT: st.text(max_size=3),
        Kind.DATA: st.lists(st.integers(0, 255), max_size=3) | st.sampled_from(["YQ==", "ab12", ""]),
        Kind.ENUM: st.sampled_from(["red", "green", 1, 9]),
        Kind.VOID: st.none(),
    }
    return plain.get(kind, ANYTHING)


def struct_json(schema: Schema, type: Type, depth: int) -> st.SearchStrategy[Any]:
    if depth <= 0:
        return st.just({})
    node = schema.struct(type.node_id)

    def of(field: Field) -> st.SearchStrategy[Any]:
        if field.group_id is not None:
            return struct_json(schema, Type(Kind.STRUCT, field.group_id, brand=type.brand), depth - 1)
        assert field.type is not None
        return json_of(schema, substitute(field.type, type.brand), depth - 1)

    outside = {field.name: of(field) for field in node.fields if field.discriminant is None}
    members = [st.fixed_dictionaries({}, optional={field.name: of(field)}) for field in node.union]
    fitting = st.fixed_dictionaries({}, optional=outside)
    whole = st.tuples(fitting, st.one_of(members)).map(lambda both: both[0] | both[1]) if members else fitting
    names = st.sampled_from([*(field.name for field in node.fields), "nope", "f_name"])
    odd = st.dictionaries(names, ANYTHING, max_size=1)
    return st.tuples(whole, st.just({}) | st.just({}) | st.just({}) | odd).map(lambda both: both[0] | both[1])


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("unknown", ["reject", "ignore"])
def test_both_ways_of_reading_agree(schema: Schema, node: Type, unknown: Any) -> None:
    conversions = Conversions(schema, CodecOptions(unknown_fields=unknown))
    fast = conversions.fast_reader(node)
    outcomes = {"taken": 0, "refused": 0}

    @given(json_of(schema, node, 4))
    @SETTINGS
    def agree(value: Any) -> None:
        obj = parse(dump(value))
        try:
            quick = fast(obj)
        except FAILURES:
            outcomes["refused"] += 1
            return  # the careful walk decides
        reading = conversions.carefully()
        assert same(quick, reading.value(node, obj, None, 1))
        assert reading.incoming == []
        outcomes["taken"] += 1

    agree()
    assert outcomes["taken"] > 5
    assert outcomes["refused"] > 0


@pytest.mark.parametrize("options", [CodecOptions(), CodecOptions(int64="auto", data="base64")])
def test_what_is_read_is_written_and_read_again(schema: Schema, node: Type, options: CodecOptions) -> None:
    codec = Codec(schema, options)
    conversions = Conversions(schema, options)

    @given(json_of(schema, node, 4))
    @SETTINGS
    def agree(value: Any) -> None:
        try:
            wire = codec.reader(node)(parse(dump(value)))
        except GatewayError:
            return
        out = codec.writer(node)(wire)
        careful = [None]
        Writing(conversions.layouts, options).store(careful, 0, node, wire, None, 1)
        assert same(out, careful[0])
        again = codec.reader(node)(parse(dump(out)))
        assert same(codec.writer(node)(again), out)

    agree()
