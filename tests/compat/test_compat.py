"""The second distribution: it is built, installed beside the first, and programs for cara 0.10 run with it."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compat")
    source = shutil.copytree(ROOT / "compat", folder / "source")
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-build-isolation", "--no-deps", "-w", folder, source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with what this one has."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Behind its own packages: those of this environment, and the checkout.
    (packages / "checkout.pth").write_text("\n".join([*site.getsitepackages(), str(ROOT)]))
    return python


def test_it_holds_the_package_cara_and_nothing_of_the_first(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = (path for path in (ROOT / "compat" / "cara").rglob("*.py"))
    assert names == {str(path.relative_to(ROOT / "compat")) for path in sources}


def test_it_is_of_the_same_version_as_the_first_and_wants_just_that() -> None:
    first, second = (
        tomllib.loads(path.read_text("utf-8"))["project"]
        for path in (ROOT / "pyproject.toml", ROOT / "compat" / "pyproject.toml")
    )
    assert second["version"] == first["version"]
    assert second["dependencies"] == [f"{first['name']}=={first['version']}"]
    assert second["requires-python"] == first["requires-python"]


def test_a_generated_module_runs_in_both_roles_as_it_is(python: Path) -> None:
    program = (
        "import cara, sys; sys.path.insert(0, '.'); import runpy; assert 'site-packages' in cara.__file__, cara;"
        "runpy.run_path('roles.py', run_name='__main__')"
    )
    assert run(python, "-c", program, cwd=HERE) == "ok\n"
