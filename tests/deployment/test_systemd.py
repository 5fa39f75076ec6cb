"""The units for systemd are what systemd takes, leave a service few rights, and name commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment.programs import DEPLOY
from tests.deployment.test_compose import runs
from tests.integration.conftest import Start

UNITS = DEPLOY / "systemd"
SERVICES = ("cara-gateway@8080.service", "cara-services.service")
MOST_EXPOSED = 20
"""In tenths of systemd's scale, on which a service without any settings has 96."""


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=60,
    )  # fmt: skip


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with an instance of each template, and the gateway where this machine has it."""
    for path in UNITS.iterdir():
        text = path.read_text("utf-8").replace("/opt/cara-gateway/bin/cara-gateway", sys.executable)
        text = text.replace("/opt/cara-gateway/bin/python", sys.executable)
        (tmp_path / path.name.replace("@.", "@8080.")).write_text(text, "utf-8")
    return tmp_path


def test_systemd_takes_the_units(units: Path) -> None:
    names = sorted(path.name for path in units.iterdir() if path.suffix in (".service", ".socket"))
    assert len(names) == 3
    for name in names:
        done = systemd_analyze("verify", "--man=no", units / name)
        assert (done.returncode, done.stdout) == (0, "")


def test_systemd_would_complain_of_a_wrong_key(units: Path) -> None:
    unit = units / SERVICES[0]
    unit.write_text(unit.read_text("utf-8").replace("Restart=", "Restarts="), "utf-8")
    assert "Restarts" in systemd_analyze("verify", "--man=no", unit).stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights(name: str, units: Path) -> None:
    done = systemd_analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", units / name)
    assert done.returncode == 0, done.stdout


def test_the_commands_exist() -> None:
    for path in UNITS.glob("*.service"):
        text = path.read_text("utf-8").replace("\\\n", "")
        commands = re.findall(r"^Exec\w+=/opt/cara-gateway/bin/(\S+) (.+)$", text, re.MULTILINE)
        assert commands
        for program, arguments in commands:
            words = ("-m", "gateway", arguments.split()[0]) if program == "cara-gateway" else arguments.split()[:2]
            known = runs(sys.executable, *words, "--help")
            assert [word for word in re.findall(r"--[a-z-]+", arguments) if word not in known] == []


def test_nothing_that_runs_writes_code(start: Start) -> None:
    """`MemoryDenyWriteExecute` would end a process that does."""
    process, web = start.demo()
    assert web.post("/api/calculator/add", [2, 5]).json == {"result": 7}
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    for pid in (str(process.pid), *children):
        assert re.findall(r"^.* rwxp .*$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE) == []
