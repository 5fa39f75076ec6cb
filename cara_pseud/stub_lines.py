"""Lines of Python as they stand in stubs: names, docstrings, indentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cara_pseud.schema.nodes import Node

Lines = Iterator[str]

INDENT: Final = "    "


def doc_lines(node: Node) -> Iterable[str]:
    """A node's comment as a docstring."""
    if node.doc:
        text = node.doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').splitlines()
        yield from (['"""' + text[0] + '"""'] if len(text) == 1 else ['"""' + text[0], *text[1:], '"""'])


def indented(lines: Iterable[str]) -> Lines:
    """The same lines one level deeper."""
    for line in lines:
        yield f"{INDENT}{line}" if line else ""
