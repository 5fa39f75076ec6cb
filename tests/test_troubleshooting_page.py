"""docs/troubleshooting.md explains errors by the words that the code has for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
GAP = "\0"


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Every text of a program, with a gap where a value is put in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)


@cache
def texts() -> list[str]:
    found: set[str] = set()
    for package in ("gateway", "cara_pseud"):
        for path in (ROOT / package).rglob("*.py"):
            found.update(texts_of(ast.parse(path.read_text("utf-8"))))
    for path in (ROOT / "static" / "client").glob("*.js"):
        for _, text in re.findall(r"(['`])((?:(?!\1).)+)\1", path.read_text("utf-8")):
            found.add(re.sub(r"\$\{[^}]*\}", GAP, text))
    return sorted(found)


@pytest.mark.parametrize("text", [row[0] for row in ROWS])
def test_each_text_is_one_of_the_code_s(text: str) -> None:
    parts = [re.escape(part) for part in text.split("…")]
    assert max(map(len, text.split("…"))) >= 8, "too short to be found by anybody"
    wanted = re.compile(".*".join(parts).replace(r"\ ", " "), re.DOTALL)
    assert any(wanted.search(known) for known in texts())


def test_every_row_has_a_text_a_cause_and_a_cure() -> None:
    assert len(ROWS) == len(re.findall(r"^\| `", PAGE, re.MULTILINE)) > 30
