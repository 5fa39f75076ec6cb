from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.errors import SchemaError
from cara_pseud.schema.literals import MAX_DEPTH
from cara_pseud.schema.nodes import ConstNode, Field, Schema, StructNode

Compile = Callable[..., Schema]

SCHEMA = """
@0xd4c9b2a1f0e3d587;
enum Color { red @0; green @1; blue @2; }
struct Point { x @0 :Int32; y @1 :Int32 = 7; }
struct Everything {
  void @0 :Void; bool @1 :Bool; int8 @2 :Int8; int16 @3 :Int16; int32 @4 :Int32; int64 @5 :Int64;
  uint8 @6 :UInt8; uint16 @7 :UInt16; uint32 @8 :UInt32; uint64 @9 :UInt64; float32 @10 :Float32; float64 @11 :Float64;
  text @12 :Text; data @13 :Data; list @14 :List(Int32); color @15 :Color; point @16 :Point; face @17 :Face;
  any @18 :AnyPointer; people @19 :List(Point); kind :union { none @20 :Void; number @21 :Int32; word @22 :Text; }
  place :group { street @23 :Text; number @24 :UInt16 = 1; }
}
struct Shape {
  label @0 :Text = "unnamed";
  union {
    circle @1 :Float64; square @2 :Float64; nothing @3 :Void; box :group { w @4 :Int32; h @5 :Int32; } p @6 :Point;
  }
}
struct Box(T) { value @0 :T; next @1 :Box(T); many @2 :Box(List(Text)); }
interface Face {}
struct Flags { a @0 :Bool = true; b @1 :Bool; c @2 :Int8 = -1; f @3 :Float32 = 1.5; }

struct Unset {
  void @0 :Void; bool @1 :Bool; int8 @2 :Int8; uint64 @3 :UInt64; float32 @4 :Float32; color @5 :Color; text @6 :Text;
  data @7 :Data; list @8 :List(Int32); point @9 :Point; face @10 :Face; any @11 :AnyPointer;
  group :group { a @12 :Text; }
}
struct Set {
  void @0 :Void = void; bool @1 :Bool = true; int8 @2 :Int8 = -128; int16 @3 :Int16 = -32768; int32 @4 :Int32 = -7;
  int64 @5 :Int64 = -9223372036854775808; uint8 @6 :UInt8 = 255; uint16 @7 :UInt16 = 65535;
  uint32 @8 :UInt32 = 4294967295; uint64 @9 :UInt64 = 18446744073709551615;
  float32 @10 :Float32 = -0.5; float64 @11 :Float64 = 1e300;
  text @12 :Text = "dflt"; data @13 :Data = 0x"00 ff"; list @14 :List(Int32) = [1, -2]; color @15 :Color = blue;
  point @16 :Point = (x = 3); emptyText @17 :Text = ""; emptyData @18 :Data = ""; emptyList @19 :List(Int8) = [];
  emptyPoint @20 :Point = (); infinite @21 :Float32 = inf; negative @22 :Float64 = -inf; notANumber @23 :Float64 = nan;
  zero @24 :Int32 = 0; falsity @25 :Bool = false; texts @26 :List(Text) = ["a", ""];
}
const void :Void = void;
const bools :List(Bool) = [true, false, true, true, false, false, false, false, true];
const voids :List(Void) = [void, void];
const numbers :List(UInt64) = [0, 18446744073709551615];
const floats :List(Float32) = [0.1, -inf];
const colors :List(Color) = [blue, red];
const texts :List(Text) = ["a", "", "ä"];
const datas :List(Data) = ["a", 0x"00ff"];
const nested :List(List(List(Int8))) = [[[1], []], [], [[-2, 3]]];
const points :List(Point) = [(x = 1, y = 2), (), (y = 7)];
const pointLists :List(List(Point)) = [[(x = 1)], []];
const everything :Everything = (void = void, bool = true, int8 = -1, int16 = -2, int32 = -3, int64 = -4, uint8 = 1,
  uint16 = 2, uint32 = 3, uint64 = 4, float32 = 0.5, float64 = 0.1, text = "t", data = "d", list = [1], color = green,
  point = (x = 1), people = [()], kind = (word = "w"), place = (street = "s", number = 2));
const empty :Everything = ();
const zeros :Everything = (bool = false, int8 = 0, text = "", list = [], point = ());
const first :Everything = (kind = (number = 0), place = (number = 1));
const circle :Shape = (circle = 0);
const bigCircle :Shape = (circle = 2, label = "big");
const square :Shape = (square = 0);
const nothing :Shape = (nothing = void);
const box :Shape = (box = (h = 2));
const emptyBox :Shape = (box = ());
const shapeOfPoint :Shape = (p = (x = 1));
const boxed :Box(Text) = (value = "v", next = (value = "w"), many = (value = ["x"]));
const boxedPoint :Box(Point) = (value = (x = 5));
const boxedBox :Box(Box(Data)) = (value = (value = "d"));
const boxedList :Box(List(Int16)) = (value = [1, 2]);
const flags :Flags = (a = false, b = true, c = 0, f = 1.5);
const block :Text =
  `one # not a comment
  `two "quoted"
;
const copied :Int32 = .other;
const other :Int32 = 42;
const escapes :Text = "a\\"b # c\\n\\x41 \\101 é \\\\";
struct Nested { const inner :Text = "in"; }
"""


@pytest.fixture(scope="module")
def schema(compile_text: Compile) -> Schema:
    return compile_text(SCHEMA)


def fields(schema: Schema, name: str) -> dict[str, Field]:
    node = schema.find(name)
    assert isinstance(node, StructNode)
    return {field.name: field for field in node.fields}


def const(schema: Schema, name: str) -> Any:
    node = schema.find(name)
    assert isinstance(node, ConstNode)
    return node.value


def test_without_a_default_numbers_are_zero_and_pointers_none(schema: Schema) -> None:
    unset = fields(schema, "Unset")
    assert {name: field.default for name, field in unset.items()} == {
        "void": None, "bool": False, "int8": 0, "uint64": 0, "float32": 0.0, "color": 0, "text": None, "data": None,
        "list": None, "point": None, "face": None, "any": None, "group": None,
    }  # fmt: skip
    assert not any(field.has_explicit_default for field in unset.values())
    assert unset["bool"].default is False
    assert isinstance(unset["float32"].default, float)


def test_explicit_defaults_of_every_type(schema: Schema) -> None:
    given = fields(schema, "Set")
    assert all(field.has_explicit_default for field in given.values())
    defaults = {name: field.default for name, field in given.items()}
    assert math.isnan(defaults.pop("notANumber"))
    assert defaults == {
        "void": None, "bool": True, "int8": -128, "int16": -32768, "int32": -7, "int64": -(2**63), "uint8": 255,
        "uint16": 65535, "uint32": 2**32 - 1, "uint64": 2**64 - 1, "float32": -0.5, "float64": 1e300, "text": "dflt",
        "data": b"\x00\xff", "list": [1, -2], "color": 2, "point": {0: 3}, "emptyText": "", "emptyData": b"",
        "emptyList": [], "emptyPoint": {}, "infinite": math.inf, "negative": -math.inf, "zero": 0, "falsity": False,
        "texts": ["a", ""],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("void", None),
        ("bools", [True, False, True, True, False, False, False, False, True]),
        ("voids", [None, None]),
        ("numbers", [0, 2**64 - 1]),
        ("floats", [0.10000000149011612, -math.inf]),
        ("colors", [2, 0]),
        ("texts", ["a", "", "ä"]),
        ("datas", [b"a", b"\x00\xff"]),
        ("nested", [[[1], []], [], [[-2, 3]]]),
        ("points", [{0: 1, 1: 2}, {}, {}]),
        ("pointLists", [[{0: 1}], []]),
        ("empty", {}),
        ("zeros", {12: "", 14: [], 16: {}}),
        ("circle", {}),
        ("bigCircle", {0: "big", 1: 2.0}),
        ("square", {2: 0.0}),
        ("nothing", {3: None}),
        ("box", {4: {1: 2}}),
        ("emptyBox", {4: {}}),
        ("shapeOfPoint", {5: {0: 1}}),
        ("boxed", {0: "v", 1: {0: "w"}, 2: {0: ["x"]}}),
        ("boxedPoint", {0: {0: 5}}),
        ("boxedBox", {0: {0: b"d"}}),
        ("boxedList", {0: [1, 2]}),
        ("flags", {0: False, 1: True, 2: 0}),
        ("block", 'one # not a comment\ntwo "quoted"\n'),
        ("copied", 42),
        ("escapes", 'a"b # c\nA A é \\'),
        ("Nested.inner", "in"),
    ],
)
def test_constants_are_wire_values_with_only_the_fields_that_are_set(schema: Schema, name: str, expected: Any) -> None:
    assert const(schema, name) == expected


def test_a_struct_constant_of_every_type(schema: Schema) -> None:
    ids = {name: field.id for name, field in fields(schema, "Everything").items()}
    value = const(schema, "everything")
    assert {name: value[id] for name, id in ids.items() if id in value} == {
        "bool": True, "int8": -1, "int16": -2, "int32": -3, "int64": -4, "uint8": 1, "uint16": 2, "uint32": 3,
        "uint64": 4, "float32": 0.5, "float64": 0.1, "text": "t", "data": b"d", "list": [1], "color": 1,
        "point": {0: 1}, "people": [{}], "kind": {2: "w"}, "place": {0: "s", 1: 2},
    }  # fmt: skip


def test_a_later_union_member_is_set_even_if_it_is_zero(schema: Schema) -> None:
    ids = {name: field.id for name, field in fields(schema, "Everything").items()}
    assert const(schema, "first") == {ids["kind"]: {1: 0}}


def test_a_constant_may_come_from_a_file(compile_text: Compile) -> None:
    schema = compile_text(
        '@0xd4c9b2a1f0e3d587; const d :Data = embed "other.capnp"; const t :Text = embed "/other.capnp";', other="# ;\n"
    )
    assert (const(schema, "d"), const(schema, "t")) == (b"# ;\n", "# ;\n")
    assert len([node for node in schema.nodes.values() if node.scope_id == 0]) == 1


def test_text_that_is_not_utf8_is_an_error_with_its_place(compile_text: Compile) -> None:
    with pytest.raises(SchemaError, match=r"main\.capnp: t: a Text value is not UTF-8$"):
        compile_text('@0xd4c9b2a1f0e3d587; const t :Text = "\\xff";')


def test_values_have_a_greatest_depth(compile_text: Compile) -> None:
    struct = "@0xd4c9b2a1f0e3d587;\nstruct A { n @0 :A; }\nconst c :A = "
    deep = compile_text(f"{struct}{'(n = ' * MAX_DEPTH}(){')' * MAX_DEPTH};")
    assert str(const(deep, "c")).count("{") == MAX_DEPTH + 1
    with pytest.raises(SchemaError, match=rf"main\.capnp:3: c: a value is nested deeper than {MAX_DEPTH} levels"):
        compile_text(f"{struct}{'(n = ' * (MAX_DEPTH + 1)}(){')' * (MAX_DEPTH + 1)};")
