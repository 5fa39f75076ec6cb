"""A gateway at a unix socket: what works there, and what becomes of the file."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import websockets.sync.client

from tests.integration.conftest import HERE, ROOT, Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Process


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


@pytest.fixture
def path(start: Start) -> Path:
    return start.folder / "gateway.sock"


@pytest.fixture
def serve(start: Start, path: Path) -> Callable[[], Process]:
    """Start a gateway at the path; it may fail to."""
    _, endpoint = start.counting()
    config = start.folder / "gateway.toml"
    config.write_text(
        f'[gateway]\nlisten = "unix:gateway.sock"\nsocket_mode = "600"\ntrusted_proxies = ["unix:"]\n'
        "[gateway.auth]\nrequired = false\n"
        f'[services.counting]\nschema = "{HERE}/counting.capnp"\ninterface = "Counting"\nendpoint = "{endpoint}"\n'
        'peer = "counting"\n'
    )
    return lambda: start.process("-m", "gateway", "serve", "--config", str(config))


def get(path: Path, place: str, **headers: str) -> tuple[int, Any]:
    connection = UnixConnection(path)
    connection.request("GET", place, headers=headers)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def test_everything_works_there(serve: Callable[[], Process], path: Path) -> None:
    process = serve()
    assert process.line() == f"listening on http+unix://{quote(str(path), safe='')}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert get(path, "/healthz") == (200, {"status": "ok"})
    assert get(path, "/healthz", **{"X-Forwarded-For": "203.0.113.5"})[0] == 200
    with websockets.sync.client.unix_connect(str(path), uri="ws://localhost/ws") as connection:
        connection.send('{"jsonrpc":"2.0","id":1,"method":"counting.add","params":[5]}')
        assert "result" in json.loads(connection.recv(20))
    url = f"http+unix://{quote(str(path), safe='')}"
    called = subprocess.run(
        [sys.executable, "-m", "gateway", "call", "counting.add", "[6]", "--url", url],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert json.loads(called.stdout) == {"calls": 2}
    assert process.stop() == 0
    assert not path.exists()
    remotes = [json.loads(line).get("remote") for line in process.log.read_text().splitlines() if line.startswith("{")]
    assert [remote for remote in remotes if remote] == ["unix:", "203.0.113.5", *["unix:"] * 3]


def test_a_killed_gateway_s_socket_is_replaced_and_a_living_one_s_is_not(
    serve: Callable[[], Process], path: Path
) -> None:
    killed = serve()
    killed.line()
    killed.stop(signal.SIGKILL)
    assert path.exists()
    alive = serve()
    alive.line()
    second = serve()
    assert second.popen.wait(20) == 1
    assert f"cara-gateway: cannot listen on unix:{path}: address already in use" in second.log.read_text()
    assert get(path, "/healthz")[0] == 200
    assert alive.stop() == 0


def test_the_demo_prints_lines_that_work_there(start: Start, path: Path) -> None:
    process = start.process("-m", "gateway", "demo", "--listen", f"unix:{path}")
    assert process.line() == f"listening on http+unix://{quote(str(path), safe='')}"
    lines = [line for line in (process.line() for _ in range(6)) if line.startswith("curl ")]
    added, updated = (
        json.loads(subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout) for line in lines
    )
    assert added == {"result": 7}
    assert updated["person"]["phoneNumber"] == "555-0100"
