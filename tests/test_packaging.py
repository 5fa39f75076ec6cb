"""The wheel and the editable install: what is in them, and that the demo runs from each in an empty environment."""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = (  # source folder, suffix of its files, folder in the wheel
    ("gateway", ".py", "gateway"),
    ("cara_pseud", ".py", "cara_pseud"),
    ("static", "", "gateway/static"),
    ("schemas", "", "cara_pseud/schemas"),
)
ANSWER_S = 10
STOP_S = 20


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def pip(python: Path, *arguments: str | Path) -> None:
    """Run this environment's pip on another one, which needs none of its own then."""
    run(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "-qq", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, ".")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the locked requirements and nothing else; its bin folder."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    pip(folder / "bin" / "python", "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt")
    return folder / "bin"


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.HeaderParser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_every_source_file_and_nothing_else(wheel: Path) -> None:
    expected = {
        f"{target}/{path.relative_to(ROOT / source)}"
        for source, suffix, target in PACKAGED
        for path in (ROOT / source).rglob("*" + suffix)
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name for name in packed if not name.endswith("py.typed")} == expected


def test_another_copy_makes_the_same_packages(wheel: Path, tmp_path: Path) -> None:
    """Whatever its files' times are and its user's umask is; as `make dist` makes them."""
    copy = tmp_path / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    run("sh", "-c", f"umask 077; {sys.executable} -m hatchling build -t wheel -d made", cwd=copy)
    (made,) = (copy / "made").glob("*.whl")
    assert digest(made) == digest(wheel)
    for folder, place in ((ROOT, "first"), (copy, "second")):
        (tmp_path / place).mkdir()
        run("npm", "pack", "--silent", "--pack-destination", tmp_path / place, cwd=folder / "static" / "client")
    (first,), (second,) = ((tmp_path / place).glob("*.tgz") for place in ("first", "second"))
    assert digest(first) == digest(second)
    with tarfile.open(first) as archive:
        packed = {name.removeprefix("package/") for name in archive.getnames()}
    assert packed == {path.name for path in (ROOT / "static" / "client").iterdir()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_both_packages_are_of_one_version(wheel: Path) -> None:
    package = json.loads((ROOT / "static" / "client" / "package.json").read_text("utf-8"))
    assert metadata(wheel)["Version"] == package["version"]


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    headers = metadata(wheel)
    assert headers["Name"] == "cara-gateway"
    assert set(headers["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    assert headers["License-Expression"] == "Apache-2.0"
    assert headers["License-File"] == "LICENSE"
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_has_the_console_script(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert archive.read(name).decode().split() == ["[console_scripts]", "cara-gateway", "=", "gateway.cli:main"]


def test_the_demo_runs_from_the_wheel(wheel: Path, environment: Path, tmp_path: Path) -> None:
    pip(environment / "python", "--no-deps", "--force-reinstall", wheel)
    assert_demo_runs([str(environment / "cara-gateway")], tmp_path)


def test_the_demo_runs_from_an_editable_install(environment: Path, tmp_path: Path) -> None:
    pip(environment / "python", "--require-hashes", "-r", ROOT / "requirements" / "build.txt")
    pip(environment / "python", "--no-deps", "--no-build-isolation", "--force-reinstall", "--editable", ROOT)
    assert_demo_runs([str(environment / "cara-gateway")], tmp_path)


def readme_curl() -> tuple[str, str]:
    """Return the first command that the README shows, and the answer that stands under it."""
    shown = re.search(r"^    \$ (curl .+)\n    (.+)\n", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert shown is not None
    return shown.group(1), shown.group(2)


def assert_demo_runs(command: Sequence[str], folder: Path) -> None:
    """Start the demo in another folder, do what the README shows, ask for the pages, and stop it as Ctrl-C does."""
    arguments = [*command, "demo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            said, _, url = demo.stdout.readline().strip().rpartition(" ")
            assert said == "listening on"
            command, expected = readme_curl()
            answer = subprocess.run(
                ["sh", "-c", command.replace("http://127.0.0.1:8080", url)], capture_output=True, text=True, check=True
            )
            assert answer.stdout == expected
            for page in ("/", "/client/index.js"):
                with urllib.request.urlopen(url + page, timeout=ANSWER_S) as answer:
                    assert answer.status == 200
            demo.send_signal(signal.SIGINT)
            assert demo.wait(STOP_S) == 0
        finally:
            demo.kill()
