"""Import schemas like Python modules: ``from calculator_capnp import Calculator`` loads ``calculator.capnp``.

Finds files and leaves loading to the function it is given, so that it knows neither the loader nor the classes. All its
state is the finder in ``sys.meta_path``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

Load: TypeAlias = Callable[[str, Sequence[str]], Any]
"""Loads the schema file of that path with that import path and returns what ``import`` is to give."""

_SUFFIX = "_capnp"


def install_import_hook(load: Load, import_path: Sequence[str | Path] = ()) -> None:
    """Make ``import name_capnp`` find ``name.capnp``, also ``na-me.capnp`` and ``na me.capnp`` for ``na_me_capnp``.

    Schemas are looked for on ``sys.path``, then on ``import_path``; in a package only in its own directories.
    Installing again replaces the import path. May be called from any thread.

    Args:
        load: called with a file's path and the import path for its imports. SchemaError and the like pass through.
        import_path: further directories, also for the schemas' own imports.
    """
    # Behind the finder of Python modules, which must win, and before pycapnp's own hook, which comes last if it is
    # there.
    finder = SchemaFinder(load, [os.fspath(path) for path in import_path])
    position = next((at + 1 for at, other in enumerate(sys.meta_path) if other is importlib.machinery.PathFinder), None)
    sys.meta_path.insert(len(sys.meta_path) if position is None else position, finder)
    # Each step is atomic, and whoever comes last leaves exactly the first finder: no lock is needed.
    _remove(_finders()[1:])


def remove_import_hook() -> None:
    """Undo ``install_import_hook``; what was imported stays. Does nothing if it is not installed."""
    _remove(_finders())


def _finders() -> list[SchemaFinder]:
    return [finder for finder in sys.meta_path if isinstance(finder, SchemaFinder)]


def _remove(finders: list[SchemaFinder]) -> None:
    for finder in finders:
        with suppress(ValueError):  # another thread was faster
            sys.meta_path.remove(finder)


class SchemaFinder(importlib.abc.MetaPathFinder):
    """The entry in ``sys.meta_path``."""

    def __init__(self, load: Load, import_path: Sequence[str]) -> None:
        self._load = load
        self._import_path = tuple(import_path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a schema module, None for every other module and where there is no such file."""
        name = fullname.rpartition(".")[2]
        if not name.endswith(_SUFFIX) or name == _SUFFIX:
            return None
        stem = name.removesuffix(_SUFFIX)
        directories = [*sys.path, *self._import_path] if path is None else list(path)
        for file in _candidates(directories, stem):
            if os.path.isfile(file):
                loader = _SchemaLoader(self._load, file, [*self._import_path, *sys.path])
                return importlib.util.spec_from_file_location(fullname, file, loader=loader)
        return None


def _candidates(directories: Sequence[str], stem: str) -> Iterator[str]:
    for directory in directories:
        # An empty entry of sys.path is the current directory.
        for name in dict.fromkeys((stem, stem.replace("_", "-"), stem.replace("_", " "))):
            yield os.path.join(os.path.abspath(directory), f"{name}.capnp")


class _SchemaLoader(importlib.abc.Loader):
    def __init__(self, load: Load, file: str, import_path: Sequence[str]) -> None:
        self._load = load
        self._file = file
        self._import_path = import_path

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        directories = [os.path.abspath(directory) for directory in self._import_path]
        module = self._load(self._file, [directory for directory in directories if os.path.isdir(directory)])
        # The import system sets the other attributes, but leaves a name that is there.
        module.__name__ = spec.name
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module came complete."""
