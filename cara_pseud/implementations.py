"""Objects of ours that peers call: from a method's id or name to the handler, wire values to the handler and back.

Handlers are plain functions, ``async def``, Tornado coroutines, or give a Future of asyncio, Tornado or
concurrent.futures. What is answered at once is given at once; nothing is awaited and no task is made for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import GeneratorType
from typing import Any, Final, Protocol

from cara_pseud.capabilities import IncomingCall
from cara_pseud.errors import ArgumentError, InvalidValue, RemoteError, RpcError, UnknownField, WrongType
from cara_pseud.generated import Dispatch, dispatch_maker
from cara_pseud.signatures import Signature
from cara_pseud.values import MISSING, Stored, Wire

_IMMEDIATE: Final = frozenset({type(None), bool, int, float, str, bytes, dict, list, tuple})


class DispatchedMethod(Protocol):
    """What an `Implementation` needs to know of a method."""

    name: str

    def dispatcher(self) -> Dispatcher:
        """How a handler of the method is run."""


class MethodTable(Protocol):
    """What an `Implementation` needs to know of an object's interfaces."""

    by_name: Mapping[str, Any]
    by_id: Mapping[tuple[int, int | str], Any]


class Handled(Protocol):
    """An interface object: it tells the user's own function for a method."""

    def __handler__(self, name: str) -> Callable[..., Any]:
        """That function, or one that raises ``unimplemented``."""


class Implementation:
    """A `Target` that dispatches to an interface object's methods.

    If the user's object has a method ``__released__``, it is called when the last holder let go.

    Attributes:
        value: the interface object.
        interface_name: what to call its interface.
    """

    __slots__ = ("_bound", "_table", "interface_name", "value")

    def __init__(self, value: Handled, table: MethodTable, interface_name: str) -> None:
        self.value = value
        self.interface_name = interface_name
        self._table = table
        self._bound: dict[tuple[int, int | str], Dispatch] = {}

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Wire], kwargs: Mapping[str, Wire], call: IncomingCall
    ) -> Wire | Awaitable[Wire]:
        """Run a method on wire values; see `Target.invoke`.

        Raises:
            RpcError: ``unimplemented`` if there is no such method, ``invalid_argument`` for a bad argument,
                ``internal`` for a result that is none of the declared ones; and what the handler raises.
        """
        dispatch = self._bound.get((interface_id, method))
        if dispatch is None:
            found: DispatchedMethod | None = self._table.by_id.get((interface_id, method))
            if found is None:
                # The original answers with this KeyError, so its clients know it.
                raise RemoteError("KeyError", str((interface_id, method)), code="unimplemented")
            dispatch = self._bound[interface_id, method] = self._dispatch(found)
        return dispatch(call, args, kwargs)

    def handlers(self) -> dict[str, Dispatch]:
        """A dispatcher for every method under its bare name, inherited ones included."""
        return {name: self._dispatch(method) for name, method in self._table.by_name.items()}

    def released(self) -> None:
        """Learn that the last holder let go."""
        self._bound.clear()
        released = getattr(vars(self.value).get("__wrapped__", self.value), "__released__", None)
        if released is not None:
            released()

    def _dispatch(self, method: DispatchedMethod) -> Dispatch:
        return method.dispatcher().bind(self.value.__handler__(method.name))


class Dispatcher:
    """How one method of an interface is run on wire values, whatever the handler."""

    __slots__ = ("_make", "_names", "name", "signature")

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.name: Final = signature.name
        self._names = [parameter.name for parameter in signature.parameters]
        self._make = dispatch_maker(signature, self._refused, self._convert_and_run, self._finish)

    def bind(self, handler: Callable[..., Any]) -> Dispatch:
        """The function that runs a handler."""
        return self._make(_ByName(handler, self._names) if takes_names(handler, self._names) else handler)

    def run(self, handler: Callable[..., Any], values: list[Stored]) -> Any:
        """Call a handler with stored values, MISSING ones left to its own Python defaults.

        Raises:
            ArgumentError: a value is missing and the handler has no default for it.
        """
        positional, named = self._filled(handler, values)
        return handler(*positional, **named)

    def _filled(self, handler: Callable[..., Any], values: list[Stored]) -> tuple[list[Stored], dict[str, Stored]]:
        """What to call a handler with; ArgumentError if it cannot do without a value that is missing."""
        if not any(value is MISSING for value in values):
            return values, {}
        if isinstance(handler, _ByName):
            required = handler.without_default(values)
            if required:
                self.signature.raise_missing(required)
            return values, {}
        own = _parameters(handler)
        positional: list[Stored] = []
        named: dict[str, Stored] = {}
        missing: list[str] = []
        for index, value in enumerate(values):
            parameter = own[index] if index < len(own) else None
            if value is not MISSING:
                if named or missing or len(positional) < index:
                    named[parameter.name if parameter is not None else self._names[index]] = value
                else:
                    positional.append(value)
            elif parameter is None or parameter.default is inspect.Parameter.empty:
                missing.append(self._names[index] if self._names else parameter.name if parameter else "value")
        if missing:
            self.signature.raise_missing(missing)
        return positional, named

    def _refused(self, error: Exception) -> RpcError:
        """What a caller is answered for an error of its arguments."""
        if isinstance(error, ArgumentError):
            # On the wire it is the TypeError that the original's server answers with.
            return RemoteError("TypeError", error.reason, code="invalid_argument")
        path = error.path if isinstance(error, InvalidValue | UnknownField) else "$"
        text = f"{path}: is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return RpcError("invalid_argument", f"{self.name}: {text}", {"path": path})

    def _convert_and_run(self, handler: Callable[..., Any], args: Sequence[Wire], kwargs: Mapping[str, Wire]) -> Any:
        try:
            positional, named = self._filled(handler, self.signature.incoming(args, kwargs))
        except (ArgumentError, InvalidValue, UnknownField) as error:
            raise self._refused(error) from error
        return handler(*positional, **named)

    def _finish(self, result: Any) -> Wire | Awaitable[Wire]:
        if type(result) not in _IMMEDIATE:
            later = awaitable_of(result, several=len(self.signature.results) > 1)
            if later is not None:
                return self._finish_later(later)
        return self._send(result)

    async def _finish_later(self, later: Awaitable[Any]) -> Wire:
        return self._send(await later)

    def _send(self, result: Any) -> Wire:
        try:
            return self.signature.send_result(result)
        except (InvalidValue, UnknownField) as error:
            name = "TypeError" if isinstance(error, WrongType) else "ValueError"
            text = str(error) if not error.path else f"{self.name} returned a wrong result: {error}"
            raise RemoteError(name, text, code="internal") from error


def awaitable_of(result: Any, several: bool) -> Awaitable[Any] | None:
    """What to await for a handler's result, or None if it is the result itself.

    A generator is a handler in Tornado's style without its decorator, unless the method has several results: then it
    yields those, as with the original.
    """
    if hasattr(type(result), "__await__"):
        return result  # type: ignore[no-any-return]
    if isinstance(result, concurrent.futures.Future):
        return asyncio.wrap_future(result)
    if isinstance(result, GeneratorType) and not several:
        return _drive(result)
    return None


async def _drive(generator: GeneratorType[Any, Any, Any]) -> Any:
    try:
        yielded = next(generator)
        while True:
            later = awaitable_of(yielded, several=False)
            try:
                value = yielded if later is None else await later
            except Exception as error:
                yielded = generator.throw(error)
            else:
                yielded = generator.send(value)
    except StopIteration as end:
        return end.value


def _parameters(handler: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return []


class _ByName:
    """A handler that is called with keywords."""

    __slots__ = ("_handler", "_names")

    def __init__(self, handler: Callable[..., Any], names: Sequence[str]) -> None:
        self._handler = handler
        self._names = names

    def __call__(self, *values: Stored) -> Any:
        named = zip(self._names, values, strict=True)
        return self._handler(**{name: value for name, value in named if value is not MISSING})

    def without_default(self, values: Sequence[Stored]) -> list[str]:
        """The names of missing values for which the handler has no default."""
        optional = {
            parameter.name for parameter in _parameters(self._handler) if parameter.default is not parameter.empty
        }
        return [
            name for name, value in zip(self._names, values, strict=True) if value is MISSING and name not in optional
        ]


def takes_names(handler: Callable[..., Any], names: Sequence[str]) -> bool:
    """Whether a handler must be called by name: it takes keywords only, or the schema's names in another order."""
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    if code is None or not names or code.co_flags & inspect.CO_VARARGS:
        return False
    bound = 1 if hasattr(handler, "__self__") else 0
    own = code.co_varnames[bound : code.co_argcount]
    if list(own) == list(names):
        return False
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if any(name in keyword_only for name in names):
        return True
    if len(own) < len(names) and code.co_flags & inspect.CO_VARKEYWORDS:
        return True
    return sorted(own) == sorted(names)


