"""Names of a schema in Python, where a keyword takes an underscore: ``import`` is ``import_``."""

from __future__ import annotations

import keyword


def python_name(name: str) -> str:
    """What a name of a schema is called as an attribute or argument."""
    return f"{name}_" if keyword.iskeyword(name) else name


def schema_name(name: str) -> str:
    """The name of a schema that an attribute or argument stands for."""
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
