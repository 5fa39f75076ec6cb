"""What is no object is none, whatever the struct has that is read from it or written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.refusal import FAILURES
from tests.codecs import Codec, Conversions

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
struct Nothing {}
struct Mark { a @0 :Void; }
struct Marks { a @0 :Void; b @1 :Void; }
struct Choice { union { a @0 :Void; b @1 :Void; } }
struct Mixed { mark @0 :Void; union { a @1 :Void; b @2 :Void; } }
struct Grouped { mark :group { a @0 :Void; b @1 :Void; } }
struct Named { pick :union { a @0 :Void; b @1 :Void; } }
struct Full { text @0 :Text; number @1 :Int32; }
struct Flat { mark @0 :Marks $Json.flatten(); }
struct Tagged $Json.discriminator(name = "kind") { union { a @0 :Void; b @1 :Void; } }
struct Again { next @0 :Again; mark @1 :Void; }
struct Box(T) { item @0 :T; }
interface Taker {
  nothing @0 (it :Nothing) -> (it :Nothing); whole @1 Choice -> Choice; group @2 Grouped -> Grouped;
  empty @3 () -> ();
}
"""
HOLDER = """
struct Holder{0} {{
  one @0 :{0}; many @1 :List({0}); grid @2 :List(List({0})); box @3 :Box({0}); group :group {{ one @4 :{0}; }}
  union {{ first @5 :{0}; second @6 :Void; }}
}}
"""
STRUCTS = ["Nothing", "Mark", "Marks", "Choice", "Mixed", "Grouped", "Named", "Full", "Flat", "Tagged", "Again"]
NO_OBJECTS: list[Any] = ["", "a", "text", [], ["a"], [0], [None], [[]], [{}], 0, 1, 2.5, True, False]
# {place: (what is put there, the path that an error has)}
PLACES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a field": (lambda value: {"one": value}, "one"),
    "a list's element": (lambda value: {"many": [{}, value]}, "many[1]"),
    "an element of a list in a list": (lambda value: {"grid": [[], [value]]}, "grid[1][0]"),
    "a generic's field": (lambda value: {"box": {"item": value}}, "box.item"),
    "a group's field": (lambda value: {"group": {"one": value}}, "group.one"),
    "a union's member": (lambda value: {"first": value}, "first"),
}


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA + "".join(HOLDER.format(name) for name in STRUCTS))


def refusal(action: Callable[[], Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        action()
    return caught.value


@pytest.mark.parametrize("name", STRUCTS)
def test_no_struct_is_read_from_what_is_no_object(
    name: str, schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    read = Codec(schema).reader(struct_type(schema, name))
    for value in [*NO_OBJECTS, None]:
        error = refusal(lambda value=value: read(value))  # type: ignore[misc]
        assert (error.status, error.path) == (Status.INVALID_ARGUMENT, "$"), value
        assert "expected an object" in error.detail


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", STRUCTS)
def test_an_object_is_expected_wherever_a_struct_is(
    name: str, place: str, schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    read = Codec(schema).reader(struct_type(schema, f"Holder{name}"))
    put, path = PLACES[place]
    for value in NO_OBJECTS:
        error = refusal(lambda value=value: read(put(value)))  # type: ignore[misc]
        assert (error.status, error.path) == (Status.INVALID_ARGUMENT, f"$.{path}"), value
        assert "expected an object" in error.detail


@pytest.mark.parametrize(("name", "member"), [("Grouped", "mark"), ("Named", "pick")])
def test_an_object_is_expected_for_a_group(
    name: str, member: str, schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    read = Codec(schema).reader(struct_type(schema, name))
    for value in NO_OBJECTS:
        error = refusal(lambda value=value: read({member: value}))  # type: ignore[misc]
        assert error.detail.startswith(f"$.{member}: expected an object ({name}.{member}), got "), value


@pytest.mark.parametrize("name", STRUCTS)
def test_what_a_service_sends_in_a_struct_s_place_is_one_or_refused(
    name: str, schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    write = Codec(schema).writer(struct_type(schema, name))
    for value in [*NO_OBJECTS, b"", (), (0,), None]:
        assert refusal(lambda value=value: write(value)).status is Status.INTERNAL, value  # type: ignore[misc]


def test_parameters_and_results_are_objects_too(
    schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    codec = Codec(schema)
    methods = {bound.method.name: bound for bound in schema.methods(struct_type(schema, "Taker"))}
    for value in ("", [], "it"):
        assert refusal(lambda: codec.params(methods["nothing"]).read({"it": value})).path == "$.it"  # noqa: B023
        assert refusal(lambda: codec.params(methods["nothing"]).read([value])).path == "$[0]"  # noqa: B023
        assert refusal(lambda: codec.params(methods["whole"]).read([value])).path == "$[0]"  # noqa: B023
        assert refusal(lambda: codec.params(methods["group"]).read({"mark": value})).path == "$.mark"  # noqa: B023
        assert refusal(lambda: codec.results(methods["nothing"]).to_wire({"it": value})).path == "$.it"  # noqa: B023
        assert refusal(lambda: codec.results(methods["nothing"]).to_wire(value, unbox=True)).path == "$"  # noqa: B023
        assert refusal(lambda: codec.results(methods["whole"]).to_wire(value)).path == "$"  # noqa: B023
    for name in ("nothing", "whole", "group", "empty"):
        assert refusal(lambda: codec.params(methods[name]).read("")).path == "$"  # noqa: B023


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b", "mark", "pick", "it"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["a", "b", "mark", "pick", "one", "many", "item", "next"]), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(name=st.sampled_from(STRUCTS), value=JSON_VALUES)
def test_the_generated_reader_takes_nothing_that_the_careful_walk_refuses(
    schema: Schema, struct_type: Callable[[Schema, str], Type], name: str, value: Any
) -> None:
    type = struct_type(schema, name)
    conversions = Conversions(schema, CodecOptions())
    try:
        wire = conversions.fast_reader(type)(value)
    except FAILURES:
        return
    assert conversions.carefully().value(type, value, None, 1) == wire
