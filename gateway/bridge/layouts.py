"""Where the values of a schema's structs lie in Cap'n Proto's own encoding. Knows types, not values."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cara_pseud.schema.nodes import INT_RANGES, Field, Kind, Schema, StructNode, Type, substitute

FORMATS: Final[Mapping[Kind, str]] = {
    Kind.INT8: "b", Kind.INT16: "h", Kind.INT32: "i", Kind.INT64: "q",
    Kind.UINT8: "B", Kind.UINT16: "H", Kind.UINT32: "I", Kind.UINT64: "Q",
    Kind.FLOAT32: "f", Kind.FLOAT64: "d", Kind.ENUM: "H",
}  # fmt: skip
"""How `struct` writes the values of a kind that stand in the data section in whole bytes."""

RAW: Final[Mapping[int, str]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""The unsigned number of so many bytes."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One field with its type as it is bound here.

    Attributes:
        type: None for a group.
        at: for a number or a Bool the place of its byte in the data section, for a pointer the index of its word.
        mask: for a Bool its bit in that byte.
        flip: what the encoding XORs a number or a Bool with: the bits of its default.
    """

    field: Field
    type: Type | None
    at: int
    mask: int = 0
    flip: int = 0

    @property
    def id(self) -> int:
        """The field's id."""
        return self.field.id

    @property
    def is_pointer(self) -> bool:
        """Whether it stands in the pointer section."""
        return self.type is not None and self.type.kind.is_pointer

    @property
    def format(self) -> str:
        """How `struct` writes it; empty for what has no bytes of its own."""
        return "" if self.type is None else FORMATS.get(self.type.kind, "")


@dataclass(frozen=True, slots=True)
class StructPlaces:
    """A struct or a group. A group lies in the sections of its struct.

    Attributes:
        fields: those that are no members of its union.
        variants: the union's members by their numbers; empty without one.
        tag: the place of the active member's number, in bytes.
    """

    node: StructNode
    fields: tuple[Slot, ...]
    variants: tuple[Slot, ...]
    tag: int

    @property
    def sizes(self) -> int:
        """The upper half of a pointer to such a struct."""
        return self.node.data_words | self.node.pointers << 16


class Places:
    """The layouts of one schema's structs."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._layouts: dict[tuple[int, Any], StructPlaces] = {}

    def struct(self, type: Type) -> StructPlaces:
        """The layout of a STRUCT, with its brand applied."""
        layout = self._layouts.get((type.node_id, type.brand))
        if layout is None:
            node = self.schema.struct(type.node_id)
            slots = [_slot(field, type) for field in node.fields]
            layout = self._layouts[type.node_id, type.brand] = StructPlaces(
                node,
                tuple(slot for slot in slots if slot.field.discriminant is None),
                tuple(sorted(
                    (slot for slot in slots if slot.field.discriminant is not None),
                    key=lambda slot: slot.field.discriminant or 0,
                )),
                2 * node.discriminant_offset,
            )  # fmt: skip
        return layout

    def group(self, slot: Slot, type: Type) -> Type:
        """The type of a group within a struct of some type."""
        assert slot.field.group_id is not None  # it is a group
        return Type(Kind.STRUCT, slot.field.group_id, brand=type.brand)


def _slot(field: Field, type: Type) -> Slot:
    if field.type is None:
        return Slot(field, None, 0)
    bound = substitute(field.type, type.brand)
    kind, offset = bound.kind, field.offset
    if kind is Kind.VOID or kind.is_pointer:
        return Slot(field, bound, offset)
    if kind is Kind.BOOL:
        mask = 1 << offset % 8
        return Slot(field, bound, offset // 8, mask, mask if field.default else 0)
    size = struct.calcsize(FORMATS[kind])
    flip = int.from_bytes(struct.pack("<" + FORMATS[kind], field.default or 0), "little")
    return Slot(field, bound, offset * size, 0, flip)


def signed_bits(kind: Kind) -> int:
    """How many bits a signed integer has; 0 for other kinds."""
    low, high = INT_RANGES.get(kind, (0, 0))
    return (high + 1).bit_length() if low < 0 else 0
