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
        self._sources: dict[str, Lines] = {}
        self.namespace = namespace

    @property
    def _file(self) -> str:
        """What the names of our functions' files begin with, in tracebacks."""
        return f"{self.__class__.__name__} "

    def failed_in(self, error: BaseException) -> list[tuple[Type, str, str]]:
        """The functions that an error came through, the outermost first: the type of each, the line where it was, and
        the name of the one that it called, if that is one of ours."""
        types = {name: type for type, name in self._names.items()}
        found: list[tuple[str, int]] = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            # Until Python 3.12 a comprehension has a frame of its own.
            if code.co_filename.startswith(self._file) and code.co_name in types:
                found.append((code.co_name, trace.tb_lineno))
            trace = trace.tb_next
        inner = [*(name for name, _ in found[1:]), ""][: len(found)]
        return [
            (types[name], self._sources[name][line - 1], called)
            for (name, line), called in zip(found, inner, strict=True)
        ]

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
        lines = self._sources[name] = self.source(name, type)
        source = compile("\n".join(lines), self._file + name, "exec")
        exec(source, self.namespace)  # noqa: S102 (our own source)
        function: Callable[..., Any] = self.namespace[name]
        return function

    def source(self, name: str, type: Type) -> Lines:
        """The definition of a type's function."""
        raise NotImplementedError


def indented(lines: Lines) -> Lines:
    """The lines as the body of a statement."""
    return ["    " + line for line in lines]
