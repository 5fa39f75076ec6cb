"""What a process tells of what it serves, to whoever started it and asked."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cara_pseud.announcing import VARIABLE, announce

SERVER = SimpleNamespace(
    endpoint="tcp://127.0.0.1:5555", user_id=b"poll", security_plugin="trusted_peer",
    served={"vote": "Poll", "end": "Poll"},
)  # fmt: skip
SCRIPT = """
import importlib, pathlib, sys
from types import SimpleNamespace
import votes
importlib.import_module("pl" + "ugin")
sys.path.append(str(pathlib.Path(__file__).parent / "env" / "site-packages"))
import others
from cara_pseud.announcing import announce
announce(SimpleNamespace(endpoint="ipc://x", user_id="poll", security_plugin="noop_auth_backend", served={}))
"""


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    place = str(tmp_path / "asking")
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    asked.bind(place)
    asked.settimeout(20)
    monkeypatch.setenv(VARIABLE, place)
    return asked


def test_what_is_served_and_where_is_told(asking: socket.socket) -> None:
    with asking:
        announce(SERVER)
        told = json.loads(asking.recv(65536))
    assert {name: value for name, value in told.items() if name != "files"} == {
        "endpoint": "tcp://127.0.0.1:5555", "peer": "poll", "security": "trusted_peer", "interfaces": ["Poll"],
    }  # fmt: skip


def test_the_files_of_a_program_are_those_beside_it_that_it_has_loaded(asking: socket.socket, tmp_path: Path) -> None:
    for name in ("votes.py", "plugin.py", "client.py", "env/site-packages/others.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    script = tmp_path / "service.py"
    script.write_text(SCRIPT)
    root = str(Path(__file__).parents[2])
    with asking:
        environment = {VARIABLE: str(tmp_path / "asking"), "PYTHONPATH": root}
        subprocess.run([sys.executable, str(script)], check=True, timeout=60, env=environment)
        told = json.loads(asking.recv(65536))
    assert told["files"] == [str(tmp_path / name) for name in ("plugin.py", "service.py", "votes.py")]


def test_who_has_gone_is_told_nothing_and_who_did_not_ask_neither(
    asking: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking.close()
    announce(SERVER)
    monkeypatch.delenv(VARIABLE)
    announce(SERVER)
