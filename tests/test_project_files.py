"""What the files around the source promise: names that exist, commands that exist, no registry's host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

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
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
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


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text("docker-compose.yml"))
    return loaded


def test_compose_builds_the_image_that_it_runs() -> None:
    for name, service in compose()["services"].items():
        assert (service["build"], service["image"]) == (".", "cara-gateway"), name


def test_compose_runs_commands_that_exist() -> None:
    services = compose()["services"]
    python, dash_m, module = services["services"]["entrypoint"]
    assert (python, dash_m) == ("python", "-m")
    runs(sys.executable, "-m", module, "--help")
    assert 'ENTRYPOINT ["cara-gateway"]' in text("Dockerfile")
    runs(sys.executable, "-m", "gateway", services["gateway"]["command"][0], "--help")


def test_the_options_in_compose_exist() -> None:
    services = compose()["services"]
    help_text = runs(sys.executable, "-m", services["services"]["entrypoint"][2], "--help")
    for option in services["services"]["command"]:
        assert option.partition("=")[0] in help_text


def test_the_configuration_in_compose_is_valid(tmp_path: Path) -> None:
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    (tmp_path / "gateway.toml").write_text(compose()["configs"]["gateway.toml"]["content"], "utf-8")
    runs(sys.executable, "-m", "gateway", "check", "--config", str(tmp_path / "gateway.toml"))


def test_compose_waits_for_what_the_services_listen_on() -> None:
    config = tomllib.loads(compose()["configs"]["gateway.toml"]["content"])
    endpoints = {name: service["endpoint"].rpartition(":")[2] for name, service in config["services"].items()}
    arguments = " ".join(compose()["services"]["services"]["command"])
    listening = dict(re.findall(r"--(\w+)=tcp://0\.0\.0\.0:(\d+)", arguments))
    assert endpoints == listening


def test_the_health_check_asks_the_gateway() -> None:
    *command, code = compose()["services"]["gateway"]["healthcheck"]["test"]
    assert command == ["CMD", "python", "-c"]
    port = compose()["services"]["gateway"]["ports"][0].rpartition(":")[2]
    assert f"http://127.0.0.1:{port}/healthz" in code


def runs(*command: str, folder: Path = ROOT) -> str:
    """Run a command and return what it printed; it has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CARA_DEMO_PASSWORD": "example"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
