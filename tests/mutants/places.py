"""Which parts of a source are left as they are, since no test could or should notice a change of them.

These are docstrings, annotations, decorators, what goes into the log or into a message, assertions, and what is
there for the type checker or for speed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

LOGS = {"_LOG", "_log", "log", "LOG", "logger", "logging"}
UNSEEN_NAMES = {"__slots__", "__all__"}


@dataclass(frozen=True, slots=True)
class Place:
    """A node with what is around it: the names of the definitions, innermost last, and the lines of its statement."""

    node: ast.AST
    parent: ast.AST
    definitions: tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, ...]
    statement: tuple[int, int]

    @property
    def where(self) -> str:
        return ".".join(definition.name for definition in self.definitions)


def places(tree: ast.Module) -> Iterator[Place]:
    """Every node that may be changed, in the order of the text."""
    yield from _inside(tree, (), (0, 0))


def _inside(
    parent: ast.AST,
    definitions: tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, ...],
    statement: tuple[int, int],
) -> Iterator[Place]:
    for node in _children(parent):
        if _is_left_out(node):
            continue
        lines = _lines(node) if isinstance(node, ast.stmt) else statement
        yield Place(node, parent, definitions, lines)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _inside(node, (*definitions, node), lines)
        else:
            yield from _inside(node, definitions, lines)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "type_params"):
            continue
        yield from (child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST))


def _lines(node: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement; where others are in it, of what stands before them."""
    assert node.end_lineno is not None
    body = getattr(node, "body", None)
    if isinstance(node, ast.Match):
        return node.lineno, node.cases[0].pattern.lineno - 1
    if isinstance(body, list) and body:
        return node.lineno, max(node.lineno, body[0].lineno - 1)
    return node.lineno, node.end_lineno


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_logging(node.value)
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING") or "__name__" in ast.unparse(node.test)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        is_alias = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).endswith("TypeAlias")
        return is_alias or any(isinstance(target, ast.Name) and target.id in UNSEEN_NAMES for target in targets)
    return False


def _is_logging(call: ast.expr) -> bool:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value).rpartition(".")[2]
    return owner in LOGS
