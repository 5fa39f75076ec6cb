"""From values as cara's wire has them to Cap'n Proto's own encoding: a function for each struct and list.

A generated function does what can be done with a value that fits. What does not fit raises one of `FAILURES`; then
`gateway.bridge.checks` walks the value again and says what is wrong, and where. Fields that the schema does not know
are passed over.

In the source, ``t`` collects the objects of the message, ``b`` is what is built, ``o`` where the struct begins, ``p``
the place of a pointer, ``v`` the value and ``g`` its ``get``.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.bridge.building import (
    BITS,
    put_bits,
    put_data,
    put_numbers,
    put_object,
    put_pointers,
    put_struct,
    put_structs,
    put_text,
    put_voids,
)
from gateway.bridge.framing import Framing
from gateway.bridge.functions import Lines, TypeFunctions, indented
from gateway.bridge.layouts import FORMATS, RAW, Places, Slot, StructPlaces
from gateway.bridge.pointers import Copy, Malformed, ReceivedMessage
from gateway.bridge.value_readers import RAW_POINTER

Writer = Callable[..., None]
"""``(t, b, o, v)`` for a struct, whose room is made already and is zero."""

FAILURES: Final = (
    struct.error, TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError, IndexError,
)  # fmt: skip
"""What a generated function raises for a value that does not fit. Unicode's errors are ValueErrors."""

TYPE_NAME: Final = "$type"
VALUE: Final = "value"
ANY_FORMS: Final = (
    f"a text, an object, null, {{\"{TYPE_NAME}\": \"<a struct's name>\", \"{VALUE}\": …}} or "
    f'{{"{RAW_POINTER}": "<a message in base64>"}}'
)
"""What an AnyPointer takes."""
_MAX_RAW_BYTES: Final = 2**26
_SIZES: Final = {1: 2, 2: 3, 4: 4, 8: 5}


class AnyValueError(ValueError):
    """What was given for an AnyPointer is none of `ANY_FORMS`; the text says why."""


class NamedStructs(Protocol):
    """The structs that can be named in an AnyPointer."""

    def struct_value(self, name: str, value: Any) -> tuple[Type, Any]:
        """The struct of that name, and a value of it by field id.

        Raises:
            AnyValueError: there is none, it needs type parameters, or the value does not fit.
        """


class Objects(Protocol):
    """The table of objects of one message."""

    def add(self, capability: Any, type: Type | None) -> int:
        """The number of an object, which the schema takes for a type; None if it says nothing.

        Raises:
            TypeError: it is no object.
        """


def _sequence(value: Any) -> Sequence[Any]:
    # A text is a sequence, too.
    if type(value) is not list and type(value) is not tuple:
        raise TypeError(value)
    return value


def only_one(value: Any) -> Any:
    """What stands in an AnyList, which is the only element of a list.

    Raises:
        AnyValueError: it is none.
    """
    if type(value) is not list or len(value) != 1 or type(value[0]) is not dict or RAW_POINTER not in value[0]:
        raise AnyValueError(f'an AnyList of a native service takes [{{"{RAW_POINTER}": "<a message in base64>"}}]')
    return value[0]


def _flipped(value: Any, flip: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(value)
    return (value & high - low) ^ flip


class ValueWriters(TypeFunctions):
    """The functions that write values; see `Writer`."""

    def __init__(self, layouts: Places, structs: NamedStructs) -> None:
        self._structs = structs
        super().__init__(layouts, {
            "put_text": put_text, "put_data": put_data, "put_struct": put_struct, "put_structs": put_structs,
            "put_pointers": put_pointers, "put_numbers": put_numbers, "put_bits": put_bits, "put_voids": put_voids,
            "put_object": put_object, "put_any": self.put_any, "BITS": BITS, "sequence": _sequence, "flipped": _flipped,
            "only_one": only_one,
        })  # fmt: skip

    def source(self, name: str, type: Type) -> Lines:
        if type.kind is Kind.LIST:
            assert type.element is not None  # the loader gives every list one
            return [f"def {name}(t, b, p, v):", *indented(["v = sequence(v)", *self._list(type.element)])]
        layout = self._layouts.struct(type)
        body = self._group(layout, type) if layout.node.is_group else self._struct(layout, type)
        return [f"def {name}(t, b, o, v):", *indented(["g = v.get", *body])]

    def put_any(self, t: Objects, b: bytearray, place: int, value: Any) -> None:
        """Write an AnyPointer.

        Raises:
            AnyValueError: the value is none that one can hold.
        """
        if isinstance(value, str):
            put_text(b, place, value)
        elif isinstance(value, Capability):
            put_object(b, place, t.add(value, None))
        elif isinstance(value, bytes):
            put_data(b, place, value)
        elif type(value) is dict and len(value) == 1 and RAW_POINTER in value:
            incoming = message_of(value[RAW_POINTER])
            pointer = incoming.root()
            if pointer:
                copy = Copy(incoming, b)
                try:
                    copy.put(place, incoming.segments[0], 0, pointer)
                except Malformed as error:
                    raise AnyValueError(f"{RAW_POINTER}: {error}") from None
        elif type(value) is dict and len(value) == 2 and TYPE_NAME in value and VALUE in value:
            type_, wire = self._structs.struct_value(value[TYPE_NAME], value[VALUE])
            self.put_struct(t, b, place, type_, wire)
        elif value is not None:
            raise AnyValueError(f"an AnyPointer of a native service takes {ANY_FORMS}")

    def put_struct(self, t: Objects, b: bytearray, place: int, type: Type, value: Any) -> None:
        """Write a struct and the pointer to it."""
        layout = self._layouts.struct(type)
        start = put_struct(b, place, layout.node.data_words + layout.node.pointers, layout.sizes)
        self.namespace[self.name(type)](t, b, start, value)

    # Structs.

    def _struct(self, layout: StructPlaces, type: Type) -> Lines:
        """A struct: all its numbers are packed at once, what lies among them afterwards."""
        places: dict[int, tuple[str, str]] = {}  # by place: format and expression
        for slot in layout.fields:
            if slot.mask:
                bit = self._bit(slot)
                letter, before = places.get(slot.at, ("B", ""))
                places[slot.at] = (letter, f"{before} | {bit}" if before else bit)
            elif slot.format:
                places[slot.at] = self._number(slot)
        lines: Lines = []
        if places:
            format, end = "<", 0
            for place, (letter, _) in sorted(places.items()):
                format += f"{place - end}x{letter}" if place > end else letter
                end = place + struct.calcsize("<" + letter)
            pack = self.constant(struct.Struct(format).pack_into)
            values = ", ".join(expression for _, (_, expression) in sorted(places.items()))
            lines.append(f"{pack}(b, o, {values})")
        others = [slot for slot in layout.fields if slot.type is None or slot.is_pointer]
        return [*lines, *self._members(others, layout, type)]

    def _group(self, layout: StructPlaces, type: Type) -> Lines:
        """A group, among whose fields there may be others."""
        return self._members(layout.fields, layout, type)

    def _members(self, slots: Sequence[Slot], layout: StructPlaces, type: Type) -> Lines:
        lines: Lines = []
        for slot in slots:
            if slot.type is None:
                group = self.name(self._layouts.group(slot, type))
                lines += [f"x = g({slot.id})", f"if x is not None: {group}(t, b, o, x)"]
            elif slot.is_pointer:
                put = self._pointer(slot.type, self._place(slot, layout))
                lines += [f"x = g({slot.id})", f"if x is not None: {put}"]
            else:
                lines += self._alone(slot, f"g({slot.id}, {self._default(slot)})")
        if layout.variants:
            lines += self._union(layout, type)
        return lines or ["pass"]

    def _union(self, layout: StructPlaces, type: Type) -> Lines:
        tag = self.constant(struct.Struct("<H").pack_into)
        lines: Lines = []
        for number, slot in enumerate(layout.variants):
            lines.append(f"{'el' if number else ''}if {slot.id} in v:")
            inner = [f"{tag}(b, o + {layout.tag}, {slot.field.discriminant})", f"x = v[{slot.id}]"]
            if slot.type is None:
                inner.append(f"if x is not None: {self.name(self._layouts.group(slot, type))}(t, b, o, x)")
            elif slot.is_pointer:
                inner.append(f"if x is not None: {self._pointer(slot.type, self._place(slot, layout))}")
            else:
                inner += self._alone(slot, "x")
            lines += indented(inner)
        return lines

    def _place(self, slot: Slot, layout: StructPlaces) -> str:
        return f"o + {8 * (layout.node.data_words + slot.at)}"

    def _bit(self, slot: Slot) -> str:
        value = f"BITS[g({slot.id}, {bool(slot.flip)})]"
        return f"({value} * {slot.mask} ^ {slot.flip})" if slot.flip else f"{value} * {slot.mask}"

    def _number(self, slot: Slot) -> tuple[str, str]:
        """How a number is packed, and of what."""
        value = f"g({slot.id}, {self._default(slot)})"
        return (slot.format, value) if not slot.flip else self._as_flipped(slot, value)

    def _as_flipped(self, slot: Slot, value: str) -> tuple[str, str]:
        assert slot.type is not None  # it is no group
        kind, raw = slot.type.kind, RAW[struct.calcsize("<" + slot.format)]
        if kind in (Kind.FLOAT32, Kind.FLOAT64):
            pack = self.constant(struct.Struct("<" + slot.format).pack)
            unpack = self.constant(struct.Struct("<" + raw).unpack)
            return raw, f"{unpack}({pack}({value}))[0] ^ {slot.flip}"
        low, high = INT_RANGES.get(kind, (0, 0xFFFF))
        return raw, f"flipped({value}, {slot.flip}, {low}, {high})"

    def _default(self, slot: Slot) -> str:
        default = slot.field.default
        if not slot.flip:
            return "0"
        return self.constant(default) if isinstance(default, float) else repr(default)

    def _alone(self, slot: Slot, value: str) -> Lines:
        """The statements that write a number or Bool among others."""
        assert slot.type is not None  # it is no group
        if slot.mask:
            return [f"if BITS[{value}] != {int(bool(slot.flip))}: b[o + {slot.at}] |= {slot.mask}"]
        if not slot.format:
            return []  # Void
        letter, expression = (slot.format, value) if not slot.flip else self._as_flipped(slot, value)
        pack = self.constant(struct.Struct("<" + letter).pack_into)
        return [f"{pack}(b, o + {slot.at}, {expression})"]

    def _pointer(self, type: Type, place: str) -> str:
        """The statement that writes ``x``, which is not None."""
        match type.kind:
            case Kind.TEXT:
                return f"put_text(b, {place}, x)"
            case Kind.DATA:
                return f"put_data(b, {place}, x)"
            case Kind.LIST:
                return f"{self.name(type)}(t, b, {place}, x)"
            case Kind.STRUCT:
                layout = self._layouts.struct(type)
                words = layout.node.data_words + layout.node.pointers
                return f"{self.name(type)}(t, b, put_struct(b, {place}, {words}, {layout.sizes}), x)"
            case Kind.INTERFACE:
                return f"put_object(b, {place}, t.add(x, {self.constant(type)}))"
            case Kind.CAPABILITY:
                return f"put_object(b, {place}, t.add(x, None))"
            case Kind.ANY_LIST:
                return f"put_any(t, b, {place}, only_one(x))"
        return f"put_any(t, b, {place}, x)"

    # Lists.

    def _list(self, element: Type) -> Lines:
        kind = element.kind
        if kind is Kind.STRUCT:
            layout = self._layouts.struct(element)
            words = layout.node.data_words + layout.node.pointers
            return [
                f"o = put_structs(b, p, len(v), {words}, {layout.sizes})",
                "for x in v:",
                f"    {self.name(element)}(t, b, o, x)",
                f"    o += {8 * words}",
            ]
        if kind.is_pointer:
            return [
                "o = put_pointers(b, p, len(v))",
                "for x in v:",
                f"    if x is not None: {self._pointer(element, 'o')}",
                "    o += 8",
            ]
        if kind is Kind.VOID:
            return ["put_voids(b, p, len(v))"]
        if kind is Kind.BOOL:
            return ["put_bits(b, p, v)"]
        format = FORMATS[kind]
        return [f"put_numbers(b, p, v, {format!r}, {_SIZES[struct.calcsize('<' + format)]})"]


def message_of(text: Any) -> ReceivedMessage:
    """The message that stands in base64 for a value without a type.

    Raises:
        AnyValueError: it is none.
    """
    if not isinstance(text, str):
        raise AnyValueError(f"{RAW_POINTER} must be a message in base64")
    try:
        octets = base64.b64decode(text, validate=True)
        messages = list(Framing(_MAX_RAW_BYTES).take(octets))
        if len(messages) != 1 or 8 + sum(map(len, messages[0])) > len(octets):
            raise AnyValueError(f"{RAW_POINTER} must be one whole message")
        incoming = ReceivedMessage(messages[0])
        incoming.root()
    except (binascii.Error, Malformed) as error:
        raise AnyValueError(f"{RAW_POINTER} is no message in base64: {error}") from None
    return incoming
