"""Classes made from declarations: type parameters, nested declarations, ReplaceTypes. Makes no class itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import (
    Annotation,
    EnumNode,
    Field,
    FileNode,
    InterfaceNode,
    Kind,
    Method,
    Node,
    Schema,
    StructNode,
    Type,
)
from cara_pseud.values import Annotations, Conversion, Stored, ValueType, conversion_of

Bindings: TypeAlias = "tuple[tuple[int, tuple[ValueType, ...]], ...]"
"""Type objects by type parameter: (scope id, types by index), sorted by scope id."""

Replacements: TypeAlias = "tuple[tuple[ValueType, Any], ...]"
"""Pairs of a type object and what stands in its place: another one, or any callable."""

KIND_OF_NODE: Final = {StructNode: Kind.STRUCT, EnumNode: Kind.ENUM, InterfaceNode: Kind.INTERFACE}

_WALK_LIMIT: Final = 10_000
"""A generic struct that contains itself under ever longer names (``Weird(Box(T))``) has endlessly many parts."""


class Classes(Protocol):
    """The classes of one schema; see `cara_pseud.classes.SchemaClasses`."""

    schema: Schema

    def resolve(self, type: Type, bindings: Bindings, replacements: Replacements) -> ValueType:
        """The type object of a type."""

    def declared(self, id: int, bindings: Bindings, replacements: Replacements) -> Any:
        """The class or value of a declaration, or the object that describes it."""

    def variant(self, id: int, bindings: Bindings, replacements: Replacements) -> Any:
        """The class of a declaration with exactly these replacements, also where they change nothing."""

    def value_of(self, annotation: Annotation) -> Stored:
        """The stored value of an annotation."""


class Declaration:
    """What a class was made from: a node, with its type parameters bound and its types replaced."""

    __slots__ = ("bindings", "classes", "node", "replacements")

    def __init__(self, classes: Classes, node: Node, bindings: Bindings, replacements: Replacements) -> None:
        self.classes = classes
        self.node = node
        self.bindings = bindings
        self.replacements = replacements

    @property
    def type(self) -> Type:
        """The class as a type in the terms of the schema."""
        brand = tuple((scope, tuple(bound.__type__ for bound in types)) for scope, types in self.bindings)
        return Type(KIND_OF_NODE[type(self.node)], self.node.id, brand=brand)

    def resolve(self, type: Type, extra: Bindings = ()) -> ValueType:
        """The type object of a type that stands in the declaration; ``extra`` binds a method's type parameters."""
        bindings = tuple(sorted(self.bindings + extra, key=lambda bound: bound[0])) if extra else self.bindings
        return self.classes.resolve(type, bindings, self.replacements)

    def field_type(self, field: Field) -> ValueType:
        """The type object of a slot, or the class of a group."""
        if field.group_id is not None:
            return self.classes.declared(field.group_id, self.bindings, self.replacements)
        assert field.type is not None
        return self.resolve(field.type)

    def nested(self, name: str) -> Any:
        """A declaration nested in this one, or what ``using`` calls so in it; KeyError if there is none."""
        target = (dict(self.node.aliases) | dict(self.node.nested))[name]
        if isinstance(target, Type):
            return plain(self.resolve(target))
        if isinstance(self.classes.schema.nodes[target], FileNode):
            raise KeyError(name)
        return plain(self.classes.declared(target, self.bindings, self.replacements))

    def has_nested(self, name: str) -> bool:
        """Whether `nested` knows the name."""
        return any(name == known for known, _ in (*self.node.nested, *self.node.aliases))

    def bind(self, arguments: ValueType | tuple[ValueType, ...]) -> Any:
        """Bind the next type parameters.

        Raises:
            InvalidValue: there are not that many.
            WrongType: an argument is no type.
        """
        given = arguments if isinstance(arguments, tuple) else (arguments,)
        for argument in given:
            conversion_of(argument)
        own = dict(self.bindings).get(self.node.id, ()) + given
        permitted = len(self.node.parameters)
        if len(own) > permitted:
            raise InvalidValue(
                f"{self.node.name} has {permitted} type parameters, {len(own)} types were given", path=""
            )
        others = tuple(bound for bound in self.bindings if bound[0] != self.node.id)
        bindings = tuple(sorted((*others, (self.node.id, own)), key=lambda bound: bound[0]))
        return self.classes.declared(self.node.id, bindings, self.replacements)

    def replaced(self, pairs: Replacements) -> Any:
        """The class of the same node with the pairs of types replaced as well."""
        earlier = tuple((old, _replace_one(new, pairs)) for old, new in self.replacements)
        known = {id(old) for old, _ in earlier}
        added = tuple((old, new) for old, new in pairs if id(old) not in known)
        return self.classes.variant(self.node.id, self.bindings, earlier + added)

    def parts(self) -> Iterator[ValueType]:
        """The types that stand in the declaration, and the classes declared in it."""
        node = self.node
        if isinstance(node, StructNode):
            for field in node.fields:
                yield self.field_type(field)
        elif isinstance(node, InterfaceNode):
            for parent in node.superclasses:
                yield self.resolve(parent)
            for method in node.methods:
                yield from self._method_parts(method)
        for _, nested_id in node.nested:
            nested = self.classes.declared(nested_id, self.bindings, self.replacements)
            if hasattr(nested, "__conversion__") and hasattr(nested, "__type__"):
                yield nested

    def _method_parts(self, method: Method) -> Iterator[ValueType]:
        for type, inline in ((method.params, method.params_inline), (method.results, method.results_inline)):
            if not inline:
                yield self.resolve(type)
                continue
            for field in self.classes.schema.struct(type.node_id).fields:
                assert field.type is not None
                yield self.resolve(field.type)

    def annotations(self) -> Annotations:
        """The annotations applied to the node."""
        return Annotations(self.node.annotations, self.classes)


class DeclaredType(type):
    """The metaclass of struct and interface classes."""

    __declaration__: Declaration
    __conversion__: Conversion

    def __getitem__(cls, arguments: Any) -> Any:
        """Bind type parameters: ``Box[Text]``, ``Pair[A, B]``, ``Pair[A][B]``."""
        return cls.__declaration__.bind(arguments)

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __getattr__(cls, name: str) -> Any:
            if not name.startswith("_"):
                try:
                    return cls.__declaration__.nested(name)
                except KeyError:
                    pass
            raise AttributeError(f"{cls.__name__} has no declaration {name!r}")

    @property
    def __id__(cls) -> int:
        """The declaration's 64-bit id."""
        return cls.__declaration__.node.id

    @property
    def __type__(cls) -> Type:
        """The class as a type of the schema."""
        return cls.__declaration__.type

    @property
    def __schema__(cls) -> Schema:
        """The schema that the declaration belongs to."""
        return cls.__declaration__.classes.schema

    @property
    def __annotations__(cls) -> dict[str, Any]:  # type: ignore[override]
        """The annotations applied to the declaration, values by name."""
        declaration = vars(cls).get("__declaration__")
        if isinstance(declaration, Declaration):
            return declaration.annotations()
        own: dict[str, Any] = vars(cls).get("__annotations__", {})
        return own

    def ReplaceTypes(cls, pairs: Sequence[tuple[ValueType, Any]]) -> Any:
        """The same class with types replaced wherever they stand in it, however deep; itself where none does.

        Args:
            pairs: ``[(old, new), …]``; ``new`` is another type, or a callable that takes the value of the old one.

        Raises:
            WrongType: they are no pairs.
        """
        return plain(replace(cls, pairs_of_types(pairs)))


class ReplacedType:
    """A type whose values are made by a callable of the user; see `DeclaredType.ReplaceTypes`."""

    def __init__(self, old: ValueType, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.__type__: Type = old.__type__
        self._old = conversion_of(old)
        self.__conversion__ = Conversion(self._old.name, self._enter, self._dump, lambda: None, True)

    def _enter(self, value: Any) -> Any:
        if value is None or (isinstance(self.make, type) and isinstance(value, self.make)):
            return value
        return self.make(self._old.enter(value))

    def _dump(self, value: Any) -> Any:
        try:
            return None if value is None else self._old.send(value)
        except InvalidValue:
            raise WrongType(f"a {type(value).__name__} cannot be sent: it is no {self._old.name}") from None


def plain(value_type: ValueType) -> Any:
    """What a caller of ReplaceTypes gave, in place of our object around it."""
    return value_type.make if isinstance(value_type, ReplacedType) else value_type


def pairs_of_types(pairs: Any) -> Replacements:
    """What ReplaceTypes was given, without what stays as it is.

    Raises:
        WrongType: they are no pairs.
    """
    if isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes | Mapping):
        given = list(pairs)
        if all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in given):
            return tuple((old, new) for old, new in given if old is not new)
    raise WrongType(f"ReplaceTypes takes pairs of types, [(old, new), …], not {shown(pairs)}", path="")


def replace(value_type: ValueType, pairs: Replacements) -> ValueType:
    """A type object with types replaced; itself where none of them occurs in it."""
    direct = _replace_one(value_type, pairs)
    if direct is not value_type:
        return direct
    element = getattr(value_type, "__element__", None)
    if element is not None:
        replaced = replace(element, pairs)
        return value_type if replaced is element else value_type.of(replaced)
    declaration = getattr(value_type, "__declaration__", None)
    if declaration is None or not isinstance(value_type, DeclaredType) or not _reaches(value_type, pairs):
        return value_type
    return declaration.replaced(pairs)


def _replace_one(value_type: ValueType, pairs: Replacements) -> ValueType:
    for old, new in pairs:
        if value_type is old:
            is_type = isinstance(getattr(new, "__conversion__", None), Conversion) and hasattr(new, "__type__")
            return new if is_type or isinstance(new, ReplacedType) else ReplacedType(old, new)
    return value_type


def _reaches(start: ValueType, pairs: Replacements) -> bool:
    """Whether one of the types to replace occurs in a class, however deep."""
    wanted = {id(old) for old, _ in pairs}
    # The objects are kept, so that no id is used twice.
    seen: dict[int, ValueType] = {}
    waiting = [start]
    while waiting and len(seen) < _WALK_LIMIT:
        current = waiting.pop()
        if id(current) in wanted:
            return True
        if id(current) in seen:
            continue
        seen[id(current)] = current
        element = getattr(current, "__element__", None)
        if element is not None:
            waiting.append(element)
        elif isinstance(current, DeclaredType):
            waiting.extend(current.__declaration__.parts())
    return bool(waiting)
