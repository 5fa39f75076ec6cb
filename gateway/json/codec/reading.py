"""JSON to wire, the careful way: every rule, the path of every error, every unusual form.

`source` generates faster code for the usual forms; the one member or element which that refuses is walked here, and
what this says is final. Lists and structs in it are left to the generated code again (`PartsReader`). References are
gathered in `Reading.incoming` and resolved by the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final, Protocol

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import Field, Kind, Type, describe_type
from gateway.errors import GatewayError, nearest
from gateway.json.codec.kinds import Rules, Shape, interface_of, row_of
from gateway.json.codec.layout import FieldLayout, Form, Role, StructLayout, may_be_null
from gateway.json.codec.objects import Incoming, ReferenceForm
from gateway.json.codec.refusal import Refusal
from gateway.json.codec.scalars import Misfit, show
from gateway.json.codec.value_paths import Path, Positions, as_given, render_steps, steps_of
from gateway.json.text import JSON


def refused(refusal: Refusal, positions: Positions | None = None) -> GatewayError:
    """What the sender of a value is told."""
    return GatewayError.invalid(refusal.reason, render_steps(as_given(refusal.steps, positions)))


def zero(field: Field, type: Type | None) -> WireValue:
    """What a union member that only its tag names holds: the schema's default, else the empty value of its kind."""
    if type is None:
        return {}
    if field.default is not None:
        return copy.deepcopy(field.default)
    return empty(type)


def empty(type: Type) -> WireValue:
    """What a null pointer reads as in Cap'n Proto; None where there is no such value."""
    maker = row_of(type).empty
    return None if maker is None else maker()


_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
"""Types of JSON that are the same where anything is taken; a large value consists mostly of them."""


DEEP: Final = 16
"""The last level at which a careful walk leaves what is nested to others: to go to and fro takes more of the stack than
a walk without, and the deepest value that is permitted must find room there."""
_NOTHING_KNOWN: Final[Mapping[int, Refusal | None]] = {}


class PartsReader(Protocol):
    """Who reads the lists and structs in a value that is walked carefully."""

    def read(self, reading: Reading, key: Type | StructLayout, value: JSON, path: Path | None, depth: int) -> WireValue:
        """Read one; errors have the path from the origin of ``reading``."""


class Reading:
    """One walk through one input or a part of it.

    Attributes:
        incoming: every reference found.
        origin: the place where the walk began; errors are told from there, references from the root.
        met_odd: whether there was something that generated code leaves to this walk although it is right.
    """

    def __init__(
        self,
        rules: Rules,
        form: ReferenceForm,
        incoming: list[Incoming] | None = None,
        origin: Path | None = None,
        parts: PartsReader | None = None,
    ) -> None:
        self._rules = rules
        self._layouts, self._options = rules
        self._form = form
        self._parts = parts
        self.incoming: list[Incoming] = [] if incoming is None else incoming
        self.origin = origin
        self.met_odd = False

    def store(
        self, container: Any, key: Any, type: Type, value: JSON, path: Path | None, depth: int, form: Form = Form.PLAIN
    ) -> None:
        """Read a value into its place, of any type. ``depth`` is the level of the value if it is an array or object."""
        shape = row_of(type).shape
        if shape is Shape.OBJECT:
            self._object(container, key, type, value, path)
        elif shape is Shape.ANY:
            self._check_only(type, value, path)
            self.anything(container, key, value, path, depth)
        else:
            container[key] = self.value(type, value, path, depth, form)

    def value(self, type: Type, value: JSON, path: Path | None, depth: int, form: Form = Form.PLAIN) -> WireValue:
        """Read a value that is no reference by its type alone; else as `store`."""
        row = row_of(type)
        if row.single is not None:
            if row.levels and isinstance(value, list):
                self._deep(depth, path)
            try:
                wire = row.single.read(value, type, form, self._rules)
            except Misfit as misfit:
                raise self._refuse(str(misfit), path if misfit.index is None else (path, misfit.index)) from None
            self.met_odd = self.met_odd or row.single.odd_in(value)
            return wire
        if row.shape is Shape.VOID:
            self.skip(value, path, depth)
            return None
        if row.shape is Shape.JSON:
            self.met_odd = self.met_odd or value is None
            return self.json_value(value, path, depth)
        assert row.shape is Shape.LIST or row.shape is Shape.STRUCT  # the others have a place, see `store`
        if self._parts is not None and depth <= DEEP:
            return self._parts.read(self, type, value, path, depth)
        if row.shape is Shape.LIST:
            return self._list(type, value, path, depth)
        return self.rest_of_object(self._layouts.struct(type), value, {}, _NOTHING_KNOWN, path, depth)

    def nested(self, key: Type | StructLayout, value: JSON, path: Path | None, depth: int) -> WireValue:
        """Read a list, struct or group itself; only what is in it may be left to others."""
        if isinstance(key, Type):
            if key.kind is Kind.LIST:
                return self._list(key, value, path, depth)
            key = self._layouts.struct(key)
        return self.rest_of_object(key, value, {}, _NOTHING_KNOWN, path, depth)

    def rest_of_object(
        self,
        layout: StructLayout,
        value: JSON,
        wire: dict[int, WireValue],
        known: Mapping[int, Refusal | None],
        path: Path | None,
        depth: int,
    ) -> dict[int, WireValue]:
        """Read an object as a struct or group, some of whose members were read: by id None, or why one is wrong."""
        if not isinstance(value, dict):
            raise self._refuse(f"expected an object ({layout.label}), got {show(value)}", path)
        self._deep(depth, path)
        self._members(layout, {name: (name, item) for name, item in value.items()}, wire, known, path, depth)
        return wire

    def _refuse(self, reason: str, path: Path | None) -> Refusal:
        return Refusal(reason, steps_of(path, self.origin))

    def skip(self, value: JSON, path: Path | None, depth: int) -> None:
        """Pass over an ignored value; the bound on depth holds for it too."""
        if isinstance(value, dict):
            self.met_odd = True
            self._deep(depth, path)
            for name, item in value.items():
                self.skip(item, (path, name), depth + 1)
        elif isinstance(value, list):
            self.met_odd = True
            self._deep(depth, path)
            for index, item in enumerate(value):
                self.skip(item, (path, index), depth + 1)

    def _deep(self, depth: int, path: Path | None) -> None:
        if depth > self._options.max_depth:
            raise self._refuse(f"nested more than {self._options.max_depth} levels deep", path)

    def _members(
        self,
        layout: StructLayout,
        members: dict[str, tuple[str, JSON]],
        wire: dict[int, WireValue],
        known: Mapping[int, Refusal | None],
        path: Path | None,
        depth: int,
    ) -> None:
        """Read the members that belong to one struct: by name as this struct knows it, (name in the input, value)."""
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
                member = _of(slot.field)
                if not _is_read(member, known, given):
                    self._field(wire, member, value, here, depth)
            elif slot.role is Role.FLATTENED:
                member = _of(slot.field)
                flat.setdefault(member.id, (member, {}))[1][slot.inner] = (given, value)
            elif slot.role is Role.VARIANT and tagged is None:
                member = _of(slot.field)
                if _is_read(member, known, given) or self._field(wire, member, value, here, depth):
                    if chosen is not None:
                        raise self._refuse(f"{show(given)} and {show(chosen)} are members of one union; give one", here)
                    chosen = given
            elif slot.role is not Role.TAG:
                self._tagged_member(layout, tagged, name, (given, value), here, wire, flat, depth)
        for id, (member, inner) in flat.items():
            assert member.flat is not None  # only flattened fields get here
            flattened: dict[int, WireValue] = {}
            wire[id] = flattened
            self._members(member.flat, inner, flattened, _NOTHING_KNOWN, path, depth)

    def _tagged_variant(
        self, layout: StructLayout, members: dict[str, tuple[str, JSON]], path: Path | None
    ) -> FieldLayout | None:
        if layout.tag is None or layout.tag not in members:
            return None
        given, tag = members[layout.tag]
        permitted = [member.tag_value for member in layout.variants]
        if not isinstance(tag, str):
            raise self._refuse(f"expected one of {', '.join(permitted)}, got {show(tag)}", (path, given))
        variant = layout.variant(tag)
        if variant is None:
            raise self._refuse(f"{show(tag)} is no member of this union{nearest(tag, permitted)}", (path, given))
        return variant

    def _tagged_member(
        self,
        layout: StructLayout,
        tagged: FieldLayout | None,
        name: str,
        member: tuple[str, JSON],
        here: Path,
        wire: dict[int, WireValue],
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

    def _field(self, wire: dict[int, WireValue], member: FieldLayout, value: JSON, path: Path, depth: int) -> bool:
        """Read one field into ``wire``; False if null leaves it absent."""
        if member.group is not None:
            if value is None:
                return False
            if self._parts is not None and depth < DEEP:
                wire[member.id] = self._parts.read(self, member.group, value, path, depth + 1)
            else:
                wire[member.id] = self.rest_of_object(member.group, value, {}, _NOTHING_KNOWN, path, depth + 1)
            return True
        assert member.type is not None  # a field is a slot or a group
        if value is None and member.type.kind is not Kind.VOID and may_be_null(member):
            return False
        if row_of(member.type).shape in (Shape.OBJECT, Shape.ANY):
            self.store(wire, member.id, member.type, value, path, depth + 1)
        else:
            wire[member.id] = self.value(member.type, value, path, depth + 1, member.form)
        return True

    def _unknown(self, reason: str, value: JSON, path: Path, depth: int) -> None:
        if self._options.unknown_fields == "reject":
            raise self._refuse(reason, path)
        self.met_odd = True
        self.skip(value, path, depth + 1)

    def _list(self, type: Type, value: JSON, path: Path | None, depth: int) -> list[WireValue]:
        assert type.element is not None  # the loader gives every list one
        if not isinstance(value, list):
            name = describe_type(self._layouts.schema, type)
            raise self._refuse(f"expected an array ({name}), got {show(value)}", path)
        self._deep(depth, path)
        may_be_absent = row_of(type.element).shape in (Shape.OBJECT, Shape.ANY)
        wire: list[WireValue] = [None] * len(value)
        for index, item in enumerate(value):
            if item is not None or not may_be_absent:
                self.store(wire, index, type.element, item, (path, index), depth + 1)
        return wire

    def _object(self, container: Any, key: Any, type: Type, value: JSON, path: Path | None) -> None:
        kind = self._form.recognise(value)
        if kind is None:
            name = describe_type(self._layouts.schema, type)
            raise self._refuse(f"expected {self._form.expected} ({name}), got {show(value)}", path)
        self._reference(container, key, kind, value, interface_of(type), path)

    def _reference(
        self, container: Any, key: Any, kind: str, value: dict[str, JSON], type: Type | None, path: Path | None
    ) -> None:
        fault = self._form.fault(kind, value)
        if fault is not None:
            raise self._refuse(fault, path)
        container[key] = None
        self.incoming.append((container, key, kind, value, type, path))

    def _check_only(self, type: Type, value: JSON, path: Path | None) -> None:
        """Refuse what an AnyStruct or AnyList cannot be; a reference to an object is neither."""
        only = row_of(type).only
        if only is None or value is None:
            return
        if not isinstance(value, only.json) or self._form.recognise(value) is not None:
            name = describe_type(self._layouts.schema, type)
            raise self._refuse(f"expected {only.json_word} ({name}), got {show(value)}", path)

    def anything(self, container: Any, key: Any, value: JSON, path: Path | None, depth: int) -> None:
        """Read an AnyPointer into its place: JSON as it is, with references in it."""
        if isinstance(value, dict):
            kind = self._form.recognise(value)
            if kind is not None:
                self._reference(container, key, kind, value, None, path)
                return
            self._deep(depth, path)
            members: dict[str, WireValue] = {}
            for name, item in value.items():
                if type(item) in _AS_THEY_ARE:
                    members[name] = item
                else:
                    self.anything(members, name, item, (path, name), depth + 1)
            container[key] = members
        elif isinstance(value, list):
            self._deep(depth, path)
            items: list[WireValue] = list(value)
            for index, item in enumerate(value):
                if type(item) not in _AS_THEY_ARE:
                    self.anything(items, index, item, (path, index), depth + 1)
            container[key] = items
        else:
            container[key] = float(value) if isinstance(value, float) else value

    def json_value(self, value: JSON, path: Path | None, depth: int) -> dict[int, WireValue]:
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
            return {4: [self.json_value(item, (path, index), depth + 1) for index, item in enumerate(value)]}
        return {5: [{0: name, 1: self.json_value(item, (path, name), depth + 1)} for name, item in value.items()]}


def _is_read(member: FieldLayout, known: Mapping[int, Refusal | None], name: str) -> bool:
    if member.id not in known:
        return False
    refusal = known[member.id]
    if refusal is not None:
        raise refusal.within(name)
    return True


def _of(field: FieldLayout | None) -> FieldLayout:
    assert field is not None  # only a tag and a union value have no field of their own
    return field
