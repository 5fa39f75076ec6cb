"""Which values of a method are secrets that a log must not show (`$Gateway.sensitive`)."""

from __future__ import annotations

from cara_pseud.schema.nodes import BoundMethod, Kind, Type, substitute
from gateway.annotations import HttpRule, is_sensitive
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Layouts, StructLayout
from gateway.routes import ServiceRoutes, params_type


def has_sensitive(routes: ServiceRoutes, bound: BoundMethod) -> bool:
    """Whether a parameter or result of the method, or something in one, is a secret."""
    results = substitute(bound.method.results, bound.interface.brand)
    return any(_holds(routes.layouts, type, set()) for type in (params_type(bound), results))


def _holds(layouts: Layouts, type: Type, seen: set[Type]) -> bool:
    while type.kind is Kind.LIST and type.element is not None:
        type = type.element
    if type.kind is not Kind.STRUCT or type.node_id == JSON_VALUE_ID or type in seen:
        return False
    seen.add(type)
    return _within(layouts, layouts.struct(type), seen)


def _within(layouts: Layouts, layout: StructLayout, seen: set[Type]) -> bool:
    return any(
        is_sensitive(member.field.annotations)
        or (member.group is not None and _within(layouts, member.group, seen))
        or (member.type is not None and _holds(layouts, member.type, seen))
        for member in (*layout.fields, *layout.variants)
    )


def without_secrets(routes: ServiceRoutes, bound: BoundMethod, rule: HttpRule, raw_path: str) -> str:
    """A request's path as a log may show it: the segments that are secrets are left out."""
    layout = routes.params_layout(bound)
    segments = raw_path.split("/")
    for place, part in enumerate(rule.path.split("/")):
        if part.startswith("{") and _is_secret(routes.layouts, layout, part[1:-1].split(".")):
            segments[place] = "…"
    return "/".join(segments)


def _is_secret(layouts: Layouts, layout: StructLayout, names: list[str]) -> bool:
    slot = layout.slots.get(names[0])
    member: FieldLayout | None = None if slot is None else slot.field
    if member is None:
        return False
    if is_sensitive(member.field.annotations):
        return True
    if len(names) == 1:
        return False
    inner = member.group
    if inner is None and member.type is not None and member.type.kind is Kind.STRUCT:
        inner = layouts.struct(member.type)
    return inner is not None and _is_secret(layouts, inner, names[1:])
