"""What is declared is used, what is used is declared, and ARCHITECTURE.md says why of each and of nothing else."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cara_pseud", "gateway")
MODULES = {"pycapnp": "capnp", "pyzmq": "zmq"}
"""What is imported under another name than it is installed; a dotted name is the module's."""


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text("pyproject.toml"))["project"]
    return found


def names(requirements: list[str]) -> set[str]:
    """The packages that lines of requirements ask for."""
    lines = [line.strip() for line in requirements if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return {re.split(r"[\[<>=~!; ]", line)[0] for line in lines}


def imported() -> Iterator[str]:
    """Every module that the two packages import, wherever the import stands."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield node.module or ""
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rows(heading: str) -> set[str]:
    """The packages in the first column of the table below a line, without what stands in brackets."""
    table = text("ARCHITECTURE.md").partition(f"\n{heading}\n\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {re.sub(r"\(.*?\)", "", name).strip() for cell in cells for name in cell.split(",")}


def test_every_dependency_is_imported() -> None:
    modules = set(imported())
    assert [name for name in sorted(names(project()["dependencies"])) if MODULES.get(name, name) not in modules] == []


def test_everything_imported_is_a_dependency() -> None:
    declared = {MODULES.get(name, name) for name in names(project()["dependencies"])}
    strange = {
        module
        for module in imported()
        if module.split(".")[0] not in (*PACKAGES, *sys.stdlib_module_names)
        and not any(module == name or module.startswith(f"{name}.") for name in declared)
    }
    # `from zope import interface` yields the namespace too.
    assert strange - {"zope"} == set()


def test_the_table_of_the_run_time_has_every_dependency_and_nothing_else() -> None:
    extras = [line for lines in project()["optional-dependencies"].values() for line in lines]
    assert rows("At run time:") == names([*project()["dependencies"], *extras])


def test_the_table_of_development_has_every_tool_and_nothing_else() -> None:
    files = ["dev.in", "build.in", "conformance.in"]
    tools = names([line for file in files for line in text(f"requirements/{file}").splitlines()])
    tools |= json.loads(text("tests/js/package.json"))["devDependencies"].keys()
    assert rows("For development:") == tools - rows("At run time:")
