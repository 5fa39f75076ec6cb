"""Parameters that stand as text in a query or a path, as `gateway.protocols.rest.text_parameters` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cara_pseud.schema.nodes import UNTYPED, Kind, Type
from gateway.describe.openapi.shapes import Shape, Shapes, documented
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, Role, StructLayout
from gateway.json.text import JSON

_BASE64URL: Final = "^[A-Za-z0-9_-]*={0,2}$"


def query_parameters(
    shapes: Shapes, layouts: Layouts, layout: StructLayout, without: frozenset[str] = frozenset()
) -> Iterator[JSON]:
    """The parameters of a query, members of structs with dots; those that cannot be text are left out."""
    for name, member in _members(layouts, layout, (layout.type,)):
        if name.split(".")[0] not in without and name not in without and member.type is not None:
            shape = text_shape(shapes, member.type, member.form)
            if shape is not None:
                yield _parameter("query", name, member, shape)


def path_parameter(shapes: Shapes, layouts: Layouts, layout: StructLayout, name: str) -> JSON:
    """A parameter of a path by its name in the template."""
    member = dict(_members(layouts, layout, (layout.type,)))[name]
    assert member.type is not None  # a route's parameter is a single value
    shape = text_shape(shapes, member.type, member.form)
    assert shape is not None
    return {**_parameter("path", name, member, {**shape, "minLength": 1} if shape.get("type") == "string" else shape),
            "required": True}


def _parameter(place: str, name: str, member: FieldLayout, shape: Shape) -> dict[str, JSON]:
    told: dict[str, JSON] = {"name": name, "in": place, "schema": shape}
    if shape.get("type") == "array":
        told |= {"style": "form", "explode": True}
    return documented(told, member.field.doc)


def text_shape(shapes: Shapes, type: Type, form: Form) -> Shape | None:
    """The schema of a type's text; None for what no text can be."""
    kind = type.kind
    if kind is Kind.LIST and type.element is not None:
        element = text_shape(shapes, type.element, Form.PLAIN)
        # A list in a list has no names of its own to stand under.
        return None if element is None or element.get("type") == "array" else {"type": "array", "items": element}
    if kind is Kind.DATA:
        return {"type": "string", "pattern": _BASE64URL}
    if kind in UNTYPED or kind in (Kind.VOID, Kind.STRUCT, Kind.INTERFACE):
        return None
    return shapes.taken(type, form)


def _members(layouts: Layouts, layout: StructLayout, outer: tuple[Type, ...]) -> Iterator[tuple[str, FieldLayout]]:
    for name, slot in layout.slots.items():
        member, inner = slot.field, slot.inner
        while slot.role is Role.FLATTENED and member is not None and member.flat is not None:
            slot = member.flat.slots[inner]
            member, inner = slot.field, slot.inner
        if member is None or slot.role not in (Role.FIELD, Role.VARIANT):
            continue
        struct = member.group
        if struct is None and member.type is not None and member.type.kind is Kind.STRUCT:
            if member.type.node_id == JSON_VALUE_ID or member.type in outer:
                continue  # a struct in itself has no end of names
            struct = layouts.struct(member.type)
        if struct is None:
            yield name, member
        else:
            yield from ((f"{name}.{inner_name}", inner_member)
                        for inner_name, inner_member in _members(layouts, struct, (*outer, struct.type)))
