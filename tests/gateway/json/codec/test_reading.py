"""JSON to wire: what is taken, and what a caller is told about everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import CodecOptions
from gateway.json.text import parse
from tests.codecs import Codec

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
enum Color { red @0; green @1; blue @2 $Json.name("BLUE"); }
struct Order { items @0 :List(Item); note @1 :Text; parent @2 :Order; who :group { name @3 :Text; age @4 :UInt8; } }
struct Item { qty @0 :Int16; price @1 :Float64; color @2 :Color; photo @3 :Data; tags @4 :List(Text); }
struct Numbers {
  i8 @0 :Int8; u8 @1 :UInt8; i64 @2 :Int64; u64 @3 :UInt64; f32 @4 :Float32; f64 @5 :Float64; b @6 :Bool; v @7 :Void;
  i64s @8 :List(Int64); u8s @9 :List(UInt8); f64s @10 :List(Float64); bools @11 :List(Bool); f32s @12 :List(Float32);
}
struct Shape { name @0 :Text; union { circle @1 :Float64; square @2 :Float64; none @3 :Void; label @4 :Text; } }
struct Bytes { plain @0 :Data; b64 @1 :Data $Json.base64; hex @2 :Data $Json.hex; list @3 :List(Data); }
struct Tagged $Json.discriminator(name = "kind") {
  union {
    cat :group $Json.flatten() { lives @0 :Int32; }
    dog :group $Json.flatten() { good @1 :Bool; }
    rock @2 :Void;
    n @3 :Int8;
  }
}
struct Valued $Json.discriminator(name = "type", valueName = "value") { union { i @0 :Int32; s @1 :Text; } }
struct Untold { union { a :group $Json.flatten() { x @0 :Int32; } b @1 :Text; } }
struct Anything { any @0 :AnyPointer; raw @1 :Json.Value; }
struct Box(T) { item @0 :T; tag @1 :Text; }
struct Boxes { texts @0 :Box(Text); orders @1 :Box(Item); open @2 :Box; nested @3 :Box(Box(Item)); }
struct Growing(T) { item @0 :T; next @1 :Growing(Box(T)); }
struct Grown { start @0 :Growing(Text); }
"""


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def read(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Callable[..., Any]:
    def read(name: str, text: str, options: CodecOptions | None = None) -> Any:
        return Codec(schema, options).reader(struct_type(schema, name))(parse(text))

    return read


READ: list[tuple[str, str, Any]] = [
    ("Order", "{}", {}),
    ("Order", '{"items":[{"qty":1,"tags":["a"]},{}]}', {0: [{0: 1, 4: ["a"]}, {}]}),
    ("Order", '{"parent":{"parent":{"note":"deep"}}}', {2: {2: {1: "deep"}}}),
    ("Order", '{"who":{"name":"Ann","age":41}}', {3: {0: "Ann", 1: 41}}),
    ("Order", '{"note":null,"items":null,"parent":null,"who":null}', {}),
    ("Item", '{"color":"BLUE"}', {2: 2}),
    ("Item", '{"color":1}', {2: 1}),
    ("Item", '{"color":700}', {2: 700}),
    ("Item", '{"qty":1e2}', {0: 100}),
    ("Item", '{"qty":"-5"}', {0: -5}),
    ("Item", '{"price":3}', {1: 3.0}),
    ("Item", '{"price":"-inf"}', {1: float("-inf")}),
    ("Item", '{"price":"1e999"}', {1: float("inf")}),
    ("Numbers", '{"i64":"-9223372036854775808","u64":"18446744073709551615"}', {2: -(2**63), 3: 2**64 - 1}),
    ("Numbers", '{"i64":9007199254740992,"u64":1e19}', {2: 2**53, 3: 10**19}),
    ("Numbers", '{"i64":9223372036854774784}', {2: 9223372036854774784}),
    ("Numbers", '{"i64s":["1",2,3.0]}', {8: [1, 2, 3]}),
    ("Numbers", '{"f32":0.1,"f32s":[1,0.1]}', {4: 0.10000000149011612, 12: [1.0, 0.10000000149011612]}),
    ("Numbers", '{"f32":3.4028235e38}', {4: 3.4028234663852886e38}),
    ("Numbers", '{"f32":"1e39","f64":"-1e400"}', {4: float("inf"), 5: float("-inf")}),
    ("Numbers", '{"f64s":[1,2.5,"NaN"],"bools":[true,false],"u8s":[0,255]}', {10: [1.0, 2.5, ...], 11: [True, False],
                                                                                9: [0, 255]}),
    ("Numbers", '{"v":[{}]}', {7: None}),
    ("Shape", '{"none":null}', {3: None}),
    ("Shape", '{"circle":1.5,"square":2.5}', ...),
    ("Shape", '{"label":null,"circle":1.5}', {1: 1.5}),
    ("Bytes", '{"plain":[1,2.0,255]}', {0: b"\x01\x02\xff"}),
    ("Bytes", '{"plain":"AP8Q","b64":"AP8Q","hex":"00FF10","list":["AA==",[1]]}',
     {0: b"\0\xff\x10", 1: b"\0\xff\x10", 2: b"\0\xff\x10", 3: [b"\0", b"\1"]}),
    ("Tagged", '{"lives":9,"kind":"cat"}', {0: {0: 9}}),
    ("Tagged", '{"kind":"dog"}', {1: {}}),
    ("Tagged", '{"kind":"rock"}', {2: None}),
    ("Tagged", '{"kind":"n"}', {3: 0}),
    ("Tagged", '{"n":5}', {3: 5}),
    ("Valued", '{"value":"x","type":"s"}', {1: "x"}),
    ("Valued", '{"type":"s","value":null}', {1: ""}),
    ("Anything", '{"any":{"a":[1,null,"x",{"$handle":"t","more":1,"still":2}]}}',
     {0: {"a": [1, None, "x", {"$handle": "t", "more": 1, "still": 2}]}}),
    ("Anything", '{"raw":{"$handle":"t"}}', {1: {5: [{0: "$handle", 1: {3: "t"}}]}}),
    ("Anything", '{"raw":null}', {1: {0: None}}),
    ("Anything", '{"raw":[true,1,{"a":null}]}', {1: {4: [{1: True}, {2: 1.0}, {5: [{0: "a", 1: {0: None}}]}]}}),
    ("Boxes", '{"open":{"item":[1,null,[2]]}}', {2: {0: [1, None, [2]]}}),
    ("Boxes", '{"texts":{"item":"x","tag":"y"},"orders":{"item":{"qty":1}}}',
     {0: {0: "x", 1: "y"}, 1: {0: {0: 1}}}),
    ("Boxes", '{"open":{"item":[1,"a"]},"nested":{"item":{"item":"x"}}}', ...),
    ("Boxes", '{"open":{"item":[1,"a"]},"nested":{"item":{"item":{"qty":7}}}}',
     {2: {0: [1, "a"]}, 3: {0: {0: {0: 7}}}}),
    ("Grown", '{"start":{"item":"a","next":{"item":{"item":"b"},"next":{"item":{"item":{"item":"c"}}}}}}',
     {0: {0: "a", 1: {0: {0: "b"}, 1: {0: {0: {0: "c"}}}}}}),
]


@pytest.mark.parametrize(("name", "text", "wire"), READ)
def test_json_is_read_as_a_wire_value(read: Callable[..., Any], name: str, text: str, wire: Any) -> None:
    if wire is ...:
        with pytest.raises(GatewayError):
            read(name, text)
        return
    got = read(name, text)
    if name == "Numbers" and 10 in got:
        assert got[10][2] != got[10][2]  # NaN
        got[10][2] = ...
    assert got == wire


REFUSED: list[tuple[str, str, str]] = [
    ("Numbers", '{"f32":1e39}', "$.f32: 1e+39 is out of range for Float32 (±3.4028235e+38)"),
    ("Numbers", '{"f32s":[0.5,-3.5e38]}', "$.f32s[1]: -3.5e+38 is out of range for Float32 (±3.4028235e+38)"),
    ("Order", '{"items":[{},{"qty":40000}]}', "$.items[1].qty: 40000 is out of range for Int16 (-32768 … 32767)"),
    ("Order", '{"items":[{},{"qty":"40000"}]}', "$.items[1].qty: 40000 is out of range for Int16 (-32768 … 32767)"),
    ("Order", '{"items":[{"qty":2.5}]}', "$.items[0].qty: expected Int16, got 2.5"),
    ("Order", '{"items":[{"qty":true}]}', "$.items[0].qty: expected Int16, got true"),
    ("Order", '{"items":[{"qty":null}]}', "$.items[0].qty: expected Int16, got null"),
    ("Order", '{"items":[{"qty":"abc"}]}', '$.items[0].qty: expected Int16, got "abc"'),
    ("Order", '{"items":[{"qty":""}]}', '$.items[0].qty: expected Int16, got ""'),
    ("Order", '{"items":[{"qty":[1]}]}', "$.items[0].qty: expected Int16, got an array"),
    ("Order", '{"items":[{"qty":99999999999999999999999}]}',
     "$.items[0].qty: 99999999999999991611392 is out of range for Int16 (-32768 … 32767)"),
    ("Order", '{"items":{}}', "$.items: expected an array (List(Item)), got an object"),
    ("Order", '{"items":[null]}', "$.items[0]: expected an object (Item), got null"),
    ("Order", '{"items":["x"]}', '$.items[0]: expected an object (Item), got "x"'),
    ("Order", '{"note":5}', "$.note: expected Text, got 5"),
    ("Order", '{"who":"Ann"}', '$.who: expected an object (Order.who), got "Ann"'),
    ("Order", '{"who":{"age":256}}', "$.who.age: 256 is out of range for UInt8 (0 … 255)"),
    ("Order", '{"nope":1}', '$.nope: unknown member; did you mean "note"?'),
    ("Order", '{"item":[]}', '$.item: unknown member; did you mean "items"?'),
    ("Order", '{"parent":{"notes":"x"}}', '$.parent.notes: unknown member; did you mean "note"?'),
    ("Order", '{"we ird":1}', '$["we ird"]: unknown member; known: items, note, parent, who'),
    ("Order", "[]", "$: expected an object (Order), got an array"),
    ("Order", "null", "$: expected an object (Order), got null"),
    ("Item", '{"color":"bleu"}', '$.color: "bleu" is no Color; known: BLUE, green, red'),
    ("Item", '{"color":"blue"}', '$.color: "blue" is no Color; known: BLUE, green, red'),
    ("Item", '{"color":null}', "$.color: expected Color (red, green, BLUE), got null"),
    ("Item", '{"color":1.5}', "$.color: expected Color (red, green, BLUE), got 1.5"),
    ("Item", '{"color":65536}', "$.color: 65536 is out of range for the number of an enum (0 … 65535)"),
    ("Item", '{"color":-1}', "$.color: -1 is out of range for the number of an enum (0 … 65535)"),
    ("Item", '{"price":"abc"}', '$.price: expected Float64, got "abc"'),
    ("Item", '{"price":true}', "$.price: expected Float64, got true"),
    ("Item", '{"tags":["a",1]}', "$.tags[1]: expected Text, got 1"),
    ("Item", '{"tags":"a"}', '$.tags: expected an array (List(Text)), got "a"'),
    ("Item", '{"photo":[1,256]}', "$.photo[1]: expected a byte (0 … 255), got 256"),
    ("Item", '{"photo":[1,"x"]}', '$.photo[1]: expected a byte (0 … 255), got "x"'),
    ("Item", '{"photo":[true]}', "$.photo[0]: expected a byte (0 … 255), got true"),
    ("Item", '{"photo":"AP8"}', '$.photo: "AP8" is no base64 (RFC 4648, with padding)'),
    ("Item", '{"photo":5}', "$.photo: expected an array of bytes or base64, got 5"),
    ("Bytes", '{"b64":[1]}', "$.b64: expected base64 text, got an array"),
    ("Bytes", '{"hex":"abc"}', '$.hex: "abc" is no hex'),
    ("Bytes", '{"hex":"a b "}', '$.hex: "a b " is no hex'),
    ("Bytes", '{"b64":"é"}', '$.b64: "é" is no base64 (RFC 4648, with padding)'),
    ("Numbers", '{"i64":9007199254740993}',
     "$.i64: 9007199254740993 is not exact as a JSON number; write it as a string"),
    ("Numbers", '{"u64":18446744073709551615}',
     "$.u64: 18446744073709551615 is not exact as a JSON number; write it as a string"),
    ("Numbers", '{"i64":-9223372036854775809}',
     "$.i64: this number is not exact as a JSON number; write it as a string"),
    ("Numbers", '{"i64":9007199254740993.0}',
     "$.i64: this number is not exact as a JSON number; write it as a string"),
    ("Numbers", '{"i64":"9223372036854775808"}',
     "$.i64: 9223372036854775808 is out of range for Int64 (-9223372036854775808 … 9223372036854775807)"),
    ("Numbers", '{"u64":"-1"}', "$.u64: -1 is out of range for UInt64 (0 … 18446744073709551615)"),
    ("Numbers", '{"u64":"+1"}', '$.u64: expected UInt64, got "+1"'),
    ("Numbers", '{"u64":" 1"}', '$.u64: expected UInt64, got " 1"'),
    ("Numbers", '{"u64":"1_0"}', '$.u64: expected UInt64, got "1_0"'),
    ("Numbers", '{"u64":"٣"}', '$.u64: expected UInt64, got "٣"'),
    ("Numbers", '{"u64":"007"}', '$.u64: expected UInt64, got "007"'),
    ("Numbers", '{"i64s":["1","x"]}', '$.i64s[1]: expected Int64, got "x"'),
    ("Numbers", '{"u8s":[1,-1]}', "$.u8s[1]: -1 is out of range for UInt8 (0 … 255)"),
    ("Numbers", '{"u8s":[1,true]}', "$.u8s[1]: expected UInt8, got true"),
    ("Numbers", '{"bools":[1]}', "$.bools[0]: expected Bool, got 1"),
    ("Numbers", '{"b":"true"}', '$.b: expected Bool, got "true"'),
    ("Shape", '{"circle":1,"square":2}', '$.square: "square" and "circle" are members of one union; give one'),
    ("Tagged", '{"kind":"cow"}', '$.kind: "cow" is no member of this union; known: cat, dog, n, rock'),
    ("Tagged", '{"kind":null}', "$.kind: expected one of cat, dog, rock, n, got null"),
    ("Tagged", '{"kind":"dog","lives":3}', '$.lives: unknown member: "kind" is "dog"'),
    ("Tagged", '{"lives":3}', '$.lives: belongs to a member of a union, and the member "kind" must say which'),
    ("Tagged", '{"kind":"cat","n":3}', '$.n: unknown member: "kind" is "cat"'),
    ("Valued", '{"value":3}', '$.value: belongs to a member of a union, and the member "type" must say which'),
    ("Valued", '{"type":"s","value":3}', "$.value: expected Text, got 3"),
    ("Untold", '{"x":3}', "$.x: belongs to a member of a union, and nothing can say which"),
    ("Anything", '{"any":{"$handle":"t"}}', "$.any: a reference cannot be given here"),
    ("Boxes", '{"open":{"item":[{"$callback":"t"}]}}', "$.open.item[0]: a reference cannot be given here"),
    ("Anything", '{"any":{"$handle":"a b"}}', "$.any: $handle must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
    ("Boxes", '{"texts":{"item":5}}', "$.texts.item: expected Text, got 5"),
    ("Boxes", '{"nested":{"item":{"item":{"tags":[5]}}}}', "$.nested.item.item.tags[0]: expected Text, got 5"),
    ("Grown", '{"start":{"next":{"next":{"item":{"item":{"item":5}}}}}}',
     "$.start.next.next.item.item.item: expected Text, got 5"),
]


@pytest.mark.parametrize(("name", "text", "detail"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_with_its_path(
    read: Callable[..., Any], name: str, text: str, detail: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        read(name, text)
    error = raised.value
    assert error.detail == detail
    assert error.path == detail.partition(": ")[0]
    assert error.status is (Status.FAILED_PRECONDITION if "cannot be given here" in detail else Status.INVALID_ARGUMENT)


def test_unknown_members_can_be_ignored(read: Callable[..., Any]) -> None:
    lenient = CodecOptions(unknown_fields="ignore")
    assert read("Order", '{"nope":[{"deep":1}],"items":[{"qty":1,"x":2}]}', lenient) == {0: [{0: 1}]}
    assert read("Tagged", '{"kind":"dog","lives":3}', lenient) == {1: {}}


def nested(levels: int, inner: str = "{}") -> str:
    return '{"parent":' * (levels - 1) + inner + "}" * (levels - 1)


def test_sixty_four_levels_are_read(read: Callable[..., Any]) -> None:
    wire = read("Order", nested(64))
    assert str(wire).count("{") == 64


TOO_DEEP = [
    ("Order", nested(65), "$" + ".parent" * 64),
    ("Order", nested(64, '{"items":[]}'), "$" + ".parent" * 63 + ".items"),
    ("Order", nested(63, '{"items":[{}]}'), "$" + ".parent" * 62 + ".items[0]"),
    ("Order", nested(62, '{"items":[{"tags":[]}]}'), "$" + ".parent" * 61 + ".items[0].tags"),
    ("Order", nested(62, '{"items":[{"photo":[1]}]}'), "$" + ".parent" * 61 + ".items[0].photo"),
    ("Order", nested(64, '{"who":{}}'), "$" + ".parent" * 63 + ".who"),
    ("Anything", '{"any":' + "[" * 64 + "]" * 64 + "}", "$.any" + "[0]" * 63),
    ("Anything", '{"raw":' + "[" * 64 + "]" * 64 + "}", "$.raw" + "[0]" * 63),
    ("Numbers", '{"v":' + "[" * 64 + "]" * 64 + "}", "$.v" + "[0]" * 63),
]


@pytest.mark.parametrize(("name", "text", "path"), TOO_DEEP)
def test_more_levels_are_refused(read: Callable[..., Any], name: str, text: str, path: str) -> None:
    with pytest.raises(GatewayError) as raised:
        read(name, text)
    assert raised.value.status is Status.INVALID_ARGUMENT
    assert raised.value.path == path
    assert raised.value.detail == f"{path}: nested more than 64 levels deep"


def test_the_deepest_that_is_permitted_is_read(read: Callable[..., Any]) -> None:
    for text in (nested(63, '{"items":[]}'), nested(62, '{"items":[{}]}'), nested(61, '{"items":[{"tags":[]}]}')):
        read("Order", text)
    read("Anything", '{"any":' + "[" * 63 + "]" * 63 + "}")
    with pytest.raises(GatewayError):
        read("Order", nested(64, '{"zz":[]}'), CodecOptions(unknown_fields="ignore"))


def test_a_long_unknown_name_is_refused_at_once(read: Callable[..., Any]) -> None:
    name = "x" * 500_000
    with pytest.raises(GatewayError) as raised:
        read("Order", f'{{"{name}":1}}')
    assert len(raised.value.detail) < 200


def test_what_is_read_shares_nothing_with_the_schema(schema: Schema, read: Callable[..., Any]) -> None:
    first = read("Valued", '{"type":"s"}')
    first[1] = "changed"
    assert read("Valued", '{"type":"s"}') == {1: ""}
