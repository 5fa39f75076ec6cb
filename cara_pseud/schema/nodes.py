"""What a compiled schema says, as frozen plain data: nodes, fields, methods, types.

Made by the loader from pycapnp once per schema; knows neither pycapnp nor Python classes made from it.
Field and method ids are the *index in the compiled list* (WIRE ids), not the ``@ordinal``. Values that
stand in a schema (defaults, constants, annotation values) are *wire values*: what msgpack carries, i.e.
struct = dict by field id with only the set fields, group = nested dict, enum = int, Void = None,
Text = str, Data = bytes, List = list.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


class Kind(enum.Enum):
    """The kinds of Cap'n Proto types; the value is the schema language's word."""

    VOID = "Void"
    BOOL = "Bool"
    INT8 = "Int8"
    INT16 = "Int16"
    INT32 = "Int32"
    INT64 = "Int64"
    UINT8 = "UInt8"
    UINT16 = "UInt16"
    UINT32 = "UInt32"
    UINT64 = "UInt64"
    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    TEXT = "Text"
    DATA = "Data"
    LIST = "List"
    ENUM = "enum"
    STRUCT = "struct"
    INTERFACE = "interface"
    ANY_POINTER = "AnyPointer"
    CAPABILITY = "Capability"
    ANY_STRUCT = "AnyStruct"
    ANY_LIST = "AnyList"

    @property
    def is_pointer(self) -> bool:
        """Whether a value of this kind may be absent (null) in a struct."""
        return self in _POINTERS


UNTYPED = frozenset({Kind.ANY_POINTER, Kind.CAPABILITY, Kind.ANY_STRUCT, Kind.ANY_LIST})
"""Kinds of pointers of which the schema says no more than that, or whether it is an object, a struct or a list."""
MAPS = frozenset({Kind.STRUCT, Kind.INTERFACE, Kind.ANY_POINTER, Kind.CAPABILITY, Kind.ANY_STRUCT})
"""Kinds whose wire values may be maps, so that a group in their place cannot be told from them."""
_POINTERS = UNTYPED | {Kind.TEXT, Kind.DATA, Kind.LIST, Kind.STRUCT, Kind.INTERFACE}

INT_RANGES: Mapping[Kind, tuple[int, int]] = {
    **{kind: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for kind, bits in
       ((Kind.INT8, 8), (Kind.INT16, 16), (Kind.INT32, 32), (Kind.INT64, 64))},
    **{kind: (0, 2**bits - 1) for kind, bits in
       ((Kind.UINT8, 8), (Kind.UINT16, 16), (Kind.UINT32, 32), (Kind.UINT64, 64))},
}
"""Least and greatest value of each integer kind."""

Brand: TypeAlias = "tuple[tuple[int, tuple[Type, ...]], ...]"
"""Bindings of type parameters: (scope id, types by parameter index), sorted by scope id. () = none."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type as used in a field, list, constant or method.

    ``node_id`` and ``brand`` belong to ENUM, STRUCT and INTERFACE, ``element`` to LIST. ``parameter`` marks an
    ANY_POINTER that stands for a type parameter: (id of the declaring scope, index); a method's own
    type parameters have the id of its ``$Params`` struct as scope.
    """

    kind: Kind
    node_id: int = 0
    element: Type | None = None
    brand: Brand = ()
    parameter: tuple[int, int] | None = None

    def __hash__(self) -> int:
        # Types are the keys of many tables, and an enum member's own hash is a call in Python.
        return hash((self.kind._value_, self.node_id, self.element, self.brand, self.parameter))


@dataclass(frozen=True, slots=True)
class Annotation:
    """One applied annotation; ``value`` is a wire value of ``type``."""

    id: int
    name: str
    type: Type
    value: Any


@dataclass(frozen=True, slots=True)
class Field:
    """A field, union member or group of a struct; ``id`` is its index in the struct's list.

    Exactly one of ``type`` (a slot) and ``group_id`` (the node of a group or named union) is set.
    ``default`` is the value an unset field reads as: the explicit default, else 0, False, "" …; None for
    pointers without an explicit default and for groups. ``discriminant`` is the member's number within its
    struct's union, None outside of one. ``offset`` is where Cap'n Proto's own encoding has a slot: an index in the
    pointer section, or in the data section in units of the value's size (bits for Bool).
    """

    id: int
    name: str
    type: Type | None
    group_id: int | None
    default: Any
    has_explicit_default: bool
    discriminant: int | None
    code_order: int
    ordinal: int | None
    annotations: tuple[Annotation, ...] = ()
    doc: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Enumerant:
    """One name of an enum; ``id`` is its number."""

    id: int
    name: str
    code_order: int
    annotations: tuple[Annotation, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an interface; ``id`` is its index in the interface's list.

    ``params`` and ``results`` are STRUCT types. Inline ones (``(a :Int32) -> (b :Text)``) are anonymous structs whose
    fields are the parameters; else the method takes, or gives, that one struct. ``type_parameters`` are the
    names in ``method @0 [X, Y] (…)``.
    """

    id: int
    name: str
    code_order: int
    params: Type
    results: Type
    params_inline: bool
    results_inline: bool
    streaming: bool
    type_parameters: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all declarations have. ``name`` is the last part of ``display_name`` (``dir/file.capnp:Outer.Inner``).

    ``scope_id`` is the enclosing node's id, 0 for a file and for anonymous parameter structs. ``parameters`` are the
    names of its own type parameters. ``nested`` maps names to ids in source order. ``aliases`` are the names that
    ``using`` declares directly in it: each stands for a declaration or file by its id, or for a type that is bound or
    built in.
    """

    id: int
    name: str
    display_name: str
    scope_id: int
    nested: tuple[tuple[str, int], ...] = ()
    aliases: tuple[tuple[str, int | Type], ...] = ()
    parameters: tuple[str, ...] = ()
    is_generic: bool = False
    annotations: tuple[Annotation, ...] = ()
    doc: str = ""

    @property
    def qualified_name(self) -> str:
        """The name within its file: ``AddressBook.Listener``; the file's own is empty."""
        return self.display_name.partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNode(Node):
    """A .capnp file; ``text`` is its source as it was compiled, ``path`` where it was read and ``shown_name`` how
    errors name it (neither is ever shown to remote peers).
    """

    text: str = ""
    path: str = ""
    shown_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructNode(Node):
    """A struct, a group or named union (``is_group``), or a method's anonymous parameter list.

    In Cap'n Proto's own encoding it has so many ``data_words`` and ``pointers``, and the number of its union's active
    member at ``discriminant_offset``, in units of 16 bits.
    """

    fields: tuple[Field, ...]
    is_group: bool = False
    data_words: int = 0
    pointers: int = 0
    discriminant_offset: int = 0

    @property
    def union(self) -> tuple[Field, ...]:
        """The members of its unnamed union, by discriminant; empty without one."""
        members = [field for field in self.fields if field.discriminant is not None]
        return tuple(sorted(members, key=lambda member: member.discriminant or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumNode(Node):
    """An enum, its enumerants by number."""

    enumerants: tuple[Enumerant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceNode(Node):
    """An interface; ``superclasses`` are INTERFACE types in the terms of its own type parameters."""

    methods: tuple[Method, ...]
    superclasses: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstNode(Node):
    """A constant with its wire value."""

    type: Type
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationNode(Node):
    """A declared annotation; ``targets`` are the words of its declaration (``field``, ``method`` …)."""

    type: Type
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method as seen from an interface that may have inherited it.

    ``interface`` is the *declaring* interface with the brand under which it is inherited: its ``node_id`` is the
    interface id on the wire, its ``brand`` resolves the method's params and results.
    """

    interface: Type
    method: Method


@dataclass(frozen=True)
class Schema:
    """All nodes reachable from one or more loaded files.

    Attributes:
        nodes: every node by its 64-bit id.
        roots: ids of the files that were asked for, in that order.
    """

    nodes: Mapping[int, Node]
    roots: tuple[int, ...]
    _methods: dict[Type, tuple[BoundMethod, ...]] = field(default_factory=dict, compare=False, repr=False)

    def struct(self, id: int) -> StructNode:
        """The struct of that id; TypeError if the id names something else, KeyError if nothing."""
        node = self.nodes[id]
        if not isinstance(node, StructNode):
            raise TypeError(f"{node.display_name} is no struct")
        return node

    def enum(self, id: int) -> EnumNode:
        """The enum of that id; TypeError if the id names something else, KeyError if nothing."""
        node = self.nodes[id]
        if not isinstance(node, EnumNode):
            raise TypeError(f"{node.display_name} is no enum")
        return node

    def interface(self, id: int) -> InterfaceNode:
        """The interface of that id; TypeError if the id names something else, KeyError if nothing."""
        node = self.nodes[id]
        if not isinstance(node, InterfaceNode):
            raise TypeError(f"{node.display_name} is no interface")
        return node

    def find(self, name: str, root: int | None = None) -> Node | None:
        """The declaration ``Outer.Inner`` of a root file (the first one that has it), or None."""
        for start in self.roots if root is None else (root,):
            node: Node | None = self.nodes[start]
            for part in name.split("."):
                found = dict(node.nested).get(part) if node is not None else None
                node = self.nodes.get(found) if found is not None else None
            if node is not None:
                return node
        return None

    def methods(self, interface: Type) -> tuple[BoundMethod, ...]:
        """Every method callable on an interface: its own in id order, then inherited ones, nearest first.

        A name occurs once: a redefinition hides the superclass's method (which stays reachable on the wire by its own
        interface id). Diamonds are walked once.
        """
        known = self._methods.get(interface)
        if known is None:
            names: dict[str, BoundMethod] = {}
            for ancestor in self.ancestry(interface):
                for method in self.interface(ancestor.node_id).methods:
                    names.setdefault(method.name, BoundMethod(ancestor, method))
            known = self._methods[interface] = tuple(names.values())
        return known

    def ancestry(self, interface: Type) -> Iterator[Type]:
        """The interface itself and its superclasses breadth first, each branded, each once."""
        queue, seen = [interface], set()
        while queue:
            current = queue.pop(0)
            if current.node_id in seen:
                continue
            seen.add(current.node_id)
            yield current
            queue.extend(substitute(parent, current.brand) for parent in self.interface(current.node_id).superclasses)


def substitute(type: Type, brand: Brand) -> Type:
    """Replace the type parameters in ``type`` by what ``brand`` binds them to; unbound ones stay parameters.

    A parameter bound to nothing is an AnyPointer (Cap'n Proto: "unbound parameters are AnyPointer").
    """
    if not brand:
        return type
    if type.parameter is not None:
        scope, index = type.parameter
        for bound_scope, types in brand:
            if bound_scope == scope:
                return types[index] if index < len(types) else type
        return type
    if type.element is not None:
        element = substitute(type.element, brand)
        return type if element is type.element else Type(Kind.LIST, element=element)
    if type.brand:
        bound = tuple((scope, tuple(substitute(inner, brand) for inner in types)) for scope, types in type.brand)
        return type if bound == type.brand else Type(type.kind, type.node_id, brand=bound)
    return type


def describe_type(schema: Schema, type: Type) -> str:
    """The type in the schema language's words: ``List(Int32)``, ``Person``, ``Box(Text)``."""
    if type.kind is Kind.LIST and type.element is not None:
        return f"List({describe_type(schema, type.element)})"
    if type.kind in (Kind.ENUM, Kind.STRUCT, Kind.INTERFACE):
        node = schema.nodes[type.node_id]
        name = node.qualified_name or node.name
        bound = dict(type.brand).get(type.node_id, ())
        return f"{name}({', '.join(describe_type(schema, inner) for inner in bound)})" if bound else name
    if type.parameter is not None:
        scope = schema.nodes.get(type.parameter[0])
        if scope is not None and type.parameter[1] < len(scope.parameters):
            return scope.parameters[type.parameter[1]]
    return str(type.kind.value)
