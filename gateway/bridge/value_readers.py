"""From Cap'n Proto's own encoding to values as cara's wire has them: structs by field id, a function for each type.

All numbers of a struct are unpacked at once. What a struct is too short for reads as its default, as in a message of
an older schema; what it has beyond its schema is passed over. A member of a union that the schema does not know is
none: no member stands in the struct then.

In the source, ``m`` is the message (`ReceivedMessage`), ``b`` a segment, ``d`` and ``n`` the place and bytes of a
struct's data section, ``p`` and ``c`` the place and number of its pointers, ``e`` the level, ``w`` what is made of it.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Kind, Type
from gateway.bridge.functions import Lines, TypeFunctions, indented
from gateway.bridge.layouts import FORMATS, RAW, Places, Slot, StructPlaces, signed_bits
from gateway.bridge.pointers import (
    BIT,
    COMPOSITE,
    MAX_DEPTH,
    OTHER_POINTER,
    POINTER,
    WORD,
    BeyondBounds,
    Malformed,
    ReceivedMessage,
    segment_of,
)

RAW_POINTER: Final = "$pointer"
"""The one member of what stands for a value whose type nobody knows: a message of one segment, in base64."""

Reader = Callable[..., Any]
"""``(m, b, d, n, p, c, e) -> dict`` for a struct, whose sections are given."""

_SIZES: Final = {1: 2, 2: 3, 4: 4, 8: 5}
_BITS: Final = tuple(tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256))


def any_value(m: ReceivedMessage, b: bytes, place: int, pointer: int) -> Any:
    """What stands in an AnyPointer: an object, or data that nobody can read without its type."""
    if pointer & 3 == OTHER_POINTER or _is_far_object(m, pointer):
        return m.object(b, place, pointer)
    segment = segment_of(lambda copy: copy.put(0, b, place, pointer), m)
    head = struct.pack("<II", 0, len(segment) >> 3)
    return {RAW_POINTER: base64.b64encode(head + segment).decode("ascii")}


def _is_far_object(m: ReceivedMessage, pointer: int) -> bool:
    return pointer & 3 == 2 and m.follow(pointer)[2] & 3 == OTHER_POINTER


def _too_deep() -> NoReturn:
    raise BeyondBounds(f"it is nested more than {MAX_DEPTH} levels deep")


def _another_list(m: ReceivedMessage, b: bytes, start: int, size: int, count: int, format: str, item: int) -> list[Any]:
    """Numbers that a peer of a newer schema wrote as structs: the first field of each."""
    if size != COMPOSITE:
        raise Malformed("there is a list of another type")
    start, number, data, pointers = m.structs(b, start, size, count)
    step = data + 8 * pointers
    if data < item:
        return [0] * number
    return [struct.unpack_from("<" + format, b, start + index * step)[0] for index in range(number)]


def _bits(m: ReceivedMessage, b: bytes, start: int, size: int, count: int) -> list[bool]:
    if size != BIT:
        return [bool(byte & 1) for byte in _another_list(m, b, start, size, count, "B", 1)]
    m.spend(1 + count)
    found = [bit for byte in b[start : start + (count + 7) // 8] for bit in _BITS[byte]]
    del found[count:]
    return found


def _voids(m: ReceivedMessage, b: bytes, start: int, size: int, count: int) -> list[None]:
    if size == COMPOSITE:
        count = m.structs(b, start, size, count)[1]
    m.spend(1 + count)
    return [None] * count


def _pointers(m: ReceivedMessage, b: bytes, start: int, size: int, count: int) -> list[tuple[int, int]]:
    """The elements of a list of pointers, each with its place."""
    if size == POINTER:
        m.spend(1 + count)
        places = range(start, start + 8 * count, 8)
        return list(zip(places, struct.unpack_from(f"<{count}Q", b, start), strict=True))
    if size != COMPOSITE:
        raise Malformed("there is a list of another type")
    start, number, data, pointers = m.structs(b, start, size, count)
    step = data + 8 * pointers
    firsts = [start + index * step + data for index in range(number)]
    return [(place, WORD.unpack_from(b, place)[0] if pointers else 0) for place in firsts]


def _typed(found: Any, type: Type) -> Any:
    """Tell an object what the schema says it is."""
    if isinstance(found, Capability):
        seen_as = getattr(found, "seen_as", None)
        if seen_as is not None:
            seen_as(type)
    return found


_EMPTY: Final = {Kind.TEXT: '""', Kind.DATA: 'b""', Kind.LIST: "[]", Kind.STRUCT: "{}"}


class ValueReaders(TypeFunctions):
    """The functions that read values; see `Reader`."""

    def __init__(self, layouts: Places) -> None:
        super().__init__(layouts, {
            "any_value": any_value, "too_deep": _too_deep, "another_list": _another_list, "bits": _bits,
            "voids": _voids, "pointers_of": _pointers, "typed": _typed, "UNPACK": struct.unpack_from, "ZEROS": bytes,
        })  # fmt: skip

    def source(self, name: str, type: Type) -> Lines:
        deep = f"if e > {MAX_DEPTH}: too_deep()"
        if type.kind is Kind.LIST:
            assert type.element is not None  # the loader gives every list one
            return [f"def {name}(m, b, p, q, e):", *indented([deep, *self._list(type.element)])]
        layout = self._layouts.struct(type)
        return [f"def {name}(m, b, d, n, p, c, e):", *indented([deep, *self._struct(layout, type), "return w"])]

    def place(self, error: Malformed) -> str:
        """Where in a value the reading of it failed, as a path from it; ``[…]`` is an element of a list."""
        path = "$"
        for type, line, inner in self.failed_in(error):
            if type.kind is Kind.LIST:
                path += "[…]" if line.lstrip().startswith(("return [", "if t: return [")) else ""
                continue
            member = re.search(r"w\[(\d+)\] = ", line) or (inner and re.search(rf"(\d+): {inner}\(", line))
            if member:
                id, layout = int(member[1]), self._layouts.struct(type)
                path += "".join(f".{slot.field.name}" for slot in (*layout.fields, *layout.variants) if slot.id == id)
        return path

    # Structs.

    def _struct(self, layout: StructPlaces, type: Type) -> Lines:
        numbers = [slot for slot in layout.fields if slot.format or slot.mask]
        lines, values = self._unpacked(layout, numbers)
        members = [f"{slot.id}: {values[slot.id]}" for slot in numbers]
        for slot in layout.fields:
            if slot.type is None:
                members.append(f"{slot.id}: {self._group(slot, type)}")
        lines.append(f"w = {{{', '.join(members)}}}")
        lines += self._pointer_fields([slot for slot in layout.fields if slot.is_pointer])
        if layout.variants:
            lines += self._union(layout, type)
        return lines

    def _unpacked(self, layout: StructPlaces, slots: list[Slot]) -> tuple[Lines, dict[int, str]]:
        """The statements that unpack numbers, and the expressions for them by field id; ``u`` is the union's tag."""
        places: dict[int, tuple[int, str]] = {}  # by place: bytes and format
        for slot in slots:
            raw = RAW[struct.calcsize("<" + slot.format)] if slot.format and slot.flip else slot.format
            places[slot.at] = (struct.calcsize("<" + (raw or "B")), raw or "B")
        if layout.variants:
            places[layout.tag] = (2, "H")
        if not places:
            return [], {}
        names: dict[int, str] = {}
        format, end = "<", 0
        for index, (place, (size, letter)) in enumerate(sorted(places.items())):
            format += f"{place - end}x{letter}" if place > end else letter
            names[place], end = f"x{index}", place + size
        if layout.variants:
            names[layout.tag] = "u"
        unpack = self.constant(struct.Struct(format).unpack_from)
        targets = "".join(f"{name}, " for name in names.values())
        lines = [
            f"if n >= {end}: {targets}= {unpack}(b, d)",
            f"else: {targets}= {unpack}(b[d:d + n] + ZEROS({end} - n))",
        ]
        return lines, {slot.id: self._number(slot, names[slot.at]) for slot in slots}

    def _number(self, slot: Slot, value: str) -> str:
        """A number or Bool from its bits."""
        assert slot.type is not None  # it is no group
        kind = slot.type.kind
        if kind is Kind.BOOL:
            return f"{value} & {slot.mask} {'==' if slot.flip else '!='} 0"
        if not slot.flip:
            return value
        flipped = f"({value} ^ {slot.flip})"
        if kind in (Kind.FLOAT32, Kind.FLOAT64):
            raw = RAW[struct.calcsize(slot.format)]
            pack = self.constant(struct.Struct("<" + raw).pack)
            unpack = self.constant(struct.Struct("<" + slot.format).unpack)
            return f"{unpack}({pack}{flipped})[0]"
        bits = signed_bits(kind)
        return f"({flipped} ^ {1 << bits - 1}) - {1 << bits - 1}" if bits else flipped

    def _pointer_fields(self, slots: list[Slot]) -> Lines:
        if not slots:
            return []
        slots = sorted(slots, key=lambda slot: slot.at)
        first, last = slots[0].at, slots[-1].at
        wanted = {slot.at for slot in slots}
        names = [f"q{index}" if index in wanted else "_" for index in range(first, last + 1)]
        targets = "".join(f"{name}, " for name in names)
        unpack = self.constant(struct.Struct(f"<{len(names)}Q").unpack_from)
        missing = "; ".join(f"q{slot.at} = m.pointer(b, p, c, {slot.at})" for slot in slots)
        lines = [f"if c > {last}: {targets}= {unpack}(b, p + {8 * first})", f"else: {missing}"]
        for slot in slots:
            assert slot.type is not None  # a pointer has a type
            value = self._pointer(slot.type, f"p + {8 * slot.at}", f"q{slot.at}")
            lines.append(f"if q{slot.at}: w[{slot.id}] = {value}")
        return lines

    def _pointer(self, type: Type, place: str, pointer: str) -> str:
        """The expression for what a pointer leads to that is not null."""
        match type.kind:
            case Kind.TEXT:
                return f"m.text(b, {place}, {pointer})"
            case Kind.DATA:
                return f"m.octets(b, {place}, {pointer})"
            case Kind.LIST:
                return f"{self.name(type)}(m, b, {place}, {pointer}, e + 1)"
            case Kind.STRUCT:
                return f"{self.name(type)}(m, *m.struct(b, {place}, {pointer}), e + 1)"
            case Kind.INTERFACE:
                return f"typed(m.object(b, {place}, {pointer}), {self.constant(type)})"
            case Kind.CAPABILITY:
                return f"m.object(b, {place}, {pointer})"
            case Kind.ANY_LIST:
                # Wherever a list is expected there is one.
                return f"[any_value(m, b, {place}, {pointer})]"
        return f"any_value(m, b, {place}, {pointer})"

    def _group(self, slot: Slot, type: Type) -> str:
        return f"{self.name(self._layouts.group(slot, type))}(m, b, d, n, p, c, e)"

    def _union(self, layout: StructPlaces, type: Type) -> Lines:
        lines: Lines = []
        for number, slot in enumerate(layout.variants):
            lines.append(f"{'el' if number else ''}if u == {slot.field.discriminant}:")
            lines += indented(self._variant(slot, type))
        return lines

    def _variant(self, slot: Slot, type: Type) -> Lines:
        if slot.type is None:
            return [f"w[{slot.id}] = {self._group(slot, type)}"]
        if slot.is_pointer:
            value = self._pointer(slot.type, f"p + {8 * slot.at}", "q")
            return [f"q = m.pointer(b, p, c, {slot.at})", f"w[{slot.id}] = {value} if q else None"]
        if slot.type.kind is Kind.VOID:
            return [f"w[{slot.id}] = None"]
        raw = RAW[struct.calcsize("<" + slot.format)] if slot.format and slot.flip else slot.format or "B"
        unpack = self.constant(struct.Struct("<" + raw).unpack_from)
        end = slot.at + struct.calcsize("<" + raw)
        return [
            f"x = {unpack}(b, d + {slot.at})[0] if n >= {end} else 0",
            f"w[{slot.id}] = {self._number(slot, 'x')}",
        ]

    # Lists.

    def _list(self, element: Type) -> Lines:
        lines = ["b, o, z, k = m.list(b, p, q)"]
        kind = element.kind
        if kind is Kind.STRUCT:
            read = f"{self.name(element)}(m, b, o, n, o + n, c, e + 1)"
            return [
                *lines,
                "o, k, n, c = m.structs(b, o, z, k)",
                "t = n + 8 * c",
                f"if t: return [{read} for o in range(o, o + k * t, t)]",
                f"return [{read} for _ in range(k)]",
            ]
        if kind.is_pointer:
            empty = _EMPTY.get(kind, "None")
            value = self._pointer(element, "o", "q")
            return [*lines, f"return [{value} if q else {empty} for o, q in pointers_of(m, b, o, z, k)]"]
        if kind is Kind.VOID:
            return [*lines, "return voids(m, b, o, z, k)"]
        if kind is Kind.BOOL:
            return [*lines, "return bits(m, b, o, z, k)"]
        format = FORMATS[kind]
        size = struct.calcsize("<" + format)
        return [
            *lines,
            f"if z != {_SIZES[size]}: return another_list(m, b, o, z, k, {format!r}, {size})",
            "m.spend(1 + k)",
            f'return list(UNPACK(f"<{{k}}{format}", b, o))',
        ]


