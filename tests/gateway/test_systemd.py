"""The two protocols of a supervisor, over real sockets; processes that it starts are in integration/test_systemd.py."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.values import Listen, UnixListen
from gateway.systemd import PassedSocketError, Supervisor, listen_of, passed_sockets


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A supervisor's socket, and its address as the environment has it."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:] if address.startswith("@") else address)
        listening.settimeout(5)
        yield listening, address


def test_what_happens_is_told(heard: tuple[socket.socket, str]) -> None:
    listening, address = heard
    supervisor = Supervisor.of({"NOTIFY_SOCKET": address}, 1)
    supervisor.ready("serving\nREADY=0")
    assert listening.recv(1000) == b"READY=1\nSTATUS=serving READY=0"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    supervisor.reloading()
    first, _, when = listening.recv(1000).decode().partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1"
    assert before <= int(when) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    supervisor.alive()
    assert listening.recv(1000) == b"WATCHDOG=1"
    supervisor.stopping("ending", 1.5)
    assert listening.recv(1000) == b"STOPPING=1\nSTATUS=ending\nEXTEND_TIMEOUT_USEC=1500000"
    supervisor.close()


def test_without_a_supervisor_nothing_is_said() -> None:
    supervisor = Supervisor.of({}, 1)
    supervisor.ready("serving")
    assert supervisor.watchdog_s is None


def test_a_supervisor_that_is_gone_harms_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor(str(tmp_path / "none"))
    supervisor.ready("serving")
    supervisor.close()
    supervisor.ready("closed")


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "17"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert Supervisor.of(environment, 17).watchdog_s == watchdog_s


def test_sockets_of_another_process_are_left_alone() -> None:
    assert passed_sockets({}, os.getpid()) == []
    assert passed_sockets({"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1"}, os.getpid()) == []


@pytest.mark.parametrize("number", ["", "-1", "x", "65", "9999999999"])
def test_a_number_of_sockets_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(PassedSocketError, match="LISTEN_FDS: expected a number up to 64"):
        passed_sockets({"LISTEN_PID": "7", "LISTEN_FDS": number}, 7)


def test_where_clients_find_a_passed_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        assert listen_of([tcp]) == Listen("127.0.0.1", tcp.getsockname()[1])
        unix.bind(str(tmp_path / "socket"))
        assert listen_of([unix]) == UnixListen(tmp_path / "socket")
