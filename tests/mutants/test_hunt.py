"""A small checkout with right and wrong tests: what is imported, and which mutants are killed, survive or hang."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutants import hunt as hunting
from tests.mutants import runs
from tests.mutants.checkout import Checkout
from tests.mutants.equivalent import Equivalent, is_equivalent, read
from tests.mutants.hunt import Fate, Hunt, Verdict, covering_functions, covering_tests
from tests.mutants.mutant import Mutant
from tests.mutants.operators import mutants
from tests.mutants.report import lines
from tests.mutants.runs import Measured

ROOT = Path(__file__).resolve().parent.parent.parent
EQUIVALENT = Path(__file__).resolve().with_name("equivalent.toml")

CALLS = """\
def larger(a: int, b: int) -> bool:
    return a > b


def rest(a: int) -> int:
    while a > 10:
        a -= 10
    return a


def never() -> int:
    return 5
"""
TESTS = """\
from gateway.calls import larger, rest

def test_larger():
    assert larger(2, 1)

def test_rest():
    assert rest(25) == 5
"""
SLOW = """\
import subprocess, sys

def test_larger_in_a_process():
    code = "import gateway.calls as calls, time; assert calls.{call}; print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={{"PYTHONPATH": "."}}) as process:
        line = process.stdout.readline()
        process.kill()
    assert line
"""


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A checkout with one module that has tests, and the parts that the copies bring along."""
    root = tmp_path / "original"
    files: Mapping[str, str] = {
        "gateway/__init__.py": "",
        "cara_pseud/__init__.py": "",
        "gateway/calls.py": CALLS,
        **{name: (ROOT / name).read_text("utf-8") for name in ("tests/last_words.py", "tests/mutants/by_test.py")},
        "tests/gateway/test_calls.py": TESTS,
        "tests/integration/test_rest.py": SLOW.format(call="larger(2, 1)"),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def of(text: str) -> Mutant:
    """The mutant of the small module that makes this line."""
    (found,) = (mutant for mutant in mutants("gateway/calls.py", CALLS) if mutant.line_after == text)
    return found


def fates(hunt: Hunt, *made: str) -> dict[str, tuple[Fate, str]]:
    assert list(hunt.measure(["gateway/calls.py"]))
    return {one.mutant.line_after: (one.fate, one.by) for one in hunt.try_all([of(text) for text in made])}


def test_each_mutant_meets_its_fate(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunting, "SPARE_S", 2.0)
    hunt = Hunt(original, tmp_path / "scratch", 2)
    own = "tests/gateway/test_calls.py"
    assert fates(hunt, "return 6", "return a >= b", "a += 10", "while a >= 10:", "a -= 11") == {
        "a -= 11": (Fate.KILLED, own),
        "return a >= b": (Fate.SURVIVED, ""),
        "a += 10": (Fate.KILLED, "a hang"),
        "while a >= 10:": (Fate.SURVIVED, ""),
        "return 6": (Fate.NOT_COVERED, ""),
    }
    assert (original / "gateway/calls.py").read_text("utf-8") == CALLS
    assert (tmp_path / "scratch/copy0/gateway/calls.py").read_text("utf-8") == CALLS


def test_what_only_a_killed_process_runs_is_covered(original: Path, tmp_path: Path) -> None:
    (original / "tests/integration/test_rest.py").write_text(SLOW.format(call="never() == 5"), "utf-8")
    hunt = Hunt(original, tmp_path / "scratch", 1)
    assert fates(hunt, "return 6") == {"return 6": (Fate.KILLED, "tests/integration/test_rest.py")}


def test_tests_that_fail_without_a_change_are_left_out(original: Path, tmp_path: Path) -> None:
    (original / "tests/gateway/test_calls.py").write_text("def test_wrong():\n    assert 1 == 2\n", "utf-8")
    hunt = Hunt(original, tmp_path / "scratch", 1)
    assert fates(hunt, "a -= 11") == {"a -= 11": (Fate.NOT_COVERED, "")}
    assert hunt.unusable == ["tests/gateway/test_calls.py"]
    assert "left out, because it fails without any change: a" in list(lines([], ["a"]))


def test_the_copy_is_what_is_imported(tmp_path: Path) -> None:
    checkout = Checkout(ROOT, tmp_path / "copy")
    checkout.verify()
    with checkout.changed("gateway/errors.py", "print('of the copy')"):
        command = [sys.executable, "-c", "import gateway.errors"]
        done = subprocess.run(
            command, cwd=checkout.root, env=checkout.environment(), capture_output=True, text=True, check=True
        )
    assert done.stdout == "of the copy\n"
    assert (checkout.root / "gateway/errors.py").read_bytes() == (ROOT / "gateway/errors.py").read_bytes()
    assert (checkout.root / ".venv").is_symlink() == (ROOT / ".venv").exists()


def test_a_copy_that_is_not_imported_is_an_error(original: Path, tmp_path: Path) -> None:
    checkout = Checkout(original, tmp_path / "copy")
    (checkout.root / "gateway/__init__.py").write_text("__file__ = '/elsewhere/gateway/__init__.py'\n", "utf-8")
    with pytest.raises(RuntimeError, match="would import /elsewhere/gateway"):
        checkout.verify()


SHARED = """\
import functools, pytest
from gateway.calls import larger, never, rest

@functools.cache
def remembered():
    return rest(25)

@pytest.fixture(scope="module")
def both():
    yield larger(2, 1)
    never()

def test_first(both):
    assert remembered() < 20

@pytest.mark.parametrize("value", [1, 2])
def test_second(both, value):
    assert remembered() == 5
    assert not larger(value, 5)
"""


def test_what_one_function_runs_is_told_from_what_all_have_in_common(original: Path, tmp_path: Path) -> None:
    file = "tests/gateway/test_calls.py"
    (original / file).write_text(SHARED, "utf-8")
    checkout = Checkout(original, tmp_path / "copy")
    lines = runs.measure(checkout, file).lines["gateway/calls.py"]
    assert {line: set(tests) for line, tests in lines.items()} == {
        1: {""}, 2: {"", f"{file}::test_second"}, 5: {""}, 6: {f"{file}::test_first"}, 7: {f"{file}::test_first"},
        8: {f"{file}::test_first"}, 11: {""}, 12: {""},
    }  # fmt: skip
    measured = Measured(1.0, {"gateway/calls.py": lines})
    assert covering_functions(of("while a >= 10:"), measured) == [f"{file}::test_first"]
    assert covering_functions(of("return 6"), measured) == []


def test_what_another_function_remembers_is_judged_by_the_whole_file(original: Path, tmp_path: Path) -> None:
    file = "tests/gateway/test_calls.py"
    (original / file).write_text(SHARED, "utf-8")
    hunt = Hunt(original, tmp_path / "scratch", 1)
    # Only the first function runs it, and only the second would notice.
    assert fates(hunt, "while a > 20:") == {"while a > 20:": (Fate.KILLED, file)}


def test_only_tests_that_run_the_statement_cover_a_mutant() -> None:
    mutant = of("while a >= 10:")
    measured = {
        "test_head.py": Measured(1.0, {"gateway/calls.py": {6: {""}}}),
        "test_body.py": Measured(1.0, {"gateway/calls.py": {7: {""}}}),
        "test_other.py": Measured(1.0, {"gateway/app.py": {6: {""}}}),
    }
    assert covering_tests(mutant, list(measured), measured) == ["test_head.py"]


def test_the_report_counts_and_shows_every_survivor() -> None:
    verdicts = [
        Verdict(of("return a >= b"), Fate.KILLED),
        Verdict(of("a += 10"), Fate.KILLED),
        Verdict(of("while a >= 10:"), Fate.SURVIVED),
        Verdict(of("return 10"), Fate.EQUIVALENT),
        Verdict(of("return 6"), Fate.NOT_COVERED),
    ]
    assert list(lines(verdicts)) == [
        "module            mutants  killed  survived  not covered  equivalent  share",
        "gateway/calls.py        5       2         1            1           1   50 %",
        "",
        "room              mutants  killed  survived  not covered  equivalent  share",
        "gateway/calls.py        5       2         1            1           1   50 %",
        "",
        "survived: gateway/calls.py:6: while a > 10: → while a >= 10:",
        "not covered: gateway/calls.py:12: return 5 → return 6",
        "killed 2 of 4 mutants: 50 % (1 more are equivalent)",
    ]


def test_an_equivalent_mutant_is_known_by_file_place_line_and_change(tmp_path: Path) -> None:
    mutant = of("return 6")
    entry = Equivalent("gateway/calls.py", "never", "return 5", "return 6", "nobody calls it")
    assert is_equivalent(mutant, [entry])
    assert not is_equivalent(of("return 10"), [entry])
    assert not is_equivalent(mutant, [Equivalent("gateway/calls.py", "rest", "return 5", "return 6", "x")])
    path = tmp_path / "equivalent.toml"
    path.write_text('[[mutant]]\nfile = "a.py"\nwhere = ""\nline = "a"\nbecomes = "b"\nreason = " "\n', "utf-8")
    with pytest.raises(ValueError, match=r"a\.py: a: an equivalent mutant needs a reason"):
        read(path)


def test_every_equivalent_mutant_still_exists() -> None:
    gone = []
    for entry in read(EQUIVALENT):
        path = ROOT / entry.file
        found = mutants(entry.file, path.read_text("utf-8")) if path.exists() else []
        if not is_equivalent_of_any(entry, found):
            gone.append(entry)
    assert gone == []


def is_equivalent_of_any(entry: Equivalent, found: list[Mutant]) -> bool:
    return any(entry.fits(mutant) for mutant in found)
