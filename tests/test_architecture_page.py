"""ARCHITECTURE.md, docs/design/ and CONTRIBUTING.md show the rooms, rings and names that the source has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import test_architecture
from tests.test_architecture import EDGE, PURE, RINGS, ROOMS, WAITING, WORDS, modules, ring

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
DRAFTS = sorted((ROOT / "docs" / "design").glob("*.md"))
LONGEST_DRAFT = 40
MOST_ROOMS = 4

FOLDERS = (".", "gateway", "cara_pseud", "tests")
"""Where the paths on the page begin."""

OTHER_WORDS = {
    # Of the protocols that the gateway speaks, of schemas, and of other programs.
    "$Gateway.requires", "$http", "Last-Event-ID", "outcome_unknown", "pkg_resources", "received", "rpc.describe",
    "unavailable",
}  # fmt: skip


def section(heading: str, page: str = PAGE) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_table_of_rooms_names_the_rooms_in_their_order() -> None:
    floors: dict[int, list[str]] = {}
    for floor, room, knows, does_not in rows(section("The rooms of the gateway")):
        assert knows, room
        assert does_not, room
        floors.setdefault(int(floor), []).extend(names(room))
    assert list(floors) == list(range(1, len(ROOMS) + 1))
    assert [sorted(named) for named in floors.values()] == [sorted(rooms) for rooms in ROOMS]


def rings_on_the_page(text: str) -> Iterator[tuple[str, int]]:
    """Yield each module that the table of rings names, and the number of its ring."""
    for place, (word, _, library, gateway) in enumerate(rows(text)):
        assert word == ("words", "pure", "waiting", "edge")[place]
        for package, cell in (("cara_pseud", library), ("gateway", gateway)):
            yield from ((f"{package}.{name}", (WORDS, PURE, WAITING, EDGE)[place]) for name in names(cell))


def test_the_table_of_rings_is_true() -> None:
    found = dict(rings_on_the_page(section("The rings")))
    assert {name: number for name, number in found.items() if name not in modules() or ring(name) != number} == {}


def test_the_table_of_rings_names_each_module_that_is_not_pure() -> None:
    found = dict(rings_on_the_page(section("The rings")))
    main_modules = {"cara_pseud", "gateway.__main__"}
    assert {name for name in RINGS if name not in main_modules} - set(found) == set()


@cache
def own_names() -> frozenset[str]:
    """Every class, function, constant and member: `Name` and `Class.member`."""
    found = {name for name in vars(test_architecture) if name.isupper()}
    for module in modules().values():
        found |= set(declared(module.tree))
        classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
        found |= {f"{node.name}.{name}" for node in classes for name in declared(node)}
        found |= {f"{node.name}.{name}" for node in classes for name in assigned(node)}
    return frozenset(found)


def declared(owner: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in owner.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (ast.unparse(to) for to in (node.targets if isinstance(node, ast.Assign) else [node.target]))


def assigned(owner: ast.ClassDef) -> Iterator[str]:
    """Yield the attributes that methods give to `self`."""
    for node in ast.walk(owner):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def exists(name: str) -> bool:
    """Whether a name in backquotes is a file, a folder, a module or something in one."""
    path = name.replace(".", "/")
    places = [ROOT / folder / form for folder in FOLDERS for form in (name, f"{name}.py", path, f"{path}.py")]
    return name in own_names() or any(place.exists() for place in places)


def unknown(text: str) -> list[str]:
    """The names in a text that look like ours and are nowhere."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    ours = [name for name in names(text) if re.fullmatch(r"[\w$][\w$./-]*", name)]
    return [name for name in ours if name not in OTHER_WORDS and not exists(name.rstrip("/"))]


def test_every_name_on_the_page_exists() -> None:
    assert unknown(PAGE) == []


def test_a_name_that_is_nowhere_is_found() -> None:
    text = "`http/rest` `http/west` `Sessions.find` `Sessions.lose` `gateway.app` `GET /api` `make test` `/ws`"
    assert unknown(text) == ["http/west", "Sessions.lose"]


def test_every_name_in_the_list_of_what_to_touch_exists() -> None:
    text = section("To add one, touch this", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(rows(text)) == 11
    assert unknown(text) == []


def touched(text: str) -> list[list[str]]:
    """The rooms that each `Touches:` line of a draft names."""
    lines = [line for line in text.splitlines() if line.startswith("Touches:")]
    assert all(re.fullmatch(r"Touches: `[\w.]+`(?:, `[\w.]+`)*\.", line) for line in lines), lines
    return [names(line) for line in lines]


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda draft: draft.stem)
def test_a_draft_is_short_and_touches_few_rooms(draft: Path) -> None:
    text = draft.read_text("utf-8")
    assert len(text.splitlines()) < LONGEST_DRAFT
    steps = touched(text)
    assert steps
    rooms = {room for floor in ROOMS for room in floor}
    assert [room for step in steps for room in step if room not in rooms] == []
    assert [step for step in steps if len(set(step)) > MOST_ROOMS] == []


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda draft: draft.stem)
def test_every_name_in_a_draft_exists(draft: Path) -> None:
    assert unknown(draft.read_text("utf-8")) == []


def test_there_are_drafts() -> None:
    assert {"authentication", "second-door", "session-store-in-redis"} <= {draft.stem for draft in DRAFTS}
