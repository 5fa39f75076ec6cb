"""Wire to JSON, the careful way: every rule, and the path of what a service sent wrong.

Counterpart of `reading`; the capabilities of a value are gathered in `Writing.outgoing` and named by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import INT_RANGES, Kind, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, StructLayout
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.reading import Path, Wire, render, zero
from gateway.json.codec.references import Outgoing
from gateway.json.codec.scalars import Misfit, show
from gateway.json.text import JSON


def unfit(reason: str, path: Path | None) -> GatewayError:
    """The error of a wire value that does not fit the schema: the service's fault, not the caller's."""
    where = render(path)
    detail = f"what the service sent does not fit its schema: {where}: {reason}"
    return GatewayError(Status.INTERNAL, detail, path=where)


_ANYTHING: Final = Type(Kind.ANY_POINTER)
_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
"""Types of values that are the same in JSON; a large value of any shape consists mostly of them."""


class Writing:
    """One walk through one output.

    Attributes:
        outgoing: every capability found, with its place in the output.
    """

    def __init__(self, layouts: Layouts, options: CodecOptions) -> None:
        self._layouts = layouts
        self._options = options
        self.outgoing: list[Outgoing] = []

    def store(
        self, container: Any, key: Any, type: Type, value: Wire, path: Path | None, depth: int, form: Form = Form.PLAIN
    ) -> None:
        """Write a value into its place."""
        if isinstance(value, Capability) and type.kind in (Kind.INTERFACE, Kind.ANY_POINTER):
            container[key] = None
            interface = type if type.kind is Kind.INTERFACE else None
            self.outgoing.append(Outgoing(container, key, value, interface))
        else:
            container[key] = self._value(type, value, path, depth, form)

    def _value(self, type: Type, value: Wire, path: Path | None, depth: int, form: Form) -> JSON:
        kind = type.kind
        try:
            if kind in INT_RANGES:
                return scalars.write_int(value, kind, self._options.int64)
            if kind is Kind.FLOAT64 or kind is Kind.FLOAT32:
                return scalars.write_float(value, kind)
            if kind is Kind.ENUM:
                return scalars.write_enum(value, self._layouts.enum(type.node_id))
            if kind is Kind.DATA:
                return scalars.write_bytes(value, form, self._options.data)
        except Misfit as misfit:
            raise unfit(str(misfit), path) from None
        if kind is Kind.BOOL:
            if value is not True and value is not False:
                raise unfit(f"expected Bool, got {show(value)}", path)
            return value
        if kind is Kind.TEXT:
            if not isinstance(value, str):
                raise unfit(f"expected Text, got {show(value)}", path)
            return value
        if kind is Kind.VOID:
            return None
        if kind is Kind.LIST:
            return self._list(type, value, path, depth)
        if kind is Kind.STRUCT:
            if type.node_id == JSON_VALUE_ID:
                return self._json_value(value, path, depth)
            return self.struct(self._layouts.struct(type), value, path, depth)
        if kind is Kind.INTERFACE:
            if value is not None:
                raise unfit(f"expected an object with methods, got {show(value)}", path)
            return None
        return self._any(value, path, depth)

    def struct(self, layout: StructLayout, value: Wire, path: Path | None, depth: int) -> dict[str, JSON]:
        """Write a struct or group as an object."""
        out: dict[str, JSON] = {}
        self._members(layout, value, out, "", path, depth)
        return out

    def _members(
        self, layout: StructLayout, value: Wire, out: dict[str, JSON], prefix: str, path: Path | None, depth: int
    ) -> None:
        self._deep(depth, path)
        wire = self._by_id(layout, value, path)
        for member in layout.fields:
            item = wire.get(member.id)
            if item is None and member.id not in wire and member.field.default is not None and (
                member.type is not None and not member.type.kind.is_pointer
            ):
                item = member.field.default
            if item is None and member.type is not None and member.type.kind.is_pointer:
                continue
            self._member(member, {} if item is None and member.type is None else item, out, prefix, path, depth)
        if layout.variants:
            active = self._active(layout, wire, path)
            if layout.tag is not None:
                out[prefix + layout.tag] = active.tag_value
            item = wire.get(active.id)
            if item is None:
                if self._layouts.ends_in_null(active):
                    out[prefix + (active.name or "")] = None
                    return
                item = zero(active.field, active.type)
            if item is not None:
                self._member(active, item, out, prefix, path, depth)
            elif active.type is not None and active.type.kind is Kind.VOID and layout.tag is None:
                out[prefix + (active.name or "")] = None

    def _member(
        self, member: FieldLayout, item: Wire, out: dict[str, JSON], prefix: str, path: Path | None, depth: int
    ) -> None:
        if member.flat is not None:
            self._members(member.flat, item, out, prefix + member.prefix, path, depth)
            return
        name = prefix + (member.name or "")
        here = (path, name)
        if member.group is not None:
            out[name] = self.struct(member.group, item, here, depth + 1)
            return
        assert member.type is not None  # a field is a slot or a group
        self.store(out, name, member.type, item, here, depth + 1, member.form)

    def _active(self, layout: StructLayout, wire: Mapping[int, Wire], path: Path | None) -> FieldLayout:
        """The union member that is set; the first one if none is, as in Cap'n Proto."""
        present = [member for member in layout.variants if member.id in wire]
        if len(present) > 1:
            names = " and ".join(member.field.name for member in present)
            raise unfit(f"{names} are set, members of one union", path)
        return present[0] if present else layout.variants[0]

    def _by_id(self, layout: StructLayout, value: Wire, path: Path | None) -> Mapping[int, Wire]:
        """A struct by field id. As in the original, names and digits are taken too; unknown ids are newer fields."""
        if not isinstance(value, Mapping):
            raise unfit(f"expected {layout.label}, got {show(value)}", path)
        if all(type(key) is int for key in value):
            return value
        ids = {field.name: field.id for field in layout.node.fields}
        wire: dict[int, Wire] = {}
        for key, item in value.items():
            name = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
            if isinstance(name, str):
                name = ids.get(name, int(name) if name.isdecimal() and len(name) < 6 else None)
            if not isinstance(name, int):
                raise unfit(f"{layout.label} has no field {show(key)}", path)
            wire[name] = item
        return wire

    def _deep(self, depth: int, path: Path | None) -> None:
        if depth > self._options.max_depth:
            where = render(path)
            reason = f"what the service sent is nested more than {self._options.max_depth} levels deep"
            raise GatewayError(Status.TOO_LARGE, reason, path=where)

    def _list(self, type: Type, value: Wire, path: Path | None, depth: int) -> list[JSON]:
        assert type.element is not None  # the loader gives every list one
        if not isinstance(value, list | tuple):
            raise unfit(f"expected a list, got {show(value)}", path)
        self._deep(depth, path)
        out: list[JSON] = [None] * len(value)
        for index, item in enumerate(value):
            self.store(out, index, type.element, item, (path, index), depth + 1)
        return out

    def _any(self, value: Wire, path: Path | None, depth: int) -> JSON:
        """An AnyPointer as JSON; its shape says nothing about 64-bit integers, so they stay numbers."""
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, float):
            return scalars.float_out(value)
        if isinstance(value, bytes):
            return scalars.write_bytes(value, Form.PLAIN, self._options.data)
        if isinstance(value, list | tuple):
            self._deep(depth, path)
            items: list[JSON] = list(value)
            for index, item in enumerate(items):
                if type(item) not in _AS_THEY_ARE:
                    self.store(items, index, _ANYTHING, item, (path, index), depth + 1)
            return items
        if isinstance(value, Mapping):
            self._deep(depth, path)
            out: dict[str, JSON] = {}
            for key, item in value.items():
                name = key if type(key) is str else key_out(key)
                if type(item) in _AS_THEY_ARE:
                    out[name] = item
                else:
                    self.store(out, name, _ANYTHING, item, (path, name), depth + 1)
            return out
        raise unfit(f"{show(value)} cannot be written as JSON", path)

    def _json_value(self, value: Wire, path: Path | None, depth: int) -> JSON:
        """The struct ``Value`` of json.capnp as the JSON it stands for."""
        layout = self._layouts.struct(Type(Kind.STRUCT, JSON_VALUE_ID))
        wire = self._by_id(layout, value, path)
        active = self._active(layout, wire, path)
        item = wire.get(active.id)
        name = active.field.name
        if name == "boolean" and (item is None or isinstance(item, bool)):
            return bool(item)
        if name == "number" and (item is None or isinstance(item, int | float)):
            number = float(item or 0.0)
            # A whole number reads back as the same one, without ".0" to surprise a reader that tells them apart.
            whole = math.isfinite(number) and abs(number) < scalars.EXACT and number.is_integer()
            return int(number) if whole else scalars.float_out(number)
        if name == "string" and (item is None or isinstance(item, str)):
            return item or ""
        if name == "array" and (item is None or isinstance(item, list | tuple)):
            self._deep(depth, path)
            return [self._json_value(each, (path, index), depth + 1) for index, each in enumerate(item or ())]
        if name == "object" and (item is None or isinstance(item, list | tuple)):
            self._deep(depth, path)
            return dict(self._json_member(each, (path, index), depth) for index, each in enumerate(item or ()))
        if name == "null":
            return None
        raise unfit(f"a Json.Value with {name} {show(item)} cannot be written as JSON", path)

    def _json_member(self, value: Wire, path: Path, depth: int) -> tuple[str, JSON]:
        """A ``Value.Field``: a member of an object and its name."""
        if not isinstance(value, Mapping):
            raise unfit(f"expected Value.Field, got {show(value)}", path)
        name, item = value.get(0), value.get(1)
        name = "" if name is None else str(name)
        return name, self._json_value({} if item is None else item, (path[0], name), depth + 1)


def key_out(key: Any) -> str:
    """A map key of an AnyPointer as a member name."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or key is None:
        return show(key)
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key)
