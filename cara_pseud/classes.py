"""From a compiled schema to Python classes, and the module-like object that holds a file's declarations."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import MappingProxyType, ModuleType
from typing import Any

from cara_pseud.builtin_types import BY_KIND, AnyPointer
from cara_pseud.enums import make_enum_class
from cara_pseud.errors import WrongType
from cara_pseud.generics import Bindings, Declaration, Replacements, plain, replace
from cara_pseud.interfaces import Interface, make_interface_class
from cara_pseud.lists import list_class
from cara_pseud.registry import REGISTER_GLOBALLY, GlobalTypeRegistry
from cara_pseud.schema.nodes import (
    Annotation,
    AnnotationNode,
    ConstNode,
    EnumNode,
    FileNode,
    InterfaceNode,
    Kind,
    Node,
    Schema,
    StructNode,
    Type,
)
from cara_pseud.struct_types import make_struct_class
from cara_pseud.structs import Struct
from cara_pseud.values import MISSING, Annotations, Stored, ValueType, conversion_of


class SchemaClasses:
    """The classes of one schema, each made when it is first asked for; the same declaration and types, the same class.

    Attributes:
        schema: the schema.
        fingerprint: tells the classes of one load from those of all others in this process.
        registered: the ids of the declarations that are annotated ``registerGlobally``.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.fingerprint = builtins.id(self)
        self._made: dict[tuple[Any, ...], Any] = {}
        self.registered = frozenset(
            node.id
            for node in schema.nodes.values()
            if any(annotation.id == REGISTER_GLOBALLY for annotation in node.annotations)
        )
        GlobalTypeRegistry.add_loaded(self)

    def has(self, id: int) -> bool:
        """Whether the schema has a declaration of that id."""
        return id in self.schema.nodes

    def declared(self, id: int, bindings: Bindings = (), replacements: Replacements = ()) -> Any:
        """The class of a struct, enum or interface, a constant's value, an annotation's description."""
        declared = self.variant(id, bindings, ())
        return replace(declared, replacements) if replacements else declared

    def variant(self, id: int, bindings: Bindings, replacements: Replacements) -> Any:
        """As `declared`, with exactly these replacements, also where they change nothing."""
        node = self.schema.nodes[id]
        if isinstance(node, ConstNode):
            # A new one each time: a constant must not be changed through what was read of it.
            return self._stored(node.type, node.value)
        if isinstance(node, AnnotationNode):
            return DeclaredAnnotation(self, node)
        relevant = self._relevant(node, bindings)
        # Callables of ReplaceTypes need not be hashable; the declaration keeps them, so that their ids stay theirs.
        key = (id, relevant, tuple((old, _identity(new)) for old, new in replacements))
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(Declaration(self, node, relevant, replacements))
        return made

    def resolve(self, type: Type, bindings: Bindings = (), replacements: Replacements = ()) -> ValueType:
        """The type object of a type; a type parameter that is bound to nothing is AnyPointer."""
        value_type = self._bound(type, bindings)
        if value_type is MISSING:
            value_type = AnyPointer
        return replace(value_type, replacements) if replacements else value_type

    def value_of(self, annotation: Annotation) -> Stored:
        """The stored value of an annotation."""
        return self._stored(annotation.type, annotation.value)

    def _stored(self, type: Type, value: Any) -> Stored:
        conversion = conversion_of(self.resolve(type))
        return conversion.absent() if value is None else conversion.enter(value)

    def _bound(self, type: Type, bindings: Bindings) -> ValueType:
        """The type object of a type, MISSING for a type parameter that is bound to nothing."""
        if type.kind is Kind.LIST:
            assert type.element is not None
            return list_class(self.resolve(type.element, bindings))
        if type.kind in (Kind.STRUCT, Kind.ENUM, Kind.INTERFACE):
            return self.variant(type.node_id, self._bound_brand(type, bindings), ())
        if type.parameter is not None:
            scope, index = type.parameter
            types = dict(bindings).get(scope, ())
            return types[index] if index < len(types) else MISSING
        return BY_KIND[type.kind]

    def _bound_brand(self, type: Type, bindings: Bindings) -> Bindings:
        brand = []
        for scope, types in type.brand:
            bound = [self._bound(inner, bindings) for inner in types]
            while bound and bound[-1] is MISSING:
                bound.pop()
            if bound:
                brand.append((scope, tuple(AnyPointer if inner is MISSING else inner for inner in bound)))
        return tuple(brand)

    def _relevant(self, node: Node, bindings: Bindings) -> Bindings:
        """The bindings for the type parameters that the node can name: its own and those of the scopes around it."""
        if not bindings:
            return bindings
        scopes = set()
        current: Node | None = node
        while current is not None:
            if current.parameters:
                scopes.add(current.id)
            current = self.schema.nodes.get(current.scope_id)
        return tuple(bound for bound in bindings if bound[0] in scopes)

    def _make(self, declaration: Declaration) -> Any:
        node = declaration.node
        module = f"{PurePath(self._file_of(node).name).stem}_capnp"
        own = dict(declaration.bindings).get(node.id, ())
        arguments = f"[{', '.join(_name_of(argument) for argument in own)}]" if own else ""
        if isinstance(node, EnumNode):
            return make_enum_class(node.name, declaration, module)
        unbound = self.variant(node.id, (), ()) if declaration.bindings and not declaration.replacements else None
        if isinstance(node, StructNode):
            name = node.name + arguments
            if node.is_group:
                # The name of the struct around it, as in ``Shape.kind({b: 'x'})``.
                name = f"{self.variant(node.scope_id, declaration.bindings, ()).__name__}.{node.name}"
            return make_struct_class(name, unbound or Struct, declaration, module)
        if isinstance(node, InterfaceNode):
            extends = tuple(declaration.resolve(parent) for parent in node.superclasses)
            bases = (Interface,) if unbound is None else (unbound,)
            return make_interface_class(node.name + arguments, extends, bases, declaration, module)
        raise WrongType(f"{node.display_name} is no type", path="")

    def _file_of(self, node: Node) -> Node:
        while node.scope_id and not isinstance(node, FileNode):
            node = self.schema.nodes[node.scope_id]
        return node


def _identity(value: object) -> int:
    return builtins.id(value)


def _name_of(value_type: ValueType) -> str:
    return str(getattr(value_type, "__name__", value_type))


class DeclaredAnnotation:
    """An annotation as declared: ``module.note``.

    Attributes:
        name, id, targets, doc: as in the schema.
        type: the type object of its values.
    """

    def __init__(self, classes: SchemaClasses, node: AnnotationNode) -> None:
        self.name = node.name
        self.id = self.__id__ = node.id
        self.targets = node.targets
        self.doc = node.doc
        self.type = classes.resolve(node.type)

    def __repr__(self) -> str:
        return f"<annotation {self.name}>"


class DeclaredConstant:
    """A constant as declared: ``module.__constants__["answer"]``.

    Attributes:
        name, id, doc: as in the schema.
        type: the type object.
    """

    def __init__(self, classes: SchemaClasses, node: ConstNode) -> None:
        self._classes = classes
        self._node = node
        self.name = node.name
        self.id = self.__id__ = node.id
        self.doc = node.doc
        self.type = classes.resolve(node.type)

    @property
    def value(self) -> Stored:
        """The value; a new one each time where it can be changed."""
        return self._classes.declared(self._node.id)

    def annotations(self) -> Annotations:
        """The annotations applied to the constant, values by name."""
        return Annotations(self._node.annotations, self._classes)

    def __repr__(self) -> str:
        return f"<constant {self.name}>"


class Module(ModuleType):
    """A schema file: its declarations are attributes, and so is what ``using`` calls by another name at its top.

    Attributes:
        __schema__: the schema, with the files it imports.
        __file__: where the file was read.
        __id__: the file's 64-bit id.
    """

    def __init__(self, classes: SchemaClasses, node: FileNode) -> None:
        super().__init__(f"{PurePath(node.name).stem}_capnp", node.doc or None)
        self.__file__ = node.path or node.name
        self.__schema__ = classes.schema
        self.__id__ = node.id
        self.__all__ = [*dict.fromkeys(name for name, _ in (*node.nested, *node.aliases))]
        self.__annotations__ = Annotations(node.annotations, classes)
        self.__classes__ = classes
        self.__node__ = node

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            node, schema, classes = self.__node__, self.__schema__, self.__classes__
            target = (dict(node.aliases) | dict(node.nested)).get(name)
            if target is not None:
                meant = None if isinstance(target, Type) else schema.nodes[target]
                if isinstance(target, Type):
                    declared = classes.resolve(target)
                elif isinstance(meant, FileNode):
                    declared = module_from_schema(schema, target, classes)
                else:
                    declared = plain(classes.declared(target))
                if not isinstance(meant, ConstNode):
                    vars(self)[name] = declared
                return declared
        raise AttributeError(f"{self.__node__.display_name} has no declaration {name!r}")

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.__all__]

    @property
    def __constants__(self) -> Mapping[str, DeclaredConstant]:
        """The file's constants with their types and annotations."""
        nodes = ((name, self.__schema__.nodes[id]) for name, id in self.__node__.nested)
        return MappingProxyType(
            {name: DeclaredConstant(self.__classes__, node) for name, node in nodes if isinstance(node, ConstNode)}
        )


def module_from_schema(schema: Schema, root_id: int | None = None, classes: SchemaClasses | None = None) -> Module:
    """The declarations of a file of a schema.

    Args:
        schema: a compiled schema.
        root_id: the file's id; the schema's first file if left out.
        classes: those of the schema if there are any already, so that modules of imported files share their classes.
    """
    node = schema.nodes[schema.roots[0] if root_id is None else root_id]
    assert isinstance(node, FileNode)
    return Module(SchemaClasses(schema) if classes is None else classes, node)
