"""Enum classes: IntEnums whose values are set by member, name or number."""

from __future__ import annotations

import enum
from typing import Any, Final

from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.generics import Declaration
from cara_pseud.python_names import python_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import EnumNode
from cara_pseud.values import Annotations, Conversion, conversion_of


class EnumType(enum.EnumMeta):
    """The metaclass of enum classes."""

    def __setattr__(cls, name: str, value: Any) -> None:
        # `Color.class_` and the declaration are set after the members; neither may become one.
        type.__setattr__(cls, name, value)

    def __getitem__(cls, name: str) -> Any:
        return super().__getitem__(_member_name(name))

    @property
    def __annotations__(cls) -> dict[str, Any]:  # type: ignore[override]
        declaration = vars(cls).get("__declaration__")
        return declaration.annotations() if isinstance(declaration, Declaration) else {}


class Enum(enum.IntEnum, metaclass=EnumType):
    """The base of all enum classes."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if isinstance(value, str):
            return conversion_of(cls).enter(value)
        return None

    def annotations(self) -> Annotations:
        """The annotations applied to the enumerant, values by name."""
        declaration: Declaration = getattr(type(self), "__declaration__")  # noqa: B009 (set after the class was made)
        assert isinstance(declaration.node, EnumNode)
        return Annotations(declaration.node.enumerants[self].annotations, declaration.classes)


class UnknownEnumerant(int):
    """The number of an enumerant that only a newer schema has. It can be passed on where the enum is expected.

    Attributes:
        enum: the class of the enum.
    """

    enum: EnumType

    def __new__(cls, number: int, enum: EnumType) -> UnknownEnumerant:
        self = super().__new__(cls, number)
        self.enum = enum
        return self

    def __repr__(self) -> str:
        return f"<{self.enum.__name__}: {int(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return UnknownEnumerant, (int(self), self.enum)


def _member_name(name: str) -> str:
    return "mro_" if name == "mro" else name


_MOST: Final = 65535
"""An enumerant's number has 16 bits."""


def make_enum_class(name: str, declaration: Declaration, module: str) -> EnumType:
    """The class of an enum.

    Python reserves the member name ``mro``; such an enumerant becomes ``mro_`` and has its own name where values enter.
    """
    node = declaration.node
    assert isinstance(node, EnumNode)
    names = [_member_name(enumerant.name) for enumerant in node.enumerants]
    make: Any = Enum
    cls = make(name, [(member, number) for number, member in enumerate(names)], module=module, qualname=name)
    by_name = {enumerant.name: cls(enumerant.id) for enumerant in node.enumerants}
    for enumerant, member in by_name.items():
        if python_name(enumerant) != enumerant:
            setattr(cls, python_name(enumerant), member)
    members = tuple(cls)
    listed = ", ".join(by_name)

    def enter(value: Any) -> Any:
        if type(value) is cls:
            return value
        if isinstance(value, str):
            member = by_name.get(value)
            if member is None:
                raise InvalidValue(f"{shown(value)} is no {name}; it has {listed}")
            return member
        foreign = isinstance(value, enum.Enum) and getattr(type(value), "__id__", None) != node.id
        if not isinstance(value, int) or isinstance(value, bool) or foreign:
            raise WrongType(f"{shown(value)} is no {name}; it has {listed}")
        if 0 <= value < len(members):
            return members[value]
        if type(value) is UnknownEnumerant and getattr(value.enum, "__id__", None) == node.id:
            return value
        raise InvalidValue(f"{shown(value)} is no {name}; its numbers are 0 … {len(members) - 1} ({listed})")

    def receive(value: Any) -> Any:
        if type(value) is int and len(members) <= value <= _MOST:
            return UnknownEnumerant(value, cls)
        return enter(value)

    cls.__doc__ = node.doc or None
    cls.__declaration__ = declaration
    cls.__id__ = node.id
    cls.__type__ = cls.__enum_type__ = declaration.type
    cls.__schema__ = declaration.classes.schema
    cls.__conversion__ = Conversion(
        name, enter, int, lambda: members[0] if members else None, False, receive=receive
    )
    return cls  # type: ignore[no-any-return]
