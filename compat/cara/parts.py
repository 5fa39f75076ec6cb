"""Parts of declarations: fields, methods, annotations, constants, and their values."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cara_pseud
from cara.declared_types import type_of
from cara.world import WORLD
from cara_pseud.schema import nodes


@dataclass(frozen=True)
class Enumerant:
    """A name of an enum."""

    name: str
    ordinal: int
    annotations: Sequence[Any] = ()


@dataclass(frozen=True)
class Field:
    """A field of a struct."""

    id: int
    name: str
    type: Any
    default: Any = None
    annotations: Sequence[Any] = ()


Param = Field


@dataclass(frozen=True)
class Group:
    """A group, or a named union."""

    id: int
    name: str
    fields: Sequence[Any]
    annotations: Sequence[Any] = ()


@dataclass(frozen=True)
class Union:
    """The members of a struct's or group's union."""

    fields: Sequence[Any]
    annotations: Sequence[Any] = ()


@dataclass(frozen=True)
class Method:
    """A method of an interface."""

    id: int
    name: str
    params: Any = ()
    results: Any = ()
    annotations: Sequence[Any] = ()
    templates: Sequence[str] = ()


TemplatedMethod = Method


@dataclass(frozen=True)
class AnnotationValue:
    """An annotation as it is applied."""

    annotation: Annotation
    value: Any


class Annotation:
    """An annotation: called with a value, it is applied."""

    ALL: Final = ("*",)

    def __init__(self, name: str, id: int, **_: Any) -> None:
        self.name = name
        self.id = self.__id__ = id
        self.type: Any = cara_pseud.Void
        self.applies_to: Sequence[str] = ()

    def FinishDeclaration(self, type: Any, applies_to: Sequence[str] = (), **_: Any) -> None:
        """Say of which type its values are."""
        self.type, self.applies_to = type, applies_to

    def __call__(self, value: Any = None) -> AnnotationValue:
        return AnnotationValue(self, value)

    def applied(self, value: Any) -> nodes.Annotation:
        """The annotation as a node has it."""
        return nodes.Annotation(self.id, self.name, type_of(self.type), wire(value))

    def __repr__(self) -> str:
        return f"<annotation {self.name}>"


class Const:
    """A constant: ``.value`` and ``.type``."""

    def __init__(self, name: str, id: int, **_: Any) -> None:
        self.name = name
        self.id = self.__id__ = id
        self.type: Any = cara_pseud.Void
        self._value: Any = None
        self._annotations: Sequence[Any] = ()

    def FinishDeclaration(self, type: Any, value: Any, annotations: Sequence[Any] = (), **_: Any) -> None:
        """Say what it is."""
        self.type, self._value, self._annotations = type, value, annotations

    @property
    def value(self) -> Any:
        """The value; a new one each time where it can be changed."""
        conversion = WORLD.classes.resolve(type_of(self.type)).__conversion__
        return conversion.absent() if self._value is None else conversion.enter(wire(self._value))

    def annotations(self) -> Mapping[str, Any]:
        """The annotations applied to it, values by name."""
        return cara_pseud.values.Annotations(annotations_of(self._annotations), WORLD.classes)

    def __repr__(self) -> str:
        return f"<constant {self.name}>"


def wire(value: Any) -> Any:
    """A value in a declaration as it is on the wire."""
    if isinstance(value, enum.IntEnum):
        return int(value)
    if isinstance(value, Const):
        return wire(value.value)
    if isinstance(value, Mapping):
        return {key: wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def annotations_of(given: Sequence[Any]) -> tuple[nodes.Annotation, ...]:
    """Applied annotations as a node has them."""
    return tuple(each.annotation.applied(each.value) for each in given)
