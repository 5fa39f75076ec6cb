"""Programs of every kind: each calls, holds an object, passes a callback, and is interrupted by Ctrl-C without harm.

Over pseud and through a gateway, each in a process of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import HERE, WAIT_S, Start

PROGRAMS = sorted((HERE / "idioms").glob("*.py"), key=lambda path: path.name)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The service's endpoint, the gateway's address, the schema."""
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("idioms"), stack)
        _, endpoint = start.counting()
        _, web = start.gateway(f"""
        [services.counting]
        schema = "{HERE}/counting.capnp"
        interface = "Counting"
        endpoint = "{endpoint}"
        peer = "counting"
        """)
        yield [endpoint, web.url, str(HERE / "counting.capnp")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_calls_and_is_interrupted_without_harm(program: Path, arguments: list[str], start: Start) -> None:
    process = start.process("-W", "error::ResourceWarning", str(program), *arguments)
    for _ in range(2):
        while (line := process.line()) != "waiting":
            assert "Traceback" not in line
        process.popen.send_signal(signal.SIGINT)
        while process.line() != "interrupted":
            pass
    while process.line() != "done":
        pass
    assert process.popen.wait(WAIT_S) == 0
    assert process.log.read_text() == ""
