"""Schemas as Python modules: `load`, and ``from calculator_capnp import Calculator``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cara_pseud.classes import Module, module_from_schema
from cara_pseud.schema import hook
from cara_pseud.schema.loader import compile_schema


def load(path: str | Path, import_path: Sequence[str | Path] = ()) -> Module:
    """Load a schema file: its declarations are attributes of the result. Blocks for about 0.2 s.

    Args:
        path: a ``.capnp`` file.
        import_path: where ``import "/…"`` is looked up first; the schemas that come with this package and with
            pycapnp are found without.

    Raises:
        SchemaError: the file, or one that it imports, cannot be read or compiled.
    """
    return module_from_schema(compile_schema([path], import_path))


def install_import_hook(import_path: Sequence[str | Path] = ()) -> None:
    """Make ``from calculator_capnp import Calculator`` load ``calculator.capnp`` from ``sys.path``; see `load`.

    Installing again replaces the import path.

    Args:
        import_path: further directories to look in, also for the schemas' own imports.
    """
    hook.install_import_hook(load, import_path)


def remove_import_hook() -> None:
    """Undo `install_import_hook`; what was imported stays."""
    hook.remove_import_hook()
