"""What is declared is used, what is used is declared, and ARCHITECTURE.md says why of each and of nothing else."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from sysconfig import get_path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cara_pseud", "gateway")
MODULES = {"prometheus-client": "prometheus_client", "pycapnp": "capnp", "pyjwt": "jwt", "pyzmq": "zmq"}
"""What is imported under another name than it is installed; a dotted name is the module's."""

OF_EXTRAS = {"opentelemetry": "gateway/otlp_traces.py"}
"""Modules that only an extra installs, and the one file that may import them: it is imported where they are needed."""

OTHER_USES = {
    # Nobody names these as a module: their name, the files that use them, and how that looks there.
    "editables": ("Makefile", "--editable ."),
    "httpie": ("tests/integration/test_http_clients.py", 'with_name("http")'),
    "pytest-tornado": ("tests/gateway/http/test_*.py", "pytest.mark.gen_test"),
    "pytest-xdist": ("Makefile", "-n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder"),
    "setuptools": ("site-packages/pytest_tornado/plugin.py", "import pkg_resources"),
}


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text("pyproject.toml"))["project"]
    return found


def names(requirements: list[str]) -> set[str]:
    """The packages that lines of requirements ask for."""
    lines = [line.strip() for line in requirements if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return {re.split(r"[\[<>=~!; ]", line)[0] for line in lines}


@cache
def imported(folder: str) -> Collection[str]:
    """Every module that the files below it import, wherever the import stands."""
    found: set[str] = set()
    for source in sources(folder):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imported_by_packages() -> Collection[str]:
    """Every module that the two packages import."""
    return {module for package in PACKAGES for module in imported(package)}


def sources(folder: str) -> Iterator[str]:
    """The text of every Python file below it."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "node_modules" not in path.parts:
            yield path.read_text("utf-8")


def started() -> Iterator[str]:
    """Every module or command that is started by its name, by make or by a test; and what builds the wheel."""
    for source in (text("Makefile"), *sources("tests")):
        yield from re.findall(r"""-m\W+([a-z_]\w*)""", source)
        yield from re.findall(r"""\.with_name\("([\w-]+)"\)""", source)
        # Code that another interpreter is given.
        yield from re.findall(r"\bfrom (\w+)[.\w]* import \w+", source)
    yield tomllib.loads(text("pyproject.toml"))["build-system"]["build-backend"].partition(".")[0]


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> Mapping[str, set[str]]:
    """The modules of every package that is installed."""
    found: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            found.setdefault(canonical(package), set()).add(module)
    return found


def modules_of(package: str) -> set[str]:
    """The modules that a package installs; of one that is not installed here, the one of its name."""
    return {MODULES.get(package, package.replace("-", "_")), *installed().get(canonical(package), ())}


def is_used_otherwise(package: str) -> bool:
    if package not in OTHER_USES:
        return False
    pattern, use = OTHER_USES[package]
    folder = Path(get_path("purelib")).parent if pattern.startswith("site-packages/") else ROOT
    return any(use in path.read_text("utf-8") for path in folder.glob(pattern))


def unused(packages: Collection[str], modules: Collection[str]) -> list[str]:
    """The packages of which nothing is used, by the modules that are."""
    return [name for name in sorted(packages) if modules_of(name).isdisjoint(modules) and not is_used_otherwise(name)]


@cache
def used_modules() -> Collection[str]:
    """Every module, by its whole name and by its first word, that anything of the project imports or starts."""
    found = {*imported_by_packages(), *imported("bench"), *imported("tests"), *started()}
    return found | {module.partition(".")[0] for module in found if not module.startswith("zope")}


def required(*files: str) -> set[str]:
    return names([line for file in files for line in text(f"requirements/{file}").splitlines()])


def unused_in_node(packages: Collection[str]) -> list[str]:
    """The packages that no test in JavaScript imports, none in the browser loads, and no script calls."""
    tests = ROOT / "tests" / "js"
    imported = {
        name
        for path in (*tests.glob("*.js"), *tests.glob("*.ts"))
        for name in re.findall(r"^(?:import|export) .*?from '([^']+)'", path.read_text("utf-8"), re.MULTILINE)
    }
    imported |= {
        name
        for path in (ROOT / "tests" / "browser").glob("*.py")
        for name in re.findall(r'"node_modules" / "([^"]+)"', path.read_text("utf-8"))
    }
    scripts = json.loads(text("tests/js/package.json"))["scripts"].values()
    words = {word for script in scripts for word in script.split()}
    locked = json.loads(text("tests/js/package-lock.json"))["packages"]
    commands = {name: set(locked.get(f"node_modules/{name}", {}).get("bin", {})) for name in packages}
    return [name for name in sorted(packages) if name not in imported and commands[name].isdisjoint(words)]


def rows(heading: str) -> set[str]:
    """The packages in the first column of the table below a line, without what stands in brackets."""
    table = text("ARCHITECTURE.md").partition(f"\n{heading}\n\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {re.sub(r"\(.*?\)", "", name).strip() for cell in cells for name in cell.split(",")}


def test_every_dependency_is_imported() -> None:
    modules = imported_by_packages()
    assert [name for name in sorted(names(project()["dependencies"])) if MODULES.get(name, name) not in modules] == []


def test_everything_imported_is_a_dependency() -> None:
    declared = {MODULES.get(name, name) for name in names(project()["dependencies"])}
    strange = {
        module
        for module in imported_by_packages()
        if module.split(".")[0] not in (*PACKAGES, *sys.stdlib_module_names)
        and not any(module == name or module.startswith(f"{name}.") for name in declared)
    }
    strange -= {module for module in strange if module.split(".")[0] in OF_EXTRAS}
    # `from zope import interface` yields the namespace too.
    assert strange - {"zope"} == set()


@pytest.mark.parametrize(("module", "file"), OF_EXTRAS.items())
def test_what_an_extra_installs_is_imported_by_one_file_that_nothing_imports_at_the_top(module: str, file: str) -> None:
    pattern = re.compile(rf"^\s*(?:from|import) {module}\b", re.MULTILINE)
    own = file.removesuffix(".py").replace("/", ".")
    at_the_top = re.compile(rf"^(?:from {own} import|import {own}\b)", re.MULTILINE)
    paths = {str(path.relative_to(ROOT)): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [name for name, path in paths.items() if pattern.search(path.read_text("utf-8"))] == [file]
    assert [name for name, path in paths.items() if at_the_top.search(path.read_text("utf-8"))] == []


def test_every_extra_and_every_tool_is_used() -> None:
    extras = [line for lines in project()["optional-dependencies"].values() for line in lines]
    packages = names(extras) | required("dev.in", "build.in", "conformance.in", "stock-pseud.in")
    assert unused(packages, used_modules()) == []
    assert unused_in_node(json.loads(text("tests/js/package.json"))["devDependencies"]) == []


@pytest.mark.parametrize("name", ["flask", "pytest-timeout", "zope.schema", "setuptools-scm"])
def test_what_nothing_uses_is_found(name: str) -> None:
    assert unused({name, "pyyaml", "ruff", "hatchling"}, used_modules()) == [name]
    assert unused_in_node({"left-pad", "ws", "typescript"}) == ["left-pad"]


def test_other_uses_are_of_declared_tools_that_are_not_imported() -> None:
    assert OTHER_USES.keys() <= required("dev.in", "build.in")
    modules = used_modules()
    assert [name for name in OTHER_USES if not modules_of(name).isdisjoint(modules)] == []


def test_the_stock_library_is_tested_with_packages_of_the_run_time() -> None:
    assert required("stock-pseud.in") <= rows("At run time:")


def test_the_table_of_the_run_time_has_every_dependency_and_nothing_else() -> None:
    extras = [line for lines in project()["optional-dependencies"].values() for line in lines]
    assert rows("At run time:") == names([*project()["dependencies"], *extras])


def test_the_table_of_development_has_every_tool_and_nothing_else() -> None:
    files = ["dev.in", "build.in", "conformance.in", "clients.in", "dist.in"]
    tools = names([line for file in files for line in text(f"requirements/{file}").splitlines()])
    for folder in ("js", "clients"):
        tools |= json.loads(text(f"tests/{folder}/package.json"))["devDependencies"].keys()
    assert rows("For development:") == tools - rows("At run time:")
