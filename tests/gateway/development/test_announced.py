"""What a service tells of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.development.announced import Announcement, named, read_announcement

TOLD = {
    "endpoint": "tcp://127.0.0.1:5555", "peer": "server", "security": "trusted_peer", "interfaces": ["Calculator"],
    "files": ["/poll/service.py", "/poll/votes.py"],
}  # fmt: skip
FILES = (Path("/poll/service.py"), Path("/poll/votes.py"))


def test_what_a_service_tells_is_read() -> None:
    read = read_announcement(json.dumps(TOLD).encode())
    assert read == Announcement("tcp://127.0.0.1:5555", "server", "trusted_peer", ("Calculator",), FILES)
    assert read.gateway_security == "plain"


@pytest.mark.parametrize(
    ("security", "gateway_s"),
    [("noop_auth_backend", "noop"), ("trusted_peer", "plain"), ("plain", None), ("curve", None)],
)
def test_who_lets_in_everybody_needs_no_secrets(security: str, gateway_s: str | None) -> None:
    assert Announcement("ipc://x", "server", security, ()).gateway_security == gateway_s


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "[::]"])
def test_a_server_that_listens_everywhere_is_at_this_machine(host: str) -> None:
    read = read_announcement(json.dumps({**TOLD, "endpoint": f"tcp://{host}:1"}).encode())
    assert read is not None
    assert read.endpoint == "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    "told",
    [
        b"", b"{", b"[]", b"1", b'"a"', json.dumps({**TOLD, "interfaces": "Calculator"}).encode(),
        json.dumps({**TOLD, "interfaces": [1]}).encode(), json.dumps({**TOLD, "interfaces": ["a b"]}).encode(),
        json.dumps({**TOLD, "endpoint": None}).encode(), json.dumps({**TOLD, "interfaces": ["A"] * 101}).encode(),
        json.dumps({**TOLD, "files": "a.py"}).encode(), json.dumps({**TOLD, "files": [1]}).encode(),
    ],
)  # fmt: skip
def test_what_is_none_is_nothing(told: Any) -> None:
    assert read_announcement(told) is None


def test_each_interface_has_a_name_of_its_own() -> None:
    names = ["Calculator", "AddressBook", "Outer.Calculator", "Session", "_2D", "X" * 80]
    assert named(names) == {
        "Calculator": "calculator", "AddressBook": "addressbook", "Outer.Calculator": "calculator2",
        "Session": "service_session", "_2D": "service_2d", "X" * 80: "x" * 50,
    }  # fmt: skip
