"""A program that serves objects until it is told to stop."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq

import cara_pseud
from cara_pseud.errors import RegistrationError, Unauthenticated, Unavailable

SCHEMA = "@0xe1f0a9c4d2b38571;\ninterface Calculator { add @0 (first :Int32, second :Int32) -> (result :Int32); }\n"
PROGRAM = """
import cara_pseud
schema = cara_pseud.load("calculator.capnp")

class MyCalculator(schema.Calculator):
    async def add(self, first, second):
        return first + second

cara_pseud.run(%s)
"""
FORMS = ["MyCalculator()", "MyCalculator", "(schema.Calculator, {'add': lambda first, second: first + second})"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "calculator.capnp").write_text(SCHEMA)
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_comes(folder: Path, form: str, number: signal.Signals) -> None:
    (folder / "service.py").write_text(PROGRAM % form)
    with subprocess.Popen(
        [sys.executable, "-u", "service.py"], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={"CARA_ENDPOINT": "tcp://127.0.0.1:*", "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as service:  # fmt: skip
        try:
            assert service.stdout is not None
            names, _, endpoint = service.stdout.readline().strip().partition(" listening on ")
            assert names == "Calculator"
            schema: Any = cara_pseud.load(folder / "calculator.capnp")
            with cara_pseud.connect(endpoint, schema.Calculator) as calculator:
                assert calculator.add(2, 5) == 7
            service.send_signal(number)
            assert service.wait(20) == 0
        finally:
            service.kill()


def test_where_another_program_listens_it_says_what_helps(folder: Path) -> None:
    schema: Any = cara_pseud.load(folder / "calculator.capnp")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(zmq.ZMQError, match="Address already in use") as caught:
            cara_pseud.run((schema.Calculator, {}), endpoint=endpoint)
    assert ["CARA_ENDPOINT" in note for note in caught.value.__notes__] == [True]


def test_nothing_to_serve_is_an_error() -> None:
    with pytest.raises(RegistrationError, match="run\\(\\) needs an object to serve"):
        cara_pseud.run()


@pytest.mark.parametrize("security", ["noop", "trusted_peer"])
def test_a_client_without_a_login_finds_out_what_the_server_wants(folder: Path, security: str) -> None:
    (folder / "service.py").write_text(PROGRAM % f"MyCalculator(), security='{security}'")
    with subprocess.Popen(
        [sys.executable, "-u", "service.py"], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={"CARA_ENDPOINT": "tcp://127.0.0.1:*", "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as service:  # fmt: skip
        try:
            assert service.stdout is not None
            endpoint = service.stdout.readline().strip().partition(" listening on ")[2]
            schema: Any = cara_pseud.load(folder / "calculator.capnp")
            with cara_pseud.connect(endpoint, schema.Calculator) as calculator:
                assert calculator.add(2, 5) == 7
            with cara_pseud.connect(endpoint, schema.Calculator, security="noop", timeout=5) as calculator:
                if security == "noop":
                    assert calculator.add(2, 5) == 7
                else:
                    with pytest.raises((Unauthenticated, Unavailable), match="security"):
                        calculator.add(2, 5)
        finally:
            service.kill()


MAIN = """
import asyncio
import cara_pseud

async def main():
    try:
        print("begun")
        await asyncio.sleep(%s)
    finally:
        print("ended")

cara_pseud.run(main)
"""


@pytest.mark.parametrize(("sleep_s", "number"), [("0", None), ("60", signal.SIGINT), ("60", signal.SIGTERM)])
def test_a_function_of_one_s_own_runs_until_it_ends_or_is_told_to(
    folder: Path, sleep_s: str, number: signal.Signals | None
) -> None:
    (folder / "service.py").write_text(MAIN % sleep_s)
    with subprocess.Popen(
        [sys.executable, "-u", "service.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as service:  # fmt: skip
        assert service.stdout is not None
        assert service.stderr is not None
        assert service.stdout.readline() == "begun\n"
        if number is not None:
            service.send_signal(number)
        assert (service.stdout.read(), service.stderr.read(), service.wait(20)) == ("ended\n", "", 0)


def test_a_function_of_one_s_own_is_run_alone() -> None:
    async def main() -> None:
        raise AssertionError("is not run")

    for more in ((main,), ()):
        with pytest.raises(TypeError, match="one async function"):
            cara_pseud.run(main, *more, **({} if more else {"endpoint": "tcp://127.0.0.1:*"}))


def test_whoever_started_it_is_told_what_it_serves(folder: Path) -> None:
    (folder / "service.py").write_text(PROGRAM % "MyCalculator(), peer='calc'")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asked:
        asked.bind(str(folder / "announce"))
        asked.settimeout(20)
        with subprocess.Popen(
            [sys.executable, "service.py"], cwd=folder, stdout=subprocess.DEVNULL,
            env={
                "CARA_ENDPOINT": "tcp://127.0.0.1:*", "CARA_ANNOUNCE": str(folder / "announce"),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
        ) as service:  # fmt: skip
            try:
                told = json.loads(asked.recv(10_000))
                assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", told.pop("endpoint"))
                assert told.pop("files") == [str(folder / "service.py")]
                assert told == {"peer": "calc", "security": "trusted_peer", "interfaces": ["Calculator"]}
            finally:
                service.kill()
