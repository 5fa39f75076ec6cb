"""What each operator makes of small sources, and what none of them touches."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.operators import mutants

ROOT = Path(__file__).resolve().parent.parent.parent
# Each mutant is parsed with all that is around it, so long modules take their length squared and show nothing new.
LONG_BYTES = 9_000
SOURCES = sorted(
    path for path in (ROOT / "gateway" / "protocols").rglob("*.py") if path.stat().st_size < LONG_BYTES
)


def changed(source: str) -> list[str]:
    """All mutants of a source, as whole texts."""
    return [mutant.apply(source) for mutant in mutants("module.py", source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # comparisons
        ("a < b", ["a <= b"]),
        ("a <= b", ["a < b"]),
        ("a > b", ["a >= b"]),
        ("a >= b", ["a > b"]),
        ("a == b", ["a != b"]),
        ("a != b", ["a == b"]),
        ("a is b", ["a is not b"]),
        ("a is not b", ["a is b"]),
        ("a in b", ["a not in b"]),
        ("a  not  in  b", ["a  in  b"]),
        ("a < b < c", ["a <= b < c", "a < b <= c"]),
        ("(a) < (b)", ["(a) <= (b)"]),
        ("'ä' < b", ["'ä' <= b"]),
        # junctions and negations
        ("a and b", ["a or b"]),
        ("a or b or c", ["a and b or c", "a or b and c"]),
        ("not a", ["a"]),
        ("a = not (b)", ["a = (b)"]),
        # numbers and truths
        ("a = 0", ["a = 1"]),
        ("a = 1", ["a = 2"]),
        ("a = 64", ["a = 65", "a = 128"]),
        ("a = -5", ["a = -6", "a = -10"]),
        ("a = 0.5", ["a = 1.0", "a = 1.5"]),
        ("f(True)", ["f(False)", "pass"]),
        # calls, sums, extremes, leaps
        ("f()", ["pass"]),
        ("self.timer.cancel()", ["pass"]),
        ("a = f()", []),
        ("a += b", ["a -= b"]),
        ("a -= b", ["a += b"]),
        ("a *= b", []),
        ("a = min(b, c)", ["a = max(b, c)"]),
        ("a = max(b, c)", ["a = min(b, c)"]),
        ("for a in b:\n    break", ["for a in b:\n    continue"]),
        ("for a in b:\n    continue", ["for a in b:\n    break"]),
    ],
)
def test_an_operator_changes_one_place(source: str, expected: list[str]) -> None:
    assert sorted(changed(source)) == sorted(expected)


@pytest.mark.parametrize("annotation", ["int", "bool", "list[int]", "tuple[str, Mapping[str, int]]"])
def test_none_is_returned_where_it_may_not(annotation: str) -> None:
    assert changed(f"def f() -> {annotation}:\n    return a") == [f"def f() -> {annotation}:\n    return None"]


@pytest.mark.parametrize("annotation", ["int | None", "None", "Any", "JSON", "Optional[int]", "Iterator[int]", "'int'"])
def test_none_is_not_returned_where_it_may_be(annotation: str) -> None:
    assert changed(f"def f() -> {annotation}:\n    return a") == []


def test_false_is_not_replaced_by_none() -> None:
    assert changed("def f() -> bool:\n    return False") == ["def f() -> bool:\n    return True"]


@pytest.mark.parametrize("ending", ["return", "raise ValueError(b)"])
def test_a_guard_is_dropped(ending: str) -> None:
    source = f"def f():\n    if a:\n        {ending}\n    b = c"
    assert changed(source) == ["def f():\n    if a:\n        pass\n    b = c"]


def test_a_return_where_a_function_ends_anyway_is_not_dropped() -> None:
    assert changed("def f():\n    if a:\n        return") == []


def test_a_return_at_the_end_of_a_function_is_not_dropped() -> None:
    assert changed("def f():\n    b = c\n    return") == []


@pytest.mark.parametrize(
    "source",
    [
        '"""Up to 5."""',
        'def f():\n    """Never True."""',
        "def f(a: Literal[5]) -> Literal[6]: ...",
        "a: Literal[5]",
        "@dataclass(frozen=True)\nclass A: ...",
        "_LOG.warning(5)",
        "self._log.debug(True)",
        'raise ValueError(f"{5} is {a < b}")',
        "assert a < 5",
        "if TYPE_CHECKING:\n    a = 5",
        'if __name__ == "__main__":\n    main()',
        '__slots__ = ("a", 5)',
        'A: Final = "a"',
        'A: TypeAlias = "B[5]"',
    ],
)
def test_what_no_test_could_notice_is_left_alone(source: str) -> None:
    assert changed(source) == []


def test_a_change_of_several_lines_keeps_their_number() -> None:
    source = "def f() -> int:\n    return g(\n        a,\n        b,\n    )\nc = d\n"
    assert changed(source) == ["def f() -> int:\n    return None\n\n\n\nc = d\n"]


def test_a_mutant_says_where_it_is() -> None:
    source = "class A:\n    def f(self):\n        if (\n            a\n            or b\n        ):\n            c()\n"
    junction, call = mutants("gateway/a.py", source)
    assert (junction.where, junction.line, junction.statement) == ("A.f", 5, (3, 6))
    assert (call.where, call.line, call.statement) == ("A.f", 7, (7, 7))
    assert str(junction) == "gateway/a.py:5: or b → and b"
    assert junction.room == "gateway"


def test_a_mutant_of_another_source_is_refused() -> None:
    (one,) = mutants("module.py", "a < b")
    with pytest.raises(ValueError, match=r"module\.py:1: expected '<', found 'i'"):
        one.apply("a in b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_mutant_of_a_module_parses_and_differs_in_one_place(path: Path) -> None:
    source = path.read_text("utf-8")
    original = ast.dump(ast.parse(source))
    for mutant in mutants(path.name, source):
        text = mutant.apply(source)
        assert ast.dump(ast.parse(text)) != original, mutant
        assert text.count("\n") == source.count("\n"), mutant
        assert text.startswith(source[: mutant.start]), mutant
        assert text.endswith(source[mutant.end :]), mutant
        lines = source.splitlines(), text.splitlines()
        different = [number for number, (old, new) in enumerate(zip(*lines, strict=True), 1) if old != new]
        assert different[0] == mutant.line, mutant
        assert len(different) == different[-1] - different[0] + 1 <= mutant.old.count("\n") + 1, mutant
