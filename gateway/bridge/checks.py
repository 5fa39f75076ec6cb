"""What is wrong with a value that could not be written, and where: walked by its schema, only after the fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cara_pseud.capabilities import Capability
from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import INT_RANGES, UNTYPED, Kind, Type, describe_type, substitute
from gateway.bridge.building import put_text
from gateway.bridge.layouts import Places
from gateway.bridge.pointers import MAX_DEPTH
from gateway.bridge.value_writers import FAILURES, AnyValueError, Objects, ValueWriters, only_one

_FLOATS: Final = (Kind.FLOAT32, Kind.FLOAT64)


class _NoObjects(Objects):
    """Takes objects of values that are looked at and not sent."""

    def add(self, capability: Any, type: Type | None) -> int:
        return 0


class Checks:
    """Finds the first thing in a value that its type does not permit."""

    def __init__(self, layouts: Places, writers: ValueWriters) -> None:
        self._layouts = layouts
        self._writers = writers

    def check(self, type: Type, value: Any, depth: int = 1) -> None:
        """Look at a value as it stands in a struct or list.

        Raises:
            InvalidValue: it does not fit; with the path from the value.
        """
        kind = type.kind
        if depth > MAX_DEPTH:
            raise InvalidValue(f"is nested more than {MAX_DEPTH} levels deep")
        if kind is Kind.STRUCT:
            self._struct(type, value, depth)
        elif kind is Kind.LIST:
            assert type.element is not None  # the loader gives every list one
            if not isinstance(value, list | tuple):
                raise self._wrong(type, value)
            for index, item in enumerate(value):
                if item is None and type.element.kind.is_pointer:
                    continue
                try:
                    self.check(type.element, item, depth + 1)
                except InvalidValue as error:
                    raise error.within(f"[{index}]") from None
        elif kind in INT_RANGES:
            low, high = INT_RANGES[kind]
            if not isinstance(value, int):
                raise self._wrong(type, value)
            if not low <= value <= high:
                raise InvalidValue(f"{shown(value)} is out of range for {kind.value} ({low} … {high})")
        elif kind is Kind.ENUM:
            if not isinstance(value, int):
                raise self._wrong(type, value)
            if not 0 <= value <= 0xFFFF:
                raise InvalidValue(f"{shown(value)} is no number of an enumerant (0 … 65535)")
        elif kind is Kind.ANY_LIST:
            try:
                self._any(only_one(value))
            except AnyValueError as error:
                raise InvalidValue(str(error)) from None
        elif kind in UNTYPED and kind is not Kind.CAPABILITY:
            self._any(value)
        elif not self._fits(kind, value):
            raise self._wrong(type, value)

    def _fits(self, kind: Kind, value: Any) -> bool:
        match kind:
            case Kind.BOOL:
                return isinstance(value, bool)
            case Kind.TEXT:
                return isinstance(value, str) and _is_encodable(value)
            case Kind.DATA:
                return isinstance(value, bytes | bytearray | memoryview)
            case Kind.INTERFACE | Kind.CAPABILITY:
                return isinstance(value, Capability)
        return kind not in _FLOATS or isinstance(value, int | float)

    def _struct(self, type: Type, value: Any, depth: int) -> None:
        if not isinstance(value, Mapping):
            raise self._wrong(type, value)
        for field in self._layouts.schema.struct(type.node_id).fields:
            if field.id not in value:
                continue
            item = value[field.id]
            if field.type is None:
                assert field.group_id is not None  # it is a group
                inner, is_nullable = Type(Kind.STRUCT, field.group_id, brand=type.brand), True
            else:
                inner = substitute(field.type, type.brand)
                is_nullable = inner.kind.is_pointer
            if item is None and is_nullable:
                continue
            try:
                self.check(inner, item, depth + 1)
            except InvalidValue as error:
                raise error.within(f".{field.name}") from None

    def _any(self, value: Any) -> None:
        try:
            self._writers.put_any(_NoObjects(), bytearray(8), 0, value)
        except InvalidValue:
            raise
        except AnyValueError as error:
            raise InvalidValue(str(error)) from None
        except FAILURES:
            raise InvalidValue(f"{shown(value)} cannot be sent as AnyPointer") from None

    def _wrong(self, type: Type, value: Any) -> WrongType:
        return WrongType(f"expected {describe_type(self._layouts.schema, type)}, got {shown(value)}")


def _is_encodable(text: str) -> bool:
    try:
        put_text(bytearray(8), 0, text)
    except UnicodeEncodeError:
        return False
    return True
