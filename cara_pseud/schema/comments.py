"""Doc comments of a schema, by the compiler's rule: the compiler keeps them, but pycapnp does not hand them out.

The rule (``docComment`` in lexer.c++ of the Cap'n Proto compiler): the ``#`` lines that follow a declaration's ``;`` or
``{``, on the same line or from the next one on, without a blank line before or between. A declaration with a block that
has none behind its ``{`` may have it behind its ``}``. What stands above a declaration belongs to no one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cara_pseud.schema.lexer import Statement, statements

_COMMENT = re.compile(r"[ \f\t\v]*+(?:\r?\n|\r)?+((?:[ \f\t\v]*+#[^\n]*(?:\n|\Z))++)")
_LINE = re.compile(r"#[ ]?([^\n]*)")
_DECLARING = frozenset({"struct", "enum", "interface", "const", "annotation"})


def doc_comments(text: str) -> Mapping[str, str]:
    """Return the doc comments of a schema file by qualified name.

    Keys are names within the file, ``Outer.Inner`` for declarations, ``Outer.Inner.member`` for fields, groups, union
    members, enumerants and methods, ``Outer.group.member`` inside of groups, and "" for the file itself. Members of an
    unnamed union belong to the scope around it. Lines are joined by newlines, each without its ``#`` and one space
    after it.
    """
    comments: dict[str, str] = {}
    scopes: list[str | None] = [""]  # None: inside of something that cannot have documented members
    for statement in statements(text):
        if statement.end == "}":
            # The unnamed union goes by its scope's name, whose comment it must not give.
            name = scopes.pop() if len(scopes) > 1 else None
            name = None if name == scopes[-1] else name
        else:
            scope, name = scopes[-1], _declared(statement, scopes[-1])
            if statement.end == "{":
                scopes.append(name)
            name = None if name == scope and name else name
        if name is not None and name not in comments:
            found = _COMMENT.match(text, statement.position)
            if found is not None:
                comments[name] = "\n".join(line.removesuffix("\r") for line in _LINE.findall(found[1]))
    return comments


def _declared(statement: Statement, scope: str | None) -> str | None:
    """Return the qualified name that a statement declares, its scope's own for what has no name, None for the rest."""
    if scope is None or not statement.first:
        return None
    if statement.first == "@":
        return "" if not scope else None  # the file's id, whose comment is the file's
    if statement.is_one_word:
        return scope if statement.first == "union" and statement.end == "{" else None
    name = statement.first
    if statement.second:
        if name not in _DECLARING:  # using
            return None
        name = statement.second
    return f"{scope}.{name}" if scope else name
