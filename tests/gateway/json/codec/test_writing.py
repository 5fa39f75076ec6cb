"""Wire to JSON: what a client gets, and what is said of a service that sends something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import CodecOptions
from gateway.json.text import dump, parse
from tests.codecs import Codec

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
enum Color { red @0; green @1 $Json.name("GREEN"); }
struct All {
  v @0 :Void; b @1 :Bool = true; i @2 :Int16 = -7; big @3 :Int64; ubig @4 :UInt64 = 18446744073709551615;
  f @5 :Float32; d @6 :Float64 = inf; t @7 :Text; bytes @8 :Data; c @9 :Color = green; l @10 :List(Int64); s @11 :All;
  g :group { x @12 :Int8; y @13 :Text; }
}
struct Shape { name @0 :Text; union { circle @1 :Float64; label @2 :Text; none @3 :Void; pt @4 :Point; } }
struct Point { x @0 :Int32; y @1 :Int32; }
struct Pointers {
  any @0 :AnyPointer; raw @1 :Json.Value; texts @2 :List(Text); bools @3 :List(Bool); fs @4 :List(Float64);
  shapes @5 :List(Shape); blobs @6 :List(Data); hex @7 :Data $Json.hex; b64 @8 :Data $Json.base64;
  colors @9 :List(Color); voids @10 :List(Void);
}
struct Points { points @0 :List(Point); sides @1 :List(Points); }
struct Chain { union { next @0 :Chain; end @1 :Int8; } }
struct Named $Json.discriminator(name = "kind") { union { end @0 :Int8; next @1 :Named; } }
struct Way { union { over @0 :Detour; end @1 :Int8; } }
struct Detour { back :union { way @0 :Way; end @1 :Int8; } }
struct Tagged $Json.discriminator(name = "kind") {
  union { cat :group $Json.flatten(prefix = "c_") { lives @0 :Int32; } n @1 :Int8; }
}
"""

DEFAULTS = {
    "v": None, "b": True, "i": -7, "big": "0", "ubig": "18446744073709551615", "f": 0.0, "d": "Infinity", "c": "GREEN",
    "g": {"x": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def write(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Callable[..., Any]:
    def write(name: str, wire: Any, options: CodecOptions | None = None) -> Any:
        return parse(dump(Codec(schema, options).writer(struct_type(schema, name))(wire)))

    return write


WRITTEN: list[tuple[str, Any, Any]] = [
    ("All", {}, DEFAULTS),
    ("All", {0: None, 1: False, 2: 5, 3: -1, 5: 0.1, 6: 2.5, 9: 0}, DEFAULTS | {
        "b": False, "i": 5, "big": "-1", "f": 0.10000000149011612, "d": 2.5, "c": "red"}),
    ("All", {7: "", 8: b"", 10: (), 11: {}}, DEFAULTS | {"t": "", "bytes": [], "l": [], "s": DEFAULTS}),
    ("All", {7: "x", 8: b"\0\xff", 10: (1, -2), 12: {1: "y"}}, DEFAULTS | {
        "t": "x", "bytes": [0, 255], "l": ["1", "-2"], "g": {"x": 0, "y": "y"}}),
    ("All", {7: None, 8: None, 10: None, 11: None, 99: "newer"}, DEFAULTS),
    ("All", {5: 3, 6: -4}, DEFAULTS | {"f": 3.0, "d": -4.0}),
    ("All", {5: float("nan"), 6: float("-inf")}, DEFAULTS | {"f": "NaN", "d": "-Infinity"}),
    ("All", {9: 7}, DEFAULTS | {"c": 7}),
    ("All", {"t": "by name", "5": 1.5, b"i": 3}, DEFAULTS | {"t": "by name", "f": 1.5, "i": 3}),
    ("Shape", {}, {"circle": 0.0}),
    ("Shape", {0: "n", 2: "x"}, {"name": "n", "label": "x"}),
    ("Shape", {2: None}, {"label": ""}),
    ("Shape", {3: None}, {"none": None}),
    ("Shape", {4: {0: 1}}, {"pt": {"x": 1, "y": 0}}),
    ("Shape", {4: None}, {"pt": {"x": 0, "y": 0}}),
    ("Pointers", {}, {}),
    ("Pointers", {0: {7: b"\x01", "a": (1, None, 2.5), b"k": float("inf"), True: 2**63, None: 1, 2.5: 2}},
     {"any": {"7": [1], "a": [1, None, 2.5], "k": "Infinity", "true": 2**63, "null": 1, "2.5": 2}}),
    ("Pointers", {0: 5}, {"any": 5}),
    ("Pointers", {1: {5: ({0: "a", 1: {4: ({2: 1.0}, {2: 0.5}, {1: True}, {0: None}, {3: "s"}, {})}},)}},
     {"raw": {"a": [1, 0.5, True, None, "s", None]}}),
    ("Pointers", {2: ("a", ""), 3: (True, False), 4: (1, 2.5, float("nan")), 6: (b"a", b"")},
     {"texts": ["a", ""], "bools": [True, False], "fs": [1.0, 2.5, "NaN"], "blobs": [[97], []]}),
    ("Pointers", {5: ({}, {3: None}), 7: b"\xab", 8: b"a", 9: (0, 1, 5), 10: (None, None)},
     {"shapes": [{"circle": 0.0}, {"none": None}], "hex": "ab", "b64": "YQ==", "colors": ["red", "GREEN", 5],
      "voids": [None, None]}),
    ("Tagged", {}, {"kind": "cat", "c_lives": 0}),
    ("Tagged", {1: 5}, {"kind": "n", "n": 5}),
]


@pytest.mark.parametrize(("name", "wire", "json"), WRITTEN)
def test_a_wire_value_is_written_as_json(write: Callable[..., Any], name: str, wire: Any, json: Any) -> None:
    assert write(name, wire) == json


UNFIT: list[tuple[str, Any, str]] = [
    ("All", {2: 40000}, "$.i: 40000 is out of range for Int16 (-32768 … 32767)"),
    ("All", {2: "5"}, '$.i: expected Int16, got "5"'),
    ("All", {2: True}, "$.i: expected Int16, got true"),
    ("All", {2: None}, "$.i: expected Int16, got null"),
    ("All", {1: 1}, "$.b: expected Bool, got 1"),
    ("All", {7: b"x"}, "$.t: expected Text, got bytes"),
    ("All", {8: "x"}, '$.bytes: expected Data, got "x"'),
    ("All", {6: "x"}, '$.d: expected Float64, got "x"'),
    ("All", {9: "red"}, '$.c: expected Color, got "red"'),
    ("All", {9: -1}, "$.c: expected Color, got -1"),
    ("All", {10: {"a": 1}}, "$.l: expected a list, got an object"),
    ("All", {10: (1, 2.5)}, "$.l[1]: expected Int64, got 2.5"),
    ("All", {11: {12: {0: 200}}}, "$.s.g.x: 200 is out of range for Int8 (-128 … 127)"),
    ("All", {11: 5}, "$.s: expected All, got 5"),
    ("All", {12: 500}, "$.g.x: 500 is out of range for Int8 (-128 … 127)"),
    ("All", 5, "$: expected All, got 5"),
    ("All", None, "$: expected All, got null"),
    ("All", {"nope": 1}, '$: All has no field "nope"'),
    ("Shape", {1: 1.0, 2: "x"}, "$: circle and label are set, members of one union"),
    ("Shape", {4: {0: "x"}}, '$.pt.x: expected Int32, got "x"'),
    ("Pointers", {0: object}, "$.any: a type cannot be written as JSON"),
    ("Pointers", {2: ("a", 5)}, "$.texts[1]: expected Text, got 5"),
    ("Pointers", {2: "abc"}, '$.texts: expected a list, got "abc"'),
    ("Pointers", {1: {6: {}}}, "$.raw: a Json.Value with call an object cannot be written as JSON"),
    ("Tagged", {0: {0: "x"}}, '$.c_lives: expected Int32, got "x"'),
]


@pytest.mark.parametrize(("name", "wire", "reason"), UNFIT)
def test_what_does_not_fit_is_the_services_fault(
    write: Callable[..., Any], name: str, wire: Any, reason: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        write(name, wire)
    assert raised.value.status is Status.INTERNAL
    assert raised.value.detail == f"what the service sent does not fit its schema: {reason}"
    assert raised.value.path == reason.partition(": ")[0]


@pytest.mark.parametrize(
    ("int64", "json"),
    [("string", ["5", "-9007199254740993", "9007199254740992"]), ("number", [5, -(2**53) - 1, 2**53]),
     ("auto", [5, "-9007199254740993", 2**53])],
)  # fmt: skip
def test_64_bit_integers_follow_the_policy(write: Callable[..., Any], int64: Any, json: Any) -> None:
    wire = {3: 5, 10: (5, -(2**53) - 1, 2**53)}
    out = write("All", wire, CodecOptions(int64=int64))
    assert out["l"] == json
    assert out["big"] == json[0]


def test_plain_data_follows_the_policy_and_annotated_data_does_not(write: Callable[..., Any]) -> None:
    options = CodecOptions(data="base64")
    wire = {0: b"a", 6: (b"a",), 7: b"a", 8: b"a"}
    assert write("Pointers", wire, options) == {"any": "YQ==", "blobs": ["YQ=="], "hex": "61", "b64": "YQ=="}
    assert write("Pointers", {0: b"a"}) == {"any": [97]}


def test_a_list_that_is_written_is_a_list_of_its_own(
    schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    texts = ["a"]
    out = Codec(schema).writer(struct_type(schema, "Pointers"))({2: texts})
    out["texts"].append("b")
    assert texts == ["a"]


def test_a_union_whose_first_member_leads_back_to_it_ends_in_null(
    write: Callable[..., Any], schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    assert write("Chain", {}) == {"next": None}
    assert write("Chain", {0: {1: 5}}) == {"next": {"end": 5}}
    assert write("Way", {}) == {"over": None}
    assert write("Way", {0: {}}) == {"over": {"back": {"way": None}}}
    read = Codec(schema).reader(struct_type(schema, "Chain"))
    assert write("Chain", read({"next": None})) == {"next": None}
    read = Codec(schema).reader(struct_type(schema, "Named"))
    assert write("Named", read({"kind": "next"})) == {"kind": "next", "next": {"kind": "end", "end": 0}}


def test_an_answer_that_is_nested_too_deeply_is_too_large(write: Callable[..., Any]) -> None:
    wire: dict[int, Any] = {}
    for _ in range(5000):
        wire = {11: wire}
    with pytest.raises(GatewayError, match="what the service sent is nested more than 64 levels deep") as raised:
        write("All", wire)
    assert raised.value.status is Status.TOO_LARGE
    any_wire: list[Any] = []
    for _ in range(5000):
        any_wire = [any_wire]
    with pytest.raises(GatewayError, match="nested more than 64 levels deep"):
        write("Pointers", {0: any_wire})


@pytest.mark.parametrize(
    ("fits", "is_too_much"),
    [
        ({0: [{}] * 10}, {0: [{}] * 11}),  # each is an element and has two members that are written
        ({0: [{0: 1}] * 10}, {0: [{0: 1}] * 11}),
        ({1: [{0: [{}] * 3}] * 3}, {1: [{0: [{}] * 3}] * 4}),
        ({1: [{0: [{}] * 9}, {}]}, {1: [{0: [{}] * 9}, {}] * 2}),
    ],
)
def test_what_becomes_of_an_answer_is_bounded_while_it_is_written(
    write: Callable[..., Any], fits: Any, is_too_much: Any
) -> None:
    options = CodecOptions(max_values=30)
    for _ in range(2):
        assert write("Points", fits, options)
    with pytest.raises(GatewayError, match="more than 30 values") as raised:
        write("Points", is_too_much, options)
    assert raised.value.status is Status.TOO_LARGE
    assert raised.value.path is not None
    assert write("Points", fits, options)


def test_an_odd_struct_before_it_takes_nothing_from_the_bound(write: Callable[..., Any]) -> None:
    # Such a name as a key is for the careful walk, which counts nothing twice.
    odd = {"points": [{}] * 10}
    assert write("Points", odd, CodecOptions(max_values=30)) == {"points": [{"x": 0, "y": 0}] * 10}
