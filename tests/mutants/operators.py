"""The ways to make a source wrong: each yields what to put in the place of what.

One place per mutant, and no line more or less than before.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from tests.mutants.mutant import Mutant, mutant
from tests.mutants.places import Place, places
from tests.mutants.positions import Positions

Edit = tuple[int, int, str]
"""Start and end of the place in characters, and the new text."""

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
NONE_IS_FINE = {"Any", "AsyncIterator", "Generator", "Iterator", "JSON", "Never", "NoReturn", "Optional", "object"}
"""Where one of these is in a function's annotation, it may return None, or its `return` means something else."""


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a source, in the order of the text."""
    positions = Positions(source)
    found = [
        mutant(file, source, place.where, place.statement, *edit)
        for place in places(ast.parse(source))
        for operator in OPERATORS
        for edit in operator(place, positions)
    ]
    return sorted(found, key=lambda one: (one.start, one.end, one.new))


def comparison(place: Place, positions: Positions) -> Iterator[Edit]:
    """`<` to `<=`, `==` to `!=`, `is` to `is not`, `in` to `not in`, and each back."""
    if isinstance(place.node, ast.Compare):
        operands = [place.node.left, *place.node.comparators]
        for left, operator, right in zip(operands, place.node.ops, operands[1:], strict=False):
            tokens = list(positions.tokens(positions.span(left)[1], positions.span(right)[0]))
            yield tokens[0].start, tokens[-1].end, COMPARISONS[type(operator)]


def junction(place: Place, positions: Positions) -> Iterator[Edit]:
    """`and` to `or`, and back."""
    if isinstance(place.node, ast.BoolOp):
        other = "or" if isinstance(place.node.op, ast.And) else "and"
        for left, right in zip(place.node.values, place.node.values[1:], strict=False):
            (token,) = positions.tokens(positions.span(left)[1], positions.span(right)[0])
            yield token.start, token.end, other


def negation(place: Place, positions: Positions) -> Iterator[Edit]:
    """`not` dropped."""
    if isinstance(place.node, ast.UnaryOp) and isinstance(place.node.op, ast.Not):
        start = positions.span(place.node)[0]
        yield start, start + len("not "), ""


def number(place: Place, positions: Positions) -> Iterator[Edit]:
    """A number plus one, and twice."""
    value = place.node.value if isinstance(place.node, ast.Constant) else None
    if isinstance(place.node, ast.Constant) and isinstance(value, int | float) and not isinstance(value, bool):
        for other in sorted({value + 1, value * 2} - {value}):
            yield *positions.span(place.node), repr(other)


def truth(place: Place, positions: Positions) -> Iterator[Edit]:
    """`True` to `False`, and back."""
    if isinstance(place.node, ast.Constant) and isinstance(place.node.value, bool):
        yield *positions.span(place.node), repr(not place.node.value)


def returned_none(place: Place, positions: Positions) -> Iterator[Edit]:
    """None returned where the annotation permits none."""
    node = place.node
    if not isinstance(node, ast.Return) or node.value is None or not place.definitions:
        return
    function = place.definitions[-1]
    if isinstance(function, ast.ClassDef) or function.returns is None:
        return
    names = {
        name for part in ast.walk(function.returns) for name in [getattr(part, "id", None), getattr(part, "attr", None)]
    }
    may_be_none = any(isinstance(part, ast.Constant) and part.value is None for part in ast.walk(function.returns))
    # In a condition None is as good as False, and an annotation in quotes is not looked into.
    is_text = any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(function.returns))
    if not (names & NONE_IS_FINE or may_be_none or is_text or ast.unparse(node.value) in ("False", "None")):
        yield *positions.span(node.value), "None"


def guard(place: Place, positions: Positions) -> Iterator[Edit]:
    """The `return` or `raise` at the end of an `if` dropped."""
    parent, node = place.parent, place.node
    if not isinstance(parent, ast.If) or not parent.body or parent.body[-1] is not node:
        return
    if isinstance(node, ast.Return | ast.Raise) and not _ends_anyway(node, parent, place):
        yield *positions.span(node), "pass"


def _ends_anyway(node: ast.Return | ast.Raise, parent: ast.If, place: Place) -> bool:
    """Whether a function returns nothing just where it ends."""
    last = place.definitions[-1].body[-1] if place.definitions else None
    return isinstance(node, ast.Return) and node.value is None and last is parent and not parent.orelse


def call(place: Place, positions: Positions) -> Iterator[Edit]:
    """A call whose result nobody takes removed."""
    if isinstance(place.node, ast.Expr):
        value = place.node.value
        if isinstance(value.value if isinstance(value, ast.Await) else value, ast.Call):
            yield *positions.span(place.node), "pass"


def addition(place: Place, positions: Positions) -> Iterator[Edit]:
    """`+=` to `-=`, and back."""
    if isinstance(place.node, ast.AugAssign) and isinstance(place.node.op, ast.Add | ast.Sub):
        other = "-=" if isinstance(place.node.op, ast.Add) else "+="
        between = positions.tokens(positions.span(place.node.target)[1], positions.span(place.node.value)[0])
        (token,) = [token for token in between if token.text in ("+=", "-=")]
        yield token.start, token.end, other


def extreme(place: Place, positions: Positions) -> Iterator[Edit]:
    """`min(…)` to `max(…)`, and back."""
    if isinstance(place.node, ast.Call) and isinstance(place.node.func, ast.Name):
        other = {"min": "max", "max": "min"}.get(place.node.func.id)
        if other is not None:
            yield *positions.span(place.node.func), other


def leap(place: Place, positions: Positions) -> Iterator[Edit]:
    """`break` to `continue`, and back."""
    if isinstance(place.node, ast.Break | ast.Continue):
        yield *positions.span(place.node), "continue" if isinstance(place.node, ast.Break) else "break"


OPERATORS: tuple[Callable[[Place, Positions], Iterator[Edit]], ...] = (
    comparison,
    junction,
    negation,
    number,
    truth,
    returned_none,
    guard,
    call,
    addition,
    extreme,
    leap,
)
