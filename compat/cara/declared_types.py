"""Types as they stand in declarations: stand-ins until everything that was begun is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cara_pseud
from cara.world import WORLD, synthetic
from cara_pseud.generics import DeclaredType
from cara_pseud.lists import list_class
from cara_pseud.schema.nodes import Kind, Type


@dataclass(frozen=True)
class Standin:
    """A type in a declaration that is not finished: a list, a bound type, a type parameter."""

    type: Callable[[], Type]
    scopes: tuple[tuple[int, tuple[Any, ...]], ...] = ()
    of: Any = None

    def __getattr__(self, name: str) -> Any:
        """A declaration within a bound one: ``Box[Text].Nested``."""
        if name.startswith("_") or self.of is None:
            raise AttributeError(name)
        nested = getattr(self.of, name)
        return bound(nested, (), self.scopes) if isinstance(nested, type) else nested

    def __getitem__(self, arguments: Any) -> Standin:
        return bound(self.of, as_tuple(arguments), self.scopes)


def bound(declared: Any, arguments: tuple[Any, ...], outer: tuple[tuple[int, tuple[Any, ...]], ...]) -> Standin:
    """A declaration with type parameters bound, its own and those of what it is declared in."""
    scopes = (*outer, (declared.__id__, arguments)) if arguments else outer

    def make() -> Type:
        brand = tuple(sorted((id, tuple(type_of(argument) for argument in bound)) for id, bound in scopes))
        return Type(type_of(declared).kind, declared.__id__, brand=brand)

    return Standin(make, scopes, declared)


def type_of(value: Any) -> Type:
    """The schema's type of what stands in a declaration."""
    if isinstance(value, Standin):
        return value.type()
    kind = getattr(type(value), "declared_kind", None)
    if kind is not None:
        return Type(kind, value.__id__)
    made = getattr(value, "__type__", None)
    if not isinstance(made, Type):
        raise cara_pseud.WrongType(f"{value!r} is no type", path="")
    if isinstance(value, DeclaredType) or (isinstance(value, type) and issubclass(value, cara_pseud.Enum)):
        WORLD.take(value)
    return made


def as_tuple(arguments: Any) -> tuple[Any, ...]:
    """What stands in brackets."""
    return arguments if isinstance(arguments, tuple) else (arguments,)


class _Lists:
    """``cara.List(Text)``, ``cara.List[Text]``, and ``isinstance(x, cara.List)``."""

    def __call__(self, element: Any) -> Any:
        if WORLD.begun:
            return Standin(lambda: Type(Kind.LIST, element=type_of(element)))
        return list_class(element)

    __getitem__ = __call__

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, cara_pseud.List)


List = _Lists()


def MethodTemplate(index: int) -> Standin:
    """A type parameter of the method that it stands in."""
    return Standin(lambda: Type(Kind.ANY_POINTER, parameter=(METHOD_SCOPE, index)))


METHOD_SCOPE: Final = synthetic("method")
"""Stands for the method until it is known which one it is."""


def in_method(type: Type, scope: int) -> Type:
    """A type with the method's own type parameters as its own."""
    if type.parameter is not None and type.parameter[0] == METHOD_SCOPE:
        return Type(Kind.ANY_POINTER, parameter=(scope, type.parameter[1]))
    if type.element is not None:
        return Type(Kind.LIST, element=in_method(type.element, scope))
    brand = tuple((id, tuple(in_method(inner, scope) for inner in types)) for id, types in type.brand)
    return Type(type.kind, type.node_id, brand=brand, parameter=type.parameter)
