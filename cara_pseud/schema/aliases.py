"""What ``using`` calls by another name, at the top of a schema file or in a declaration.

Pure: text and declarations in, names out.

The compiler resolves such names where they are used and forgets them. So they are read from the file's text once more,
as far as they name declarations, files or types; the compiler has said that the text is a schema. Source of the rules:
the schema language's page, "Imports" and "Type aliases", https://capnproto.org/language.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from cara_pseud.schema.lexer import statements
from cara_pseud.schema.nodes import Brand, EnumNode, FileNode, InterfaceNode, Kind, Node, StructNode, Type

Meaning: TypeAlias = "int | Type"
"""What a name stands for: the id of a declaration or file, or a type that is bound or built in."""

_BLANK = r"(?:[ \f\n\r\t\v\ufeff]|\#[^\n]*)*+"
_TOKEN = re.compile(rf'{_BLANK}(?:(?P<word>[A-Za-z_]\w*)|"(?P<file>[^"\n]*)"|(?P<sign>[=.(),;]))', re.ASCII)
_BUILTIN: Final[Mapping[str, Kind]] = {
    kind.value: kind for kind in Kind if kind not in (Kind.ENUM, Kind.STRUCT, Kind.INTERFACE, Kind.LIST)
}
_SCOPES: Final = ("struct", "interface", "enum")
_DEEPEST: Final = 64
"""Of types in each other, and of aliases of aliases."""


class _Found(NamedTuple):
    """A declaration with what the type parameters around it and its own are bound to; or a type."""

    target: Meaning
    brand: Brand = ()


class _Unreadable(Exception):
    """Not an alias that we know; the compiler may know it."""


def alias_texts(text: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
    """The names that ``using`` declares in a file, and for each the text that says what it is.

    They are by the scope: the names of the declarations that lead to it, none for the file's top.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    scope: list[str] = []
    start = 0
    for statement in statements(text):
        if statement.end == "{":
            # Groups and unions are no scope that anybody could name.
            scope.append(statement.second if statement.first in _SCOPES else "")
        elif statement.end == "}":
            del scope[-1:]
        elif statement.first == "using":
            said = text[start : statement.position]
            tokens = _tokens(said)
            if len(tokens) > 3 and tokens[2] == "=":
                found.setdefault(tuple(scope), {})[tokens[1]] = said
            elif len(tokens) > 3 and tokens[-2:-1]:
                found.setdefault(tuple(scope), {})[tokens[-2]] = said
        start = statement.position
    return found


def scopes_of(nodes: Mapping[int, Node], file: int, text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The ids of a file and of declarations in it that have aliases, with what `alias_texts` has found there."""
    for path, texts in alias_texts(text).items():
        id: int | None = file
        for name in path:
            id = None if id is None or id not in nodes else dict(nodes[id].nested).get(name)
        if id is not None and id in nodes:
            yield id, texts


def _tokens(text: str) -> list[str]:
    """The tokens, strings with a quote before them; ends where something else stands."""
    tokens, position = [], 0
    while (match := _TOKEN.match(text, position)) is not None:
        position = match.end()
        tokens.append(match["word"] or match["sign"] or f'"{match["file"]}')
    return tokens


@dataclass
class Aliases:
    """The aliases of a schema.

    Args:
        nodes: its declarations.
        texts: of each file and declaration, by its id: what `scopes_of` has found in what the compiler was given.
        files: the ids of files by the names that imports have there.
    """

    nodes: Mapping[int, Node]
    texts: Mapping[int, Mapping[str, str]]
    files: Mapping[str, int]

    def of(self, scope: int) -> tuple[tuple[str, Meaning], ...]:
        """The aliases of a file or declaration that can be resolved, in the order of the text."""
        found = []
        for name in self.texts.get(scope, ()):
            try:
                found.append((name, _as_target(self.nodes, self._alias(scope, name, 0))))
            except _Unreadable:
                continue
        return tuple(found)

    def _alias(self, scope: int, name: str, depth: int) -> _Found:
        if depth > _DEEPEST:
            raise _Unreadable
        tokens = _tokens(self.texts[scope][name])
        tokens = tokens[3:-1] if tokens[2] == "=" else tokens[1:-1]
        found, position = self._expression(scope, tokens, 0, depth + 1)
        if position != len(tokens):
            raise _Unreadable
        return found

    def _expression(self, scope: int, tokens: list[str], position: int, depth: int) -> tuple[_Found, int]:
        """What an expression that begins there means, and where the tokens go on behind it."""
        if depth > _DEEPEST or position >= len(tokens):
            raise _Unreadable
        word = tokens[position]
        if word == "import" and position + 1 < len(tokens) and tokens[position + 1].startswith('"'):
            imported = self.files.get(tokens[position + 1][1:].lstrip("/"))
            if imported is None:
                raise _Unreadable
            found, position = _Found(imported), position + 2
        elif word == "." and position + 1 < len(tokens):
            found, position = self._member(self._top(scope), tokens[position + 1], depth), position + 2
        elif word == "List" and tokens[position + 1 : position + 2] == ["("]:
            element, position = self._expression(scope, tokens, position + 2, depth + 1)
            if tokens[position : position + 1] != [")"]:
                raise _Unreadable
            return _Found(Type(Kind.LIST, element=_as_type(self.nodes, element))), position + 1
        else:
            found, position = self._named(scope, word, depth), position + 1
        while position < len(tokens) and tokens[position] in (".", "("):
            if tokens[position] == "." and position + 1 < len(tokens):
                if not isinstance(found.target, int):
                    raise _Unreadable
                member = self._member(found.target, tokens[position + 1], depth)
                found, position = _Found(member.target, member.brand or found.brand), position + 2
            else:
                found, position = self._bound(scope, found, tokens, position + 1, depth)
        return found, position

    def _bound(
        self, scope: int, found: _Found, tokens: list[str], position: int, depth: int
    ) -> tuple[_Found, int]:
        types = []
        while True:
            argument, position = self._expression(scope, tokens, position, depth + 1)
            types.append(_as_type(self.nodes, argument))
            sign = tokens[position] if position < len(tokens) else ""
            position += 1
            if sign == ")":
                break
            if sign != ",":
                raise _Unreadable
        if not isinstance(found.target, int):
            raise _Unreadable
        brand = tuple(sorted([*found.brand, (found.target, tuple(types))], key=lambda bound: bound[0]))
        return _Found(found.target, brand), position

    def _named(self, scope: int, name: str, depth: int) -> _Found:
        """What a name means in a scope: there, or in those around it, or else to everybody."""
        around = scope
        while around in self.nodes:
            if name in self.texts.get(around, ()) or name in dict(self.nodes[around].nested):
                return self._member(around, name, depth)
            if name in self.nodes[around].parameters:
                raise _Unreadable
            around = self.nodes[around].scope_id
        kind = _BUILTIN.get(name)
        if kind is None:
            raise _Unreadable
        return _Found(Type(kind))

    def _top(self, scope: int) -> int:
        """The file that a scope is in."""
        while self.nodes[scope].scope_id in self.nodes:
            scope = self.nodes[scope].scope_id
        return scope

    def _member(self, scope: int, name: str, depth: int) -> _Found:
        node = self.nodes.get(scope)
        id = None if node is None else dict(node.nested).get(name)
        if id is not None and id in self.nodes:
            return _Found(id)
        if name in self.texts.get(scope, ()):
            return self._alias(scope, name, depth + 1)
        raise _Unreadable


_KINDS: Final[Mapping[type[Node], Kind]] = {
    StructNode: Kind.STRUCT, EnumNode: Kind.ENUM, InterfaceNode: Kind.INTERFACE,
}  # fmt: skip


def _as_type(nodes: Mapping[int, Node], found: _Found) -> Type:
    if isinstance(found.target, Type):
        return found.target
    kind = _KINDS.get(type(nodes[found.target]))
    if kind is None:
        raise _Unreadable
    return Type(kind, found.target, brand=found.brand)


def _as_target(nodes: Mapping[int, Node], found: _Found) -> Meaning:
    if isinstance(found.target, int) and (not found.brand or isinstance(nodes[found.target], FileNode)):
        return found.target
    return _as_type(nodes, found)
