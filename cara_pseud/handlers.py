"""How a user's function takes a method's parameters: by position, by name, or only the first of them. Knows no types.

A handler that takes fewer parameters than the schema has is called without the others, as a ``lambda: …`` wants it. A
method may get parameters at its end without breaking who implements it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from cara_pseud.errors import RpcError
from cara_pseud.python_names import python_name
from cara_pseud.values import MISSING, Stored

Handler = Callable[..., Any]

_NEAR: Final = 0.75
"""One letter is another in four, or too many or too few in three; ``get`` and ``set`` are two names."""
_VERY_NEAR: Final = 0.88
"""Two letters too many or too few in eight; ``list`` and ``listen`` are two names."""


class Accepted(NamedTuple):
    """What a function can be called with.

    Attributes:
        positional: the names of what it takes by position.
        required: how many of those have no default.
        positional_only: how many of those cannot be given by name.
        named: the names of what it takes by name only.
        required_named: those without default.
        any_positional, any_named: whether it has ``*args``, ``**kwargs``.
    """

    positional: tuple[str, ...]
    required: int
    positional_only: int
    named: tuple[str, ...]
    required_named: tuple[str, ...]
    any_positional: bool
    any_named: bool


def accepted_by(handler: Handler) -> Accepted | None:
    """What a handler can be called with, None if nobody knows."""
    function = getattr(handler, "__func__", handler)
    if getattr(function, "__tornado_coroutine__", False):
        # What it wraps gets all arguments as they are. Nothing is known of other decorators.
        function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return _accepted_by_any(handler)
    bound = 1 if hasattr(handler, "__self__") else 0
    positional = code.co_varnames[bound : code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    optional_named = function.__kwdefaults__ or {}
    return Accepted(
        positional,
        max(len(positional) - len(function.__defaults__ or ()), 0),
        max(code.co_posonlyargcount - bound, 0),
        named,
        tuple(name for name in named if name not in optional_named),
        bool(code.co_flags & inspect.CO_VARARGS),
        bool(code.co_flags & inspect.CO_VARKEYWORDS),
    )


def _accepted_by_any(handler: Handler) -> Accepted | None:
    """The same for partial functions, objects with ``__call__``, classes and builtin functions."""
    try:
        own = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return None
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in own if parameter.kind in by_position]
    named = [parameter for parameter in own if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    kinds = {parameter.kind for parameter in own}
    return Accepted(
        tuple(parameter.name for parameter in positional),
        sum(parameter.default is parameter.empty for parameter in positional),
        sum(parameter.kind is inspect.Parameter.POSITIONAL_ONLY for parameter in positional),
        tuple(parameter.name for parameter in named),
        tuple(parameter.name for parameter in named if parameter.default is parameter.empty),
        inspect.Parameter.VAR_POSITIONAL in kinds,
        inspect.Parameter.VAR_KEYWORD in kinds,
    )


class ByName:
    """A handler that is called with keywords."""

    __slots__ = ("_handler", "_names", "_required")

    def __init__(self, handler: Handler, accepted: Accepted, names: Sequence[str]) -> None:
        own = (*accepted.positional, *accepted.named)
        required = {*accepted.positional[: accepted.required], *accepted.required_named}
        self._handler = handler
        # None: the handler does without.
        self._names = [
            python_name(name) if python_name(name) in own else name if name in own or accepted.any_named else None
            for name in names
        ]
        self._required = [name in required for name in self._names]

    def __call__(self, *values: Stored) -> Any:
        named = zip(self._names, values, strict=True)
        return self._handler(**{name: value for name, value in named if name is not None and value is not MISSING})

    def missing(self, values: Sequence[Stored]) -> list[int]:
        """Which values are not there though the handler has no default for them."""
        return [
            index
            for index, (required, value) in enumerate(zip(self._required, values, strict=True))
            if required and value is MISSING
        ]


class Leading:
    """A handler that is called with the first values only."""

    __slots__ = ("count", "handler")

    def __init__(self, handler: Handler, count: int) -> None:
        self.handler = handler
        self.count = count

    def __call__(self, *values: Stored, **named: Stored) -> Any:
        return self.handler(*values[: self.count], **named)


class Unimplemented:
    """A handler for a method that an object does not have."""

    __slots__ = ("_interface", "_name")

    def __init__(self, interface: str, name: str) -> None:
        self._interface = interface
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RpcError("unimplemented", f"{self._interface} does not implement {self._name}")


def adapted(handler: Handler, names: Sequence[str]) -> Handler:
    """A handler that can be called with as many values as there are names, in their order.

    It is called by name if it takes keywords only, or if what it requires are names of the schema, but not the first
    ones in their order. A struct that stands for all parameters goes by the name ``*``.
    """
    accepted = accepted_by(handler)
    if accepted is None:
        return handler
    if takes_names(accepted, names):
        return ByName(handler, accepted, names)
    if len(accepted.positional) < len(names) and not accepted.any_positional:
        return Leading(handler, len(accepted.positional))
    return handler


def takes_names(accepted: Accepted, names: Sequence[str]) -> bool:
    """Whether a handler must be called by name."""
    if accepted.any_positional or accepted.positional_only or "*" in names:
        return False
    schema = [python_name(name) for name in names]
    if accepted.positional == tuple(schema[: len(accepted.positional)]):
        others = schema[len(accepted.positional) :]
        return bool(others) and (accepted.any_named or any(name in accepted.named for name in others))
    required = accepted.positional[: accepted.required]
    known = any(name in schema for name in (*accepted.positional, *accepted.named))
    return known and all(name in schema for name in required)


def misfit(handler: object, names: Sequence[str]) -> str:
    """Why a handler cannot be called with values of these names, or an empty text."""
    if not callable(handler):
        return "it is no function"
    accepted = accepted_by(handler)
    if accepted is None:
        return ""
    schema = [python_name(name) for name in names]
    own = _all_positional(handler)
    first = own[0] if own else "" if own is not None else "self"
    if hasattr(handler, "__self__") and first != "self" and (not first or first in schema):
        return "it is a method without self"
    by_name = takes_names(accepted, names)
    unknown = [name for name in accepted.required_named if not by_name or name not in schema]
    if unknown:
        return f"it requires {', '.join(unknown)} by name, which is no parameter"
    if not by_name and accepted.required > len(names):
        listed = ", ".join(accepted.positional[: accepted.required])
        plural = "" if accepted.required == 1 else "s"
        return f"it requires {accepted.required} argument{plural} ({listed}) and gets {len(names)}"
    return ""


def _all_positional(handler: Handler) -> tuple[str, ...] | None:
    """The names of what a Python function takes by position, bound ones included; None where there is no telling."""
    code = getattr(getattr(handler, "__func__", None), "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


def mistaken_for(name: str, others: Iterable[str]) -> str | None:
    """Which of other names is so near to a name that it is meant by it, if any is."""
    letters = _letters(name)
    return next((other for other in others if _are_near(letters, _letters(other))), None)


def _are_near(one: str, other: str) -> bool:
    if any(one == other[:at] + other[at + 1] + other[at] + other[at + 2 :] for at in range(len(other) - 1)):
        return True
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio >= (_NEAR if abs(len(one) - len(other)) <= 1 else _VERY_NEAR)


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
