"""WireValue to JSON, the careful way: every rule, and the path of what a service sent wrong.

Counterpart of `reading`; the capabilities of a value are gathered in `Writing.outgoing` and named by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol, cast

from cara_pseud.capabilities import Capability, WireValue
from cara_pseud.schema.nodes import Kind, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import scalars
from gateway.json.codec.kinds import Rules, Shape, interface_of, row_of
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, StructLayout
from gateway.json.codec.objects import Outgoing
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.reading import DEEP, zero
from gateway.json.codec.refusal import Refusal
from gateway.json.codec.reshaping import into_struct, out_of_struct
from gateway.json.codec.scalars import Misfit, show
from gateway.json.codec.value_paths import Path, render_steps, steps_of
from gateway.json.text import JSON


def unfit(refusal: Refusal) -> GatewayError:
    """The error of a wire value that does not fit the schema: the service's fault, not the caller's."""
    where = render_steps(refusal.steps)
    if refusal.too_large:
        return GatewayError(Status.TOO_LARGE, refusal.reason, path=where)
    detail = f"what the service sent does not fit its schema: {where}: {refusal.reason}"
    return GatewayError(Status.INTERNAL, detail, path=where)


ANYTHING: Final = Type(Kind.ANY_POINTER)
_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
"""Types of values that are the same in JSON; a large value of any shape consists mostly of them."""


class PartsWriter(Protocol):
    """Who writes the lists and structs in a value that is walked carefully."""

    def write(
        self, writing: Writing, key: Type | StructLayout, value: WireValue, path: Path | None, depth: int
    ) -> JSON:
        """Write one."""


class Writing:
    """One walk through one output or a part of it; errors have the path from where the walk began.

    Attributes:
        outgoing: every capability found, with its place in the output.
        met_odd: whether there was something that generated code leaves to this walk although it is right.
    """

    def __init__(
        self,
        layouts: Layouts,
        options: CodecOptions,
        outgoing: list[Outgoing] | None = None,
        parts: PartsWriter | None = None,
    ) -> None:
        self._rules = Rules(layouts, options)
        self._layouts = layouts
        self._options = options
        self._parts = parts
        self._refusal: Refusal | None = None
        self.outgoing: list[Outgoing] = [] if outgoing is None else outgoing
        self.met_odd = False

    def store(
        self,
        container: Any,
        key: Any,
        type: Type,
        value: WireValue,
        path: Path | None,
        depth: int,
        form: Form = Form.PLAIN,
    ) -> None:
        """Write a value into its place."""
        row = row_of(type)
        if isinstance(value, Capability) and (row.shape is Shape.OBJECT or row.shape is Shape.ANY) and row.only is None:
            container[key] = None
            self.outgoing.append(Outgoing(container, key, value, interface_of(type)))
        else:
            container[key] = self._value(type, value, path, depth, form)

    def _value(self, type: Type, value: WireValue, path: Path | None, depth: int, form: Form) -> JSON:
        row = row_of(type)
        if row.single is not None:
            try:
                obj = row.single.write(value, type, form, self._rules)
            except Misfit as misfit:
                raise _refuse(str(misfit), path) from None
            self.met_odd = self.met_odd or row.single.odd_out(value, type, self._rules)
            return obj
        if row.shape is Shape.VOID:
            return None
        if row.shape is Shape.JSON:
            return self.json_value(value, path, depth)
        if row.shape is Shape.OBJECT:
            if value is not None:
                raise _refuse(f"expected an object with methods, got {show(value)}", path)
            return None
        if row.shape is Shape.ANY:
            if row.only is not None and value is not None and not isinstance(value, row.only.wire):
                raise _refuse(f"expected {row.only.wire_word}, got {show(value)}", path)
            return self._any(value, path, depth)
        if self._parts is not None and depth <= DEEP:
            return self._parts.write(self, type, value, path, depth)
        if row.shape is Shape.LIST:
            return self._list(type, value, path, depth)
        return self._members(self._layouts.struct(type), value, {}, "", path, depth)

    def nested(self, key: Type | StructLayout, value: WireValue, path: Path | None, depth: int) -> JSON:
        """Write a list, struct or group itself; only what is in it may be left to others."""
        if isinstance(key, Type):
            if key.kind is Kind.LIST:
                return self._list(key, value, path, depth)
            key = self._layouts.struct(key)
        return self._members(key, value, {}, "", path, depth)

    def store_element(
        self, out: list[JSON], index: int, type: Type, value: WireValue, path: Path | None, depth: int
    ) -> None:
        """Write an element of a list into its place."""
        if isinstance(value, Mapping) is not (type.kind is Kind.STRUCT):
            value = self._reshaped_element(type, value)
        self.store(out, index, type, value, (path, index), depth)

    def _reshaped_element(self, type: Type, value: WireValue) -> WireValue:
        if type.kind is not Kind.STRUCT:
            reshaped = out_of_struct(type, value)
        elif row_of(type).shape is Shape.JSON:
            return value
        else:
            reshaped = into_struct(self._layouts.struct(type).node, value)
        self.met_odd = self.met_odd or reshaped is not value
        return reshaped

    def rest_of_struct(
        self,
        layout: StructLayout,
        value: WireValue,
        out: dict[str, JSON],
        refusal: Refusal | None,
        depth: int,
        is_element: bool = False,
    ) -> None:
        """Write a struct or group as an object that has its first members already.

        Args:
            refusal: why the next member is wrong, if that is known.
            is_element: whether it stands in a list.
        """
        if is_element and not isinstance(value, Mapping):
            value, self.met_odd = into_struct(layout.node, value), True
        self._refusal = refusal
        self._members(layout, value, out, "", None, depth, frozenset(out))

    def _members(
        self,
        layout: StructLayout,
        value: WireValue,
        out: dict[str, JSON],
        prefix: str,
        path: Path | None,
        depth: int,
        known: Collection[str] = (),
    ) -> dict[str, JSON]:
        self._deep(depth, path)
        wire = self._by_id(layout, value, path)
        for member in layout.fields:
            if member.name in known:
                continue
            item = wire.get(member.id)
            if (
                item is None
                and member.id not in wire
                and member.field.default is not None
                and (member.type is not None and not member.type.kind.is_pointer)
            ):
                item = member.field.default
            if item is None and member.type is not None and member.type.kind.is_pointer:
                continue
            self._member(member, {} if item is None and member.type is None else item, out, prefix, path, depth)
        if layout.variants:
            active = self._active(layout, wire, path)
            if active is None:
                self.met_odd = True
                return out
            if active.name in known:
                return out
            if layout.tag is not None:
                out[prefix + layout.tag] = active.tag_value
            item = wire.get(active.id)
            if item is None:
                if self._layouts.ends_in_null(active):
                    out[prefix + (active.name or "")] = None
                    return out
                item = zero(active.field, active.type)
            if item is not None:
                self._member(active, item, out, prefix, path, depth)
            elif active.type is not None and active.type.kind is Kind.VOID and layout.tag is None:
                out[prefix + (active.name or "")] = None
        return out

    def _member(
        self, member: FieldLayout, item: WireValue, out: dict[str, JSON], prefix: str, path: Path | None, depth: int
    ) -> None:
        if member.flat is not None:
            self._members(member.flat, item, out, prefix + member.prefix, path, depth)
            return
        name = prefix + (member.name or "")
        here = (path, name)
        if isinstance(item, Mapping) and member.type is not None:
            found, item = item, out_of_struct(member.type, item, member.field.default)
            if item is not found:
                self.met_odd, self._refusal = True, None
        if self._refusal is not None:
            raise self._refusal.within(name)
        if member.group is not None:
            if self._parts is not None and depth < DEEP:
                out[name] = self._parts.write(self, member.group, item, here, depth + 1)
            else:
                out[name] = self._members(member.group, item, {}, "", here, depth + 1)
            return
        assert member.type is not None  # a field is a slot or a group
        self.store(out, name, member.type, item, here, depth + 1, member.form)

    def _active(self, layout: StructLayout, wire: Mapping[int, WireValue], path: Path | None) -> FieldLayout | None:
        """The union member that is set; the first one if none is, as in Cap'n Proto.

        None where something is set that only a newer schema knows and nobody can tell whether that is a member.
        """
        present = [member for member in layout.variants if member.id in wire]
        if len(present) > 1:
            names = " and ".join(member.field.name for member in present)
            raise _refuse(f"{names} are set, members of one union", path)
        if not present and not {field.id for field in layout.node.fields}.issuperset(wire):
            return None
        return present[0] if present else layout.variants[0]

    def _by_id(self, layout: StructLayout, value: WireValue, path: Path | None) -> Mapping[int, WireValue]:
        """A struct by field id. As in the original, names and digits are taken too; unknown ids are newer fields."""
        if not isinstance(value, Mapping):
            if not layout.node.is_group:
                raise _refuse(f"expected {layout.label}, got {show(value)}", path)
            self.met_odd = True
            return cast(Mapping[int, WireValue], into_struct(layout.node, value))
        self.met_odd = self.met_odd or type(value) is not dict
        if all(type(key) is int for key in value):
            return value
        self.met_odd = True
        ids = {field.name: field.id for field in layout.node.fields}
        wire: dict[int, WireValue] = {}
        for key, item in value.items():
            name = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
            if isinstance(name, str):
                name = ids.get(name, int(name) if name.isdecimal() and len(name) < 6 else None)
            if not isinstance(name, int):
                raise _refuse(f"{layout.label} has no field {show(key)}", path)
            wire[name] = item
        return wire

    def _deep(self, depth: int, path: Path | None) -> None:
        if depth > self._options.max_depth:
            reason = f"what the service sent is nested more than {self._options.max_depth} levels deep"
            raise Refusal(reason, steps_of(path), too_large=True)

    def _list(self, type: Type, value: WireValue, path: Path | None, depth: int) -> list[JSON]:
        assert type.element is not None  # the loader gives every list one
        if not isinstance(value, list | tuple):
            raise _refuse(f"expected a list, got {show(value)}", path)
        self._deep(depth, path)
        out: list[JSON] = [None] * len(value)
        for index, item in enumerate(value):
            self.store_element(out, index, type.element, item, path, depth + 1)
        return out

    def _any(self, value: WireValue, path: Path | None, depth: int) -> JSON:
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
                    self.store(items, index, ANYTHING, item, (path, index), depth + 1)
            return items
        if isinstance(value, Mapping):
            self._deep(depth, path)
            out: dict[str, JSON] = {}
            for key, item in value.items():
                name = key if type(key) is str else key_out(key)
                if type(item) in _AS_THEY_ARE:
                    out[name] = item
                else:
                    self.store(out, name, ANYTHING, item, (path, name), depth + 1)
            return out
        raise _refuse(f"{show(value)} cannot be written as JSON", path)

    def json_value(self, value: WireValue, path: Path | None, depth: int) -> JSON:
        """The struct ``Value`` of json.capnp as the JSON it stands for."""
        layout = self._layouts.struct(Type(Kind.STRUCT, JSON_VALUE_ID))
        wire = self._by_id(layout, value, path)
        active = self._active(layout, wire, path)
        if active is None:
            raise _refuse("a Json.Value of a newer kind cannot be written as JSON", path)
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
            return [self.json_value(each, (path, index), depth + 1) for index, each in enumerate(item or ())]
        if name == "object" and (item is None or isinstance(item, list | tuple)):
            self._deep(depth, path)
            return dict(self._json_member(each, (path, index), depth) for index, each in enumerate(item or ()))
        if name == "null":
            return None
        raise _refuse(f"a Json.Value with {name} {show(item)} cannot be written as JSON", path)

    def _json_member(self, value: WireValue, path: Path, depth: int) -> tuple[str, JSON]:
        """A ``Value.Field``: a member of an object and its name."""
        if not isinstance(value, Mapping):
            raise _refuse(f"expected Value.Field, got {show(value)}", path)
        name, item = value.get(0), value.get(1)
        name = "" if name is None else str(name)
        return name, self.json_value({} if item is None else item, (path[0], name), depth + 1)


def _refuse(reason: str, path: Path | None) -> Refusal:
    return Refusal(reason, steps_of(path))


def key_out(key: Any) -> str:
    """A map key of an AnyPointer as a member name."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or key is None:
        return show(key)
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key)
