"""Our peers with those of version 0.1.0 of this project, which spoke version 1 of the extensions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STOCK = Path(__file__).parent / "stock"
SCRIPT = STOCK / "either_version.py"
FIRST = str(STOCK / "cara_pseud-0.1.0-py3-none-any.whl")
OURS = "-"
PATIENCE_S = 20
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}


class Peer:
    def __init__(self, version: str, role: str, security: str, endpoint: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), version, role, security, endpoint], text=True, env=ENVIRONMENT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def exchanges(self) -> Any:
        """What came of one round of all kinds of exchange."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.line() or "null")

    def end(self) -> tuple[Any, str]:
        """What it dropped, and what it logged."""
        said, logged = self.process.communicate(timeout=PATIENCE_S)
        dropped = json.loads(said)
        # Of calls that were given up, and in the first version of notices, too.
        dropped.pop("answer to no call", None)
        return dropped, logged


@contextmanager
def peer(version: str, role: str, security: str, endpoint: str) -> Iterator[Peer]:
    it = Peer(version, role, security, endpoint)
    with it.process:
        try:
            yield it
        finally:
            it.process.kill()


@pytest.mark.parametrize("security", ["noop_auth_backend", "plain"])
@pytest.mark.parametrize(("of_server", "of_client"), [(FIRST, OURS), (OURS, FIRST)], ids=["their server", "ours"])
def test_two_versions_understand_each_other(of_server: str, of_client: str, security: str) -> None:
    user, principal = ("ann", "somebody") if security == "plain" else ("", None)
    informed = [user, "request", principal, "trace", "key", True]
    bare = [user, None, None, None, None, False]
    with peer(of_server, "server", security, "tcp://127.0.0.1:*") as first:
        endpoint = first.line()
        with peer(of_client, "client", security, endpoint) as client:
            said = client.exchanges()
            # The first version does not greet before its first calls.
            assert said["first"] == [informed if of_client == OURS else bare] * 50
            check(said, informed)
            assert said["an object of before"] is None
            assert first.end() == ({}, "")
            with peer(of_server, "server", security, endpoint) as second:
                assert second.line() == endpoint
                said = client.exchanges()
                check(said, informed)
                name, _, code, _ = said["an object of before"]
                assert (name, code) == ("RpcError", "not_found")
                assert client.end() == ({}, "")
                assert second.end() == ({}, "")


def check(said: Any, informed: list[Any]) -> None:
    assert said["add"] == 7
    assert said["who"] == informed
    assert said["sum"] == sum(range(1, 301))
    assert said["large"] == 1_000_000
    assert said["errors"][0] == ["RpcError", "no such person", "not_found", {"name": "Ann"}]
    assert said["errors"][1][2] == "unimplemented"
    assert said["object"] == [1, 0, [41]]
    assert said["called back"] == [7, 3, ["how are you"]]
    assert said["told"] == [[7, 3, ["news"]]] * 20
    assert (said["released"], said["cancelled"], said["given up"]) == (1, 1, 2)
    assert said["late"][0] == "DeadlineExceeded"
    assert said["exports"] == 0
