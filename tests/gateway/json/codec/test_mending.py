"""A value that generated code does not take is walked where it failed, once, and with the same words as ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import BoundMethod, Kind, Schema, Type
from gateway.errors import GatewayError
from gateway.json import codec
from gateway.json.codec.objects import LiveObjects, Where
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.reading import refused
from gateway.json.codec.refusal import Refusal
from gateway.reference_form import REFERENCE_FORM, DollarMembers
from tests.codecs import Codec, Conversions

SCHEMA = """
using Json = import "/capnp/compat/json.capnp";
interface Thing { ask @0 () -> (); }
struct Leaf { n @0 :Int8; text @1 :Text; }
struct Tree { n @0 :Int8; leaf @1 :Leaf; kids @2 :List(Tree); leaves @3 :List(Leaf); pair @4 :Pair; one @5 :Pick;
  group :group { n @6 :Int8; leaf @7 :Leaf; } flat @8 :Leaf $Json.flatten(prefix = "f_"); }
struct Pair { a @0 :Int8; b @1 :Int8; grid @2 :List(List(Int8)); texts @3 :List(Text); floats @4 :List(Float64); }
struct Pick { union { n @0 :Int8; leaf @1 :Leaf; nothing @2 :Void; } }
struct Owner { first @0 :Thing; n @1 :Int8; all @2 :List(Thing); last @3 :Thing; leaf @4 :Leaf; }
interface Taker { take @0 (n :Int8, owners :List(Owner), thing :Thing, any :AnyPointer) -> (); }
"""


class Counting(DollarMembers):
    """Our form of references, which counts what is asked of it."""

    def __init__(self) -> None:
        self.looks = 0

    def recognise(self, obj: Any) -> str | None:
        self.looks += 1
        return super().recognise(obj)

    def faultless(self, obj: Any) -> str | None:
        self.looks += 1
        return REFERENCE_FORM.faultless(obj)


class Door:
    """A door that writes down which objects it is asked for, and where they stand."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        self.asked.append((token, where()))
        return Capability()

    callback_in = handle_in

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        return self.handle_in("result", interface, where)

    def handle_out(self, capability: Capability, interface: Type | None) -> Any:
        raise AssertionError("nothing is written")


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture(scope="module")
def take(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> BoundMethod:
    return next(iter(schema.methods(struct_type(schema, "Taker"))))


def handle(token: str) -> dict[str, str]:
    return {"$handle": token}


# {what is wrong: (type, value, error)}: the first one of the input is told, wherever it stands in the schema.
FIRST: dict[str, tuple[str, Any, str]] = {
    "the input's order": ("Pair", {"b": "x", "a": "y"}, '$.b: expected Int8, got "x"'),
    "a struct before a number": ("Tree", {"leaf": {"n": []}, "n": "x"}, "$.leaf.n: expected Int8, got an array"),
    "a number before a struct": ("Tree", {"n": "x", "leaf": {"n": 300}}, '$.n: expected Int8, got "x"'),
    "an unknown member first": ("Leaf", {"nope": 1, "n": "x"}, "$.nope: unknown member; known: n, text"),
    "a struct before an unknown member": ("Leaf", {"n": "x", "nope": 1}, '$.n: expected Int8, got "x"'),
    "two of a union": ("Pick", {"leaf": {}, "n": 1}, '$.n: "n" and "leaf" are members of one union; give one'),
    "a wrong one of two of a union": ("Pick", {"leaf": {"n": "x"}, "n": 1}, '$.leaf.n: expected Int8, got "x"'),
    "deep within": (
        "Tree", {"kids": [{}, {"kids": [{"pair": {"grid": [[1], [2, 3, "x"]]}}]}]},
        '$.kids[1].kids[0].pair.grid[1][2]: expected Int8, got "x"',
    ),
    "a list of structs": ("Tree", {"leaves": [{}, {"n": 1}, 5]}, "$.leaves[2]: expected an object (Leaf), got 5"),
    "within a group": ("Tree", {"group": {"leaf": {"text": 5}}}, "$.group.leaf.text: expected Text, got 5"),
    "within what is flattened": ("Tree", {"f_n": 300}, "$.f_n: 300 is out of range for Int8 (-128 … 127)"),
    "behind odd ones": (
        "Tree", {"n": "5", "leaf": {"n": 5.0}, "leaves": [{"n": "6"}, {"n": "x"}]},
        '$.leaves[1].n: expected Int8, got "x"',
    ),
    "the first of a list's": ("Pair", {"texts": [*["a"] * 40, 5, 6]}, "$.texts[40]: expected Text, got 5"),
    "a float's": ("Pair", {"floats": [0.5, 1, "inf", "1.5", "x"]}, '$.floats[4]: expected Float64, got "x"'),
}  # fmt: skip


@pytest.mark.parametrize("what", FIRST)
def test_the_first_error_of_the_input_is_told(
    what: str, schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    name, value, detail = FIRST[what]
    with pytest.raises(GatewayError) as raised:
        Codec(schema).reader(struct_type(schema, name))(value)
    assert raised.value.detail == detail


SPOILED = st.recursive(
    st.sampled_from([None, 0, 1, 300, "5", "x", 5.0, 0.5, True]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["n", "text", "leaf", "kids", "leaves", "pair", "one", "group", "a", "b", "grid", "nope"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("unknown", ["reject", "ignore"])
@pytest.mark.parametrize("max_depth", [3, 64])
def test_what_is_mended_is_what_the_careful_walk_makes_of_all(
    schema: Schema, struct_type: Callable[[Schema, str], Type], unknown: Any, max_depth: int
) -> None:
    conversions = Conversions(schema, CodecOptions(unknown_fields=unknown, max_depth=max_depth))
    tree = struct_type(schema, "Tree")
    outcomes = {"taken": 0, "refused": 0}

    def outcome(read: Callable[[Any], Any], obj: Any) -> tuple[Any, ...]:
        try:
            return ("taken", read(obj))
        except Refusal as refusal:
            error = refused(refusal)
        except GatewayError as given:
            error = given
        return ("refused", error.detail, error.path, error.status)

    @given(st.dictionaries(st.sampled_from(["n", "leaf", "kids", "leaves", "pair", "one", "group", "f_n"]), SPOILED))
    @settings(derandomize=True, max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    def agree(obj: Any) -> None:
        got = outcome(conversions.reader(tree), obj)
        assert got == outcome(lambda obj: conversions.carefully().value(tree, obj, None, 1), obj)
        outcomes[got[0]] += 1

    agree()
    assert min(outcomes.values()) > 10
    assert conversions.needless.count == 0


@pytest.mark.parametrize("wrong", [0, 500, 999])
@pytest.mark.parametrize("spoil", [{"first": 5}, {"n": "x"}, {"leaf": {"n": 300}}, {"nope": 1}, 5])
def test_a_refused_list_is_walked_once(
    schema: Schema, struct_type: Callable[[Schema, str], Type], wrong: int, spoil: Any
) -> None:
    form = Counting()
    owners = Type(Kind.LIST, element=struct_type(schema, "Owner"))
    body: list[Any] = [{"first": handle("a"), "last": handle("b")} for _ in range(1000)]
    body[wrong] = {**body[wrong], **spoil} if isinstance(spoil, dict) else spoil
    with pytest.raises(GatewayError, match=rf"^\$\[{wrong}\]"):
        codec.Codec(schema, form=form).reader(owners)(body, Door())
    assert form.looks <= 2 * (wrong + 1) + 2


def test_members_that_were_read_are_not_read_again(
    schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    form = Counting()
    body = {"all": [handle("a")] * 1000, "last": handle("a b")}
    with pytest.raises(GatewayError, match=r"^\$\.last: \$handle must be"):
        codec.Codec(schema, form=form).reader(struct_type(schema, "Owner"))(body, Door())
    assert form.looks <= 1002


def test_an_odd_value_has_nothing_else_walked_again(
    schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    form = Counting()
    owners = Type(Kind.LIST, element=struct_type(schema, "Owner"))
    body = [{"first": handle("a"), "n": "5", "last": handle("b")} for _ in range(100)]
    assert len(codec.Codec(schema, form=form).reader(owners)(body, Door())) == 100
    assert form.looks == 200


def test_the_deepest_value_that_is_permitted_may_be_odd_at_every_level(
    schema: Schema, struct_type: Callable[[Schema, str], Type]
) -> None:
    levels = 150
    body: dict[str, Any] = {"n": "5"}
    for _ in range(levels // 2):
        body = {"n": "5", "kids": [body]}
    wire = Codec(schema, CodecOptions(max_depth=levels + 1)).reader(struct_type(schema, "Tree"))(body)
    for _ in range(levels // 2):
        assert wire[0] == 5
        wire = wire[2][0]
    assert wire == {0: 5}


def test_objects_are_asked_for_in_the_order_of_the_input(schema: Schema, take: BoundMethod) -> None:
    owner = {"last": handle("a"), "n": "5", "all": [handle("b"), None, handle("c")], "first": handle("d")}
    body = {"thing": handle("x"), "owners": [owner, {"first": handle("e")}], "any": [handle("y")], "n": 1}
    door: LiveObjects = (asked := Door())
    Codec(schema).params(take).by_name(body, door)
    assert asked.asked == [
        ("x", "$.thing"), ("a", "$.owners[0].last"), ("b", "$.owners[0].all[0]"), ("c", "$.owners[0].all[2]"),
        ("d", "$.owners[0].first"), ("e", "$.owners[1].first"), ("y", "$.any[0]"),
    ]  # fmt: skip


def test_objects_and_errors_by_position_have_the_position_as_their_place(schema: Schema, take: BoundMethod) -> None:
    params, door = Codec(schema).params(take), Door()
    params.by_position([1, [{"first": handle("a")}], handle("b"), {"c": handle("c")}], door)
    assert door.asked == [("a", "$[1][0].first"), ("b", "$[2]"), ("c", "$[3].c")]
    with pytest.raises(GatewayError, match=r"^\$\[1\]\[0\]\.n: expected Int8"):
        params.by_position([1, [{"first": handle("a"), "n": "x"}]], door)
    assert len(door.asked) == 3
