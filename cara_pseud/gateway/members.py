"""How structs look as JSON objects: member names, flattened members, union tags, and how methods are called there.

Reads the annotations of ``/capnp/compat/json.capnp`` by their ids. The gateway refuses a schema that misuses them, so
nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import Annotation, BoundMethod, Field, Kind, Schema, Type, substitute

_NAME: Final = 0xFA5B1FD61C2E7C3D
_FLATTEN: Final = 0x82D3E852AF0336BF
_DISCRIMINATOR: Final = 0xCFA794E8D19A0162
_HEX: Final = 0xF061E22F0AE5C7B5
JSON_VALUE_ID: Final = 0xA3FA7845F919DD83
"""The struct ``Value`` of json.capnp, which stands for arbitrary JSON."""


@dataclass(slots=True)
class Member:
    """A field as JSON.

    Attributes:
        name: of its member.
        tag: what the union's tag says if it is the active member.
        type: a slot's type, None for a group.
        inner: how a group or a flattened struct looks.
        prefix: of its members' names if it is flattened, else None.
        is_hex: whether its Data is hexadecimal text.
    """

    field: Field
    name: str
    tag: str
    type: Type | None
    inner: StructForm | None
    prefix: str | None
    is_hex: bool


@dataclass(slots=True)
class StructForm:
    """A struct or group as a JSON object.

    Attributes:
        tag: the name of the member that names the union's active one, or None.
        value_name: the name of the member that has its value, whichever it is, or None.
        fields: those outside of the union.
        variants: those of the union, by discriminant.
    """

    label: str
    tag: str | None = None
    value_name: str | None = None
    fields: list[Member] = field(default_factory=list)
    variants: list[Member] = field(default_factory=list)

    def names(self) -> set[str]:
        """All names that members may have."""
        names = {name for name in (self.tag, self.value_name) if name is not None}
        for member in (*self.fields, *self.variants):
            if member.prefix is None:
                names.add(member.name)
            elif member.inner is not None:
                names |= {member.prefix + inner for inner in member.inner.names()}
        return names


@dataclass(frozen=True, slots=True)
class ValueForm:
    """A parameter or result as JSON.

    Attributes:
        name: in the schema.
        json_name: in JSON.
        is_hex: see `Member`.
        default: the wire value of one that is not there.
    """

    name: str
    json_name: str
    type: Type
    is_hex: bool
    default: WireValue


@dataclass(frozen=True, slots=True)
class MethodForm:
    """A method as JSON-RPC has it.

    Attributes:
        name: its name there.
        params, results: those that stand in a list; None where one struct stands for them.
        param_struct, result_struct: that struct, or None.
    """

    name: str
    params: tuple[ValueForm, ...] | None
    results: tuple[ValueForm, ...] | None
    param_struct: Type
    result_struct: Type


class Forms:
    """The forms of one schema, made when first asked for."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._structs: dict[Type, StructForm] = {}
        self._enums: dict[int, tuple[Sequence[str], Mapping[str, int]]] = {}
        self._methods: dict[tuple[Type, int], MethodForm] = {}

    def struct(self, type: Type) -> StructForm:
        """The form of a struct type."""
        form = self._structs.get(type)
        if form is None:
            options = _value(self.schema.struct(type.node_id).annotations, _DISCRIMINATOR)
            form = self._structs[type] = self._struct(type, _tag(options, None), (options or {}).get(1))
        return form

    def enum(self, node_id: int) -> tuple[Sequence[str], Mapping[str, int]]:
        """An enum's names in JSON by number, and back."""
        found = self._enums.get(node_id)
        if found is None:
            names = [_name(item.annotations, item.name) for item in self.schema.enum(node_id).enumerants]
            found = self._enums[node_id] = names, {name: number for number, name in enumerate(names)}
        return found

    def method(self, bound: BoundMethod) -> MethodForm:
        """The form of a method."""
        key = (bound.interface, bound.method.id)
        form = self._methods.get(key)
        if form is None:
            method, brand = bound.method, bound.interface.brand

            def values(type: Type, inline: bool) -> tuple[ValueForm, ...] | None:
                if not inline:
                    return None
                return tuple(
                    ValueForm(
                        item.name,
                        _name(item.annotations, item.name),
                        substitute(item.type, brand),
                        _find(item.annotations, _HEX) is not None,
                        item.default,
                    )
                    for item in self.schema.struct(type.node_id).fields
                    if item.type is not None
                )

            form = self._methods[key] = MethodForm(
                _name(method.annotations, method.name),
                values(method.params, method.params_inline),
                () if method.streaming else values(method.results, method.results_inline),
                substitute(method.params, brand),
                substitute(method.results, brand),
            )
        return form

    def _struct(self, type: Type, tag: str | None, value_name: str | None) -> StructForm:
        node = self.schema.struct(type.node_id)
        form = StructForm(node.qualified_name or node.name, tag, value_name)
        for item in node.fields:
            member = self._member(type, item)
            (form.fields if item.discriminant is None else form.variants).append(member)
        form.variants.sort(key=lambda member: member.field.discriminant or 0)
        return form

    def _member(self, outer: Type, item: Field) -> Member:
        name = _name(item.annotations, item.name)
        flatten = _find(item.annotations, _FLATTEN)
        prefix = None if flatten is None else str((flatten.value or {}).get(0) or "")
        is_hex = _find(item.annotations, _HEX) is not None
        if item.group_id is not None:
            options = _value(item.annotations, _DISCRIMINATOR)
            tag = _tag(options, name if prefix is not None else None)
            group = Type(Kind.STRUCT, item.group_id, brand=outer.brand)
            inner = self._struct(group, tag, (options or {}).get(1))
            return Member(item, name, name, None, inner, prefix, is_hex)
        assert item.type is not None  # a field is a slot or a group
        type = substitute(item.type, outer.brand)
        is_struct = type.kind is Kind.STRUCT and type.node_id != JSON_VALUE_ID
        flat = prefix is not None and is_struct and item.type.parameter is None
        return Member(item, name, name, type, self.struct(type) if flat else None, prefix if flat else None, is_hex)


def _find(annotations: Sequence[Annotation], id: int) -> Annotation | None:
    return next((annotation for annotation in reversed(annotations) if annotation.id == id), None)


def _value(annotations: Sequence[Annotation], id: int) -> Any:
    """The value of an annotation that is a struct; None without it."""
    annotation = _find(annotations, id)
    return None if annotation is None else annotation.value or {}


def _name(annotations: Sequence[Annotation], name: str) -> str:
    renamed = _find(annotations, _NAME)
    return name if renamed is None else str(renamed.value)


def _tag(options: Any, own_name: str | None) -> str | None:
    """The name of a union's tag; a flattened union may be tagged by its own name."""
    return None if options is None else options.get(0) or own_name
