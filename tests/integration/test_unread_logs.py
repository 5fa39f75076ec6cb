"""A gateway whose log nobody reads, on a full disk or without a stderr: it serves, and it ends when it is told to."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, WAIT_S

CONFIG = """
[gateway]
listen = "127.0.0.1:0"
[gateway.limits]
max_log_bytes = 50000
[services.calculator]
schema = "{root}/schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:1"
"""
MANY = 600
"""Requests whose lines fill a pipe (64 KiB) and what may wait behind it."""
END_S = 8.0
"""Calls under way would have ten seconds, and there are none."""
PATH = "/" + "x" * 300


def get(port: int, path: str, times: int = 1) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    for _ in range(times):
        connection.request("GET", path)
        data = connection.getresponse().read()
    connection.close()
    return data


def lost(port: int) -> float:
    lines = get(port, "/metrics").decode().splitlines()
    return next(float(line.split(" ")[1]) for line in lines if line.startswith("cara_gateway_log_lines_lost_total "))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(root=ROOT), "utf-8")
    return path


@pytest.fixture(params=["unread", "full", "closed"])
def gateway(request: pytest.FixtureRequest, config: Path) -> Iterator[tuple[str, subprocess.Popen[str], int]]:
    """A gateway with such a stderr, and its port."""
    command = f'exec "{sys.executable}" -m gateway serve --config "{config}"'
    command += {"unread": "", "full": " 2>/dev/full", "closed": " 2>&-"}[request.param]
    process = subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    yield request.param, process, int(process.stdout.readline().rpartition(":")[2])
    process.kill()
    process.communicate()


def test_it_serves_and_ends_in_time(gateway: tuple[str, subprocess.Popen[str], int]) -> None:
    stderr, process, port = gateway
    get(port, PATH, MANY)
    assert b"service_up" in get(port, "/metrics")
    if stderr == "unread":
        assert lost(port) > 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(END_S) == 0


def test_losses_are_told_when_somebody_reads_again(config: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    get(port, PATH, MANY)
    assert lost(port) > 0
    assert process.stderr is not None
    written = 0
    while " log lines were lost: " not in (line := process.stderr.readline()):
        assert line
        written += PATH in line
    assert 0 < written < MANY
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
