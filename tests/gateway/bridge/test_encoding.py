"""Values of generated schemas between cara's wire and Cap'n Proto's own encoding, which its own tool reads, too."""

from __future__ import annotations

import contextlib
import math
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import INT_RANGES, UNTYPED, Kind, Schema, StructNode, Type, substitute
from gateway.bridge.checks import Checks
from gateway.bridge.framing import Framing, framed
from gateway.bridge.layouts import Places
from gateway.bridge.named_structs import SchemaStructs
from gateway.bridge.pointers import Malformed, ReceivedMessage
from gateway.bridge.value_readers import ValueReaders
from gateway.bridge.value_writers import FAILURES, ValueWriters

STRUCTS = 12
# Of others the compiler says that its versions before 0.6 would have made something else of the schema.
PLAIN = [kind.value for kind in Kind if kind.value[0].isupper() and kind not in UNTYPED | {Kind.LIST}]


def generated(seed: int) -> str:
    """A schema with structs of all types, with defaults, groups and unions in any order of their ordinals."""
    draw = random.Random(seed)
    names = iter(range(1000))
    lines = ["@0xb6d1f0a9c3e28457;", "enum Colour { red @0; green @1; blue @2; }"]
    lines.append("struct Box(T) { value @0 :T; more @1 :Box(T); }")

    def type_of(depth: int = 0) -> str:
        chance = draw.random()
        if chance < 0.6 or depth > 2:
            return draw.choice([*PLAIN, "Colour"])
        if chance < 0.8:
            return f"List({type_of(depth + 1)})"
        if chance < 0.9:
            return f"Box({draw.choice(['Text', 'Data', 'List(Int16)', 'S0', 'Box(S1)'])})"
        return f"S{draw.randrange(STRUCTS)}"

    def default(type: str) -> str:
        if draw.random() < 0.6:
            return ""
        if type == "Bool":
            return f" = {draw.choice(['true', 'false'])}"
        if type == "Colour":
            return " = green"
        if type in ("Float32", "Float64"):
            return f" = {draw.choice(['1.5', '-inf', '3e10'])}"
        kind = next((kind for kind in INT_RANGES if kind.value == type), None)
        return "" if kind is None else f" = {draw.randint(*INT_RANGES[kind])}"

    def members(count: int, depth: int = 0) -> str:
        made = []
        for _ in range(count):
            name = f"f{next(names)}"
            chance = draw.random() if depth < 2 else 1.0
            if chance < 0.1:
                made.append(f"{name} :group {{ {members(2, depth + 1)} }}")
            elif chance < 0.25:
                made.append(f"{name} :union {{ {members(2, depth + 1)} n{name} @? :Void; }}")
            else:
                type = type_of()
                made.append(f"{name} @? :{type}{default(type)};")
        return " ".join(made)

    for number in range(STRUCTS):
        body = members(draw.randint(1, 5))
        if draw.random() < 0.6:
            body += f" union {{ {members(draw.randint(1, 4))} last @? :Void; }} {members(1)}"
        ordinals = list(range(body.count("@?")))
        draw.shuffle(ordinals)
        for ordinal in ordinals:
            body = body.replace("@?", f"@{ordinal}", 1)
        lines.append(f"struct S{number} {{ {body} }}")
    return "\n".join(lines)


class Conversion:
    def __init__(self, schema: Schema, path: Path) -> None:
        self.schema, self.path = schema, path
        self.places = Places(schema)
        self.readers = ValueReaders(self.places)
        self.writers = ValueWriters(self.places, SchemaStructs(schema))
        self.checks = Checks(self.places, self.writers)

    def type(self, name: str) -> Type:
        node = self.schema.find(name)
        assert isinstance(node, StructNode)
        return Type(Kind.STRUCT, node.id)

    def write(self, type: Type, value: Any) -> bytes:
        b = bytearray(8)
        self.writers.put_struct(NoObjects(), b, 0, type, value)
        return bytes(b)

    def read(self, type: Type, *segments: bytes) -> Any:
        message = ReceivedMessage(segments)
        sections = message.struct(segments[0], 0, message.root())
        return self.readers.compiled(type)(message, *sections, 1)

    def values(self, type: Type, depth: int = 0) -> st.SearchStrategy[Any]:
        """Values of a type as cara's wire has them."""
        kind = type.kind
        if kind in INT_RANGES:
            return st.integers(*INT_RANGES[kind])
        match kind:
            case Kind.VOID:
                return st.none()
            case Kind.BOOL:
                return st.booleans()
            case Kind.FLOAT32:
                return st.floats(width=32)
            case Kind.FLOAT64:
                return st.floats()
            case Kind.TEXT:
                return st.text(max_size=12)
            case Kind.DATA:
                return st.binary(max_size=12)
            case Kind.ENUM:
                return st.integers(0, 65535)
            case Kind.LIST:
                assert type.element is not None
                if depth > 4:
                    return st.just([])
                return st.lists(self.values(type.element, depth + 1), max_size=3)
        node = self.schema.struct(type.node_id)
        if depth > 4:
            return st.just(self.filled(type, {}))
        members = {field.id: self.member(type, field, depth) for field in node.fields}
        plain = {field.id: members[field.id] for field in node.fields if field.discriminant is None}
        union = [st.fixed_dictionaries({field.id: members[field.id]}) for field in node.union]
        chosen = st.one_of(union) if union else st.just({})
        return st.tuples(st.fixed_dictionaries({}, optional=plain), chosen).map(
            lambda parts: self.filled(type, {**parts[0], **parts[1]})
        )

    def member(self, type: Type, field: Any, depth: int) -> st.SearchStrategy[Any]:
        if field.type is None:
            return self.values(Type(Kind.STRUCT, field.group_id, brand=type.brand), depth + 1)
        return self.values(substitute(field.type, type.brand), depth + 1)

    def filled(self, type: Type, value: dict[int, Any]) -> dict[int, Any]:
        """A value with all that a message tells anyway: numbers, groups, and a member of each union."""
        node = self.schema.struct(type.node_id)
        made = dict(value)
        chosen = any(field.id in value for field in node.union)
        for field in node.fields:
            is_first = field.discriminant == 0 and not chosen
            if field.id in made or (field.discriminant is not None and not is_first):
                continue
            if field.type is None:
                made[field.id] = self.filled(Type(Kind.STRUCT, field.group_id or 0, brand=type.brand), {})
            elif not substitute(field.type, type.brand).kind.is_pointer:
                if field.type.kind is not Kind.VOID or is_first:
                    made[field.id] = field.default
            elif is_first:
                made[field.id] = None
        for field in node.fields:
            if field.discriminant is None and field.type is not None and field.type.kind is Kind.VOID:
                made.pop(field.id, None)
        return made


class NoObjects:
    def add(self, capability: Any, type: Type | None) -> int:
        raise TypeError(capability)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


@pytest.fixture(scope="module", params=[2, 5, 9])
def conversion(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    path: Path = tmp_path_factory.mktemp("values") / "generated.capnp"
    path.write_text(generated(request.param), "utf-8")
    return Conversion(compile_schema([path]), path)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_value_comes_back_as_it_went(conversion: Conversion, data: st.DataObject) -> None:
    type = conversion.type(f"S{data.draw(st.integers(0, STRUCTS - 1))}")
    value = data.draw(conversion.values(type))
    written = conversion.write(type, value)
    assert same(conversion.read(type, written), value)
    conversion.checks.check(type, value)
    # In as many segments as there can be: each object that a pointer of the root leads to has one of its own.
    assert same(conversion.read(type, *in_segments(written)), value)


def in_segments(written: bytes) -> list[bytes]:
    """The same message with the pointers of its root by way of a second segment, near and far."""
    root = int.from_bytes(written[:8], "little")
    size, count = root >> 29 & 0x7FFF8, root >> 48
    first, pads = bytearray(written), bytearray()
    if root == 0xFFFFFFFC:
        return [written]
    for index in range(count):
        place = 8 + size + 8 * index
        pointer = int.from_bytes(first[place : place + 8], "little")
        if pointer and pointer & 0xFFFFFFFF != 0xFFFFFFFC:
            offset = (pointer & 0xFFFFFFFC) >> 2
            target = place // 8 + 1 + offset
            first[place : place + 8] = (2 | 4 | (len(pads) // 8) << 3 | 1 << 32).to_bytes(8, "little")
            pads += (2 | target << 3).to_bytes(8, "little")
            pads += (pointer & 0xFFFFFFFF00000003).to_bytes(8, "little")
    return [bytes(first), bytes(pads)]


def test_the_project_s_own_tool_reads_and_writes_the_same(conversion: Conversion) -> None:
    for number in range(STRUCTS):
        type = conversion.type(f"S{number}")
        value = conversion.filled(type, {})
        written = framed(conversion.write(type, value))
        name = f"S{number}"

        def tool(form: str, octets: bytes, name: str = name) -> bytes:
            command = ["capnp", "convert", form, str(conversion.path), name]
            return subprocess.run(command, input=octets, capture_output=True, check=True).stdout

        text = tool("binary:text", written)
        (segments,) = Framing(2**20).take(tool("text:binary", text))
        assert same(conversion.read(type, *segments), value)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_somebody_has_changed_is_read_or_refused(conversion: Conversion, data: st.DataObject) -> None:
    type = conversion.type(f"S{data.draw(st.integers(0, STRUCTS - 1))}")
    written = bytearray(conversion.write(type, data.draw(conversion.values(type))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(written) // 8 - 1)) * 8
        written[place : place + 8] = struct.pack("<Q", data.draw(st.integers(0, 2**64 - 1)))
    with contextlib.suppress(Malformed):
        conversion.read(type, bytes(written[: data.draw(st.integers(8, len(written)))]))


@pytest.mark.parametrize("wrong", [5, "text", [], {0: object()}, None])
def test_what_does_not_fit_is_one_of_the_failures(conversion: Conversion, wrong: Any) -> None:
    with pytest.raises(FAILURES):
        conversion.write(conversion.type("Box"), wrong)


OTHERS = """@0x9d3c1a7be0f25864;
struct Theirs {{ {0} }}
struct Ours {{ {1} }}
"""
MEMBERS = """a @0 :{0}; list @1 :List({1}); group :group {{ b @2 :{0}; inner :group {{ c @3 :{0}; }} }}
union {{ u @4 :{0}; named :group {{ v @5 :{0}; }} }}"""


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"a": [1]}, "$.a"),
        ({"list": [{}, {"a": [1]}]}, "$.list[…].a"),
        ({"group": {"b": [1]}}, "$.group.b"),
        ({"group": {"inner": {"c": [1]}}}, "$.group.inner.c"),
        ({"u": [1]}, "$.u"),
        ({"list": [{"list": [{"named": {"v": [1]}}]}]}, "$.list[…].list[…].named.v"),
    ],
)
def test_the_place_of_what_is_of_another_type(tmp_path: Path, wrong: dict[str, Any], place: str) -> None:
    path = tmp_path / "others.capnp"
    theirs, ours = MEMBERS.format("List(Int32)", "Theirs"), MEMBERS.format("Data", "Ours")
    path.write_text(OTHERS.format(theirs, ours), "utf-8")
    conversion = Conversion(compile_schema([path]), path)

    def by_id(type: Type, value: dict[str, Any]) -> dict[int, Any]:
        found: dict[int, Any] = {}
        for field in conversion.schema.struct(type.node_id).fields:
            if field.name in value:
                given = value[field.name]
                if field.type is None:
                    assert field.group_id is not None
                    given = by_id(Type(Kind.STRUCT, field.group_id), given)
                elif field.name == "list":
                    given = [by_id(type, item) for item in given]
                found[field.id] = given
        return found

    octets = conversion.write(conversion.type("Theirs"), by_id(conversion.type("Theirs"), wrong))
    with pytest.raises(Malformed) as misread:
        conversion.read(conversion.type("Ours"), octets)
    assert conversion.readers.place(misread.value) == place
