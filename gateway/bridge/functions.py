"""Generated functions by type: named in one namespace, and compiled when they are first called.

A recursive or endless type costs what is used of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cara_pseud.schema.nodes import Type
from gateway.bridge.layouts import Places

Lines = list[str]


class TypeFunctions:
    """The functions of one direction; a subclass writes their source.

    Attributes:
        namespace: what the source may name.
    """

    def __init__(self, layouts: Places, namespace: dict[str, Any]) -> None:
        self._layouts = layouts
        self._names: dict[Type, str] = {}
        self.namespace = namespace

    def constant(self, value: Any) -> str:
        """A name for a value that has no literal."""
        name = f"c{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def name(self, type: Type) -> str:
        """The name of the function of a struct, group or list."""
        name = self._names.get(type)
        if name is None:
            name = self._names[type] = f"f{len(self._names)}"

            def compile_first(*args: Any) -> Any:
                return self.compiled(type)(*args)

            self.namespace[name] = compile_first
        return name

    def compiled(self, type: Type) -> Callable[..., Any]:
        """The function of a type, compiled now."""
        name = self.name(type)
        source = "\n".join(self.source(name, type))
        exec(compile(source, f"<{self.__class__.__name__} {name}>", "exec"), self.namespace)  # noqa: S102 (our own source)
        function: Callable[..., Any] = self.namespace[name]
        return function

    def source(self, name: str, type: Type) -> Lines:
        """The definition of a type's function."""
        raise NotImplementedError


def indented(lines: Lines) -> Lines:
    """The lines as the body of a statement."""
    return ["    " + line for line in lines]
