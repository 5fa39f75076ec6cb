"""The builtin types as objects: `Int8` … `Text`, `AnyPointer` and what is narrower than it.

They name types (``Box[Text]``, ``List(Int32)``) and check values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from cara_pseud.any_pointer import dump_any, enter_any, enter_any_list, enter_any_struct, enter_capability
from cara_pseud.scalars import CHECKS, TESTS, WHOLE_TESTS, ZEROS
from cara_pseud.schema.nodes import Kind, Type
from cara_pseud.values import MISSING, Conversion, Stored

_Value = TypeVar("_Value", covariant=True)


class BuiltinType(Generic[_Value]):
    """A builtin type of the schema language; calling it checks a value and gives it back."""

    def __init__(self, name: str, kind: Kind, conversion: Conversion) -> None:
        self.__name__ = name
        self.__type__ = Type(kind)
        self.__conversion__ = conversion

    def __call__(self, value: Any = MISSING) -> Any:
        """Check a value; without one, give the type's default.

        Raises:
            InvalidValue: the value is none of this type.
        """
        conversion = self.__conversion__
        return conversion.absent() if value is MISSING else conversion.enter(value)

    def __repr__(self) -> str:
        return self.__name__

    def __reduce__(self) -> str:
        # Pickled by name, as classes are, so that it is the same object again.
        return self.__name__


def _scalar(name: str, kind: Kind) -> BuiltinType[Any]:
    zero = ZEROS[kind]
    conversion = Conversion(
        kind.value, CHECKS[kind], None, lambda: zero, kind.is_pointer, TESTS.get(kind), WHOLE_TESTS.get(kind)
    )
    return BuiltinType(name, kind, conversion)


Void: Final[BuiltinType[None]] = _scalar("Void", Kind.VOID)
Bool: Final[BuiltinType[bool]] = _scalar("Bool", Kind.BOOL)
Int8: Final[BuiltinType[int]] = _scalar("Int8", Kind.INT8)
Int16: Final[BuiltinType[int]] = _scalar("Int16", Kind.INT16)
Int32: Final[BuiltinType[int]] = _scalar("Int32", Kind.INT32)
Int64: Final[BuiltinType[int]] = _scalar("Int64", Kind.INT64)
# The names are the original cara's; the schema language writes UInt8.
Uint8: Final[BuiltinType[int]] = _scalar("Uint8", Kind.UINT8)
Uint16: Final[BuiltinType[int]] = _scalar("Uint16", Kind.UINT16)
Uint32: Final[BuiltinType[int]] = _scalar("Uint32", Kind.UINT32)
Uint64: Final[BuiltinType[int]] = _scalar("Uint64", Kind.UINT64)
UInt8: Final[BuiltinType[int]] = Uint8
UInt16: Final[BuiltinType[int]] = Uint16
UInt32: Final[BuiltinType[int]] = Uint32
UInt64: Final[BuiltinType[int]] = Uint64
Float32: Final[BuiltinType[float]] = _scalar("Float32", Kind.FLOAT32)
Float64: Final[BuiltinType[float]] = _scalar("Float64", Kind.FLOAT64)
Text: Final[BuiltinType[str]] = _scalar("Text", Kind.TEXT)
Data: Final[BuiltinType[bytes]] = _scalar("Data", Kind.DATA)


def _untyped(kind: Kind, enter: Callable[[Any], Stored]) -> BuiltinType[Any]:
    return BuiltinType(kind.value, kind, Conversion(kind.value, enter, dump_any, lambda: None, True))


AnyPointer: Final = _untyped(Kind.ANY_POINTER, enter_any)
AnyStruct: Final = _untyped(Kind.ANY_STRUCT, enter_any_struct)
AnyList: Final = _untyped(Kind.ANY_LIST, enter_any_list)
Capability: Final = _untyped(Kind.CAPABILITY, enter_capability)

BY_KIND: Final[dict[Kind, BuiltinType[Any]]] = {
    builtin.__type__.kind: builtin
    for builtin in (
        Void, Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float32, Float64, Text, Data,
        AnyPointer, AnyStruct, AnyList, Capability,
    )
}
