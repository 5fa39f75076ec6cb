"""Schemas made up by chance: structs with every kind of field, unions, groups, generics and annotations, and values of
them as they are on the wire.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from cara_pseud.schema.nodes import INT_RANGES, Kind, Schema, Type
from gateway.json.codec.layout import FieldLayout, Layouts, StructLayout
from gateway.json.codec.reading import empty

SCALARS = (
    "Void", "Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64",
    "Text", "Data",
)  # fmt: skip
DEFAULTS = {
    "Bool": "true", "Int8": "-5", "Int16": "300", "Int32": "-70000", "Int64": "9007199254740993", "UInt8": "200",
    "UInt16": "65535", "UInt32": "4000000000", "UInt64": "18446744073709551615", "Float32": "1.5", "Float64": "-inf",
    "Text": '"given"', "Data": '0x"00ff"',
}  # fmt: skip


class Maker:
    """Writes one schema of so many structs; the same seed writes the same."""

    def __init__(self, seed: int, structs: int) -> None:
        self._random = random.Random(seed)
        self._structs = structs
        self._names = 0
        self._ordinals = 0

    def text(self) -> str:
        """The schema, without its id."""
        lines = ['using Json = import "/capnp/compat/json.capnp";', "struct Box(T) { item @0 :T; other @1 :T; }"]
        for number in range(4):
            names = " ".join(f"e{number}v{value} @{value}{self._renamed(0.3)};" for value in range(3))
            lines.append(f"enum E{number} {{ {names} }}")
        lines += [self._struct(number) for number in range(self._structs)]
        return "\n".join(lines)

    def _chance(self, part: float) -> bool:
        return self._random.random() < part

    def _name(self, letter: str) -> str:
        # Names are new throughout the file, so that whatever is flattened clashes with nothing.
        self._names += 1
        return f"{letter}{self._names}"

    def _ordinal(self) -> int:
        self._ordinals += 1
        return self._ordinals - 1

    def _renamed(self, part: float) -> str:
        return f' $Json.name("{self._name("json ")}")' if self._chance(part) else ""

    def _struct(self, number: int) -> str:
        self._ordinals = 0
        members = list(self._members(number, depth=2, least=1))
        annotation = ""
        if self._chance(0.6):
            if self._chance(0.5):
                value = f', valueName = "{self._name("value")}"' if self._chance(0.3) else ""
                annotation = f' $Json.discriminator(name = "{self._name("tag")}"{value})'
                flat = not value
            else:
                flat = False
            members.append(f"union {{ {' '.join(self._variants(number, flat))} }}")
        return f"struct S{number}{annotation} {{ {' '.join(members)} }}"

    def _variants(self, number: int, flat: bool) -> Iterator[str]:
        for _ in range(self._random.randint(2, 4)):
            if flat and self._chance(0.3):
                inner = " ".join(self._members(number, depth=0, least=1))
                yield f"{self._name('v')} :group $Json.flatten() {{ {inner} }}"
            else:
                yield self._slot(number, flattens=False)

    def _members(self, number: int, depth: int, least: int) -> Iterator[str]:
        for _ in range(self._random.randint(least, 4)):
            if depth > 0 and self._chance(0.12):
                flat = f' $Json.flatten(prefix = "{self._name("p")}")' if self._chance(0.4) else self._renamed(0.2)
                yield f"{self._name('g')} :group{flat} {{ {' '.join(self._members(number, depth - 1, 1))} }}"
            elif depth > 0 and self._chance(0.12):
                tagged = f' $Json.discriminator(name = "{self._name("tag")}")' if self._chance(0.4) else ""
                yield f"{self._name('u')} :union{tagged} {{ {' '.join(self._variants(number, bool(tagged)))} }}"
            else:
                yield self._slot(number, flattens=depth > 0)

    def _slot(self, number: int, *, flattens: bool) -> str:
        name, ordinal = self._name("f"), self._ordinal()
        # What is flattened must be made already, so that nothing is flattened into itself.
        if flattens and number > 0 and self._chance(0.1):
            inner = self._random.randrange(number)
            return f'{name} @{ordinal} :S{inner} $Json.flatten(prefix = "{self._name("p")}");'
        type = self._type(2)
        default = f" = {DEFAULTS[type]}" if type in DEFAULTS and self._chance(0.25) else ""
        form = self._random.choice((" $Json.base64", " $Json.hex", "")) if type == "Data" else ""
        return f"{name} @{ordinal} :{type}{default}{form or self._renamed(0.15)};"

    def _type(self, depth: int) -> str:
        dice = self._random.random()
        if depth and dice < 0.2:
            return f"List({self._type(depth - 1)})"
        if dice < 0.3:
            return f"E{self._random.randrange(4)}"
        if dice < 0.42:
            return f"S{self._random.randrange(self._structs)}"
        if depth and dice < 0.48:
            inner = self._random.choice(("Text", "Data", f"S{self._random.randrange(self._structs)}", "List(Int32)"))
            return f"Box({inner})"
        return self._random.choice(SCALARS)


class Values:
    """Strategies for wire values of one schema's types."""

    def __init__(self, schema: Schema) -> None:
        self._layouts = Layouts(schema)

    def of(self, type: Type, depth: int = 3) -> st.SearchStrategy[Any]:
        """Values of a type, structs in structs to that depth."""
        kind = type.kind
        if kind in INT_RANGES:
            low, high = INT_RANGES[kind]
            return st.integers(low, high) | st.sampled_from([low, high])
        if kind is Kind.LIST and type.element is not None:
            return st.lists(self.of(type.element, depth - 1), max_size=2)
        if kind is Kind.STRUCT:
            layout = self._layouts.struct(type)
            return st.just({}) if depth <= 0 else self.struct(layout, depth)
        return {
            Kind.VOID: st.none(),
            Kind.BOOL: st.booleans(),
            Kind.FLOAT32: st.floats(width=32),
            Kind.FLOAT64: st.floats(),
            Kind.TEXT: st.text(max_size=3),
            Kind.DATA: st.binary(max_size=3),
            Kind.ENUM: st.integers(0, 4),
        }[kind]

    def struct(self, layout: StructLayout, depth: int) -> st.SearchStrategy[dict[int, Any]]:
        """A struct's fields by id: some of them, and one member of its union or none."""

        def of(member: FieldLayout) -> st.SearchStrategy[Any]:
            if member.group is not None:
                return self.struct(member.group, depth)
            assert member.type is not None
            return self.of(member.type, depth - 1)

        fields = st.fixed_dictionaries({}, optional={member.id: of(member) for member in layout.fields})
        if not layout.variants:
            return fields
        chosen = [st.fixed_dictionaries({member.id: of(member)}) for member in layout.variants]
        variants = st.one_of(st.just({}), *chosen)
        return st.tuples(fields, variants).map(lambda both: both[0] | both[1])


def canonical(layouts: Layouts, type: Type, value: Any) -> Any:
    """A wire value with everything in it that JSON says and the wire need not: defaults, and a union's first member."""
    if type.kind is Kind.LIST and type.element is not None:
        return [canonical(layouts, type.element, element) for element in value]
    if type.kind is Kind.STRUCT:
        return canonical_struct(layouts, layouts.struct(type), value)
    if type.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return str(value)  # so that NaN equals itself, and -0.0 is not 0.0
    return value


def canonical_struct(layouts: Layouts, layout: StructLayout, value: dict[int, Any]) -> dict[int, Any]:
    """See `canonical`."""
    found: dict[int, Any] = {}
    chosen = [member for member in layout.variants if member.id in value] or layout.variants[:1]
    for member in (*layout.fields, *chosen):
        present = value.get(member.id)
        if present is None and member in chosen and member.type is not None and member.type.kind.is_pointer:
            # A union always has a member, and JSON shows it.
            if member.field.has_explicit_default:
                present = member.field.default
            elif not layouts.ends_in_null(member):
                present = empty(member.type)
        if member.group is not None:
            within = canonical_struct(layouts, member.group, present or {})
            if member.flat is None or within or member in chosen:
                found[member.id] = within
        elif member.type is not None and not member.type.kind.is_pointer:
            default = member.field.default
            found[member.id] = canonical(layouts, member.type, default if member.id not in value else present)
        elif member.type is not None and present is not None:
            inner = canonical(layouts, member.type, present)
            # A struct that is flattened and says nothing cannot be told from one that is absent; nor can an empty one
            # that is shown as null.
            empty_too = layouts.ends_in_null(member) and inner == canonical(layouts, member.type, {})
            if (member.flat is None or inner) and not (member in chosen and empty_too):
                found[member.id] = inner
    return found
