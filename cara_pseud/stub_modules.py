"""Which module the stub of a schema file is."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from cara_pseud.schema.nodes import FileNode, Schema

_STANDARD: Final = ("capnp/", "gateway.capnp")


def is_standard(file: FileNode) -> bool:
    """Whether a file comes with the library."""
    return file.display_name.lstrip("/").startswith(_STANDARD)


def module_name(schema: Schema, file: FileNode) -> str:
    """The module that the import hook makes of a file: ``sub.calculator_capnp``.

    What comes with the library is a module that only other stubs know: the package ``capnp`` is pycapnp's.
    """
    path = PurePosixPath(file.display_name.lstrip("/"))
    parts = [re.sub(r"\W", "_", part) for part in (*path.parent.parts, f"{path.stem}_capnp")]
    if is_standard(file) and file.id not in schema.roots:
        return f"_{'_'.join(parts)}"
    return ".".join(parts)
