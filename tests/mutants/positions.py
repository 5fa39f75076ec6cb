"""Where the nodes and tokens of a source stand in its text, in characters.

The syntax tree counts columns in bytes and names no place for an operator, so operators are looked up among the tokens
between their operands.
"""

from __future__ import annotations

import ast
import io
import tokenize
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    start: int
    end: int


class Positions:
    def __init__(self, source: str) -> None:
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._tokens = [
            Token(token.string, self._starts[token.start[0] - 1] + token.start[1],
                  self._starts[token.end[0] - 1] + token.end[1])
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type in (tokenize.OP, tokenize.NAME)
        ]  # fmt: skip

    def _offset(self, line: int, column: int) -> int:
        """Of a line from 1 on and a column in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends, without brackets around it."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def tokens(self, start: int, end: int) -> Iterator[Token]:
        """The names and operators that lie between two places, brackets left out."""
        for token in self._tokens[bisect_left(self._tokens, start, key=lambda token: token.start) :]:
            if token.end > end:
                return
            if token.text not in "()":
                yield token
