"""JSON to wire, the careful way: every rule, the path of every error, every unusual form.

`source` generates faster code for the usual forms; whatever that refuses is walked again here, and what this
says is final. References are gathered in `Reading.pending` and resolved by the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from cara_pseud.schema.nodes import INT_RANGES, Field, Kind, Type, describe_type
from gateway.errors import GatewayError, Status, nearest
from gateway.json.codec import scalars
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, Layouts, Role, StructLayout, may_be_null
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.references import Reference, References, check_reference, reference_form
from gateway.json.codec.scalars import Misfit, show
from gateway.json.text import JSON

Path: TypeAlias = "tuple[Path | None, str | int]"
"""A place as (the place around it, member name or index); None is the root. Rendered only for an error."""

Wire = Any

_SHOWN_SEGMENT: Final = 64


def render(path: Path | None) -> str:
    """The place as a JSON path: ``$.items[1].qty``."""
    parts: list[str] = []
    while path is not None:
        path, segment = path
        if isinstance(segment, int):
            parts.append(f"[{segment}]")
        elif segment.isidentifier() and len(segment) <= _SHOWN_SEGMENT:
            parts.append(f".{segment}")
        else:
            parts.append(f"[{scalars.show(segment)}]")
    return "$" + "".join(reversed(parts))


def refuse(reason: str, path: Path | None) -> GatewayError:
    """The error of a value that does not fit."""
    return GatewayError.invalid(reason, render(path))


def zero(field: Field, type: Type | None) -> Wire:
    """What a union member that only its tag names holds: the schema's default, else the empty value of its kind."""
    if type is None:
        return {}
    if field.default is not None:
        return copy.deepcopy(field.default)
    return empty(type)


def empty(type: Type) -> Wire:
    """What a null pointer reads as in Cap'n Proto; None where there is no such value."""
    makers: dict[Kind, Callable[[], Any]] = {Kind.TEXT: str, Kind.DATA: bytes, Kind.LIST: list, Kind.STRUCT: dict}
    maker = makers.get(type.kind)
    return None if maker is None else maker()


_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
"""Types of JSON that are the same where anything is taken; a large value consists mostly of them."""


class Reading:
    """One walk through one input.

    Attributes:
        pending: every reference found, as (container, key, reference).
    """

    def __init__(self, layouts: Layouts, options: CodecOptions) -> None:
        self._layouts = layouts
        self._options = options
        self.pending: list[tuple[Any, Any, Reference]] = []

    def store(self, container: Any, key: Any, value: Wire) -> None:
        """Put a value in its place, and note the place if it is a reference."""
        container[key] = value
        if type(value) is Reference:
            self.pending.append((container, key, value))

    def resolve(self, refs: References | None) -> None:
        """Ask the door for every object referred to; to be called once the whole value was read.

        Raises:
            GatewayError: what the door raises.
        """
        for container, key, reference in self.pending:
            container[key] = reference.resolve(refs)

    def value(self, type: Type, value: JSON, path: Path | None, depth: int, form: Form = Form.PLAIN) -> Wire:
        """Read a value of any type. ``depth`` is the level of the value itself if it is an array or object."""
        kind = type.kind
        try:
            if kind in INT_RANGES:
                return scalars.read_int(value, kind)
            if kind is Kind.FLOAT64 or kind is Kind.FLOAT32:
                return scalars.read_float(value, kind)
            if kind is Kind.ENUM:
                return scalars.read_enum(value, self._layouts.enum(type.node_id))
            if kind is Kind.DATA:
                if isinstance(value, list):
                    self._deep(depth, path)
                return scalars.read_bytes(value, form)
        except Misfit as misfit:
            raise refuse(str(misfit), path if misfit.index is None else (path, misfit.index)) from None
        if kind is Kind.BOOL:
            if value is not True and value is not False:
                raise refuse(f"expected Bool, got {show(value)}", path)
            return value
        if kind is Kind.TEXT:
            if not isinstance(value, str):
                raise refuse(f"expected Text, got {show(value)}", path)
            return value
        if kind is Kind.VOID:
            self.skip(value, path, depth)
            return None
        if kind is Kind.LIST:
            return self._list(type, value, path, depth)
        if kind is Kind.STRUCT:
            if type.node_id == JSON_VALUE_ID:
                return self._json_value(value, path, depth)
            return self.struct(self._layouts.struct(type), value, path, depth)
        if kind is Kind.INTERFACE:
            return self._interface(type, value, path)
        return self._any(value, path, depth)

    def struct(self, layout: StructLayout, value: JSON, path: Path | None, depth: int) -> Wire:
        """Read an object as a struct or group."""
        if not isinstance(value, dict):
            raise refuse(f"expected an object ({layout.label}), got {show(value)}", path)
        self._deep(depth, path)
        return self._members(layout, {name: (name, item) for name, item in value.items()}, path, depth)

    def skip(self, value: JSON, path: Path | None, depth: int) -> None:
        """Pass over an ignored value; the bound on depth holds for it too."""
        if isinstance(value, dict):
            self._deep(depth, path)
            for name, item in value.items():
                self.skip(item, (path, name), depth + 1)
        elif isinstance(value, list):
            self._deep(depth, path)
            for index, item in enumerate(value):
                self.skip(item, (path, index), depth + 1)

    def _deep(self, depth: int, path: Path | None) -> None:
        if depth > self._options.max_depth:
            where = render(path)
            reason = f"{where}: nested more than {self._options.max_depth} levels deep"
            raise GatewayError(Status.INVALID_ARGUMENT, reason, path=where)

    def _members(
        self, layout: StructLayout, members: dict[str, tuple[str, JSON]], path: Path | None, depth: int
    ) -> dict[int, Wire]:
        """Read the members that belong to one struct: by name as this struct knows it, (name in the input, value)."""
        wire: dict[int, Wire] = {}
        flat: dict[int, tuple[FieldLayout, dict[str, tuple[str, JSON]]]] = {}
        tagged = self._tagged_variant(layout, members, path)
        chosen: str | None = None
        if tagged is not None:
            endless = self._layouts.ends_in_null(tagged)
            wire[tagged.id] = None if endless else zero(tagged.field, tagged.type)
            if tagged.flat is not None:
                flat[tagged.id] = (tagged, {})
        for name, (given, value) in members.items():
            slot = layout.slots.get(name)
            here = (path, given)
            if slot is None:
                self._unknown(f"unknown member{nearest(given, layout.slots)}", value, here, depth)
            elif slot.role is Role.FIELD:
                self._field(wire, _of(slot.field), value, here, depth)
            elif slot.role is Role.FLATTENED:
                member = _of(slot.field)
                flat.setdefault(member.id, (member, {}))[1][slot.inner] = (given, value)
            elif slot.role is Role.VARIANT and tagged is None:
                if self._field(wire, _of(slot.field), value, here, depth):
                    if chosen is not None:
                        raise refuse(f"{show(given)} and {show(chosen)} are members of one union; give one", here)
                    chosen = given
            elif slot.role is not Role.TAG:
                self._tagged_member(layout, tagged, name, (given, value), here, wire, flat, depth)
        for id, (member, inner) in flat.items():
            assert member.flat is not None  # only flattened fields get here
            self.store(wire, id, self._members(member.flat, inner, path, depth))
        return wire

    def _tagged_variant(
        self, layout: StructLayout, members: dict[str, tuple[str, JSON]], path: Path | None
    ) -> FieldLayout | None:
        if layout.tag is None or layout.tag not in members:
            return None
        given, tag = members[layout.tag]
        permitted = [member.tag_value for member in layout.variants]
        if not isinstance(tag, str):
            raise refuse(f"expected one of {', '.join(permitted)}, got {show(tag)}", (path, given))
        variant = layout.variant(tag)
        if variant is None:
            raise refuse(f"{show(tag)} is no member of this union{nearest(tag, permitted)}", (path, given))
        return variant

    def _tagged_member(
        self,
        layout: StructLayout,
        tagged: FieldLayout | None,
        name: str,
        member: tuple[str, JSON],
        here: Path,
        wire: dict[int, Wire],
        flat: dict[int, tuple[FieldLayout, dict[str, tuple[str, JSON]]]],
        depth: int,
    ) -> None:
        """Read a member whose meaning depends on the tag, which stands in ``tagged`` if it was given."""
        slot, (_, value) = layout.slots[name], member
        if tagged is None:
            which = "nothing can say which" if layout.tag is None else f"the member {show(layout.tag)} must say which"
            self._unknown(f"belongs to a member of a union, and {which}", value, here, depth)
        elif tagged.flat is None and (slot.field is tagged or slot.role is Role.UNION_VALUE):
            self._field(wire, tagged, value, here, depth)
        elif (
            slot.role is Role.FLATTENED_VARIANT
            and tagged.flat is not None
            and name.startswith(tagged.prefix)
            and name[len(tagged.prefix) :] in tagged.flat.slots
        ):
            flat[tagged.id][1][name[len(tagged.prefix) :]] = member
        else:
            reason = f"unknown member: {show(layout.tag)} is {show(tagged.tag_value)}"
            self._unknown(reason, value, here, depth)

    def _field(self, wire: dict[int, Wire], member: FieldLayout, value: JSON, path: Path, depth: int) -> bool:
        """Read one field into ``wire``; False if null leaves it absent."""
        if member.group is not None:
            if value is None:
                return False
            wire[member.id] = self.struct(member.group, value, path, depth + 1)
            return True
        assert member.type is not None  # a field is a slot or a group
        if value is None and member.type.kind is not Kind.VOID and may_be_null(member):
            return False
        self.store(wire, member.id, self.value(member.type, value, path, depth + 1, member.form))
        return True

    def _unknown(self, reason: str, value: JSON, path: Path, depth: int) -> None:
        if self._options.unknown_fields == "reject":
            raise refuse(reason, path)
        self.skip(value, path, depth + 1)

    def _list(self, type: Type, value: JSON, path: Path | None, depth: int) -> list[Wire]:
        assert type.element is not None  # the loader gives every list one
        if not isinstance(value, list):
            raise refuse(f"expected an array ({describe_type(self._layouts.schema, type)}), got {show(value)}", path)
        self._deep(depth, path)
        wire: list[Wire] = [None] * len(value)
        for index, item in enumerate(value):
            if item is None and type.element.kind in (Kind.INTERFACE, Kind.ANY_POINTER):
                continue
            self.store(wire, index, self.value(type.element, item, (path, index), depth + 1))
        return wire

    def _interface(self, type: Type, value: JSON, path: Path | None) -> Reference:
        form = reference_form(value)
        if form is None:
            name = describe_type(self._layouts.schema, type)
            raise refuse(f'expected {{"$handle": …}} or {{"$callback": …}} ({name}), got {show(value)}', path)
        return self._reference(form, value, type, path)

    def _reference(self, form: str, value: dict[str, JSON], type: Type | None, path: Path | None) -> Reference:
        wrong = check_reference(form, value)
        if wrong is not None:
            raise refuse(wrong, path)
        return Reference(form, value, type, render(path))

    def _any(self, value: JSON, path: Path | None, depth: int) -> Wire:
        """An AnyPointer holds JSON as it is, with references in it."""
        if isinstance(value, dict):
            form = reference_form(value)
            if form is not None:
                return self._reference(form, value, None, path)
            self._deep(depth, path)
            members: dict[str, Wire] = {}
            for name, item in value.items():
                if type(item) in _AS_THEY_ARE:
                    members[name] = item
                else:
                    self.store(members, name, self._any(item, (path, name), depth + 1))
            return members
        if isinstance(value, list):
            self._deep(depth, path)
            items: list[Wire] = list(value)
            for index, item in enumerate(value):
                if type(item) not in _AS_THEY_ARE:
                    self.store(items, index, self._any(item, (path, index), depth + 1))
            return items
        return float(value) if isinstance(value, float) else value

    def _json_value(self, value: JSON, path: Path | None, depth: int) -> dict[int, Wire]:
        """Any JSON as the struct ``Value`` of json.capnp; nothing in it is a reference."""
        if value is None:
            return {0: None}
        if value is True or value is False:
            return {1: value}
        if isinstance(value, int | float):
            return {2: float(value)}
        if isinstance(value, str):
            return {3: value}
        self._deep(depth, path)
        if isinstance(value, list):
            return {4: [self._json_value(item, (path, index), depth + 1) for index, item in enumerate(value)]}
        return {5: [
            {0: name, 1: self._json_value(item, (path, name), depth + 1)} for name, item in value.items()
        ]}


def _of(field: FieldLayout | None) -> FieldLayout:
    assert field is not None  # only a tag and a union value have no field of their own
    return field
