"""The builders that generated modules call, and what becomes of them: nodes of a schema and classes of cara_pseud.

    Person = cara.Struct(name="Person", id=0x…)     a class without anything, which others may name already
    Person.FinishDeclaration(fields=[…])            kept, until nothing that was begun is without its end
                                                    then: nodes are made of all, and the classes filled

Until then a list of something or a bound type is a stand-in. All generated modules share one schema, see
`cara.world`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from cara.declared_types import Standin, as_tuple, bound, in_method, type_of
from cara.parts import Annotation, Const, Enumerant, Field, Group, Method, Union, annotations_of, wire
from cara.world import WORLD, World, synthetic
from cara_pseud.enums import make_enum_class
from cara_pseud.generics import Declaration
from cara_pseud.interfaces import Interface as InterfaceBase
from cara_pseud.interfaces import InterfaceType, make_interface_class
from cara_pseud.registry import REGISTER_GLOBALLY
from cara_pseud.schema import nodes
from cara_pseud.schema.nodes import Kind, Type
from cara_pseud.struct_types import StructType, make_struct_class
from cara_pseud.structs import Struct as StructBase

_ZEROES: Final[Mapping[Kind, Any]] = {
    Kind.BOOL: False, Kind.FLOAT32: 0.0, Kind.FLOAT64: 0.0, Kind.ENUM: 0, **dict.fromkeys(nodes.INT_RANGES, 0),
}  # fmt: skip


@dataclass
class _Begun:
    """A struct or interface whose class is there and empty."""

    cls: Any
    id: int
    name: str
    templates: tuple[str, ...]
    scope: int
    nested: dict[str, int] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    def path(self, world: World) -> str:
        """The name within its file, with the names around it."""
        outer = world.begun.get(self.scope) or world.finished.get(self.scope)
        return f"{outer.path(world)}.{self.name}" if outer is not None else self.name

    def common(self, world: World) -> dict[str, Any]:
        """What nodes of both kinds have."""
        scope = self.scope
        outer = world.begun.get(self.scope) or world.finished.get(self.scope)
        is_generic = bool(self.templates) or (outer is not None and outer.common(world)["is_generic"])
        while outer is not None:
            scope = outer.scope
            outer = world.begun.get(scope) or world.finished.get(scope)
        file = world.nodes[scope]
        return {
            "id": self.id, "name": self.name, "display_name": f"{file.display_name}:{self.path(world)}",
            "scope_id": self.scope, "nested": tuple(self.nested.items()), "parameters": self.templates,
            "is_generic": is_generic, "annotations": annotations_of(self.said.get("annotations", ())),
        }  # fmt: skip

    def make_node(self, world: World) -> None:
        """Make the node."""
        common = self.common(world)
        if isinstance(self.cls, ForwardStruct):
            self.make_struct(world, common, self.said.get("fields", ()), is_group=False)
        else:
            methods = tuple(self.method(world, method) for method in self.said.get("methods", ()))
            supers = tuple(type_of(each) for each in self.said.get("superclasses", ()))
            world.nodes[self.id] = nodes.InterfaceNode(**common, methods=methods, superclasses=supers)
        if any(annotation.id == REGISTER_GLOBALLY for annotation in common["annotations"]):
            world.classes.registered |= {self.id}

    def make_struct(self, world: World, common: dict[str, Any], fields: Sequence[Any], is_group: bool) -> None:
        made: list[nodes.Field] = []
        for item, discriminant in _members(fields):
            made.append(self.field(world, common, item, discriminant))
        made.sort(key=lambda each: each.id)
        world.nodes[common["id"]] = nodes.StructNode(**common, fields=tuple(made), is_group=is_group)

    def field(self, world: World, outer: dict[str, Any], item: Any, discriminant: int | None) -> nodes.Field:
        annotations = annotations_of(item.annotations)
        if isinstance(item, Group):
            id = synthetic(outer["id"], item.id)
            group = {
                **outer, "id": id, "name": item.name, "display_name": f"{outer['display_name']}.{item.name}",
                "scope_id": outer["id"], "nested": (), "parameters": (), "annotations": (),
            }  # fmt: skip
            self.make_struct(world, group, item.fields, is_group=True)
            return nodes.Field(item.id, item.name, None, id, None, False, discriminant, item.id, None, annotations)
        return _slot(item, discriminant, annotations, type_of(item.type))

    def method(self, world: World, method: Method) -> nodes.Method:
        types = []
        for what, given in (("params", method.params), ("results", method.results)):
            if isinstance(given, list | tuple):
                id = synthetic(self.id, method.id, what)
                scope = self.scope_of(method)
                fields = tuple(
                    _slot(item, None, annotations_of(item.annotations), in_method(type_of(item.type), scope))
                    for item in given
                )
                name = f"{method.name}${what.capitalize()}"
                world.nodes[id] = nodes.StructNode(id=id, name=name, display_name=name, scope_id=0, fields=fields)
                types.append((Type(Kind.STRUCT, id), True))
            else:
                types.append((in_method(type_of(given), self.scope_of(method)), False))
        (params, params_inline), (results, results_inline) = types
        return nodes.Method(
            method.id, method.name, method.id, params, results, params_inline, results_inline, False,
            tuple(method.templates), annotations_of(method.annotations),
        )  # fmt: skip

    def scope_of(self, method: Method) -> int:
        """The scope of a method's own type parameters: that of its parameters."""
        return synthetic(self.id, method.id, "params")

    def fill(self, world: World) -> None:
        """Give the class what its declaration says."""
        cls = self.cls
        if "__declaration__" in vars(cls):
            return
        declaration = Declaration(world.classes, world.nodes[self.id], (), ())
        module = cls.__module__
        if isinstance(cls, ForwardStruct):
            donor: Any = make_struct_class(self.name, StructBase, declaration, module)
        else:
            for each in self.said.get("superclasses", ()):
                outer = world.finished.get(type_of(each).node_id)
                if outer is not None:
                    outer.fill(world)
            extends = tuple(declaration.resolve(type_of(each)) for each in self.said.get("superclasses", ()))
            donor = make_interface_class(self.name, extends, (InterfaceBase,), declaration, module)
        for name, value in vars(donor).items():
            if name not in ("__dict__", "__weakref__", "__conversion__", "__qualname__"):
                type.__setattr__(cls, name, value)
        if donor.__bases__ != cls.__bases__:
            cls.__bases__ = donor.__bases__
        type(cls).__init__(cls, cls.__name__, cls.__bases__, {})


def _members(fields: Sequence[Any]) -> Iterator[tuple[Any, int | None]]:
    for item in fields:
        if isinstance(item, Union):
            yield from ((member, number) for number, member in enumerate(item.fields))
        else:
            yield item, None


def _slot(
    item: Field, discriminant: int | None, annotations: tuple[nodes.Annotation, ...], type: Type
) -> nodes.Field:
    explicit = item.default is not None
    default = wire(item.default) if explicit else _ZEROES.get(type.kind)
    return nodes.Field(
        item.id, item.name, type, None, default, explicit, discriminant, item.id, item.id, annotations
    )


class _Forward:
    """What the metaclasses of declared classes have in common."""

    def __setattr__(cls, name: str, value: Any) -> None:
        type.__setattr__(cls, name, value)
        begun = WORLD.begun.get(getattr(cls, "__id__", 0))
        inner = WORLD.begun.get(getattr(value, "__id__", 0))
        if begun is not None and not name.startswith("_"):
            if inner is not None:
                inner.scope = begun.id
                type.__setattr__(value, "__qualname__", f"{cls.__qualname__}.{value.__name__}")
            if isinstance(value, _Forward | Const | Annotation) and not isinstance(value, Const | Annotation):
                begun.nested[name] = value.__id__

    def __getitem__(cls, arguments: Any) -> Any:
        if WORLD.begun:
            return bound(cls, as_tuple(arguments), ())
        return super().__getitem__(arguments)  # type: ignore[misc]

    def __getattr__(cls, name: str) -> Any:
        if name == "id":
            return cls.__id__
        return super().__getattr__(name)  # type: ignore[misc]

    def Template(cls, index: int) -> Standin:
        """A type parameter of the declaration."""
        id = cls.__id__
        return Standin(lambda: Type(Kind.ANY_POINTER, parameter=(id, index)))

    def FinishDeclaration(cls, **said: Any) -> None:
        """Say what is in it: ``fields``, or ``methods`` and ``superclasses``, and ``annotations``."""
        id = cls.__id__
        WORLD.begun[id].said = said
        WORLD.finish(id)


class ForwardStruct(_Forward, StructType):
    """The metaclass of declared structs."""

    declared_kind = Kind.STRUCT

    @property
    def __id__(cls) -> int:
        id: int = vars(cls).get("_declared_id") or cls.__declaration__.node.id
        return id


class ForwardInterface(_Forward, InterfaceType):
    """The metaclass of declared interfaces."""

    declared_kind = Kind.INTERFACE

    @property
    def __id__(cls) -> int:
        id: int = vars(cls).get("_declared_id") or cls.__declaration__.node.id
        return id


class _Builder:
    """``cara.Struct(name=, id=)`` makes a class; ``isinstance(x, cara.Struct)`` asks for a value of any such class."""

    def __init__(self, metaclass: Any, base: type) -> None:
        self._metaclass = metaclass
        self._base = base

    def __call__(self, *, name: str, id: int, templates: Sequence[str] = (), **_: Any) -> Any:
        module = sys._getframe(1).f_globals["__name__"]
        namespace = {"__module__": module, "__qualname__": name, "_declared_id": id}
        cls = self._metaclass(name, (self._base,), namespace)
        WORLD.classes._made[(id, (), ())] = cls
        WORLD.begin(_Begun(cls, id, name, tuple(templates), WORLD.file_of(module)))
        return cls

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._base)

    def __subclasscheck__(self, cls: type) -> bool:
        return issubclass(cls, self._base)


Struct = _Builder(ForwardStruct, StructBase)
TemplatedStruct = Struct
Interface = _Builder(ForwardInterface, InterfaceBase)
TemplatedInterface = Interface


def Enum(*, name: str, enumerants: Sequence[Enumerant], id: int | None = None, **_: Any) -> Any:
    """An enum: it is whole from the beginning, but for its annotations."""
    module = sys._getframe(1).f_globals["__name__"]
    file = WORLD.file_of(module)
    id = synthetic(module, name, len(WORLD.nodes)) if id is None else id

    def node(enumerants: Sequence[Enumerant], annotations: Sequence[Any]) -> nodes.EnumNode:
        made = tuple(
            nodes.Enumerant(each.ordinal, each.name, each.ordinal, annotations_of(each.annotations))
            for each in sorted(enumerants, key=lambda each: each.ordinal)
        )
        display_name = f"{PurePath(WORLD.nodes[file].display_name)}:{name}"
        return nodes.EnumNode(
            id=id, name=name, display_name=display_name, scope_id=file, enumerants=made,
            annotations=annotations_of(annotations),
        )  # fmt: skip

    WORLD.nodes[id] = node([Enumerant(each.name, each.ordinal) for each in enumerants], ())
    cls: Any = make_enum_class(name, Declaration(WORLD.classes, WORLD.nodes[id], (), ()), module)
    WORLD.classes._made[(id, (), ())] = cls

    def finish(enumerants: Sequence[Enumerant] = enumerants, annotations: Sequence[Any] = (), **_: Any) -> None:
        WORLD.nodes[id] = node(enumerants, annotations)
        cls.__declaration__ = Declaration(WORLD.classes, WORLD.nodes[id], (), ())

    cls.FinishDeclaration = finish
    return cls
