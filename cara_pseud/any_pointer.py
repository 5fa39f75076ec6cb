"""Values of AnyPointer slots: free data, values of declared types, and references whose interface nobody said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cara_pseud.capabilities import Capability, WireValue
from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.scalars import check_text, shown
from cara_pseud.values import Stored, enter_items


class Reference:
    """A live object of unknown interface, as an AnyPointer slot holds it.

    Say what it is with ``reference.cast(Counter)`` or ``Counter(reference)``; passing it on needs no cast.
    """

    __slots__ = ("__capability__",)

    def __init__(self, capability: Capability) -> None:
        self.__capability__ = capability

    def cast(self, interface: Callable[[Reference], Any]) -> Any:
        """A proxy of the object for an interface class. Nobody checks that the object has that interface."""
        return interface(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self.__capability__.key == other.__capability__.key

    def __hash__(self) -> int:
        return hash(self.__capability__.key)

    def __repr__(self) -> str:
        return "<reference of unknown interface>"


def enter_any(value: Any) -> Stored:
    """Check free data: whatever msgpack carries, values of declared types, references."""
    enter = _ENTER.get(type(value))
    if enter is not None:
        return enter(value)
    conversion = getattr(type(value), "__conversion__", None)
    if conversion is not None:
        return conversion.enter(value)
    if isinstance(value, Capability):
        return Reference(value)
    for base, enter in _ENTER_SUBCLASSES:
        if isinstance(value, base):
            return enter(value)
    hint = "; wrap it in its interface first" if callable(value) else ""
    raise WrongType(f"{shown(value)} cannot be sent as AnyPointer{hint}")


def enter_any_struct(value: Any) -> Stored:
    """Check an AnyStruct: a struct of any schema, or a mapping."""
    stored = enter_any(value)
    if stored is None or isinstance(stored, Mapping):
        return stored
    raise WrongType(f"{shown(value)} is no struct")


def enter_any_list(value: Any) -> Stored:
    """Check an AnyList: a list of any type."""
    stored = enter_any(value)
    if stored is None or isinstance(stored, list):
        return stored
    raise WrongType(f"{shown(value)} is no list")


def enter_capability(value: Any) -> Stored:
    """Check a Capability: an object of any interface, or a reference to one."""
    stored = enter_any(value)
    if stored is None or isinstance(dump_any(stored), Capability):
        return stored
    raise WrongType(f"{shown(value)} is no object of an interface")


def dump_any(value: Stored) -> WireValue:
    """The wire value of a stored AnyPointer."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: dump_any(item) for key, item in value.items()}
    if kind is list:
        return [dump_any(item) for item in value]
    if kind is Reference:
        return value.__capability__
    conversion = kind.__conversion__
    return value if conversion.dump is None else conversion.dump(value)


def _enter_integer(value: int) -> int:
    if -(2**63) <= value < 2**64:
        return int(value)
    raise InvalidValue(f"{shown(value)} is out of range for AnyPointer ({-(2**63)} … {2**64 - 1})")


def _enter_mapping(value: Mapping[Any, Any]) -> dict[Any, Any]:
    result = {}
    for key, item in value.items():
        if not isinstance(key, str | int | bytes):
            raise WrongType(f"{shown(key)} cannot be a key; text, integers and bytes can")
        _ENTER_KEY[str if isinstance(key, str) else bytes if isinstance(key, bytes) else int](key)
        try:
            result[key] = enter_any(item)
        except InvalidValue as error:
            raise error.within(f".{key}" if isinstance(key, str) else f"[{key!r}]") from None
    return result


def _enter_sequence(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return enter_items(enter_any, value)


def _same(value: Any) -> Any:
    return value


_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
_ENTER: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): _same, bool: _same, float: _same, bytes: _same,
    int: _enter_integer, str: check_text, dict: _enter_mapping, list: _enter_sequence, tuple: _enter_sequence,
    Reference: _same,
}
_ENTER_KEY: Final[dict[type, Callable[[Any], Any]]] = {str: check_text, bytes: _same, int: _enter_integer}
_ENTER_SUBCLASSES: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, check_text), (bytes | bytearray | memoryview, bytes), (int, _enter_integer), (float, float),
    (Mapping, _enter_mapping), (list | tuple, _enter_sequence),
)
