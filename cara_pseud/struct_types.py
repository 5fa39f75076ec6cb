"""The metaclass of struct classes: how they are made of declarations, their fields as attributes, their conversion."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from cara_pseud.errors import WrongType
from cara_pseud.generics import Declaration, DeclaredType
from cara_pseud.layouts import Layout, StructField
from cara_pseud.patterns import in_class_pattern
from cara_pseud.python_names import python_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import StructNode, Type
from cara_pseud.values import MISSING, Conversion

_DICT: Final = frozenset(dir(dict))
_get: Final = dict.get
_update: Final[Callable[..., None]] = dict.update


class _LazyLayout:
    """Compiles a class's layout at its first use: a struct may contain itself."""

    def __get__(self, instance: object, owner: StructType) -> Layout:
        # A user's subclass finds this in its base, whose layout it shares.
        declared = next(base for base in owner.__mro__ if vars(base).get("_layout") is self)
        assert isinstance(declared, StructType)
        layout = Layout(declared.__name__, declared.__declaration__)
        declared._layout = layout
        return layout


class _FieldAccess:
    """``struct.name``; on the class it is the `StructField`, or a group's struct class."""

    __slots__ = ("id", "name")

    def __init__(self, id: int, name: str) -> None:
        self.id = id
        self.name = name

    def __get__(self, instance: Any, owner: StructType) -> Any:
        if instance is None:
            field = owner._layout.by_id[self.id]
            return field.type if isinstance(field.type, StructType) and field.type.__is_group__ else field
        value = _get(instance, self.id, MISSING)
        if value is not MISSING:
            return value
        layout = owner._layout
        field = layout.by_id[self.id]
        is_active = not field.in_union or layout.active(instance, instance._unknown is not None) is field
        if not is_active and in_class_pattern(sys._getframe(1)):
            raise AttributeError(self.name)
        return instance._absent(field)


class StructType(DeclaredType):
    """The metaclass of struct classes."""

    # Not annotated: an annotation here would hide the `__annotations__` of the base.
    _layout = cast(Layout, None)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **arguments: Any) -> None:
        super().__init__(name, bases, namespace)
        if hasattr(cls, "__declaration__"):
            cls.__conversion__ = _conversion(cls)

    @property
    def __fields__(cls) -> Mapping[str, StructField]:
        """The fields by name, in the order of their ids."""
        return MappingProxyType(cls._layout.by_name)

    @property
    def __struct_type__(cls) -> Type:
        """The struct as a type of the schema."""
        return cls.__declaration__.type

    @property
    def __is_group__(cls) -> bool:
        node = cls.__declaration__.node
        return isinstance(node, StructNode) and node.is_group


def make_struct_class(name: str, base: StructType, declaration: Declaration, module: str) -> StructType:
    """The class of a struct, group or named union."""
    node = declaration.node
    assert isinstance(node, StructNode)
    namespace: dict[str, Any] = {
        "__declaration__": declaration,
        "__doc__": node.doc or None,
        "__match_args__": tuple(field.name for field in node.fields),
        "__module__": module,
        "__qualname__": name,
        "_layout": _LazyLayout(),
    }
    for field in node.fields:
        # A dict method keeps its name; `which` is ours and gives way.
        if field.name not in _DICT:
            for attribute in {field.name, python_name(field.name)}:
                namespace[attribute] = _FieldAccess(field.id, attribute)
    return StructType(name, (base,), namespace)


def _conversion(struct_class: StructType) -> Conversion:
    cls: Any = struct_class

    def enter(value: Any) -> Any:
        if isinstance(value, cls):
            # A value that waits for its place in another struct must not end up in two.
            return value if value._owner is None else copy.deepcopy(value)
        if type(value) is not dict and not isinstance(value, Mapping):
            raise WrongType(f"{shown(value)} is no {cls.__name__}")
        if custom:
            return cls(value)
        result: Any = cls.__new__(cls)
        layout = cls._layout
        staged = layout.entered(value)
        if layout.union_ids:
            layout.check_union(staged)
        _update(result, staged)
        return result

    def receive(value: Any) -> Any:
        layout = cls._layout
        if type(value) is not dict:
            if isinstance(value, cls) or not cls.__is_group__:
                return enter(value)
            # A field that a newer schema moved into a group is that group's first.
            value = {layout.first_id: value}
        staged, unknown = layout.received(value)
        if layout.union_ids:
            layout.check_union(staged)
        result: Any = cls(staged) if custom else cls.__new__(cls)
        if not custom:
            _update(result, staged)
        if unknown:
            result._keep_unknown(unknown)
        return result

    def dump(value: Any) -> Any:
        return type(value)._layout.dump(value, value._unknown)

    def absent() -> Any:
        return cls({}) if custom else cls.__new__(cls)

    # A user's subclass may do more at its making than fill in the fields.
    root = [base for base in struct_class.__mro__ if isinstance(base, StructType)][-1]
    custom = cls.__init__ is not root.__init__  # type: ignore[misc]
    return Conversion(cls.__name__, enter, dump, absent, True, receive=receive)
