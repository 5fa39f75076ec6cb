"""What the files around the source promise: names that exist, commands that exist, no registry's host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IGNORED = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()} | {".git"}

REGISTRY_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|yarnpkg\.com|debian\.org/debian|--(?:extra-)?index-url"
)
DEVELOPER_PATH = re.compile(r"(?<![\w.])/(?:home/(?!gateway\b)|Users/|root/|work/|workspace/)")

MAKE_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
TOLD_TO_MAKE = re.compile(r"(?:^|[`(]|\s{4})make ([a-z][a-z-]*)", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def committed_files() -> Iterator[Path]:
    """Yield what .gitignore leaves over; the tests also run from an unpacked archive, where git knows nothing."""
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and not any(_is_ignored(part) for part in path.relative_to(ROOT).parts):
            yield path


def _is_ignored(part: str) -> bool:
    return any(Path(part).match(pattern) for pattern in IGNORED if pattern)


def test_no_file_names_a_registry_or_somebody_s_machine() -> None:
    found = []
    for path in committed_files():
        content = path.read_text("utf-8", "replace")
        for pattern in (REGISTRY_HOST, DEVELOPER_PATH):
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(content)]
    assert [line for line in found if not line.startswith(f"tests/{Path(__file__).name}:")] == []


def test_every_requirement_is_locked_with_a_hash() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        requirements = re.sub(r"\\\n", "", path.read_text("utf-8"))
        for line in requirements.splitlines():
            if line and not line.lstrip().startswith("#"):
                assert re.fullmatch(r"[a-z0-9.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+\s*", line), line


def test_the_lock_covers_the_dependencies() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    names = {re.split(r"[\[<>=~!]", line)[0].replace(".", "-") for line in project["dependencies"]}
    locked = set(re.findall(r"^([a-z0-9-]+)==", text("requirements/runtime.txt"), re.MULTILINE))
    assert names - locked == set()


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(MAKE_TARGET.findall(text("Makefile")))
    for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        assert set(TOLD_TO_MAKE.findall(text(name))) <= targets, name


def test_every_link_in_a_document_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    # What `npm install` puts into an example is others'.
    for document in (path for path in documents if "node_modules" not in path.parts):
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", prose):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_continuous_integration_runs_what_the_readme_says() -> None:
    commands = [line for line in text(".ci/run").splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
    assert "make test" in text("README.md")


def test_the_dockerfile_copies_what_exists() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    assert sources
    assert [name for line in sources for name in line.split() if not (ROOT / name).exists()] == []


def test_the_docker_build_gets_every_file_that_it_copies() -> None:
    passed = {line[1:].rstrip("/") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    assert {name.split("/")[0] for line in copied for name in line.split()} == passed


def test_the_subcommands_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"^\$ cara-gateway (\w+)", text("README.md"), re.MULTILINE))
    assert named
    assert [name for name in sorted(named) if not runs(sys.executable, "-m", "gateway", name, "--help")] == []


def runs(*command: str, folder: Path = ROOT) -> str:
    """Run a command and return what it printed; it has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CARA_DEMO_PASSWORD": "example"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_makefile_says_with_which_python_tests_are_run() -> None:
    # The variable has pytest's arguments only; the recipes go on over several lines.
    makefile = text("Makefile").replace("\\\n", "")
    uses = [line for line in makefile.splitlines() if "$(PYTEST)" in line]
    assert len(uses) >= 4
    assert [line for line in uses if not re.search(r"(\$\(PY\)|/bin/python) .*\$\(PYTEST\)", line)] == []
