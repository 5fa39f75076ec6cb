"""Struct classes: dicts keyed by field id that take and give names, ids, keyword arguments and attributes.

Only fields that are set are in the dict; the others read as their defaults. Reading and comparing change nothing.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Mapping
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cara_pseud.attachment import Attachable
from cara_pseud.capabilities import WireValue
from cara_pseud.errors import InvalidValue, UnknownField, WrongType
from cara_pseud.layouts import StructField, pairs_of
from cara_pseud.python_names import schema_name
from cara_pseud.struct_types import StructType
from cara_pseud.values import MISSING

_Self = TypeVar("_Self", bound="Struct")
_get: Final = dict.get
_store: Final = dict.__setitem__
_remove: Final[Callable[..., Any]] = dict.pop


class Struct(Attachable, dict[int, Any], metaclass=StructType):
    """The base of all struct classes.

    ``s.name``, ``s["name"]``, ``s[0]``, ``s["0"]`` and ``s[b"name"]`` are one field. Where a field has the name of a
    dict method, ``s.items`` is the method and ``s["items"]`` the field. Values are checked when they enter; None takes
    a pointer field out.
    """

    # What was read from unset fields and is still in somebody's hands, by field id.
    _children: dict[int, weakref.ref[Any]] | None = None
    # Wire values of fields that only a newer schema has, by field id; they are passed on as they came.
    _unknown: dict[int, WireValue] | None = None

    def __init__(self, value: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None = None, /, **fields: Any) -> None:
        dict.update(self, type(self)._layout.stage(value, fields))
        if isinstance(value, Struct) and type(value)._layout is type(self)._layout:
            self._keep_unknown(value._unknown)

    @classmethod
    def Create(cls: type[_Self], *values: Any, **fields: Any) -> _Self:
        """Make a struct from values in the order of the field ids and by name.

        Raises:
            InvalidValue: two values for one field, or a value that does not fit.
        """
        layout = cls._layout
        if len(values) > len(layout.by_id):
            raise InvalidValue(f"{layout.name} takes at most {len(layout.by_id)} values, {len(values)} were given", "")
        given = dict(zip(layout.by_id, values, strict=False))
        for name, value in fields.items():
            field = layout.find(name)
            if field.id in given:
                raise InvalidValue(f"{layout.name} got two values for {field.name}", "")
            given[field.id] = value
        return cls(given)

    def which(self) -> str:
        """The name of the active member of the struct's unnamed union: the one that is set, else the first one."""
        return which(self)

    def ToDict(self, with_field_names: bool = False) -> dict[Any, Any]:
        """A plain copy with plain copies of nested structs and lists, keyed by field id or by name."""
        names = type(self)._layout.by_id
        return {
            names[id].name if with_field_names else id: to_plain(value, with_field_names)
            for id, value in dict.items(self)
        }

    def _keep_unknown(self, unknown: dict[int, WireValue] | None) -> None:
        if unknown is not None or self._unknown is not None:
            object.__setattr__(self, "_unknown", unknown)

    # Reading.

    def __getitem__(self, key: Any) -> Any:
        layout = type(self)._layout
        field = (layout.by_name.get(key) if type(key) is str else None) or layout.find(key)
        value = _get(self, field.id, MISSING)
        return self._absent(field) if value is MISSING else value

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            if schema_name(name) in type(self)._layout.by_name:
                # Only a failed class pattern comes here; see `_FieldAccess`.
                raise UnknownField(f"{name} is not the active member of this {type(self).__name__}'s union")
            if type(self).__declaration__.has_nested(name):
                return getattr(type(self), name)
            return self[name]

    def __contains__(self, key: object) -> bool:
        field = type(self)._layout.look_up(key)
        return field is not None and dict.__contains__(self, field.id)

    def get(self, key: Any, default: Any = MISSING, /) -> Any:
        """The value of a field that is set, else ``default`` or None.

        Without a default an unknown field is an error; with one it is not, so that ``case {"circle": radius}`` can be
        tried on any struct.
        """
        layout = type(self)._layout
        field = layout.find(key) if default is MISSING else layout.look_up(key)
        absent = None if default is MISSING else default
        return absent if field is None else _get(self, field.id, absent)

    def _absent(self, field: StructField) -> Any:
        """What an unset field reads as. A member of a union that is not the active one has no value: None."""
        if field.fresh is None:
            if field.in_union and type(self)._layout.active(self, self._unknown is not None) is not field:
                return None
            return field.default
        children = self._children
        if children is None:
            children = {}
            object.__setattr__(self, "_children", children)
        reference = children.get(field.id)
        child = None if reference is None else reference()
        if child is None:
            child = field.fresh()
            child._attach_to(self, field.id)
            if child:
                child._hold_parts()
            # Weak, and the same child as long as somebody has it: changes through two names must not get lost.
            children[field.id] = weakref.ref(child)
        return child

    # Changing.

    def _assign(self, field: StructField, value: Any) -> None:
        layout = type(self)._layout
        if value is None and field.nullable:
            self._forget(field.id)
            return
        stored = layout.enter_one(field, value)
        if field.in_union or self._children:
            self._put(field, stored)
        else:
            _store(self, field.id, stored)
            if self._owner is not None:
                self._changed()

    def _put(self, field: StructField, stored: Any) -> None:
        if self._children:
            self._children.pop(field.id, None)
        if field.in_union:
            for id in type(self)._layout.union_ids:
                if id != field.id:
                    self._forget(id)
            # What only a newer schema knows may be the member that was active; two would be one too many.
            self._keep_unknown(None)
        _store(self, field.id, stored)
        self._changed()

    def _forget(self, id: int) -> Any:
        if self._children:
            self._children.pop(id, None)
        removed = _remove(self, id, MISSING)
        if removed is not MISSING:
            self._changed()
        return removed

    def _adopt(self, id: int, child: Attachable) -> None:
        reference = self._children.get(id) if self._children else None
        if reference is not None and reference() is child:
            self._put(type(self)._layout.by_id[id], child)
        elif _get(self, id) is child:
            self._changed()

    def _hold_parts(self) -> None:
        for id, part in dict.items(self):
            if isinstance(part, Attachable):
                part._attach_to(self, id)
                part._hold_parts()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._assign(type(self)._layout.find(key), value)

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __setattr__(self, name: str, value: Any) -> None:
            layout = type(self)._layout
            field = layout.by_name.get(name) or layout.look_up(name)
            if field is not None:
                self._assign(field, value)
            elif name.startswith("_") or hasattr(getattr(type(self), name, None), "__set__"):
                object.__setattr__(self, name, value)
            else:
                layout.find(name)

    def __delitem__(self, key: Any) -> None:
        field = type(self)._layout.find(key)
        if self._forget(field.id) is MISSING:
            raise UnknownField(f"{field.name} is not set in this {type(self)._layout.name}")

    if not TYPE_CHECKING:  # stubs of schemas say what there is

        def __delattr__(self, name: str) -> None:
            if name.startswith("_"):
                object.__delattr__(self, name)
            else:
                del self[name]

    def update(self, value: Any = None, /, **fields: Any) -> None:
        """Set several fields, of which None takes one out; nothing is changed if one does not fit."""
        layout = type(self)._layout
        given = pairs_of(value, layout.name)
        staged = layout.stage(given, fields)
        for key in (*given, *fields):
            id = layout.find(key).id
            if id in staged:
                self._put(layout.by_id[id], staged[id])
            else:
                self._forget(id)

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """The value of a field; set it first if it is not."""
        field = type(self)._layout.find(key)
        if not dict.__contains__(self, field.id):
            self._assign(field, default)
        return self[field.id]

    def pop(self, key: Any, default: Any = MISSING, /) -> Any:
        """Take a field out and give its value.

        Raises:
            UnknownField: there is no such field, or it is not set and there is no default.
        """
        field = type(self)._layout.find(key)
        value = self._forget(field.id)
        if value is not MISSING:
            return value
        if default is not MISSING:
            return default
        raise UnknownField(f"{field.name} is not set in this {type(self)._layout.name}")

    def popitem(self) -> tuple[int, Any]:
        """Take the field that was set last out and give its id and value."""
        item = dict.popitem(self)
        self._changed()
        return item

    def clear(self) -> None:
        """Take all fields out."""
        object.__setattr__(self, "_children", None)
        self._keep_unknown(None)
        dict.clear(self)
        self._changed()

    # Copies, comparison, other forms.

    def copy(self: _Self) -> _Self:
        """A shallow copy."""
        result: _Self = type(self).__new__(type(self))
        dict.update(result, self)
        result._keep_unknown(self._unknown)
        return result

    __copy__ = copy

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        result: _Self = type(self).__new__(type(self))
        memo[id(self)] = result
        for key, value in dict.items(self):
            _store(result, key, copy.deepcopy(value, memo))
        # Wire values are never changed.
        result._keep_unknown(self._unknown)
        return result

    def __or__(self: _Self, other: Any) -> _Self:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self: _Self, other: Any) -> _Self:  # type: ignore[override]
        return type(self)(other) | self if isinstance(other, Mapping) else NotImplemented

    def __ior__(self: _Self, other: Any) -> _Self:  # type: ignore[override]
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if dict.__eq__(self, other) is True:
            return self._unknown == (other._unknown if isinstance(other, Struct) else None)
        if type(other) is not dict or not other:
            return False
        try:
            return dict.__eq__(self, type(self)._layout.stage(other, {})) is True
        except (InvalidValue, UnknownField):
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozen(self))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self), self._unknown)

    @recursive_repr()
    def __repr__(self) -> str:
        layout = type(self)._layout
        fields = ", ".join(f"{layout.by_id[id].name}: {value!r}" for id, value in dict.items(self))
        return f"{type(self).__name__}({{{fields}}})"


def which(struct: Struct) -> str:
    """The name of the active member of a struct's unnamed union, also where a field is named ``which``.

    It is "" where the member may be one that only a newer schema has.

    Raises:
        WrongType: the struct has no unnamed union.
    """
    layout = type(struct)._layout
    member = layout.active(struct, struct._unknown is not None)
    if member is None and not layout.union_ids:
        raise WrongType(f"{layout.name} has no unnamed union", path="")
    return "" if member is None else member.name


def to_plain(value: Any, with_field_names: bool) -> Any:
    """A stored value as plain dicts and lists; enum members and references stay what they are."""
    if isinstance(value, Struct):
        return value.ToDict(with_field_names)
    if isinstance(value, list):
        return [to_plain(item, with_field_names) for item in value]
    if type(value) is dict:
        return {key: to_plain(item, with_field_names) for key, item in value.items()}
    return value


def frozen(value: Any) -> Any:
    """Something hashable that is equal for equal values."""
    if isinstance(value, dict):
        return frozenset((key, frozen(item)) for key, item in dict.items(value))
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return value


def _rebuild(cls: type[Struct], fields: dict[int, Any], unknown: dict[int, WireValue] | None = None) -> Struct:
    result = cls.__new__(cls)
    dict.update(result, fields)
    result._keep_unknown(unknown)
    return result
