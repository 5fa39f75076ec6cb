"""Types that lead from one to the next farther than a stack goes, and types that all lead to each other."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Start

LENGTH, NODES, EDGES = 5_000, 2_000, 8
MOST_BYTES = 500 * 2**20
CONFIG = """
[services.root]
schema = "root.capnp"
interface = "Root"
endpoint = "tcp://127.0.0.1:1"
"""

MEASURED = """
import os, pathlib, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
pathlib.Path("kilobytes").write_text(str(usage.ru_maxrss))
os._exit(os.waitstatus_to_exitcode(status))
"""
"""Between us and the command: a process counts as its own what the one had that it was forked from, and ours is
large."""


def chain() -> str:
    structs = [f"struct S{index} {{ a @0 :Int32; next @1 :S{index + 1}; }}" for index in range(LENGTH)]
    return "\n".join([*structs, f"struct S{LENGTH} {{ a @0 :Int32; }}"])


def graph() -> str:
    numbers = random.Random(1)

    def fields() -> str:
        return " ".join(f"r{edge} @{edge + 1} :S{numbers.randrange(NODES)};" for edge in range(EDGES))

    return "\n".join(f"struct S{index} {{ a @0 :Int32; {fields()} }}" for index in range(NODES))


@pytest.fixture(params=[chain, graph], ids=["a chain", "a graph"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    interface = "interface Root { get @0 (s :S0) -> (s :S0); }"
    (tmp_path / "root.capnp").write_text(f"@0xe1f0a9c4d2b38571;\n{request.param()}\n{interface}\n")
    (tmp_path / "gateway.toml").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("command", ["check", "openapi", "types"])
def test_commands_know_such_schemas(folder: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "gateway", command, "--config", "gateway.toml"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int((folder / "kilobytes").read_text()) * 1024 < MOST_BYTES
    text = done.stdout
    structs = LENGTH + 1 if "S5000" in (folder / "root.capnp").read_text() else NODES
    if command == "openapi":
        names = json.loads(text)["components"]["schemas"]
        assert sum(name.startswith("RootS") for name in names) >= structs - 1
    elif command == "types":
        assert text.count("export type S") >= structs - 1


def test_a_gateway_serves_such_schemas(folder: Path, start: Start) -> None:
    config = CONFIG.replace("root.capnp", str(folder / "root.capnp"))
    _, web = start.gateway(config)
    field = "next" if "next" in (folder / "root.capnp").read_text() else "r0"
    answer = web.post("/api/root/get", {"s": {field: {field: {"a": "x"}}}})
    assert (answer.status, answer.json["path"]) == (400, f"$.s.{field}.{field}.a")
    assert web.post("/api/root/get", {"s": {field: {"a": 1}}}).code == "unavailable"
    assert web.get("/api/root").status == 200
