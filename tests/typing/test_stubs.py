"""Type checkers take programs that fit a schema, and refuse those that do not, each at its line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "stubs"
PYRIGHT = ROOT / "tests" / "js" / "node_modules" / ".bin" / "pyright"
LINES = [line for line in (HERE / "wrong.txt").read_text().splitlines() if line]
HEAD = """\
from __future__ import annotations
import asyncio
import cara_pseud
import every_capnp as schema

async def wrong(thing: schema.ThingClient, every: schema.Every) -> None:
"""
STUBS = [
    "_capnp_persistent_capnp.pyi", "addressbook_capnp.pyi", "calculator_capnp.pyi", "collisions_capnp.pyi",
    "common_capnp.pyi", "every_capnp.pyi", "generic_capnp.pyi", "od_ds_capnp.pyi",
]  # fmt: skip
CHECKERS = ["mypy", "pyright"]
ONLY_MYPY = {"schema.limit = 5", 'every.which() == "three"'}
"""pyright does not mind who sets a constant of another module, nor, unless it is asked to, comparisons that are never
true; mypy does in its strict mode."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with schemas, programs and the stubs that the command has written."""
    folder = tmp_path_factory.mktemp("stubs")
    for source in (*HERE.glob("*.py"), *HERE.glob("*.capnp"), *(ROOT / "schemas").glob("*.capnp")):
        shutil.copy(source, folder)
    wrong = HEAD + "".join(f"    {'await ' if line.startswith('thing.') else ''}{line}\n" for line in LINES)
    (folder / "wrong_calls.py").write_text(wrong)
    done = written(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == STUBS
    return folder


def written(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    schemas = ["every.capnp", "calculator.capnp", "addressbook.capnp", "collisions.capnp", "generic.capnp"]
    return subprocess.run(
        [sys.executable, "-m", "gateway", "stubs", *options, *schemas],
        cwd=folder, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(ROOT), "CARA_CACHE_DIR": ""},
    )  # fmt: skip


def complaints(checker: str, folder: Path, *files: str) -> dict[int, str]:
    """What a type checker says of files, by line."""
    if checker == "mypy":
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file=", *files]
    else:
        assert PYRIGHT.exists(), "run `make tests/js/node_modules/.stamp`"
        command = [str(PYRIGHT), "--pythonpath", sys.executable, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r":(\d+):(?:\d+ -)? error: (.*)", done.stdout)
    return {int(line): text for line, text in reversed(found)}


@pytest.mark.parametrize("checker", CHECKERS)
def test_stubs_and_good_programs_are_taken(folder: Path, checker: str) -> None:
    assert complaints(checker, folder, *STUBS) == {}
    assert complaints(checker, folder, "good.py", "every_kind.py", "collisions.py", "bound.py") == {}


@pytest.mark.parametrize("checker", CHECKERS)
def test_each_wrong_line_is_refused(folder: Path, checker: str) -> None:
    first = HEAD.count("\n") + 1
    found = complaints(checker, folder, "wrong_calls.py")
    missed = [line for number, line in enumerate(LINES, first) if number not in found]
    assert missed == [line for line in LINES if checker == "pyright" and line in ONLY_MYPY]
    assert len(LINES) >= 25


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", ["wrong_services.py", "wrong_bindings.py"])
def test_services_and_values_that_do_not_fit_are_refused(folder: Path, checker: str, program: str) -> None:
    lines = (folder / program).read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong" in line}
    assert set(complaints(checker, folder, program)) >= wrong


def test_what_is_right_for_type_checkers_runs(folder: Path) -> None:
    program = """
import every_kind
every = every_kind.values()
print(every.small, every.text)

import asyncio, cara_pseud
cara_pseud.install_import_hook()
import collisions
from collisions import schema
print(*collisions.values(), collisions.made().mro, *asyncio.run(collisions.used()))
import bound
print(*bound.taken_apart(*bound.made()))
print(*collisions.renamed(schema.Alias(outer={"top": 5}), schema.Alias.Inner(street="s")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": str(ROOT), "CARA_CACHE_DIR": ""},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["List[Int32]([1, 2]) 3 1 order A 1", "a b Ann 5 c", "s 5"]


def test_old_stubs_are_noticed(folder: Path, tmp_path: Path) -> None:
    assert written(folder, "--check").returncode == 0
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "every_capnp.pyi").write_text("")
    (copy / "common_capnp.pyi").unlink()
    done = written(copy, "--check")
    assert done.returncode == 1
    assert sorted(line.partition(";")[0] for line in done.stderr.splitlines()) == [
        "common_capnp.pyi: is missing", "every_capnp.pyi: is old",
    ]  # fmt: skip
    assert (copy / "every_capnp.pyi").read_text() == ""
