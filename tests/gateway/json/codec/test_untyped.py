"""Values whose type says little: structs without anything to say, and pointers of which only the kind is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.text import dump, parse
from tests.codecs import Codec
from tests.gateway.json.codec.test_objects import Door, Thing, keys

SCHEMA = """
struct Nothing {}
struct Choice { union { yes @0 :Void; no @1 :Void; } }
struct Box(T) { inside @0 :T; around :group { nested @1 :T; } }
struct Holder {
  nothing @0 :Nothing;
  nothings @1 :List(Nothing);
  choice @2 :Choice;
  choices @3 :List(Choice);
  either :union { left @4 :Void; right @5 :Void; }
  quiet :group { hush @6 :Void; }
  boxed @7 :Box(Nothing);
  lists @8 :List(List(Choice));
  cap @9 :Capability;
  caps @10 :List(Capability);
  struct @11 :AnyStruct;
  list @12 :AnyList;
  grouped :group { cap @13 :Capability; list @14 :AnyList; }
  union { one @15 :Capability; two @16 :AnyStruct; three @17 :AnyList; none @18 :Void; }
}
struct Renamed {
  nothing @0 :Nothing $Json.flatten();
  list @1 :AnyList $Json.name("any list");
  cap @2 :Capability;
}
interface Service(T) {
  take @0 (nothing :Nothing, choice :Choice, box :Box(Nothing), cap :Capability, struct :AnyStruct, list :AnyList)
      -> ();
  whole @1 Choice -> (cap :Capability);
  generic @2 (value :T) -> (value :T, struct :AnyStruct);
  only @3 () -> (struct :AnyStruct);
}
struct Bound { service @0 :Service(Choice); }
using Json = import "/capnp/compat/json.capnp";
"""


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture(scope="module")
def codec(schema: Schema) -> Codec:
    return Codec(schema)


@pytest.fixture(scope="module")
def holder(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Type:
    return struct_type(schema, "Holder")


NO_OBJECT = [
    ("nothing", "Nothing"), ("nothings[0]", "Nothing"), ("choice", "Choice"), ("choices[0]", "Choice"),
    ("either", "Holder.either"), ("quiet", "Holder.quiet"), ("boxed.inside", "Nothing"),
    ("boxed.around.nested", "Nothing"), ("boxed.around", "Box.around"), ("lists[0][0]", "Choice"),
]  # fmt: skip


def _at(place: str, value: str) -> str:
    """The JSON text of a holder with a value at a place such as ``boxed.inside`` or ``lists[0][0]``."""
    for name in reversed(place.replace("[0]", ".[").split(".")):
        value = f"[{value}]" if name == "[" else f'{{"{name}":{value}}}'
    return value


@pytest.mark.parametrize("value", ['""', "[]", "0", "false", '"{}"', "[{}]"])
@pytest.mark.parametrize(("place", "name"), NO_OBJECT)
def test_a_struct_without_anything_to_say_is_still_an_object(
    codec: Codec, holder: Type, place: str, name: str, value: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        codec.reader(holder)(parse(_at(place, value)))
    assert raised.value.path == f"$.{place}"
    assert raised.value.detail.startswith(f"$.{place}: expected an object ({name}), got ")


@pytest.mark.parametrize(("place", "name"), NO_OBJECT)
def test_the_empty_object_is_such_a_struct(codec: Codec, holder: Type, place: str, name: str) -> None:
    wire = codec.reader(holder)(parse(_at(place, "{}")))
    assert codec.reader(holder)(parse(dump(codec.writer(holder)({**wire, 18: None})))) is not None


@pytest.mark.parametrize("place", ["cap", "caps[0]", "grouped.cap", "one"])
@pytest.mark.parametrize("value", ["5", '"no cap"', "true", "[]", "{}", '{"a":1}', '{"$handle":"a","x":1}'])
def test_a_capability_is_a_reference(codec: Codec, holder: Type, place: str, value: str) -> None:
    with pytest.raises(GatewayError) as raised:
        codec.reader(holder)(parse(_at(place, value)), Door())
    assert raised.value.path == f"$.{place}"
    assert raised.value.detail.startswith(
        f'$.{place}: expected {{"$handle": …}} or {{"$callback": …}} (Capability), got '
    )


@pytest.mark.parametrize(("place", "kind"), [
    ("struct", "AnyStruct"), ("two", "AnyStruct"), ("list", "AnyList"), ("grouped.list", "AnyList"),
    ("three", "AnyList"),
])  # fmt: skip
@pytest.mark.parametrize("value", ["5", '"text"', "false", '{"$handle":"a"}', '{"$callback":"b"}'])
def test_a_struct_of_any_type_is_an_object_and_a_list_an_array(
    codec: Codec, holder: Type, place: str, kind: str, value: str
) -> None:
    wrong = [value, "[]" if kind == "AnyStruct" else "{}"]
    for text in wrong:
        with pytest.raises(GatewayError) as raised:
            codec.reader(holder)(parse(_at(place, text)), Door())
        expected = "an object" if kind == "AnyStruct" else "an array"
        assert raised.value.path == f"$.{place}"
        assert raised.value.detail.startswith(f"$.{place}: expected {expected} ({kind}), got ")


def test_what_they_can_be_is_taken(codec: Codec, holder: Type) -> None:
    door = Door()
    text = """{"cap":{"$handle":"a"},"caps":[{"$callback":"b"},null],"struct":{"x":[{"$handle":"c"}]},
        "list":[1,{"$handle":"d"}],"grouped":{"cap":null,"list":[]},"two":{}}"""
    wire = codec.reader(holder)(parse(text), door)
    ids = {field.name: field.id for field in codec.schema.struct(holder.node_id).fields}
    assert keys(wire[ids["cap"]]) == "a"
    assert keys(wire[ids["caps"]]) == ["b", None]
    assert keys(wire[ids["struct"]]) == {"x": ["c"]}
    assert keys(wire[ids["list"]]) == [1, "d"]
    assert wire[ids["two"]] == {}
    assert {interface for _, _, interface, _ in door.asked} == {None}


WRONG_ANSWERS: list[tuple[str, Any, str]] = [
    ("cap", 5, "expected an object with methods, got 5"),
    ("cap", {}, "expected an object with methods, got an object"),
    ("struct", 5, "expected a struct, got 5"),
    ("struct", [], "expected a struct, got an array"),
    ("struct", Thing("a"), "expected a struct, got a Thing"),
    ("list", "text", 'expected a list, got "text"'),
    ("list", Thing("a"), "expected a list, got a Thing"),
]


@pytest.mark.parametrize(("name", "value", "reason"), WRONG_ANSWERS)
def test_a_service_is_held_to_them(codec: Codec, holder: Type, name: str, value: Any, reason: str) -> None:
    field = next(field for field in codec.schema.struct(holder.node_id).fields if field.name == name)
    with pytest.raises(GatewayError) as raised:
        codec.writer(holder)({field.id: value}, Door())
    assert raised.value.status is Status.INTERNAL
    assert raised.value.detail.endswith(f"$.{name}: {reason}")


def test_what_a_service_gives_of_them_is_written(codec: Codec, holder: Type) -> None:
    ids = {field.name: field.id for field in codec.schema.struct(holder.node_id).fields}
    wire = {
        ids["cap"]: Thing("a"), ids["caps"]: (Thing("b"), None), ids["struct"]: {0: Thing("c"), 1: 5},
        ids["list"]: ("x", Thing("d")), ids["three"]: (),
    }  # fmt: skip
    out = parse(dump(codec.writer(holder)(wire, Door())))
    handles = {name: {"$handle": f"token-{name}", "interface": None} for name in "abcd"}
    assert out["cap"] == handles["a"]
    assert out["caps"] == [handles["b"], None]
    assert out["struct"] == {"0": handles["c"], "1": 5}
    assert out["list"] == ["x", handles["d"]]
    assert out["three"] == []


def test_a_list_of_any_type_is_read_from_a_newer_group(codec: Codec, holder: Type) -> None:
    ids = {field.name: field.id for field in codec.schema.struct(holder.node_id).fields}
    assert codec.writer(holder)({ids["list"]: {0: (1, 2)}})["list"] == [1, 2]


def _method(schema: Schema, name: str) -> BoundMethod:
    interface = schema.find("Bound")
    assert interface is not None
    type = schema.struct(interface.id).fields[0].type
    assert type is not None
    return next(bound for bound in schema.methods(type) if bound.method.name == name)


@pytest.mark.parametrize(("name", "params", "path"), [
    ("take", {"nothing": ""}, "$.nothing"), ("take", {"choice": []}, "$.choice"), ("take", {"box": ""}, "$.box"),
    ("take", {"box": {"around": {"nested": []}}}, "$.box.around.nested"), ("take", {"cap": 5}, "$.cap"),
    ("take", {"cap": "no cap"}, "$.cap"), ("take", {"struct": "x"}, "$.struct"), ("take", {"list": 5}, "$.list"),
    ("generic", {"value": ""}, "$.value"), ("generic", {"value": []}, "$.value"),
])  # fmt: skip
def test_parameters_are_held_to_them(
    codec: Codec, schema: Schema, name: str, params: dict[str, Any], path: str
) -> None:
    with pytest.raises(GatewayError) as raised:
        codec.params(_method(schema, name)).read(params, Door())
    assert raised.value.path == path


@pytest.mark.parametrize("params", ["", [], 0, "x"])
def test_so_is_a_parameter_list_that_is_a_struct(codec: Codec, schema: Schema, params: Any) -> None:
    with pytest.raises(GatewayError):
        codec.params(_method(schema, "whole")).read([params], Door())


def test_a_struct_of_any_type_by_names_is_no_box_of_results(codec: Codec, schema: Schema) -> None:
    results = codec.results(_method(schema, "only"))
    assert results.boxed({"struct": {"a": 1}}, Door()) == {"struct": {"struct": {"a": 1}}}


def test_objects_that_a_method_returns_are_given(codec: Codec, schema: Schema) -> None:
    thing: Capability = Thing("a")
    assert codec.results(_method(schema, "whole")).boxed(thing, Door()) == {
        "cap": {"$handle": "token-a", "interface": None}
    }
