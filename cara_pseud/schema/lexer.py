"""Find one's way in the text of a schema: statements, imports, brackets, lines.

Pure text in, positions out; the grammar itself is the compiler's business. Never fails, so that text that does not
compile can be read as well, and scans whole statements with one pattern each, since schemas may be long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# The rules of lexer.c++ of the Cap'n Proto compiler. A byte order mark counts as white space there, and ` begins a
# string that ends with its line. 0x"…" data need no rule: what is between the quotes has no meaning to anything here.
_BLANK = r"(?:[ \f\n\r\t\v\ufeff]|\#[^\n]*)*+"
_CLOSED_STRING = r'"(?:[^"\\\n]|\\.)*+"'
# A string without an end goes on to its line's: if it were none, each quote in it would be tried anew, in quadratic
# time.
_STRING = r'"(?:[^"\\\n]|\\.)*+["\\]?+'
_LINES = r"\#[^\n]*|`[^\r\n]*"

_WORDS = re.compile(rf"{_BLANK}(@|[A-Za-z_][A-Za-z0-9_]*)?{_BLANK}([A-Za-z_][A-Za-z0-9_]*)?{_BLANK}")
_REST = re.compile(rf'(?:[^;{{}}"`\#]|{_STRING}|{_LINES})*+')
_IMPORT = re.compile(rf"{_LINES}|\b(import|embed)\b{_BLANK}({_CLOSED_STRING})|{_STRING}")
_STREAM = re.compile(rf"{_LINES}|{_STRING}|(->){_BLANK}stream\b")
_MEANINGLESS = re.compile(rf"{_LINES}|{_STRING}")
_BRACKET = re.compile(rf"{_LINES}|{_STRING}|([(\[{{])|([)\]}}])")
_NOTHING = re.compile(_BLANK)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([0-7]{1,3})|(.))")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Statement(NamedTuple):
    """A piece of text that ends with ``;``, ``{`` or ``}``.

    Attributes:
        first: the word that it begins with, or ``@``, or empty.
        second: the word behind that, if it is one.
        is_one_word: whether there is nothing else.
        end: the character that ends it.
        position: where the text goes on behind that.
    """

    first: str
    second: str
    is_one_word: bool
    end: str
    position: int


class Import(NamedTuple):
    """An ``import "…"`` or ``embed "…"``; start and end are those of the string with its quotes."""

    keyword: str
    target: str
    start: int
    end: int


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements in order, opening and closing ones alike; text behind the last one is left out."""
    position = 0
    while True:
        words = _WORDS.match(text, position)
        rest = _REST.match(text, words.end() if words else position)
        position = rest.end() if rest else len(text)
        if words is None or position >= len(text):
            return
        is_one_word = words[1] is not None and words[2] is None and words.end() == position
        yield Statement(words[1] or "", words[2] or "", is_one_word, text[position], position + 1)
        position += 1


def imports(text: str) -> Iterator[Import]:
    """Yield the imports in order."""
    for match in _IMPORT.finditer(text):
        if match[1] is not None:
            yield Import(match[1], _string_value(match[2]), match.start(2), match.end(2))


def has_streaming(text: str) -> bool:
    """Whether a method's result is ``stream``, for which the compiler needs a file that nothing imports."""
    return any(match[1] is not None for match in _STREAM.finditer(text))


def outside_comments(text: str, characters: re.Pattern[str]) -> int | None:
    """The position of the first such character that is neither in a comment nor in a string."""
    if characters.search(text) is None:
        return None
    found = characters.search(_MEANINGLESS.sub(lambda match: " " * len(match[0]), text))
    return None if found is None else found.start()


def after_blanks(text: str, position: int) -> int:
    """The position of what comes next that is neither white space nor a comment."""
    blank = _NOTHING.match(text, position)
    return position if blank is None else blank.end()


def line_of(text: str, position: int) -> int:
    """Return the 1-based number of the line that holds a position."""
    return text.count("\n", 0, position) + 1


def deepest_line(text: str) -> int:
    """Return the 1-based number of the line in which brackets are nested deepest."""
    depth = greatest = position = 0
    for match in _BRACKET.finditer(text):
        if match[1] is not None:
            depth += 1
            if depth > greatest:
                greatest, position = depth, match.start()
        elif match[2] is not None:
            depth -= 1
    return line_of(text, position)


def is_within_statement(text: str, position: int) -> bool:
    """Whether a statement has begun, and not ended, before a position."""
    start = 0
    for statement in statements(text):
        if statement.position > position:
            break
        start = statement.position
    return _NOTHING.fullmatch(text, start, position) is None


def _string_value(literal: str) -> str:
    def unescape(match: re.Match[str]) -> str:
        hexadecimal, octal, other = match.groups()
        if hexadecimal is not None:
            return chr(int(hexadecimal, 16))
        return chr(int(octal, 8)) if octal is not None else _ESCAPED.get(other, other)

    return _ESCAPE.sub(unescape, literal[1:-1])
