"""List classes: ``List(Text)`` or ``List[Text]`` is a list whose elements are checked when they enter."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, SupportsIndex, TypeVar

from cara_pseud.attachment import Attachable
from cara_pseud.errors import InvalidValue, NoMatch, UnknownField, WrongType
from cara_pseud.generics import pairs_of_types, replace
from cara_pseud.layouts import is_struct
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import MAPS, Kind, Type
from cara_pseud.struct_types import StructType
from cara_pseud.structs import Struct, frozen, to_plain
from cara_pseud.values import Conversion, Stored, ValueType, conversion_of, enter_items

_Self = TypeVar("_Self", bound="TypedList")
_LIST_ATTRIBUTE: Final = "__list_class__"


class ListType(type):
    """The metaclass of list classes. `TypedList` itself makes them: called or subscripted with an element type."""

    __element__: ValueType
    __conversion__: Conversion
    __type__: Type

    def __call__(cls, *arguments: Any) -> Any:
        return list_class(*arguments) if cls is TypedList else super().__call__(*arguments)

    def __getitem__(cls, element: ValueType) -> ListType:
        if cls is not TypedList:
            raise WrongType(f"{cls.__name__} has its element type already", path="")
        return list_class(element)

    @staticmethod
    def of(element: ValueType) -> ListType:
        """The list class of an element type."""
        return list_class(element)

    def ReplaceTypes(cls, pairs: Iterable[tuple[ValueType, Any]]) -> Any:
        """The list class with types replaced in its element type; itself where none occurs."""
        return replace(cls, pairs_of_types(pairs))


class TypedList(list[Any], Attachable, metaclass=ListType):
    """The base of all list classes. None of them holds None, but lists of interfaces and of AnyPointer."""

    def __init__(self, items: Iterable[Any] | None = None, /) -> None:
        super().__init__()
        if items is not None:
            list.extend(self, _enter_all(type(self), items))

    @classmethod
    def Create(cls: type[_Self], *items: Any) -> _Self:
        """Make a list of the arguments."""
        return cls(items)

    def Get(self, _with_index: bool = False, **query: Any) -> Any:
        """The first struct whose fields have the given values; ``a__b=`` asks for field b of the struct in field a.

        Args:
            _with_index: give a pair of the index and the struct.

        Raises:
            NoMatch: there is none.
            WrongType: the elements are no structs.
        """
        element = type(self).__element__
        if not isinstance(element, StructType):
            raise WrongType("Cannot use Get on a List of non-Struct types.", path="")
        wanted = [_question(element, name, value) for name, value in query.items()]
        for index, item in enumerate(self):
            if all(_matches(item, path, value) for path, value in wanted):
                return (index, item) if _with_index else item
        asked = ", ".join(f"{name}={shown(value)}" for name, value in query.items())
        raise NoMatch(f"no element of this {type(self).__name__} has {asked}")

    def ToList(self, with_field_names: bool = False) -> list[Any]:
        """A plain copy with plain copies of nested structs and lists, structs keyed by field id or by name."""
        return [to_plain(item, with_field_names) for item in self]

    # Changing.

    def append(self, item: Any, /) -> None:
        """Add one element at the end."""
        entered = _enter_one(type(self), item, len(self))
        super().append(entered)
        self._changed()

    def insert(self, index: SupportsIndex, item: Any, /) -> None:
        """Add one element before an index."""
        entered = _enter_one(type(self), item, index)
        super().insert(index, entered)
        self._changed()

    def extend(self, items: Iterable[Any], /) -> None:
        """Add elements at the end; none is added if one does not fit."""
        entered = _enter_all(type(self), items)
        super().extend(entered)
        self._changed()

    def __iadd__(self: _Self, items: Iterable[Any]) -> _Self:  # type: ignore[misc]
        self.extend(items)
        return self

    def __imul__(self: _Self, times: SupportsIndex) -> _Self:
        super().__imul__(times)
        self._changed()
        return self

    def __setitem__(self, index: Any, item: Any) -> None:
        entered = _enter_all(type(self), item) if isinstance(index, slice) else _enter_one(type(self), item, index)
        super().__setitem__(index, entered)
        self._changed()

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        super().__delitem__(index)
        self._changed()

    def pop(self, index: SupportsIndex = -1, /) -> Any:
        """Take an element out and give it."""
        item = super().pop(index)
        self._changed()
        return item

    def remove(self, item: Any, /) -> None:
        """Take the first equal element out."""
        super().remove(item)
        self._changed()

    def clear(self) -> None:
        """Take all elements out."""
        super().clear()
        self._changed()

    def reverse(self) -> None:
        """Reverse the order in place."""
        super().reverse()
        self._changed()

    def sort(self, **arguments: Any) -> None:
        """Sort in place."""
        super().sort(**arguments)
        self._changed()

    def _adopt(self, id: int, child: Attachable) -> None:
        self._changed()

    def _hold_parts(self) -> None:
        for part in self:
            if isinstance(part, Attachable):
                part._attach_to(self, 0)
                part._hold_parts()

    # Copies, comparison, other forms.

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _made_of(type(self), found) if isinstance(index, slice) else found

    def __add__(self: _Self, items: Any) -> _Self:
        if not isinstance(items, list | tuple):
            return NotImplemented
        return _made_of(type(self), [*self, *_enter_all(type(self), items)])

    def __mul__(self: _Self, times: SupportsIndex) -> _Self:
        return _made_of(type(self), super().__mul__(times))

    __rmul__ = __mul__

    def copy(self: _Self) -> _Self:
        """A shallow copy."""
        return _made_of(type(self), self)

    __copy__ = copy

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        result: _Self = type(self).__new__(type(self))
        memo[id(self)] = result
        list.extend(result, (copy.deepcopy(item, memo) for item in self))
        return result

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozen(self))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _made_of, (type(self), list(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


# Any to type checkers, which have no notion of a class that makes classes when it is called.
List: Any = TypedList


def list_class(element: ValueType) -> ListType:
    """The list class of an element type; the same one for the same type.

    Raises:
        WrongType: it is no type.
    """
    # Kept with the element type, so that both live equally long.
    known = vars(element).get(_LIST_ATTRIBUTE) if hasattr(element, "__dict__") else None
    if known is None:
        conversion = conversion_of(element)
        name = getattr(element, "__name__", conversion.name)
        known = ListType(f"List[{name}]", (TypedList,), {"__element__": element, "__module__": __name__})
        known.__type__ = Type(Kind.LIST, element=element.__type__)
        known.__conversion__ = _conversion(known, conversion)
        setattr(element, _LIST_ATTRIBUTE, known)
    return known


def _conversion(list_class: ListType, element: Conversion) -> Conversion:
    cls: Any = list_class
    enter_item = element.enter
    dump_item = element.dump
    whole_test = element.whole_test
    receive_item = element.received
    reshape = _reshaped(list_class, element)

    def enter(value: Any) -> Any:
        if isinstance(value, cls):
            return value if value._owner is None else copy.deepcopy(value)
        result: Any = cls.__new__(cls)
        if type(value) is not list and type(value) is not tuple:
            list.extend(result, _enter_all(cls, value))
        elif whole_test is not None and whole_test(value):
            list.extend(result, value)
        else:
            list.extend(result, enter_items(enter_item, value))
        return result

    def receive(value: Any) -> Any:
        if type(value) is not list:
            return enter(value)
        result: Any = cls.__new__(cls)
        if whole_test is None or not whole_test(value):
            try:
                value = enter_items(receive_item, value)
            except WrongType:
                value = enter_items(reshape, value)
        list.extend(result, value)
        return result

    def dump(value: Any) -> Any:
        return list(value) if dump_item is None else list(map(dump_item, value))

    return Conversion(
        f"List({element.name})", enter, dump, lambda: cls.__new__(cls), True, receive=receive
    )


def _reshaped(cls: ListType, element: Conversion) -> Callable[[Any], Stored]:
    """How an item enters of a list in which something is of the wrong type.

    A newer schema may have made a struct of what was a number or text: that is the struct's first field, and back.
    """
    receive = element.received
    value_type: Any = cls.__element__
    if isinstance(value_type, StructType):

        def receive_struct(item: Any) -> Any:
            return receive(item if isinstance(item, Mapping) else {value_type._layout.first_id: item})

        return receive_struct
    if value_type.__type__.kind in MAPS:
        return receive

    def receive_plain(item: Any) -> Any:
        if not is_struct(item):
            return receive(item)
        first = item.get(0)
        return element.absent() if first is None else receive(first)

    return receive_plain


def _enter_all(cls: ListType, items: Any) -> list[Stored]:
    if isinstance(items, str | bytes | bytearray | memoryview | Mapping) or not isinstance(items, Iterable):
        raise WrongType(f"{shown(items)} is no {cls.__conversion__.name}")
    try:
        return enter_items(cls.__element__.__conversion__.enter, items)
    except RecursionError:
        raise InvalidValue("is nested too deeply") from None


def _enter_one(cls: ListType, item: Any, index: object) -> Stored:
    try:
        return cls.__element__.__conversion__.enter(item)
    except (InvalidValue, UnknownField) as error:
        raise error.within(f"[{index}]") from None


def _made_of(cls: type[_Self], items: Iterable[Any]) -> _Self:
    """A list of elements that entered before."""
    result: _Self = cls.__new__(cls)
    list.extend(result, items)
    return result


def _question(element: StructType, name: str, value: Any) -> tuple[list[str], Any]:
    """The path that a query's keyword names, and the value to find there as it would be stored."""
    path = name.split("__")
    current: Any = element
    for part in path[:-1]:
        field = current._layout.find(part)
        if not isinstance(field.type, StructType):
            raise WrongType(f"{field.name} of {current.__name__} is no struct, so it has no {name}", path="")
        current = field.type
    field = current._layout.find(path[-1])
    return path, None if value is None else field.enter(value)


def _matches(item: Struct, path: list[str], wanted: Any) -> bool:
    value: Any = item
    for part in path[:-1]:
        value = value[part]
        if value is None:
            return False
    return path[-1] not in value if wanted is None else value[path[-1]] == wanted
