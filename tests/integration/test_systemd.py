"""A gateway as a service of systemd, which is played by the test: sockets that are passed, and what is told."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import WAIT_S, Web
from tests.integration.test_drain import config

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start

PASSING = """
import os, runpy, socket, sys
kind = sys.argv[2]
if kind == "tcp":
    passed = socket.create_server(("127.0.0.1", 0), backlog=100)
elif kind == "unix":
    passed = socket.socket(socket.AF_UNIX)
    passed.bind(sys.argv[3])
    passed.listen(100)
elif kind == "deaf":
    passed = socket.socket()
elif kind == "datagram":
    passed = socket.socket(type=socket.SOCK_DGRAM)
    passed.bind(("127.0.0.1", 0))
else:
    passed = open("/dev/null")
if passed.fileno() != 3:
    os.dup2(passed.fileno(), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
sys.argv = ["cara-gateway", "serve", "--config", sys.argv[1], "--listen", "127.0.0.1:1"]
runpy.run_module("gateway", run_name="__main__", alter_sys=False)
"""


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """Where the gateway tells what happens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(WAIT_S)
        yield listening


def told(notified: socket.socket, word: str) -> dict[str, str]:
    """The next message that has the word."""
    while True:
        lines = notified.recv(4096).decode().split("\n")
        said = dict(line.split("=", 1) for line in lines)
        if word in said:
            return said


def heard_until_silence(notified: socket.socket) -> int:
    """How many messages come before none does for the socket's time."""
    heard = 0
    while True:
        try:
            notified.recv(4096)
        except TimeoutError:
            return heard
        heard += 1


def passing(start: Start, *kind: str) -> Process:
    _, endpoint = start.counting()
    path = start.folder / "gateway.toml"
    path.write_text(config(endpoint, "drain_delay_s = 0"), "utf-8")
    return start.process("-c", PASSING, str(path), *kind)


def test_the_life_of_a_gateway_is_told(start: Start, notified: socket.socket) -> None:
    _, endpoint = start.counting()
    path = start.folder / "gateway.toml"
    path.write_text(config(endpoint, 'listen = "127.0.0.1:0"\ndrain_delay_s = 0.5\ndrain_s = 7'), "utf-8")
    environment = {"NOTIFY_SOCKET": notified.getsockname()}
    process = start.process("-m", "gateway", "serve", "--config", str(path), environment=environment)
    ready = told(notified, "READY")
    web = Web(int(ready["STATUS"].rpartition(":")[2]))
    assert web.get("/readyz").status == 200
    process.popen.send_signal(signal.SIGHUP)
    assert int(told(notified, "RELOADING")["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert told(notified, "READY")["STATUS"] == f"serving at {web.url}"
    path.write_text("nothing", "utf-8")
    process.popen.send_signal(signal.SIGHUP)
    told(notified, "RELOADING")
    assert told(notified, "READY")["STATUS"].endswith(", the last reload failed")
    process.popen.send_signal(signal.SIGTERM)
    assert told(notified, "STOPPING") == {
        "STOPPING": "1", "STATUS": "ending", "EXTEND_TIMEOUT_USEC": "17500000",
    }  # fmt: skip
    assert process.popen.wait(WAIT_S) == 0


def test_a_loop_that_is_stuck_does_not_feed_the_watchdog(start: Start, notified: socket.socket) -> None:
    _, endpoint = start.counting()
    path = start.folder / "gateway.toml"
    path.write_text(config(endpoint, 'listen = "127.0.0.1:0"\ndrain_delay_s = 1.5'), "utf-8")
    environment = {"NOTIFY_SOCKET": notified.getsockname(), "WATCHDOG_USEC": "1000000"}
    process = start.process("-m", "gateway", "serve", "--config", str(path), environment=environment)
    told(notified, "READY")
    began = time.monotonic()
    for _ in range(4):
        told(notified, "WATCHDOG")
    assert 1 < time.monotonic() - began < 5
    process.popen.send_signal(signal.SIGSTOP)
    notified.settimeout(1.5)
    assert heard_until_silence(notified) <= 2  # what was sent before is heard first
    notified.settimeout(WAIT_S)
    process.popen.send_signal(signal.SIGCONT)
    told(notified, "WATCHDOG")
    process.popen.send_signal(signal.SIGTERM)
    told(notified, "STOPPING")
    # Until the end it is shown that what takes its time is not stuck.
    told(notified, "WATCHDOG")
    assert process.popen.wait(WAIT_S) == 0


def test_a_passed_port_is_listened_at(start: Start, eventually: Callable[..., None]) -> None:
    process = passing(start, "tcp")
    port = int(process.line().rpartition(":")[2])
    web = Web(port)
    assert web.post("/api/counting/slow", [1]).json == {"done": True}
    assert web.get("/readyz", Host=f"127.0.0.1:{port}").status == 200
    process.popen.send_signal(signal.SIGHUP)
    eventually(lambda: "the configuration is reloaded" in process.log.read_text(), WAIT_S)
    assert "has changed" not in process.log.read_text()
    assert process.stop() == 0


def test_a_passed_unix_socket_is_listened_at_and_left_there(start: Start) -> None:
    path = start.folder / "web"
    process = passing(start, "unix", str(path))
    assert process.line() == f"listening on http+unix://{str(path).replace('/', '%2F')}"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert process.stop() == 0
    # It is the supervisor's, who may have others listen at it already.
    assert os.path.exists(path)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("deaf", "the passed socket 3 (web): does not listen; the unit needs Accept=no"),
        ("datagram", "the passed socket 3 (web): expected one of TCP or a unix stream"),
        ("file", "the passed socket 3 (web): is no open socket"),
    ],
)
def test_what_cannot_be_listened_at_is_refused(start: Start, kind: str, complaint: str) -> None:
    process = passing(start, kind)
    assert process.popen.wait(WAIT_S) == 1
    assert complaint in process.log.read_text()
