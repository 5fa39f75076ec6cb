"""What cara.cara had: types, the bases of declarations, and the builders that generated modules call."""

from __future__ import annotations

import collections.abc
from typing import Any

import cara_pseud
from cara.declarations import Enum, Interface, Struct, TemplatedInterface, TemplatedStruct
from cara.declared_types import List, MethodTemplate
from cara.parts import Annotation, Const, Enumerant, Field, Group, Method, Param, TemplatedMethod, Union
from cara_pseud import (
    AnyPointer,
    Bool,
    Data,
    Float32,
    Float64,
    GlobalTypeRegistry,
    Int8,
    Int16,
    Int32,
    Int64,
    MethodResult,
    Text,
    UInt8,
    Uint8,
    UInt16,
    Uint16,
    UInt32,
    Uint32,
    UInt64,
    Uint64,
    Void,
)
from cara_pseud.generics import DeclaredType as BaseTemplated
from cara_pseud.struct_types import StructType as StructMeta

__all__ = [
    "Annotation",
    "AnyPointer",
    "BaseInterface",
    "BaseTemplated",
    "Bool",
    "Const",
    "Data",
    "Enum",
    "Enumerant",
    "Field",
    "Float32",
    "Float64",
    "GlobalTypeRegistry",
    "Group",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Interface",
    "List",
    "Method",
    "MethodResult",
    "MethodTemplate",
    "Param",
    "Struct",
    "StructMeta",
    "TemplatedInterface",
    "TemplatedMethod",
    "TemplatedStruct",
    "Text",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Union",
    "Void",
    "type_conversion_registry",
]

BaseInterface = cara_pseud.Interface


class TypeConversionRegistry:
    """Takes what programs registered for the Futures of their framework, which needs no word any more."""

    def Register(self, type: type, convert: collections.abc.Callable[[Any, Any], Any]) -> None:
        """Accept a conversion of results of a type, and ignore it."""


type_conversion_registry = TypeConversionRegistry()
