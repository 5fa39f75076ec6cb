"""Schemas as Python modules: `load`, and ``from calculator_capnp import Calculator``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cara_pseud.classes import Module, module_from_schema
from cara_pseud.schema import hook
from cara_pseud.schema.loader import compile_schema


def load(path: str | Path, import_path: Sequence[str | Path] = (), *, cached: bool = True) -> Module:
    """Load a schema file: its declarations are attributes of the result.

    Blocks for about 0.2 s the first time, then for some milliseconds: what the compiler made of these files is kept in
    the folder that ``CARA_CACHE_DIR`` names, or in ``~/.cache/cara_pseud``.

    Args:
        path: a ``.capnp`` file.
        import_path: where ``import "/…"`` is looked up first; the schemas that come with this package and with
            pycapnp are found without.
        cached: whether what the compiler gave for the same files before will do, and is to be kept.

    Raises:
        SchemaError: the file, or one that it imports, cannot be read or compiled.
    """
    return module_from_schema(compile_schema([path], import_path, cached=cached))


def install_import_hook(import_path: Sequence[str | Path] = (), *, cached: bool = True) -> None:
    """Make ``from calculator_capnp import Calculator`` load ``calculator.capnp`` from ``sys.path``; see `load`.

    Installing again replaces the import path.

    Args:
        import_path: further directories to look in, also for the schemas' own imports.
        cached: as for `load`.
    """
    hook.install_import_hook(partial(load, cached=cached), import_path)


def remove_import_hook() -> None:
    """Undo `install_import_hook`; what was imported stays."""
    hook.remove_import_hook()
