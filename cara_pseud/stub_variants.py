"""Generic structs and interfaces with their type parameters bound, as stubs name them: ``Box(Text)`` is
``_Box_of_Text``.

A class of its own for each, and not a type parameter of Python's: what programs write in brackets, ``Box[Text]``, are
the objects that check values, which type checkers do not take for types.
"""

from __future__ import annotations

import re
from typing import Final

from cara_pseud.schema.nodes import Schema, Type, describe_type

_MOST: Final = 200
"""A generic struct that contains itself under ever longer names has endlessly many."""


class Variants:
    """Those that one stub needs."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._names: dict[Type, str] = {}
        self._waiting: list[Type] = []

    def name(self, type: Type) -> str | None:
        """The name of a bound type; None if it is not bound, or the stub has too many of them."""
        if not type.brand or not is_bound(type):
            return None
        name = self._names.get(type)
        if name is None and len(self._names) < _MOST:
            words = re.findall(r"[0-9A-Za-z]+", describe_type(self._schema, type))
            name = f"_{words[0]}_of_{'_'.join(words[1:])}" if len(words) > 1 else f"_{words[0]}_bound"
            if name in self._names.values():
                name = f"{name}_{len(self._names)}"
            self._names[type] = name
            self._waiting.append(type)
        return name

    def next(self) -> tuple[Type, str] | None:
        """One that is named and was not given yet."""
        if not self._waiting:
            return None
        type = self._waiting.pop(0)
        return type, self._names[type]


def is_bound(type: Type) -> bool:
    """Whether no type parameter is left in a type."""
    if type.parameter is not None:
        return False
    if type.element is not None:
        return is_bound(type.element)
    return all(is_bound(inner) for _, types in type.brand for inner in types)
