"""Parameters from the texts of a query or path: each text becomes the JSON that its parameter's type would have.

The result is an object of parameters for `codec.params.Params.by_name`, which does the checking of ranges. Here is
decided only what a text can be: Bool ``true|false``, numbers in JSON syntax, Text as is, enum name or number, Data
base64url, lists by repetition, members of structs by dots.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cara_pseud.schema.nodes import INT_RANGES, UNTYPED, BoundMethod, Kind, Type, describe_type
from gateway.errors import GatewayError, nearest
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, MemberSlot, Role, StructLayout
from gateway.json.codec.scalars import show
from gateway.json.codec.value_paths import Path, render
from gateway.json.text import JSON
from gateway.routes import HttpMatch, ServiceRoutes

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_SPECIAL_FLOATS: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def query_params(
    routes: ServiceRoutes, bound: BoundMethod, pairs: Iterable[tuple[str, str]], max_depth: int = 64
) -> dict[str, JSON]:
    """An object of parameters from the pairs of a query, decoded.

    Raises:
        GatewayError: INVALID_ARGUMENT with the path: a name is unknown, empty, repeated or of too many parts, or its
            text does not fit.
    """
    return _Texts(routes, bound, max_depth).read(pairs)


def http_params(
    match: HttpMatch, pairs: Iterable[tuple[str, str]], body: JSON, has_body: bool, max_depth: int = 64
) -> dict[str, JSON]:
    """An object of parameters for an `$http` route from its path, its query and its body.

    Raises:
        GatewayError: INVALID_ARGUMENT: as `query_params`; a body where there is none or none where there is one; a
            parameter given twice.
    """
    rule = match.rule
    texts = _Texts(match.service, match.bound, max_depth)
    if has_body and not rule.body:
        raise GatewayError.invalid("this route takes no body")
    params: dict[str, JSON] = {}
    if rule.body == "*":
        if not has_body:
            body = {}
        if not isinstance(body, dict):
            raise GatewayError.invalid(f"expected an object of parameters, got {show(body)}")
        params = dict(body)
    elif rule.body and has_body:
        params = {rule.body: body}
    given = texts.read(match.path_values.items())
    query = list(pairs)
    for name, value in texts.read(query).items():
        if name in params:
            raise GatewayError.invalid("is given in the query and in the body", render((None, name)))
        params[name] = value
    return _merged(params, given, None)


def _merged(params: Mapping[str, JSON], more: Mapping[str, JSON], path: Path | None) -> dict[str, JSON]:
    """Both together; an object that is in both has the members of both."""
    merged = dict(params)
    for name, value in more.items():
        present = merged.get(name)
        if name not in merged:
            merged[name] = value
        elif isinstance(present, dict) and isinstance(value, dict):
            merged[name] = _merged(present, value, (path, name))
        else:
            raise GatewayError.invalid("is given by the path already", render((path, name)))
    return merged


class _Texts:
    """The texts of one request against the parameters of its method."""

    def __init__(self, routes: ServiceRoutes, bound: BoundMethod, max_depth: int) -> None:
        self._max_depth = max_depth
        self._layouts: Layouts = routes.layouts
        self._layout = routes.params_layout(bound)

    def read(self, pairs: Iterable[tuple[str, str]]) -> dict[str, JSON]:
        params: dict[str, JSON] = {}
        for name, text in pairs:
            # The object of the parameters is the first level.
            if name.count(".") >= self._max_depth:
                reason = f"{show(name)} leads more than {self._max_depth} levels deep"
                raise GatewayError.invalid(reason)
            self._put(self._layout, params, name.split("."), text, None)
        return params

    def _put(
        self, layout: StructLayout, obj: dict[str, JSON], names: list[str], text: str, outer: Path | None
    ) -> None:
        name, *rest = names
        path = (outer, name)
        slot = layout.slots.get(name)
        if not name:
            raise GatewayError.invalid("a name is empty", render(outer))
        if slot is None:
            raise GatewayError.invalid(f"unknown parameter{nearest(name, layout.slots)}", render(path))
        type: Type | None = Type(Kind.TEXT)
        form, inner = Form.PLAIN, None
        if slot.role is not Role.TAG:
            field = _field_of(slot, name)
            if field is None:
                raise GatewayError.invalid("cannot be given as text; use a JSON body", render(path))
            type, form, inner = field.type, field.form, self._struct_of(field)
        if inner is not None:
            if not rest:
                raise GatewayError.invalid(f"is an object; give its members: {name}.…", render(path))
            member = obj.setdefault(name, {})
            self._put(inner, member, rest, text, path)
        elif rest:
            raise GatewayError.invalid(f"has no member {show(rest[0])}", render(path))
        elif type is not None and type.kind is Kind.LIST and type.element is not None:
            items = obj.setdefault(name, [])
            items.append(self._value(type.element, Form.PLAIN, text, (path, len(items))))
        elif name in obj:
            raise GatewayError.invalid("is given more than once", render(path))
        else:
            assert type is not None  # a group is a struct
            obj[name] = self._value(type, form, text, path)

    def _struct_of(self, field: FieldLayout) -> StructLayout | None:
        if field.group is not None:
            return field.group
        if field.type is not None and field.type.kind is Kind.STRUCT and field.type.node_id != JSON_VALUE_ID:
            return self._layouts.struct(field.type)
        return None

    def _value(self, type: Type, form: Form, text: str, path: Path) -> JSON:
        kind = type.kind
        value: Any = None
        if kind is Kind.TEXT:
            return text
        if kind is Kind.BOOL:
            value = {"true": True, "false": False}.get(text)
        elif kind in INT_RANGES:
            # The codec takes integers as text too, so that no digit of a 64-bit one is lost on the way.
            value = text if _INTEGER.fullmatch(text) else float(text) if _NUMBER.fullmatch(text) else None
        elif kind in (Kind.FLOAT32, Kind.FLOAT64):
            value = text if text in _SPECIAL_FLOATS else float(text) if _NUMBER.fullmatch(text) else None
            if isinstance(value, float) and math.isinf(value):  # as it would be refused in a body
                words = describe_type(self._layouts.schema, type)
                raise GatewayError.invalid(f"{show(text)} is out of range for {words}", render(path))
        elif kind is Kind.ENUM:
            return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else text
        elif kind is Kind.DATA:
            value = _data(text, form)
        elif kind is Kind.VOID and text in ("", "null"):
            return None
        elif kind in UNTYPED or kind in (Kind.LIST, Kind.STRUCT, Kind.INTERFACE):
            words = describe_type(self._layouts.schema, type)
            raise GatewayError.invalid(f"{words} cannot be given as text; use a JSON body", render(path))
        if value is None:
            words = "base64url" if kind is Kind.DATA else describe_type(self._layouts.schema, type)
            raise GatewayError.invalid(f"expected {words}, got {show(text)}", render(path))
        return value


def _field_of(slot: MemberSlot, name: str) -> FieldLayout | None:
    """The field that a member stands for, through flattened ones; None where only the tag would tell."""
    if slot.role is Role.FLATTENED and slot.field is not None and slot.field.flat is not None:
        inner = slot.field.flat.slots[slot.inner]
        return _field_of(inner, slot.inner)
    if slot.role in (Role.FIELD, Role.VARIANT):
        return slot.field
    return None


def _data(text: str, form: Form) -> str | None:
    """Base64url as the JSON text that the field's form wants; None if it is none."""
    if "+" in text or "/" in text:  # of the other alphabet, which the decoder would take too
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return data.hex() if form is Form.HEX else base64.b64encode(data).decode("ascii")
