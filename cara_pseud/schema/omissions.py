"""What is left out of an imported file because it does not compile and nothing needs it. Pure text in, text out.

The compiler's own command looks at the declarations of an imported file that the others refer to, and at no others.
Through pycapnp it compiles whole files, stops at the first error and names only its line. So a declaration that is in
the way is blanked out of the file's copy, the smallest one that holds the error, and the rest is compiled again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cara_pseud.schema.lexer import after_blanks, line_of, statements

_DECLARING = frozenset({"struct", "enum", "interface", "const", "annotation", "using"})
_USING = re.compile(r"using\b")
_NOT_A_LINE_END = re.compile(r"[^\n]")

# What the compiler says while it reads a file, before it looks at any declaration of it.
_OF_THE_WHOLE_FILE = re.compile(
    r"Parse error|Non-UTF-8 |Invalid ID|Ordinals cannot be greater|This statement should end|File does not declare"
    r"|File can only have|'using' declaration|Wildcard should not|Not a valid annotation|Duplicate target"
    r"|As of Cap'n Proto v|the schema is nested"
)


def concerns_one_declaration(reason: str) -> bool:
    """Whether the compiler's error is one of a declaration, not one of the file that holds it."""
    return _OF_THE_WHOLE_FILE.match(reason) is None


def one_statement_per_line(text: str) -> tuple[str, list[int]]:
    """The text with a line end behind every statement, and for each of its lines the 1-based one that it came from."""
    parts, lines, position, line = [], [1], 0, 1
    for statement in statements(text):
        part = text[position : statement.position]
        position = statement.position
        ends = part.count("\n")
        lines += [*range(line + 1, line + ends + 1), line + ends]
        line += ends
        parts += [part, "\n"]
    rest = text[position:]
    lines += range(line + 1, line + rest.count("\n") + 1)
    return "".join([*parts, rest]), lines


def without_declaration(text: str, line: int, *, only_names: bool = False) -> str:
    """The text with the smallest declaration that holds a line blanked out; as it is if there is none.

    Lines stay what they are. A declaration within another one is smaller than that.

    Args:
        only_names: whether it must be one that only calls something by another name.
    """
    holding = [
        (end - start, start, end)
        for start, end in _declarations(text)
        if _holds(text, start, end, line) and (not only_names or _USING.match(text, start))
    ]
    if not holding:
        return text
    _, start, end = min(holding)
    return text[:start] + _NOT_A_LINE_END.sub(" ", text[start:end]) + text[end:]


def _holds(text: str, start: int, end: int, line: int) -> bool:
    return line_of(text, start) <= line <= line_of(text, end - 1)


def _declarations(text: str) -> Iterator[tuple[int, int]]:
    """Where each declaration starts and ends."""
    open_blocks: list[int | None] = []
    position = 0
    for statement in statements(text):
        if statement.end == "}":
            opened = open_blocks.pop() if open_blocks else None
            if opened is not None:
                yield opened, statement.position
        else:
            start: int | None = after_blanks(text, position)
            # At the top, what begins with a $ is an annotation of the file.
            annotates = not open_blocks and text.startswith("$", start)
            if not (annotates or (statement.first in _DECLARING and statement.second)):
                start = None
            if statement.end == "{":
                open_blocks.append(start)
            elif start is not None:
                yield start, statement.position
        position = statement.position
