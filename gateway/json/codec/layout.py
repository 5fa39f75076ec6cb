"""How a struct looks as a JSON object: member names, flattened members, union tags.

Reads the annotations of json.capnp once per struct type and checks them; readers and writers follow the result.
The rules are those of the Cap'n Proto project's codec (`compat/json.c++`, `AnnotatedHandler`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cara_pseud.errors import SchemaError
from cara_pseud.schema.nodes import EnumNode, Field, Kind, Schema, StructNode, Type, substitute
from gateway import annotations as known

JSON_VALUE_ID = 0xA3FA7845F919DD83
"""The struct ``Value`` of json.capnp, which stands for arbitrary JSON."""


class Form(enum.Enum):
    """How a Data field is written."""

    PLAIN = "plain"
    BASE64 = "base64"
    HEX = "hex"


class Role(enum.Enum):
    """What a JSON member of an object is to the struct."""

    FIELD = "field"
    VARIANT = "variant"
    """A member of the unnamed union under its own name."""
    FLATTENED = "flattened"
    """A member of a flattened field."""
    FLATTENED_VARIANT = "flattened variant"
    """A member of one or several flattened union members: the tag tells of which."""
    TAG = "tag"
    UNION_VALUE = "union value"
    """The one member that holds whatever the tag says."""


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """One field as JSON.

    ``type`` is the slot's type with the brand applied, None for a group. ``group`` is a group's own layout, ``flat``
    that of a flattened struct or group. ``name`` is None where the field is flattened.
    """

    field: Field
    name: str | None
    tag_value: str
    type: Type | None
    group: StructLayout | None
    flat: StructLayout | None
    prefix: str
    form: Form

    @property
    def id(self) -> int:
        """The field's id on the wire."""
        return self.field.id


def may_be_null(member: FieldLayout) -> bool:
    """Whether null leaves the field absent or, for Void, is its value."""
    if member.type is None or member.type.kind is Kind.VOID:
        return True
    return member.type.kind.is_pointer and member.form is Form.PLAIN and member.type.node_id != JSON_VALUE_ID


@dataclass(frozen=True, slots=True)
class MemberSlot:
    """Where a JSON member goes. ``inner`` is its name without the prefix, for flattened ones."""

    role: Role
    field: FieldLayout | None = None
    inner: str = ""


@dataclass(slots=True)
class StructLayout:
    """One struct or group as a JSON object; made by `Layouts`, unchanged afterwards.

    ``slots`` has every member name an input may have; ``fields`` are those outside of the union and ``variants`` the
    union's members by discriminant. ``tag`` is the name of the member that names the variant, None without one.
    """

    type: Type
    node: StructNode
    label: str
    tag: str | None = None
    value_name: str | None = None
    fields: list[FieldLayout] = field(default_factory=list)
    variants: list[FieldLayout] = field(default_factory=list)
    slots: dict[str, MemberSlot] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether every member is one field under one name: nothing flattened, no tag."""
        return self.tag is None and all(slot.role in (Role.FIELD, Role.VARIANT) for slot in self.slots.values()) and (
            len(self.slots) == len(self.fields) + len(self.variants)
        )

    def variant(self, tag_value: str) -> FieldLayout | None:
        """The union member of that tag value."""
        return next((member for member in self.variants if member.tag_value == tag_value), None)


@dataclass(frozen=True, slots=True)
class EnumLayout:
    """An enum's JSON names by number, and back."""

    label: str
    names: tuple[str, ...]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Union:
    """What the annotations say about a union: ``discriminator`` options and the name of a flattened named union."""

    tag: str | None = None
    value_name: str | None = None


class Layouts:
    """The layouts of a schema's structs and enums, made when first asked for."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._structs: dict[Type, StructLayout] = {}
        self._enums: dict[int, EnumLayout] = {}
        self._endless: dict[Type | None, bool] = {}

    def check(self) -> None:
        """Make every layout of the schema, generics unbound.

        Raises:
            SchemaError: an annotation of json.capnp is misused; the reason names struct and field.
        """
        for node in self.schema.nodes.values():
            if isinstance(node, StructNode) and not node.is_group:
                self.struct(Type(Kind.STRUCT, node.id))
            elif isinstance(node, EnumNode):
                self.enum(node.id)

    def struct(self, type: Type) -> StructLayout:
        """The layout of a struct type.

        Raises:
            SchemaError: as `check`.
        """
        layout = self._structs.get(type)
        if layout is None:
            layout = self._structs[type] = self._build(type, None, ())
        return layout

    def members_within(self, *types: Type) -> Iterator[FieldLayout]:
        """Every member of the structs in values of the types, groups' too, however deep; each struct's once."""
        # Not recursive: types may lead from one to the next farther than Python's stack goes.
        waiting: list[Type | StructLayout] = list(types)
        seen: set[Type] = set()
        while waiting:
            key = waiting.pop()
            if isinstance(key, StructLayout):
                for member in (*key.fields, *key.variants):
                    yield member
                    waiting += [inner for inner in (member.group, member.type) if inner is not None]
                continue
            while key.kind is Kind.LIST and key.element is not None:
                key = key.element
            if key.kind is Kind.STRUCT and key.node_id != JSON_VALUE_ID and key not in seen:
                seen.add(key)
                waiting.append(self.struct(key))

    def ends_in_null(self, variant: FieldLayout) -> bool:
        """Whether an absent member of a union is null in JSON, and not the empty value of its type.

        JSON shows the first member of a union even if that is an absent struct, and so on within it; a struct that
        would lead to itself so has no end.
        """
        if variant.flat is not None or not _is_absent_struct(variant):
            return False
        known = self._endless.get(variant.type)
        if known is None:
            known = self._endless[variant.type] = self._is_endless(variant.type)
        return known

    def _is_endless(self, type: Type | None) -> bool:
        assert type is not None  # a struct has a type
        shown = [type]
        for each in shown:
            for inner in self._shown_when_empty(self.struct(each)):
                if inner == type:
                    return True
                if inner not in shown:
                    shown.append(inner)
        return False

    def _shown_when_empty(self, layout: StructLayout) -> Iterator[Type]:
        for member in (*layout.fields, *layout.variants[:1]):
            if member.group is not None:
                yield from self._shown_when_empty(member.group)
        for member in layout.variants[:1]:
            if member.type is not None and _is_absent_struct(member):
                yield member.type

    def enum(self, node_id: int) -> EnumLayout:
        """The layout of an enum.

        Raises:
            SchemaError: two enumerants have one JSON name.
        """
        layout = self._enums.get(node_id)
        if layout is None:
            node = self.schema.enum(node_id)
            names = tuple(known.json_name(item.annotations, item.name) for item in node.enumerants)
            if len(set(names)) != len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise SchemaError(f"two enumerants have the JSON name {twice!r}", node.display_name)
            layout = EnumLayout(
                node.qualified_name or node.name, names, {name: number for number, name in enumerate(names)}
            )
            self._enums[node_id] = layout
        return layout

    def _build(self, type: Type, union: _Union | None, outer: tuple[Type, ...]) -> StructLayout:
        node = self.schema.struct(type.node_id)
        if type in outer:
            raise SchemaError("a struct cannot be flattened into itself", node.display_name)
        if union is None:
            options = known.discriminator(node.annotations)
            union = _Union() if options is None else _Union(options.name, options.value_name)
        layout = StructLayout(type, node, node.qualified_name or node.name, union.tag, union.value_name)
        if union.tag is not None:
            layout.slots[union.tag] = MemberSlot(Role.TAG)
        if union.value_name is not None:
            _add(layout, union.value_name, MemberSlot(Role.UNION_VALUE))
        for item in node.fields:
            member = self._field(layout, item, (*outer, type))
            in_union = item.discriminant is not None
            (layout.variants if in_union else layout.fields).append(member)
            if member.flat is not None:
                role = Role.FLATTENED_VARIANT if in_union else Role.FLATTENED
                for inner in member.flat.slots:
                    _add(layout, member.prefix + inner, MemberSlot(role, member, inner))
            elif not (in_union and union.value_name is not None):
                assert member.name is not None  # only flattened fields have none
                _add(layout, member.name, MemberSlot(Role.VARIANT if in_union else Role.FIELD, member))
        layout.variants.sort(key=lambda member: member.field.discriminant or 0)
        return layout

    def _field(self, layout: StructLayout, item: Field, outer: tuple[Type, ...]) -> FieldLayout:
        name = known.json_name(item.annotations, item.name)
        type = None if item.type is None else substitute(item.type, layout.type.brand)
        prefix = known.flatten_prefix(item.annotations)
        form = self._form(layout, item, type)
        group = flat = None
        if item.group_id is not None:
            options = known.discriminator(item.annotations)
            union = _Union()
            if options is not None:
                # A flattened union may be tagged by its own name, which is free.
                union = _Union(options.name or (name if prefix is not None else None), options.value_name)
            group_type = Type(Kind.STRUCT, item.group_id, brand=layout.type.brand)
            group = self._build(group_type, union, outer)
            if prefix is not None:
                flat = group
        elif known.discriminator(item.annotations) is not None:
            raise _misuse(layout, item, "only a union can have a discriminator")
        elif prefix is not None and type is not None and type.parameter is None:
            if type.kind is not Kind.STRUCT or type.node_id == JSON_VALUE_ID:
                raise _misuse(layout, item, "only a struct or group can be flattened")
            flat = self._build(type, None, outer)
        json_name = None if flat is not None else name
        if json_name is not None and item.discriminant is not None and layout.value_name is not None:
            json_name = layout.value_name
        return FieldLayout(item, json_name, name, type, group, flat, prefix or "", form)

    def _form(self, layout: StructLayout, item: Field, type: Type | None) -> Form:
        wanted = [form for form, id in ((Form.BASE64, known.BASE64), (Form.HEX, known.HEX))
                  if known.find(item.annotations, id) is not None]
        if not wanted:
            return Form.PLAIN
        if type is not None and type.parameter is not None:
            return Form.PLAIN
        if type is None or type.kind is not Kind.DATA:
            raise _misuse(layout, item, f"only Data can be written as {wanted[0].value}")
        if len(wanted) > 1:
            raise _misuse(layout, item, "base64 and hex exclude each other")
        return wanted[0]


def _is_absent_struct(member: FieldLayout) -> bool:
    """Whether a member without a value is an empty struct."""
    return (
        member.type is not None
        and member.type.kind is Kind.STRUCT
        and member.type.node_id != JSON_VALUE_ID
        and not member.field.has_explicit_default
    )


def _add(layout: StructLayout, name: str, slot: MemberSlot) -> None:
    present = layout.slots.get(name)
    if present is None or (present.role is slot.role is Role.FLATTENED_VARIANT and present.field is not slot.field):
        layout.slots[name] = slot
        return
    raise SchemaError(f"two members have the JSON name {name!r}", layout.node.display_name)


def _misuse(layout: StructLayout, item: Field, reason: str) -> SchemaError:
    return SchemaError(f"field {item.name!r}: {reason}", layout.node.display_name)
