"""Where the declarations of a schema stand in its text: for comments, and for errors that say file and line.

Pure: text and nodes in, names and places out. Follows scopes by the statements alone and never fails; what the compiler
took is what it is right about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cara_pseud.schema.lexer import Statement, after_blanks, line_of, statements
from cara_pseud.schema.nodes import FileNode, Node, Schema

_DECLARING = frozenset({"struct", "enum", "interface", "const", "annotation"})


class PlacedDeclaration(NamedTuple):
    """A statement that declares something, or the brace that ends its block.

    Attributes:
        name: the qualified name within the file, "" for the file itself.
        start: where the statement begins.
        position: where the text goes on behind the ``;`` or brace.
    """

    name: str
    start: int
    position: int


class Place(NamedTuple):
    """A file as the user would name it, and a 1-based line if it is known."""

    file: str
    line: int | None


def declarations(text: str) -> Iterator[PlacedDeclaration]:
    """Yield what a schema file declares, in order; of a block both its opening and its end.

    Names are ``Outer.Inner`` for declarations, ``Outer.Inner.member`` for fields, groups, union members, enumerants and
    methods, ``Outer.group.member`` inside of groups. Members of an unnamed union belong to the scope around it.
    """
    scopes: list[str | None] = [""]  # None: inside of something that cannot have named members
    start = 0
    for statement in statements(text):
        if statement.end == "}":
            # The unnamed union goes by its scope's name, which it must not end.
            name = scopes.pop() if len(scopes) > 1 else None
            name = None if name == scopes[-1] else name
        else:
            scope, name = scopes[-1], _declared(statement, scopes[-1])
            if statement.end == "{":
                scopes.append(name)
            name = None if name == scope and name else name
        if name is not None:
            yield PlacedDeclaration(name, after_blanks(text, start), statement.position)
        start = statement.position


def _declared(statement: Statement, scope: str | None) -> str | None:
    """Return the qualified name that a statement declares, its scope's own for what has no name, None for the rest."""
    if scope is None or not statement.first:
        return None
    if statement.first == "@":
        return "" if not scope else None  # the file's id
    if statement.is_one_word:
        return scope if statement.first == "union" and statement.end == "{" else None
    name = statement.first
    if statement.second:
        if name not in _DECLARING:  # using
            return None
        name = statement.second
    return f"{scope}.{name}" if scope else name


def place_of(schema: Schema, node: Node, member: str = "") -> Place:
    """Where a node, or the field, method or enumerant ``member`` of it, is declared."""
    file: Node | None = node
    while file is not None and not isinstance(file, FileNode):
        file = schema.nodes.get(file.scope_id)
    if file is None:
        return Place(node.display_name, None)
    wanted = ".".join(part for part in (node.qualified_name, member) if part)
    for declared in declarations(file.text):
        if declared.name == wanted:
            return Place(file.shown_name, line_of(file.text, declared.start))
    return Place(file.shown_name, None)
