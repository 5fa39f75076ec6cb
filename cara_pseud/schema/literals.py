"""Values written in a schema (defaults, constants, annotation values) as wire values.

A struct becomes a dict by field id with the fields that are set: pointers that are not null and numbers that differ
from their default. A union member is set as well when it is not the first one, since only then does the encoding tell.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cara_pseud.schema.encoding import ListReader, StructReader
from cara_pseud.schema.nodes import Kind, Type, substitute

MAX_DEPTH = 64
"""Levels of types, values and scopes; as many as a message may have, and few enough for recursive walks everywhere."""


class TooDeep(ValueError):
    """A type, value or scope has more than MAX_DEPTH levels."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is nested deeper than {MAX_DEPTH} levels")


class LiteralSlot(NamedTuple):
    """Where a field lies in its struct; ``default_bits`` is what the encoding XORs its number with."""

    id: int
    discriminant: int | None
    type: Type | None
    group_id: int
    offset: int
    default_bits: int


class LiteralLayout(NamedTuple):
    """Where a struct's fields and its union's discriminant lie, in units of each one's size."""

    slots: Sequence[LiteralSlot]
    discriminant_offset: int


BITS = {
    Kind.BOOL: 1, Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64, Kind.UINT8: 8, Kind.UINT16: 16,
    Kind.UINT32: 32, Kind.UINT64: 64, Kind.FLOAT32: 32, Kind.FLOAT64: 64, Kind.ENUM: 16,
}  # fmt: skip
"""The size of each kind that lies in the data section."""

_SIGNED = frozenset({Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64})
_FLOATS = {Kind.FLOAT32: ("<I", "<f"), Kind.FLOAT64: ("<Q", "<d")}
_BOOL_IN_VALUE = 16
_OFFSET_IN_VALUE = {8: 2, 16: 1, 32: 1, 64: 1}


def bits_of_value(kind: Kind, value: StructReader) -> int:
    """The raw bits of a number, bool or enum in a ``schema.capnp:Value``; 0 for all other kinds."""
    bits = BITS.get(kind)
    if bits is None:
        return 0
    return value.bit(_BOOL_IN_VALUE) if bits == 1 else value.unsigned(bits, _OFFSET_IN_VALUE[bits])


class Literals:
    """Reads values by their types, asking for the layout of the structs it meets."""

    def __init__(self, layout_of: Callable[[int], LiteralLayout]) -> None:
        self._layout_of = layout_of

    def read(self, type: Type, value: StructReader) -> Any:
        """Return the wire value of a ``schema.capnp:Value``.

        Raises:
            TooDeep: it has too many levels.
            UnicodeDecodeError: a Text in it is not UTF-8.
        """
        if type.kind in BITS:
            return _number(type.kind, bits_of_value(type.kind, value))
        return self._pointer(type, value, 0, 0)

    def _pointer(self, type: Type, parent: StructReader, index: int, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise TooDeep("a value")
        match type.kind:
            case Kind.TEXT:
                return parent.text(index)
            case Kind.DATA:
                return parent.data(index)
            case Kind.LIST if type.element is not None:
                return self._list(type.element, parent.list(index), depth)
            case Kind.STRUCT:
                return self._struct(type, type.node_id, parent.struct(index), depth)
            case _:  # Void, and what can only be null in a schema: interfaces, and AnyPointer for our purposes
                return None

    def _list(self, element: Type, items: ListReader, depth: int) -> list[Any]:
        if element.kind is Kind.BOOL:
            return [items.bit(index) for index in range(items.length)]
        bits = BITS.get(element.kind)
        if bits is not None:
            return [_number(element.kind, item.unsigned(bits, 0)) for item in items.structs()]
        if element.kind is Kind.STRUCT:
            return [self._struct(element, element.node_id, item, depth + 1) for item in items.structs()]
        if element.kind is Kind.VOID:
            return [None] * items.length
        return [self._pointer(element, item, 0, depth + 1) for item in items.structs()]

    def _struct(self, type: Type, node_id: int, reader: StructReader, depth: int) -> dict[int, Any]:
        """The fields of a struct, or with the ``node_id`` of one of its groups the fields of that."""
        if depth > MAX_DEPTH:
            raise TooDeep("a value")
        layout = self._layout_of(node_id)
        active = reader.unsigned(16, layout.discriminant_offset)
        fields: dict[int, Any] = {}
        for slot in layout.slots:
            if slot.discriminant is not None and slot.discriminant != active:
                continue
            if slot.type is None:
                group = self._struct(type, slot.group_id, reader, depth + 1)
                if group or slot.discriminant:
                    fields[slot.id] = group
                continue
            field_type = substitute(slot.type, type.brand)
            if field_type.kind in BITS:
                bits = BITS[field_type.kind]
                raw = reader.bit(slot.offset) if bits == 1 else reader.unsigned(bits, slot.offset)
                if raw or slot.discriminant:
                    fields[slot.id] = _number(field_type.kind, raw ^ slot.default_bits)
            elif field_type.kind is not Kind.VOID and reader.has(slot.offset):
                value = self._pointer(field_type, reader, slot.offset, depth + 1)
                if value is not None:
                    fields[slot.id] = value
            elif slot.discriminant:
                # Chosen without a value: the member says which it is, and reads as its default.
                fields[slot.id] = None
        return fields


def _number(kind: Kind, raw: int) -> bool | int | float:
    if kind is Kind.BOOL:
        return bool(raw)
    if kind in _FLOATS:
        integer, floating = _FLOATS[kind]
        number: float = struct.unpack(floating, struct.pack(integer, raw))[0]
        return number
    bits = BITS[kind]
    return raw - (1 << bits) if kind in _SIGNED and raw >> (bits - 1) else raw
