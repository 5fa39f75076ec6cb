"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of a schema's types, as values are taken and as they are given.

The two differ: what is given always has the members that cannot be absent, and writes 64-bit integers and bytes by the
gateway's options; what is taken may leave members out. So a struct has two schemas, ``ShopItem`` as it is given and
``ShopItemInput`` as it is taken. A schema says no more than the codec promises, and rather less than it takes:
the text ``"5"`` for an Int8, null for an absent text and the like are taken, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from cara_pseud.schema.nodes import INT_RANGES, UNTYPED, Kind, Type, describe_type
from gateway import annotations as known
from gateway import fixed_paths
from gateway.json.codec import CodecOptions
from gateway.json.codec.layout import JSON_VALUE_ID, FieldLayout, Form, StructLayout
from gateway.json.codec.scalars import base64_out, float_out
from gateway.json.text import JSON
from gateway.reference_form import HANDLE
from gateway.routes import ServiceRoutes

Shape = dict[str, Any]
"""A JSON Schema."""

_Alternative = tuple[dict[str, Shape], list[str]]
"""One form of an object: its members, and the names of those that must be there."""

_WIDE: Final = (Kind.INT64, Kind.UINT64)
_DECIMAL: Final = {Kind.INT64: "^-?(0|[1-9][0-9]*)$", Kind.UINT64: "^(0|[1-9][0-9]*)$"}
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_MOST_ALTERNATIVES: Final = 64
"""An object of more forms is described by its members alone."""


class Components:
    """The named schemas of a document.

    Attributes:
        schemas: by name, for ``#/components/schemas``.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Shape] = {}
        self._taken: set[str] = set()

    def add(self, words: str, shape: Shape) -> str:
        """Take a schema under a name made of those words; the name.

        It has the one form that generators of all languages leave as it is: ``ShopItemInput``.
        """
        base = "".join(word[0].upper() + word[1:] for word in _WORD.findall(words))
        name, number = base, 2
        # Some of them make files of the names, on systems where capitals make no difference.
        while name.lower() in self._taken:
            name, number = f"{base}{number}", number + 1
        self._taken.add(name.lower())
        self.schemas[name] = shape
        return name


class Shapes:
    """The schemas of one service's types; structs, enums and handles are collected as components.

    Attributes:
        components: the document's.
        given_interfaces: those whose objects the service gives, in the order in which they were met.
        taken_interfaces: those whose objects it takes, likewise.
    """

    def __init__(self, routes: ServiceRoutes, options: CodecOptions, components: Components) -> None:
        self._routes = routes
        self._options = options
        self.components = components
        self.given_interfaces: list[Type] = []
        self.taken_interfaces: list[Type] = []
        self._gives_anything = False
        self._names: dict[tuple[Type, bool], str] = {}
        self._depth = 0
        self._waiting: list[tuple[Type, bool, Shape]] = []

    # Types.

    def given(self, type: Type, form: Form = Form.PLAIN) -> Shape:
        """A value of that type as the gateway writes it."""
        return self._value(type, form, taken=False)

    def taken(self, type: Type, form: Form = Form.PLAIN) -> Shape:
        """A value of that type as the gateway reads it."""
        return self._value(type, form, taken=True)

    def _value(self, type: Type, form: Form, taken: bool) -> Shape:
        kind = type.kind
        self._gives_anything |= kind in UNTYPED and not taken
        if kind in INT_RANGES:
            return self._integer(kind, taken)
        if kind is Kind.DATA:
            return self._data(form, taken)
        if kind is Kind.LIST and type.element is not None:
            return {"type": "array", "items": self._element(type.element, taken)}
        if kind is Kind.STRUCT and type.node_id != JSON_VALUE_ID:
            return self._reference(type, taken)
        if kind is Kind.ENUM:
            return self._reference(type, taken=False)
        if kind is Kind.INTERFACE:
            return self._object_in(type) if taken else self._reference(type, taken=False)
        if kind is Kind.CAPABILITY:
            return {"$ref": place_of("ObjectInput" if taken else "Handle")}
        return dict(_SIMPLE.get(kind, {}))

    def _element(self, type: Type, taken: bool) -> Shape:
        shape = self._value(type, Form.PLAIN, taken)
        return shape if taken or type.kind not in (Kind.INTERFACE, Kind.CAPABILITY) else nullable(shape)

    def _integer(self, kind: Kind, taken: bool) -> Shape:
        low, high = INT_RANGES[kind]
        number: Shape = {"type": "integer", "minimum": low, "maximum": high, "format": kind.value.lower()}
        if kind not in _WIDE:
            return number
        text: Shape = {"type": "string", "pattern": _DECIMAL[kind], "format": kind.value.lower()}
        policy = self._options.int64
        if taken or policy == "auto":
            return {"anyOf": [text, number]}
        return text if policy == "string" else number

    def _data(self, form: Form, taken: bool) -> Shape:
        if form is Form.HEX:
            return {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$" if taken else "^([0-9a-f]{2})*$"}
        base64: Shape = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
        numbers: Shape = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}
        if form is Form.BASE64:
            return base64
        if taken:
            return {"anyOf": [base64, numbers]}
        return base64 if self._options.data == "base64" else numbers

    def _object_in(self, interface: Type) -> Shape:
        if interface not in self.taken_interfaces:
            self.taken_interfaces.append(interface)
        return {"$ref": place_of("ObjectInput")}

    def meet_casts(self) -> bool:
        """Meet the interfaces that objects which the service gives may be cast to; whether there are others by that.

        Of an object of which the schema does not say what it is that is any, of others what extends their interface.
        """
        met = len(self.given_interfaces)
        given = {interface.node_id for interface in self.given_interfaces}
        for interface in self._routes.interfaces.values():
            ancestors = {ancestor.node_id for ancestor in self._routes.schema.ancestry(interface)}
            if self._gives_anything or not given.isdisjoint(ancestors):
                self._reference(interface, taken=False)
        return len(self.given_interfaces) > met

    # Components.

    def named(self, words: str, shape: Shape) -> Shape:
        """A schema as a component of its own, whose name is made of those words; the reference to it."""
        return {"$ref": place_of(self.components.add(f"{self._routes.name} {words}", shape))}

    def handle_name(self, interface: Type) -> str:
        """The name of the schema of an interface's handles; made if it is not there yet."""
        return str(self._reference(interface, taken=False)["$ref"]).rpartition("/")[2]

    def callback_name(self, interface: Type) -> str:
        """The name of a schema, made here, of what the caller passes as an object of its own with that interface."""
        node = self._routes.schema.nodes[interface.node_id]
        methods = ", ".join(f"`{name}`" for name in self._routes.for_interface(interface))
        doc = f"{node.doc}\n\nAn object of the caller's own with {methods or 'no methods'}, by a name."
        shape = {"allOf": [{"$ref": place_of("CallbackInput")}], "description": doc.strip()}
        return self.components.add(f"{self._routes.name} {self.words_of(interface)} callback", shape)

    def words_of(self, type: Type) -> str:
        """A type in words that are unique among the service's interfaces; the service's own interface needs none."""
        words, own = (describe_type(self._routes.schema, each) for each in (type, self._routes.interface))
        return "" if words == own else words.removeprefix(f"{own}.")

    def _reference(self, type: Type, taken: bool) -> Shape:
        key = (type, taken)
        name = self._names.get(key)
        if name is None:
            # Before its members, which may lead back to it.
            shape: Shape = {}
            words = f"{self._routes.name} {self.words_of(type)} {'input' if taken else ''}"
            name = self._names[key] = self.components.add(words, shape)
            if type.kind is Kind.ENUM:
                shape |= self._enum(type)
            elif type.kind is Kind.INTERFACE:
                self.given_interfaces.append(type)
                shape |= self._handle(type)
            else:
                self._fill(type, taken, shape)
        return {"$ref": place_of(name)}

    def _fill(self, type: Type, taken: bool, shape: Shape) -> None:
        """Write a struct's schema, and those that it leads to; what is deep in it waits, as Python's stack is short."""
        self._waiting.append((type, taken, shape))
        if self._depth >= _MOST_NESTED:
            return
        self._depth += 1
        until = len(self._waiting) - 1 if self._depth > 1 else 0
        while len(self._waiting) > until:
            type, taken, shape = self._waiting.pop()
            shape |= self._struct(self._routes.layouts.struct(type), taken)
        self._depth -= 1

    def _enum(self, type: Type) -> Shape:
        node = self._routes.schema.enum(type.node_id)
        names = self._routes.layouts.enum(type.node_id).names
        lines = [node.doc, *(
            f"- `{name}`: {item.doc}" for name, item in zip(names, node.enumerants, strict=True) if item.doc
        )]
        return documented({"type": "string", "enum": list(names)}, "\n".join(line for line in lines if line))

    def _handle(self, type: Type) -> Shape:
        node = self._routes.schema.nodes[type.node_id]
        methods = ", ".join(f"`{name}`" for name in self._routes.for_interface(type))
        place = object_path(self._routes, type, "{method}")
        doc = f"{node.doc}\n\nAn object with {methods or 'no methods'}, called at `{place}`."
        return {
            "type": "object",
            "description": doc.strip(),
            "properties": {HANDLE: {"type": "string"}, "interface": {"type": ["string", "null"]}},
            "required": [HANDLE, "interface"],
            "additionalProperties": False,
        }

    # Objects.

    def _struct(self, layout: StructLayout, taken: bool) -> Shape:
        return documented(self.object_of(layout, taken), layout.node.doc)

    def object_of(self, layout: StructLayout, taken: bool, without: frozenset[str] = frozenset()) -> Shape:
        """A struct's members as an object, but for those named ``without``."""
        forms = [
            ({name: shape for name, shape in members.items() if name not in without},
             [name for name in required if name not in without])
            for members, required in self._alternatives(layout, taken)
        ]
        if len(forms) == 1:
            return self._object(*forms[0], taken=taken)
        if len(forms) > _MOST_ALTERNATIVES:
            return {"type": "object"}
        # Without a tag the first member of a union is meant by an object that names none, so forms may overlap.
        return {"anyOf": [self._object(*form, taken=taken) for form in forms]}

    def results_of(self, members: Iterable[FieldLayout]) -> Shape:
        """Results as an object in which every name is there; a pointer may be null."""
        shapes = {}
        for member in members:
            shape = self.member(member, taken=False)
            absent = member.type is not None and member.type.kind.is_pointer
            shapes[member.tag_value] = nullable(shape) if absent else shape
        return self._object(shapes, list(shapes), taken=False)

    def _object(self, members: dict[str, Shape], required: list[str], taken: bool) -> Shape:
        shape: Shape = {"type": "object", "properties": members}
        if not taken or self._options.unknown_fields == "reject":
            shape["additionalProperties"] = False
        return {**shape, "required": required} if required else shape

    def _alternatives(self, layout: StructLayout, taken: bool) -> list[_Alternative]:
        forms: list[_Alternative] = [({}, [])]
        for member in layout.fields:
            forms = _product(forms, self._forms_of(member, taken))
        if layout.variants:
            variants: list[_Alternative] = []
            for member in layout.variants:
                variants += self._variant(layout, member, taken)
            if taken:
                variants.append(({}, []))
            forms = _product(forms, variants)
        return forms

    def _forms_of(self, member: FieldLayout, taken: bool) -> list[_Alternative]:
        if member.flat is not None:
            forms = [
                ({member.prefix + name: shape for name, shape in members.items()},
                 [member.prefix + name for name in required])
                for members, required in self._alternatives(member.flat, taken)
            ]
            # A struct, unlike a group, may be absent with all its members.
            return forms if member.type is None else [*forms, ({}, [])]
        assert member.name is not None  # only flattened fields have none
        always = not taken and (member.type is None or not member.type.kind.is_pointer)
        return [({member.name: self.member(member, taken)}, [member.name] if always else [])]

    def _variant(self, layout: StructLayout, member: FieldLayout, taken: bool) -> list[_Alternative]:
        tag: dict[str, Shape] = {} if layout.tag is None else {layout.tag: {"const": member.tag_value}}
        if member.flat is not None:
            forms = self._forms_of(member, taken)
        else:
            shape = self.member(member, taken)
            if member.type is not None and member.type.kind.is_pointer:
                shape = nullable(shape)
            name = member.name or member.tag_value
            # With a tag, a member of type Void says nothing and is left out.
            says = layout.tag is None or (not taken and (member.type is None or member.type.kind is not Kind.VOID))
            forms = [({name: shape}, [name] if says else [])]
        return [({**tag, **members}, [*tag, *required]) for members, required in forms]

    def member(self, member: FieldLayout, taken: bool) -> Shape:
        """One field of a struct, with its default and its comment."""
        if member.group is not None:
            shape = self.object_of(member.group, taken)
        else:
            assert member.type is not None  # a field is a slot or a group
            shape = self._value(member.type, member.form, taken)
            if taken and member.form is Form.PLAIN:
                default = self._default(member)
                if default is not None:
                    shape = {**shape, "default": default}
        if known.is_sensitive(member.field.annotations):
            shape = {**shape, "format": "password"} if shape.get("type") == "string" else shape
        return documented(shape, member.field.doc)

    def _default(self, member: FieldLayout) -> JSON:
        """What a member that is left out is, where that is no object, list or bytes."""
        value, type = member.field.default, member.type
        if type is None or not (type.kind is Kind.TEXT or not type.kind.is_pointer):
            return None
        if type.kind is Kind.ENUM and isinstance(value, int):
            names = self._routes.layouts.enum(type.node_id).names
            return names[value] if value < len(names) else value
        if isinstance(value, float):
            return float_out(value)
        if type.kind in _WIDE:
            return str(value)
        return base64_out(value) if isinstance(value, bytes) else value


_BASE64: Final = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_MOST_NESTED: Final = 30
_FLOAT: Final[Shape] = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
_SIMPLE: Final[dict[Kind, Shape]] = {
    Kind.VOID: {"type": "null"},
    Kind.BOOL: {"type": "boolean"},
    Kind.FLOAT32: _FLOAT,
    Kind.FLOAT64: _FLOAT,
    Kind.TEXT: {"type": "string"},
    Kind.ANY_STRUCT: {"type": "object"},
    Kind.ANY_LIST: {"type": "array", "items": {}},
}


def object_path(routes: ServiceRoutes, interface: Type, method: str) -> str:
    """The path of a method of an object; ``{handle}`` stands for the object."""
    words = quote(describe_type(routes.schema, interface), safe="(),.")
    return fixed_paths.filled(
        fixed_paths.OBJECT_METHOD, handle="{handle}", service=routes.name, interface=words, method=method
    )


def place_of(name: str) -> str:
    """Where the component of that name stands."""
    return f"#/components/schemas/{name}"


def _product(forms: list[_Alternative], others: list[_Alternative]) -> list[_Alternative]:
    if len(forms) * len(others) > _MOST_ALTERNATIVES:
        # Too many to be told apart: all members, none required.
        every = [({**forms[0][0]}, list[str]())]
        for members, _ in (*forms, *others):
            every[0][0].update(members)
        return every
    return [
        ({**members, **more}, [*required, *also]) for members, required in forms for more, also in others
    ]


def nullable(shape: Shape) -> Shape:
    """The same, or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def documented(shape: Shape, doc: str) -> Shape:
    """The same with a description, if there is one."""
    return {**shape, "description": doc} if doc else shape
