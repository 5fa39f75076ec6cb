"""Handles, callbacks and pending results within values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import Where
from gateway.json.text import dump, parse
from tests.codecs import Codec

SCHEMA = """
interface Listener { changed @0 (what :Text) -> (); }
interface Updater { update @0 () -> (); }
struct Person {
  name @0 :Text; updater @1 :Updater; all @2 :List(Updater); any @3 :AnyPointer; friend @4 :Person; age @5 :UInt8;
}
struct Watch { union { listener @0 :Listener; nobody @1 :Void; } }
"""


class Thing(Capability):
    """An object that can be told apart."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = name


class Door:
    """What a door would know; it writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def handle_in(self, token: str, interface: Type | None, where: Where) -> Capability:
        self.asked.append(("handle", token, interface and interface.node_id, where()))
        if token == "unknown":
            raise GatewayError(Status.NOT_FOUND, f"{where()}: no such handle", path=where())
        return Thing(token)

    def callback_in(self, name: str, interface: Type | None, where: Where) -> Capability:
        self.asked.append(("callback", name, interface and interface.node_id, where()))
        return Thing(name)

    def result_in(self, obj: Mapping[str, Any], interface: Type | None, where: Where) -> Capability:
        self.asked.append(("result", obj["$result"], interface and interface.node_id, where()))
        return Thing("pending")

    def handle_out(self, capability: Capability, interface: Type | None) -> Any:
        self.asked.append(("out", capability.key, interface and interface.node_id))
        return {"$handle": f"token-{capability.key}", "interface": None if interface is None else "Updater"}


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text(SCHEMA)


@pytest.fixture
def person(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> Type:
    return struct_type(schema, "Person")


@pytest.fixture
def updater(schema: Schema, struct_type: Callable[[Schema, str], Type]) -> int:
    return struct_type(schema, "Updater").node_id


@pytest.fixture
def door() -> Door:
    return Door()


def keys(wire: Any) -> Any:
    if isinstance(wire, Capability):
        return wire.key
    if isinstance(wire, dict):
        return {key: keys(value) for key, value in wire.items()}
    return [keys(item) for item in wire] if isinstance(wire, list) else wire


def test_references_become_objects_wherever_they_stand(
    schema: Schema, person: Type, updater: int, door: Door
) -> None:
    text = """{"name":"Ann","updater":{"$handle":"h1","interface":"Updater"},"all":[{"$callback":"c1"},null],
        "any":{"deep":[{"$handle":"h2","interface":null},{"$result":7,"path":["person"]}]},
        "friend":{"updater":{"$result":"x"}}}"""
    wire = Codec(schema).reader(person)(parse(text), door)
    assert keys(wire) == {
        0: "Ann", 1: "h1", 2: ["c1", None], 3: {"deep": ["h2", "pending"]}, 4: {1: "pending"},
    }  # fmt: skip
    assert door.asked == [
        ("handle", "h1", updater, "$.updater"),
        ("callback", "c1", updater, "$.all[0]"),
        ("handle", "h2", None, "$.any.deep[0]"),
        ("result", 7, None, "$.any.deep[1]"),
        ("result", "x", updater, "$.friend.updater"),
    ]


def test_nothing_is_asked_of_the_door_for_a_value_that_does_not_fit(
    schema: Schema, person: Type, door: Door
) -> None:
    with pytest.raises(GatewayError, match="out of range"):
        Codec(schema).reader(person)(parse('{"updater":{"$callback":"c"},"age":256}'), door)
    assert door.asked == []


def test_an_unknown_handle_is_told_with_its_path(schema: Schema, person: Type, door: Door) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).reader(person)(parse('{"friend":{"all":[{"$handle":"unknown"}]}}'), door)
    assert raised.value.path == "$.friend.all[0]"
    assert raised.value.status is Status.NOT_FOUND


def test_a_union_member_can_be_a_reference(
    schema: Schema, struct_type: Callable[[Schema, str], Type], door: Door
) -> None:
    read = Codec(schema).reader(struct_type(schema, "Watch"))
    assert keys(read({"listener": {"$callback": "c"}}, door)) == {0: "c"}
    assert read({"listener": None, "nobody": None}, door) == {1: None}


def test_a_value_may_be_nothing_but_a_reference(
    schema: Schema, struct_type: Callable[[Schema, str], Type], door: Door
) -> None:
    listener = struct_type(schema, "Listener")
    assert Codec(schema).reader(listener)({"$callback": "c"}, door).key == "c"
    assert Codec(schema).writer(listener)(Thing("x"), door)["$handle"] == "token-x"


NO_REFERENCES = [
    ('{"updater":5}', '$.updater: expected {"$handle": …} or {"$callback": …} (Updater), got 5'),
    ('{"updater":{}}', '$.updater: expected {"$handle": …} or {"$callback": …} (Updater), got an object'),
    ('{"updater":{"$handle":"a","x":1}}',
     '$.updater: expected {"$handle": …} or {"$callback": …} (Updater), got an object'),
    ('{"updater":{"$handle":5}}', "$.updater: $handle must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
    ('{"updater":{"$callback":""}}', "$.updater: $callback must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
    ('{"updater":{"$callback":"a.b"}}', "$.updater: $callback must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
    (f'{{"updater":{{"$handle":"{"x" * 65}"}}}}', "$.updater: $handle must be 1 to 64 characters of A-Z a-z 0-9 _ -"),
    ('{"updater":{"$handle":"a","interface":5}}', "$.updater: interface must be a name or null"),
]


@pytest.mark.parametrize(("text", "detail"), NO_REFERENCES)
def test_what_is_no_reference_is_refused(schema: Schema, person: Type, door: Door, text: str, detail: str) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).reader(person)(parse(text), door)
    assert raised.value.detail == detail
    assert door.asked == []


def test_in_an_any_pointer_only_the_exact_forms_are_references(schema: Schema, person: Type, door: Door) -> None:
    data = {"a": {"$handle": "t", "other": 1}, "b": {"$callback": "c", "interface": "X"}, "c": {"$result": 1, "x": 2}}
    assert Codec(schema).reader(person)({"any": data}, door) == {3: data}
    assert door.asked == []


def test_objects_in_an_answer_become_handles(schema: Schema, person: Type, updater: int, door: Door) -> None:
    wire = {1: Thing("a"), 2: (Thing("b"), None, Thing("a")), 3: ({"x": Thing("c")},), 4: {1: Thing("d")}}
    out = parse(dump(Codec(schema).writer(person)(wire, door)))
    assert out == {
        "updater": {"$handle": "token-a", "interface": "Updater"},
        "all": [{"$handle": "token-b", "interface": "Updater"}, None, {"$handle": "token-a", "interface": "Updater"}],
        "any": [{"x": {"$handle": "token-c", "interface": None}}],
        "friend": {"updater": {"$handle": "token-d", "interface": "Updater"}, "age": 0},
        "age": 0,
    }
    assert door.asked == [
        ("out", "a", updater), ("out", "b", updater), ("out", "a", updater), ("out", "c", None), ("out", "d", updater),
    ]  # fmt: skip


def test_no_handle_is_made_for_an_answer_that_does_not_fit(schema: Schema, person: Type, door: Door) -> None:
    with pytest.raises(GatewayError, match="age"):
        Codec(schema).writer(person)({1: Thing("a"), 5: 256}, door)
    assert door.asked == []


def test_an_object_where_data_is_declared_is_the_services_fault(schema: Schema, person: Type, door: Door) -> None:
    with pytest.raises(GatewayError, match=r"\$.name: expected Text, got a Thing"):
        Codec(schema).writer(person)({0: Thing("a")}, door)
    with pytest.raises(GatewayError, match=r"\$.updater: expected an object with methods, got 5"):
        Codec(schema).writer(person)({1: 5}, door)


def test_without_a_door_an_answer_may_hold_no_object(schema: Schema, person: Type) -> None:
    with pytest.raises(GatewayError) as raised:
        Codec(schema).writer(person)({1: Thing("a")})
    assert raised.value.status is Status.INTERNAL
