"""What CONTRIBUTING.md says of the tests: where they stand, that each module has some, that none waits by the clock."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bench", "cara_pseud", "gateway")
LONGEST_UNTESTED = 60
"""So many lines a module may have without a test file of its own."""
NEVER_S = 5.0
"""Who sleeps so long is not waited for: a handler that does not answer until it is cancelled."""


def modules() -> set[Path]:
    """The source's modules, relative to the checkout."""
    return {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def misplaced(tests: set[Path], sources: set[Path]) -> dict[Path, Path]:
    """Test files that have the name of a module and do not stand in its place; and where they belong.

    A name that several modules of the package have belongs to any of them. The others have names of their own.
    """
    wrong = {}
    for test in sorted(tests):
        name = test.name.removeprefix("test_")
        same = [module for module in sources if module.name == name and module.parts[0] == test.parts[1]]
        places = {Path("tests", module.parent, test.name) for module in same}
        if places and test not in places:
            wrong[test] = min(places)
    return wrong


def test_a_test_file_with_a_module_s_name_stands_in_the_module_s_place() -> None:
    tests = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")}
    assert tests
    assert misplaced(tests, modules()) == {}


def test_a_misplaced_test_file_is_found() -> None:
    sources = {Path("gateway/sessions/record.py"), Path("gateway/a/base.py"), Path("gateway/b/base.py")}
    wrong, right = Path("tests/gateway/test_record.py"), Path("tests/gateway/sessions/test_record.py")
    others = {Path("tests/gateway/test_faults.py"), Path("tests/gateway/b/test_base.py")}
    assert misplaced({wrong, right, *others}, sources) == {wrong: right}


def places_elsewhere(page: str) -> dict[str, list[str]]:
    """The table of that name in ARCHITECTURE.md: test files below tests/, by module without its ending."""
    found: dict[str, list[str]] = {}
    section = page.partition("\n## Tested elsewhere\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            named, where, why = (cell.strip() for cell in line.strip("|").split("|"))
            assert why, f"{named}: why there?"
            found |= {module: re.findall(r"`([^`]+)`", where) for module in re.findall(r"`([^`]+)`", named)}
    return found


def untested(sources: dict[str, int], tests: set[str], elsewhere: dict[str, list[str]]) -> list[str]:
    """What is wrong with who tests what.

    Args:
        sources: how many lines each module has, by its path without the ending.
        tests: the test files, relative to tests/.
    """
    own = {module: f"{module.rpartition('/')[0]}/test_{module.rpartition('/')[2]}.py" for module in sources}
    wrong = [
        f"{module}: {lines} lines, no {own[module]}, and no row in ARCHITECTURE.md"
        for module, lines in sources.items()
        if lines > LONGEST_UNTESTED and own[module] not in tests and module not in elsewhere
    ]
    for module, where in elsewhere.items():
        if module not in sources:
            wrong.append(f"{module}: in the table, but no module")
        elif own[module] in tests or sources[module] <= LONGEST_UNTESTED:
            wrong.append(f"{module}: needs no row in the table")
        wrong += [f"{module}: there is no {name}" for name in where if name not in tests]
        wrong += [] if where else [f"{module}: tested nowhere"]
    return wrong


def test_each_module_has_a_test_file_or_a_row_that_says_where_it_is_tested() -> None:
    sources = {
        str(path.with_suffix("")): len((ROOT / path).read_text("utf-8").splitlines())
        for path in modules()
        if path.parts[0] in ("cara_pseud", "gateway")
    }
    tests = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    elsewhere = places_elsewhere((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    assert elsewhere
    assert untested(sources, tests, elsewhere) == []


def test_a_module_that_nothing_tests_is_found() -> None:
    rows = "| `p/a`, `p/b` | `x/test_x.py` | so |\n| `p/c` | `p/test_gone.py` | so |\n"
    page = f"\n## Tested elsewhere\n\n{rows}\n## More\n| `p/d` | `x/test_x.py` | not of the table |\n"
    elsewhere = places_elsewhere(page)
    assert elsewhere == {"p/a": ["x/test_x.py"], "p/b": ["x/test_x.py"], "p/c": ["p/test_gone.py"]}
    sources = {"p/a": 61, "p/c": 61, "p/d": 61, "p/e": 60, "p/q/f": 400}
    assert untested(sources, {"x/test_x.py", "p/q/test_f.py"}, elsewhere) == [
        "p/d: 61 lines, no p/test_d.py, and no row in ARCHITECTURE.md",
        "p/b: in the table, but no module",
        "p/c: there is no p/test_gone.py",
    ]
    assert untested({"p/a": 61, "p/b": 60}, {"p/test_a.py"}, {"p/a": ["p/test_a.py"], "p/b": []}) == [
        "p/a: needs no row in the table",
        "p/b: needs no row in the table",
        "p/b: tested nowhere",
    ]


def sleeps(source: str) -> Iterator[int]:
    """The lines of sleeps that wait by the clock: for some time, not in order to ask again, and without a word."""
    lines = source.splitlines()
    tree = ast.parse(source)
    asking = {
        id(inner) for loop in ast.walk(tree) if isinstance(loop, ast.While | ast.AsyncFor) for inner in ast.walk(loop)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("sleep") or not node.args:
            continue
        seconds = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if isinstance(seconds, int | float) and (seconds == 0 or seconds >= NEVER_S):
            continue
        here, above = lines[node.lineno - 1], lines[node.lineno - 2].strip()
        says_why = above.startswith("#") or ("#" in here and "# noqa" not in here)
        if id(node) not in asking and not says_why:
            yield node.lineno


def test_no_test_waits_by_the_clock() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for pattern in ("test_*.py", "conftest.py")
        for path in sorted((ROOT / "tests").rglob(pattern))
        if "node_modules" not in path.parts
        for line in sleeps(path.read_text("utf-8"))
    ]
    assert found == []


def test_no_test_is_skipped() -> None:
    ways = {"skip", "skipif", "skipIf", "skipUnless", "xfail", "importorskip"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ways
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import time\ntime.sleep(0.3)", [2]),
        ("async def f():\n    await asyncio.sleep(PATIENCE_S)", [2]),
        ("for _ in range(3):\n    time.sleep(0.1)", [2]),
        ("while True:\n    time.sleep(0.1)", []),
        ("x = 1\ntime.sleep(0)", []),
        ("x = 1\ntime.sleep(60)", []),
        ("# The gateway is away for so long.\ntime.sleep(0.3)", []),
        ("x = 1\ntime.sleep(0.3)  # as long as a slow service", []),
        ("x = 1\ntime.sleep(0.3)  # noqa: ASYNC251", [2]),
    ],
)
def test_a_sleep_is_judged_by_what_it_is_for(source: str, lines: list[int]) -> None:
    assert list(sleeps(source)) == lines
