"""`cara-gateway demo` as a newcomer meets it."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start


SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"


def children(process: Process) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def is_there(pid: int) -> bool:
    # A process that ended, and whose parent did not ask for its status yet, is there as a zombie.
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_prints_the_address_the_page_and_lines_that_work_as_they_are(start: Start) -> None:
    process, web = start.demo()
    lines: list[str] = []
    while len(lines) < 2:
        line = process.line()
        if line.startswith("The console: "):
            page = line.removeprefix("The console: ")
        if line.startswith("curl "):
            lines.append(line)
    assert page == web.url + "/"
    assert web.get("/").status == 200
    answers = [
        json.loads(subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout) for line in lines
    ]
    assert answers[0] == {"result": 7}
    assert answers[1]["person"]["name"] == "Ann"
    assert answers[1]["person"]["phoneNumber"] == "555-0100"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_is_no_failure(start: Start, number: int) -> None:
    process, _ = start.demo()
    services = children(process)
    assert len(services) == 1
    assert process.stop(number) == 0
    assert not any(map(is_there, services))
    assert "Traceback" not in process.log.read_text()


def test_killing_the_gateway_ends_the_services_too(start: Start, eventually: Callable[..., None]) -> None:
    process, _ = start.demo()
    (services,) = children(process)
    process.stop(signal.SIGKILL)
    eventually(lambda: not is_there(services), within_s=5)


def test_the_password_is_in_no_list_of_processes(start: Start) -> None:
    process, _ = start.demo()
    (services,) = children(process)
    arguments = Path(f"/proc/{services}/cmdline").read_bytes().split(b"\0")
    assert arguments[1:-1] == [b"-m", b"gateway.demo.services", b"--owned"]
    assert b"PASSWORD" not in Path(f"/proc/{services}/environ").read_bytes()


def test_a_database_outlives_the_demo(start: Start, tmp_path: Path) -> None:
    database = str(tmp_path / "people.sqlite3")
    process, web = start.demo("--database", database)
    assert web.post("/api/addressbook/add", {"person": {"name": "Kept"}}).status == 200
    assert process.stop() == 0
    _, web = start.demo("--database", database)
    assert web.post("/api/addressbook/find", {"name": "Kept"}).status == 200


def test_a_port_in_use_is_a_clear_error(start: Start) -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start.process("-m", "gateway", "demo", "--listen", address)
        assert process.popen.wait(20) == 1
    log = process.log.read_text()
    assert f"cara-gateway: cannot listen on {address}: address already in use" in log
    assert "Traceback" not in log


def test_the_services_can_run_without_a_gateway(start: Start) -> None:
    process = start.process("-m", "gateway.demo.services", environment={"CARA_DEMO_PASSWORD": "s3cret"})
    endpoints = dict(process.line().split() for _ in range(2))
    assert endpoints.keys() == {"calculator", "addressbook"}
    config = f"""
        [services.calculator]
        schema = "{SCHEMAS}/calculator.capnp"
        interface = "Calculator"
        endpoint = "{endpoints['calculator']}"
        peer = "calculator"
        security = "plain"
        user_id = "gateway"
        password = "s3cret"
    """
    _, web = start.gateway(config)
    assert web.post("/api/calculator/add", [2, 5]).json == {"result": 7}
    assert process.stop() == 0


def test_services_without_a_password_do_not_start(start: Start) -> None:
    process = start.process("-m", "gateway.demo.services")
    assert process.popen.wait(20) == 2
    assert "no password: set CARA_DEMO_PASSWORD" in process.log.read_text()


def test_services_that_end_are_noticed(start: Start, eventually: Callable[..., None]) -> None:
    process, web = start.demo()
    (services,) = children(process)
    os.kill(services, signal.SIGKILL)
    eventually(lambda: "the example services ended" in process.log.read_text(), within_s=5)
    answer = web.post("/api/calculator/add", [2, 5])
    assert (answer.status, answer.code) == (503, "unavailable")
    assert web.get("/healthz").status == 200
    assert process.stop() == 0
