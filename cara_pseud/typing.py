"""What stubs of schemas refer to, and nothing else does: names for type checkers, made by ``cara-gateway stubs``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from cara_pseud.builtin_types import BuiltinType
from cara_pseud.capabilities import Pending
from cara_pseud.interfaces import InterfaceType
from cara_pseud.signatures import MethodResult
from cara_pseud.struct_types import StructType

__all__ = ["Bindable", "Call", "InterfaceType", "Results", "StructType"]

_Result = TypeVar("_Result")
_Bound = TypeVar("_Bound")

Bindable = BuiltinType[_Bound] | type[_Bound]
"""What a type parameter can be bound to: a type object whose values are of that type."""

if TYPE_CHECKING:
    from collections.abc import Coroutine

    class Call(asyncio.Future[_Result], Coroutine[Any, Any, _Result]):
        """The result of a call of a proxy: to be awaited, or given to whatever takes a future or a coroutine."""

        def __getitem__(self, name: str, /) -> Any: ...

    class Results(dict[str, Any]):
        """Several results of a call: by name, as items and as attributes."""
else:
    Call = Pending
    Results = MethodResult
