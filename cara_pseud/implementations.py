"""Objects of ours that peers call: from a method's id or name to the handler, wire values to the handler and back.

Handlers are plain functions, ``async def``, Tornado coroutines, or give a Future of asyncio, Tornado or
concurrent.futures. What is answered at once is given at once; nothing is awaited and no task is made for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import FunctionType, GeneratorType, MethodType
from typing import Any, Final, Protocol

from cara_pseud.capabilities import IncomingCall, WireHandler, WireValue
from cara_pseud.errors import (
    ArgumentError,
    InvalidValue,
    RegistrationError,
    RemoteError,
    RpcError,
    UnknownField,
    WrongType,
)
from cara_pseud.generated import wire_handler_maker
from cara_pseud.handlers import ByName, Leading, Unimplemented, adapted, misfit, mistaken_for
from cara_pseud.python_names import python_name
from cara_pseud.scalars import shown
from cara_pseud.signatures import Signature
from cara_pseud.values import MISSING, Stored

_METHOD_TYPES: Final = (FunctionType, MethodType, staticmethod, classmethod, functools.partial)
_IMMEDIATE: Final = frozenset({type(None), bool, int, float, str, bytes, dict, list, tuple})


class InvokedMethod(Protocol):
    """What an `Implementation` needs to know of a method."""

    name: str

    def invoker(self) -> Invoker:
        """How a handler of the method is run."""


class InvokedMethods(Protocol):
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

    def __init__(self, value: Handled, table: InvokedMethods, interface_name: str) -> None:
        self.value = value
        self.interface_name = interface_name
        self._table = table
        self._bound: dict[tuple[int, int | str], WireHandler] = {}

    def invoke(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
        call: IncomingCall,
    ) -> WireValue | Awaitable[WireValue]:
        """Run a method on wire values; see `Target.invoke`.

        Raises:
            RpcError: ``unimplemented`` if there is no such method, ``invalid_argument`` for a bad argument,
                ``internal`` for a result that is none of the declared ones; and what the handler raises.
        """
        handler = self._bound.get((interface_id, method))
        if handler is None:
            found: InvokedMethod | None = self._table.by_id.get((interface_id, method))
            if found is None:
                # The original answers with this KeyError, so its clients know it.
                raise RemoteError("KeyError", str((interface_id, method)), code="unimplemented")
            handler = self._bound[interface_id, method] = self._wire_handler(found)
        return handler(call, args, kwargs)

    def name_of(self, interface_id: int, method: int | str) -> str:
        """What to call a method in the log."""
        found: InvokedMethod | None = self._table.by_id.get((interface_id, method))
        return f"{self.interface_name}.{shown(method) if found is None else found.name}"

    def results_of(self, interface_id: int, method: int | str) -> Sequence[str] | None:
        """The names of a method's results; None if they are one struct."""
        return self._table.by_id[interface_id, method].invoker().results  # type: ignore[no-any-return]

    def missing(self) -> list[str]:
        """Check that peers may call what is there, and give the names of the methods that are not.

        Raises:
            RegistrationError: a handler cannot be called with its method's parameters, or a public method that the
                interface does not have is very likely meant to be one that is missing.
        """
        missing = []
        for name, method in self._table.by_name.items():
            handler = self.value.__handler__(name)
            if isinstance(handler, Unimplemented):
                missing.append(name)
                continue
            invoker: Invoker = method.invoker()
            reason = invoker.misfit(handler)
            if reason:
                own_name = getattr(handler, "__qualname__", None) or shown(handler)
                raise RegistrationError(
                    f"{own_name} cannot be {self.interface_name}.{name}: {reason}; "
                    f"the method is {invoker.signature.text}"
                )
        others = self._other_methods() if missing else []
        for name in missing:
            meant = mistaken_for(name, others)
            if meant is not None:
                raise RegistrationError(
                    f"{self.interface_name} has no method {meant!r}, and {name!r} is not implemented: one is perhaps "
                    "meant to be the other; what is no method of the interface may begin with an underscore"
                )
        return missing

    def _other_methods(self) -> list[str]:
        """The public methods of the user's object that are none of the interface."""
        value = vars(self.value).get("__wrapped__", self.value)
        known = {python_name(name) for name in self._table.by_name} | set(self._table.by_name)
        return [
            name
            for name in dir(value)
            # Nested declarations are types.
            if not name.startswith("_") and name not in known and isinstance(_static(value, name), _METHOD_TYPES)
        ]

    def handlers(self) -> dict[str, WireHandler]:
        """A wire handler for every method under its bare name, inherited ones included."""
        return {name: self._wire_handler(method) for name, method in self._table.by_name.items()}

    def released(self) -> None:
        """Learn that the last holder let go."""
        self._bound.clear()
        released = getattr(vars(self.value).get("__wrapped__", self.value), "__released__", None)
        if released is not None:
            released()

    def _wire_handler(self, method: InvokedMethod) -> WireHandler:
        return method.invoker().bind(self.value.__handler__(method.name))


class Invoker:
    """How one method of an interface is run on wire values, whatever the handler."""

    __slots__ = ("_make", "_names", "name", "results", "signature")

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.name: Final = signature.name
        # A struct that stands for all parameters has no name of its own; no function's parameter is called like this.
        self.results = None if signature.result_type is not None else [result.name for result in signature.results]
        self._names = ["*"] if signature.parameter_struct else [parameter.name for parameter in signature.parameters]
        self._make = wire_handler_maker(signature, self._refused, self._convert_and_run, self._finish)

    def bind(self, handler: Callable[..., Any]) -> WireHandler:
        """The function that runs a handler."""
        bound = self._make(adapted(handler, self._names))
        bound.__dict__["results"] = self.results
        return bound

    def run(self, handler: Callable[..., Any], values: list[Stored]) -> Any:
        """Call a handler with stored values, MISSING ones left to its own Python defaults.

        Raises:
            ArgumentError: a value is missing and the handler has no default for it.
        """
        handler = adapted(handler, self._names)
        positional, named = self._filled(handler, values)
        return handler(*positional, **named)

    def misfit(self, handler: object) -> str:
        """Why a handler cannot be run, or an empty text."""
        return misfit(handler, self._names)

    def _filled(
        self, handler: Callable[..., Any], values: list[Stored], evolves: bool = False
    ) -> tuple[list[Stored], dict[str, Stored]]:
        """What to call a handler with.

        Args:
            evolves: whether a missing value may be one that the caller's schema does not have. A handler without a
                default for it gets that of its type.

        Raises:
            ArgumentError: the handler cannot do without a value that is missing.
        """
        if not any(value is MISSING for value in values):
            return values, {}
        if isinstance(handler, ByName):
            required = handler.missing(values)
            if evolves:
                for index in required:
                    values[index] = self.signature.parameters[index].absent()
            elif required:
                self.signature.raise_missing([self._names[index] for index in required])
            return values, {}
        if isinstance(handler, Leading):
            values = values[: handler.count]
            handler = handler.handler
        own = _parameters(handler)
        positional: list[Stored] = []
        named: dict[str, Stored] = {}
        missing: list[str] = []
        for index, value in enumerate(values):
            parameter = own[index] if index < len(own) else None
            if value is MISSING and evolves and (parameter is None or parameter.default is inspect.Parameter.empty):
                value = self.signature.parameters[index].absent()
            if value is not MISSING:
                if named or missing or len(positional) < index:
                    named[parameter.name if parameter is not None else self._names[index]] = value
                else:
                    positional.append(value)
            elif parameter is None or parameter.default is inspect.Parameter.empty:
                name = self._names[index]
                missing.append(name if name != "*" else parameter.name if parameter else "value")
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

    def _convert_and_run(
        self,
        handler: Callable[..., Any],
        call: IncomingCall,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
    ) -> Any:
        # Peers of ours give all parameters of their schema by position, so another number is that of another schema.
        signature, surplus = self.signature, call.surplus
        is_list = surplus is not None and not kwargs and signature.parameter_struct is None
        if surplus is not None and is_list and len(args) > len(signature.parameters):
            surplus["surplus arguments"] += 1
            args = args[: len(signature.parameters)]
        try:
            values = signature.incoming(args, kwargs, surplus is not None)
            positional, named = self._filled(handler, values, is_list)
        except (ArgumentError, InvalidValue, UnknownField) as error:
            raise self._refused(error) from error
        return handler(*positional, **named)

    def _finish(self, result: Any) -> WireValue | Awaitable[WireValue]:
        if type(result) not in _IMMEDIATE:
            later = awaitable_of(result, several=len(self.signature.results) > 1)
            if later is not None:
                return self._finish_later(later)
        return self._send(result)

    async def _finish_later(self, later: Awaitable[Any]) -> WireValue:
        return self._send(await later)

    def _send(self, result: Any) -> WireValue:
        try:
            return self.signature.send_result(result)
        except (InvalidValue, UnknownField) as error:
            name = "TypeError" if isinstance(error, WrongType) else "ValueError"
            text = str(error) if not error.path else f"{self.name} returned a wrong result: {error}"
            raise RemoteError(name, text, code="internal") from error


def _static(value: object, name: str) -> object:
    """An attribute without running a property."""
    return inspect.getattr_static(value, name, None)


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
