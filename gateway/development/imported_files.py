"""Which files of a folder a Python script imports, and those that these import, read from their source.

What is imported by a name that is made at run time is not found here; a service that runs tells of it
(`cara_pseud.announcing`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.watched_files import Stamp, stamps

_Import = tuple[str, ...]
"""The words of a module's name; what they start from is in the first place: "" for the script's folder, else dots."""


class ImportedFiles:
    """Reads each file once for each state of it. One that cannot be read or parsed imports what it did before.

    Args:
        script: modules are looked for in its folder, as Python does.
    """

    def __init__(self, script: Path) -> None:
        self._script = script
        self._known: dict[Path, tuple[Stamp, frozenset[_Import]]] = {}

    def found(self, also: Iterable[Path] = ()) -> set[Path]:
        """The script and what it imports, as they are now.

        Args:
            also: other files that it has imported.
        """
        found: set[Path] = set()
        waiting = [self._script, *also]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            found.add(path)
            for words in self._imports(path):
                waiting += self._files(path, words)
        self._known = {path: self._known[path] for path in found if path in self._known}
        return found

    def _imports(self, path: Path) -> frozenset[_Import]:
        stamp, before = stamps([path])[path], self._known.get(path)
        if before is not None and before[0] == stamp:
            return before[1]
        try:
            imports = frozenset(_imports_of(ast.parse(path.read_bytes())))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            imports = frozenset() if before is None else before[1]
        self._known[path] = stamp, imports
        return imports

    def _files(self, importer: Path, words: _Import) -> Iterator[Path]:
        start, *names = words
        folder = self._script.parent if not start else importer.parent
        for _ in start[1:]:
            folder = folder.parent
        # Python runs each package on the way, too.
        for name in names:
            if not name.isidentifier():
                return
            for path in (folder / f"{name}.py", folder / name / "__init__.py"):
                if path.is_file():
                    yield path
            folder /= name


def _imports_of(tree: ast.AST) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield ("", *alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            start, words = "." * node.level, tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:  # each may be a module of a package
                yield (start, *words, *((alias.name,) if alias.name != "*" else ()))
