"""What stubs of schemas refer to, and nothing else does: names for type checkers, made by ``cara-gateway stubs``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from cara_pseud.capabilities import Pending
from cara_pseud.signatures import MethodResult

_Result = TypeVar("_Result")

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
