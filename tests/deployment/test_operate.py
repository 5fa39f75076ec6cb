"""docs/operate.md is followed as it stands: each of its sh blocks goes into one shell, one after the other.

Only the ports are others, as a machine may have something else at them, and HOME is a folder of the test's. While the
page is followed, a client calls through HAProxy: not one of its calls may fail.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.programs import ROOT, UNPACKED

PAGE = ROOT / "docs" / "operate.md"
COPIED = (
    "LICENSE", "README.md", "cara_pseud", "examples", "gateway", "pyproject.toml", "requirements", "schemas", "static",
)  # fmt: skip
"""What somebody who follows the page uses of a checkout."""
PORTS = ("8080", "8081", "18080", "18081", "8443", "9090", "5555", "5556", "5565", "5566")
SELDOM_USED = range(10_000, 30_000)
"""The system gives none of these to whoever connects, so that one which is free stays so until it is used."""
BLOCK = re.compile(r"^```sh\n(?P<text>.*?)^```$(?:\n\n^```text\n(?P<shown>.*?)^```$)?", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
STEP_S = 90.0
"""No block takes longer."""


@dataclass(frozen=True)
class Step:
    """A block, and what it is said to print; None if nothing is said."""

    section: str
    text: str
    shown: str | None


def steps(page: str) -> list[Step]:
    found = []
    for match in BLOCK.finditer(page):
        section = HEADING.findall(page, 0, match.start())[-1]
        found.append(Step(section, match["text"], match["shown"]))
    return found


class Shell:
    """A shell that is told one block after the other, and ends at the first that fails."""

    END = "the block is done"

    def __init__(self, folder: Path, home: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CARA_")}
        environment["CARA_CACHE_DIR"] = ""
        self._home = home
        python = home / "bin"
        python.mkdir()
        # The page says python3; the one that runs the tests is new enough.
        (python / "python3").symlink_to(sys.executable)
        environment["PATH"] = f"{python}:{environment['PATH']}:{UNPACKED}"
        environment["HOME"] = str(home)
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eu"],
            cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, text: str) -> str:
        """What the block printed; it has to succeed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(STEP_S, self._kill)
        timer.start()
        try:
            self._process.stdin.write(f"{text}\necho '{self.END}'\n")
            self._process.stdin.flush()
            printed = ""
            for line in self._process.stdout:
                if line.endswith(self.END + "\n"):
                    return printed + line.removesuffix(self.END + "\n")
                printed += line
        finally:
            timer.cancel()
        logs = "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(self._home.glob("site/log/*")))
        pytest.fail(f"{text}\nfailed or took longer than {STEP_S} s:\n{printed[-2000:]}\n{logs}")

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        self._kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with closing(stream):
                pass


class Caller:
    """Calls the calculator through HAProxy again and again, with connections that last for some calls."""

    CALLS_OF_A_CONNECTION = 10

    def __init__(self, site: Path, port: str, key: str) -> None:
        self.calls = 0
        self.failures: list[str] = []
        self._site = site
        self._key = key
        self._port = int(port)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        tls = ssl.create_default_context(cafile=str(self._site / "secrets" / "site.crt"))
        while not self._stopping.is_set():
            connection = http.client.HTTPSConnection("localhost", self._port, timeout=20, context=tls)
            with closing(connection):
                for _ in range(self.CALLS_OF_A_CONNECTION):
                    self._call(connection)
                    # So many calls a second are load enough to have one under way whenever something stops.
                    self._stopping.wait(0.01)

    def _call(self, connection: http.client.HTTPSConnection) -> None:
        self.calls += 1
        try:
            headers = {"Content-Type": "application/json", "X-API-Key": self._key}
            connection.request("POST", "/api/calculator/add", json.dumps([self.calls, 1]), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200 or json.loads(text) != {"result": self.calls + 1}:
                self.failures.append(f"call {self.calls}: {answer.status} {text}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failures.append(f"call {self.calls}: {error!r}")

    def stop(self) -> dict[str, Any]:
        """How many calls it made, and what failed."""
        self._stopping.set()
        self._thread.join()
        return {"calls": self.calls, "failures": self.failures}


class PageCaller:
    """The same over a WebSocket, by the client that pages have."""

    def __init__(self, site: Path, port: str, key: str) -> None:
        self._process = subprocess.Popen(
            ["node", "site-caller.js"],
            cwd=ROOT / "tests" / "js",
            env={
                **os.environ, "SITE_URL": f"https://localhost:{port}/", "SITE_KEY": key,
                "NODE_EXTRA_CA_CERTS": str(site / "secrets" / "site.crt"),
            },
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def stop(self) -> dict[str, Any]:
        """How many calls and connections it made, and what failed."""
        try:
            printed, _ = self._process.communicate(timeout=STEP_S)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, printed
        made: dict[str, Any] = json.loads(printed)
        return made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def ports(checkout: Path) -> dict[str, str]:
    """Free ports for those of the page, which the files that it uses have already."""
    found = [port for port in random.sample(SELDOM_USED, 10 * len(PORTS)) if is_free(port)]
    free = dict(zip(PORTS, map(str, found), strict=False))
    assert free.keys() == set(PORTS)
    for path in (*checkout.glob("examples/deploy/site/*"), *checkout.glob("examples/deploy/prometheus/*")):
        path.write_text(with_ports(path.read_text("utf-8"), free), "utf-8")
    return free


def is_free(port: int) -> bool:
    with socket.socket() as asking:
        try:
            asking.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def with_ports(text: str, ports: dict[str, str]) -> str:
    """A text with the ports replaced."""
    return re.sub(rf"\b({'|'.join(ports)})\b", lambda at: ports[at.group()], text)


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    home = tmp_path / "home"
    home.mkdir()
    running = Shell(checkout, home)
    try:
        yield running
    finally:
        running.end()


def is_like(shown: str, printed: str) -> bool:
    """Whether that was printed; `…` stands for anything, and as many blanks as there are make a column."""
    shown, printed = (re.sub("  +", "  ", text) for text in (shown, printed))
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_the_page_can_be_followed(shell: Shell, ports: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "home" / "site"
    callers: list[Caller | PageCaller] = []
    made: list[dict[str, Any]] = []
    try:
        for step in steps(PAGE.read_text("utf-8")):
            if step.section == "Stop":
                while callers:
                    made.append(callers.pop().stop())
            printed = shell.run(with_ports(step.text, ports))
            shown = None if step.shown is None else with_ports(step.shown, ports)
            assert shown is None or is_like(shown, printed), f"{step.text}\nprinted:\n{printed}"
            if step.section == "Call" and not callers:
                key = shell.run('echo "$KEY"').strip()
                callers += [Caller(site, ports["8443"], key), PageCaller(site, ports["8443"], key)]
    finally:
        for caller in callers:
            caller.stop()
    assert [each["failures"] for each in made] == [[], []]
    assert min(each["calls"] for each in made) > 100
    # Both gateways were started anew, so the page's client was at one of them when that ended.
    assert made[0]["connections"] > 1
