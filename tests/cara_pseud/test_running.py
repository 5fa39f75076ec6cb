"""A program that serves objects until it is told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import RegistrationError

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


def test_nothing_to_serve_is_an_error() -> None:
    with pytest.raises(RegistrationError, match="run\\(\\) needs an object to serve"):
        cara_pseud.run()
