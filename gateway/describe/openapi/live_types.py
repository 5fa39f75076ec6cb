"""Which types can refer to a live object, so that their values belong to a session."""

from __future__ import annotations

from typing import Final

from cara_pseud.schema.nodes import Kind, Type
from gateway.json.codec.layout import JSON_VALUE_ID, Layouts, StructLayout

_LIVE: Final = (Kind.INTERFACE, Kind.ANY_POINTER)


def is_live(layouts: Layouts, *types: Type) -> bool:
    """Whether a value of one of the types can refer to an object."""
    seen: set[Type] = set()
    return any(_holds(layouts, type, seen) for type in types)


def _holds(layouts: Layouts, type: Type, seen: set[Type]) -> bool:
    while type.kind is Kind.LIST and type.element is not None:
        type = type.element
    if type.kind in _LIVE or type.parameter is not None:
        return True
    if type.kind is not Kind.STRUCT or type.node_id == JSON_VALUE_ID or type in seen:
        return False
    seen.add(type)
    return _within(layouts, layouts.struct(type), seen)


def _within(layouts: Layouts, layout: StructLayout, seen: set[Type]) -> bool:
    return any(
        (member.group is not None and _within(layouts, member.group, seen))
        or (member.type is not None and _holds(layouts, member.type, seen))
        for member in (*layout.fields, *layout.variants)
    )
