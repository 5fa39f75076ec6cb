"""What the documents show is true: every Python block of docs/library.md runs, and what it claims is compared.

A section (``## …``) is one program: its blocks share a namespace and an event loop, in which they may ``await``. The
capnp blocks are files, named by their first line. A claim is a comment behind a statement or below it:

    Person(age=30).age  # → 30                           its value's repr (of an assignment: what was assigned)
    Person(age="x")     # raises WrongType: $.age: …     the class and the whole text
    register(…)         # warns RuntimeWarning: …        the same for a warning

A claim that is too long for its line goes on in comments of three blanks and more below. One that is never reached
fails.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.peer import PeerBase

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "docs" / "library.md"
SECTION_TIMEOUT_S = 30

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
CLAIM = re.compile(r"#\s(?P<kind>→|raises|warns) (?P<text>.+)$")
CONTINUED = re.compile(r"^\s*#\s{3,}(?P<text>.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its fence."""

    language: str
    text: str
    line: int
    section: str


@dataclass
class Claim:
    """What a comment says; ``line`` is where."""

    kind: str
    text: str
    line: int
    reached: bool = False


def blocks(document: Path) -> list[Block]:
    content = document.read_text("utf-8")
    titles = [(match.start(), match["title"]) for match in HEADING.finditer(content)]
    found = []
    for match in FENCE.finditer(content):
        section = next((title for start, title in reversed(titles) if start < match.start()), "")
        found.append(Block(match["language"], match["text"], content.count("\n", 0, match.start()) + 1, section))
    return found


class Claims(ast.NodeTransformer):
    """Turns the claims of a block into checks behind their statements."""

    def __init__(self, block: Block) -> None:
        self.claims: list[Claim] = []
        self._by_end: dict[int, Claim] = {}
        lines = block.text.splitlines()
        for index, line in enumerate(lines):
            match = CLAIM.search(line)
            if match is None:
                continue
            text = match["text"]
            for following in lines[index + 1 :]:
                more = CONTINUED.match(following)
                if more is None:
                    break
                text += " " + more["text"]
            claim = Claim(match["kind"], text.strip(), block.line + index + 1)
            self.claims.append(claim)
            alone = not line[: match.start()].strip()
            self._by_end[index if alone else index + 1] = claim

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, [made for statement in value for made in self._with_check(statement)])
        return super().generic_visit(node)

    def _with_check(self, statement: ast.stmt) -> list[ast.stmt]:
        claim = None if hasattr(statement, "body") else self._by_end.pop(statement.end_lineno or 0, None)
        if claim is None:
            return [statement]
        number = self.claims.index(claim)
        if claim.kind == "→":
            if isinstance(statement, ast.Expr):
                statement.value = _call("__shows", number, statement.value)
                return [statement]
            assert isinstance(statement, ast.Assign), f"line {claim.line}: only a value can be shown"
            target = ast.parse(ast.unparse(statement.targets[0]), mode="eval").body
            return [statement, ast.Expr(_call("__shows", number, target))]
        scope = ast.withitem(_call("__expects", number))
        return [ast.With([scope], [statement])]

    def unplaced(self) -> list[int]:
        return [claim.line for claim in self._by_end.values()]


def _call(name: str, number: int, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number), *arguments], [])


async def run_block(block: Block, namespace: dict[str, Any], document: str) -> None:
    tree = ast.parse(block.text)
    transformer = Claims(block)
    transformer.visit(tree)
    assert not transformer.unplaced(), f"no statement for the claims in lines {transformer.unplaced()}"
    ast.increment_lineno(ast.fix_missing_locations(tree), block.line)

    def shows(number: int, value: Any) -> Any:
        claim = transformer.claims[number]
        claim.reached = True
        assert repr(value) == claim.text, f"{document}:{claim.line}"
        return value

    @contextmanager
    def expects(number: int) -> Iterator[None]:
        claim = transformer.claims[number]
        claim.reached = True
        place = f"{document}:{claim.line}"
        caught: Exception | None = None
        with warnings.catch_warnings(record=claim.kind == "warns") as warned:
            if claim.kind == "warns":
                warnings.simplefilter("always")
            try:
                yield
            except Exception as error:
                caught = error
        if claim.kind == "raises" or caught is not None:
            assert f"{type(caught).__name__.removeprefix('_')}: {caught}" == claim.text, place
        else:
            assert [f"{entry.category.__name__}: {entry.message}" for entry in warned or ()] == [claim.text], place

    namespace |= {"__shows": shows, "__expects": expects}
    code = compile(tree, document, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        await result
    never = [claim.line for claim in transformer.claims if not claim.reached]
    assert not never, f"{document}: the claims in lines {never} were never reached"


SECTIONS = list(dict.fromkeys(block.section for block in blocks(LIBRARY) if block.language == "python"))


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of all capnp blocks, current while the test runs; imports of schemas are undone."""
    for block in blocks(LIBRARY):
        if block.language == "capnp":
            name = re.match(r"# ([\w/]+\.capnp)$", block.text.splitlines()[0])
            assert name is not None, f"line {block.line}: the first line of a schema is a comment with its file's name"
            path = tmp_path / name[1]
            assert not path.exists(), f"line {block.line}: {name[1]} is there twice"
            path.write_text(block.text, "utf-8")
    monkeypatch.chdir(tmp_path)
    # For programs that a block starts: the folder is not the checkout.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    imported = set(sys.modules)
    yield tmp_path
    cara_pseud.remove_import_hook()
    for name in set(sys.modules) - imported:
        if name.endswith("_capnp"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_of_the_library_s_documentation_is_true(section: str, schemas: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "documentation"}

    async def run() -> None:
        try:
            async with asyncio.timeout(SECTION_TIMEOUT_S):
                for block in blocks(LIBRARY):
                    if block.section == section and block.language == "python":
                        await run_block(block, namespace, "docs/library.md")
        finally:
            for value in list(namespace.values()):
                if isinstance(value, PeerBase):
                    await value.stop()
                elif isinstance(value, asyncio.subprocess.Process) and value.returncode is None:
                    value.kill()
                    await value.wait()

    asyncio.run(run())


WRONG = {
    "a value": "1 + 1  # → 3",
    "an assigned value": "x = 1\n# → 2",
    "a text": "int('x')  # raises ValueError: bad",
    "a class": "int('x')  # raises TypeError: invalid literal for int() with base 10: 'x'",
    "an error that does not come": "1 + 1  # raises ValueError: bad",
    "another warning": "__import__('warnings').warn('a')  # warns UserWarning: b",
    "a warning that does not come": "1 + 1  # warns UserWarning: b",
    "one that is not reached": "def f():\n    1  # → 1\n",
    "one without a statement": "# → 1\n",
    "one behind a longer text": "int('x')\n# raises ValueError: invalid literal for int()\n#   with base 11: 'x'",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_claim_fails(text: str) -> None:
    with pytest.raises(AssertionError):
        asyncio.run(run_block(Block("python", text, 1, ""), {}, "wrong"))


def test_every_public_name_is_documented() -> None:
    text = LIBRARY.read_text("utf-8")
    assert [name for name in cara_pseud.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_argument_of_a_peer_is_documented() -> None:
    text = LIBRARY.read_text("utf-8")
    arguments = {
        name
        for function in (PeerBase.__init__, cara_pseud.Server.__init__, cara_pseud.Client.__init__)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name != "self"
    }
    assert [name for name in sorted(arguments) if f"`{name}" not in text] == []


def test_every_link_within_the_documentation_leads_to_a_heading() -> None:
    text = LIBRARY.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - anchors == set()
