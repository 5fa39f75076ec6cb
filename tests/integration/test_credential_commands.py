"""``cara-gateway key``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.key_file import digest_of, read_keys

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=False,
    )


def test_a_key_is_printed_once_and_its_hash_is_appended(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    first = run("key", "alice", "--role", "admin", "--role", "staff", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    key = first.stdout.strip()
    assert first.stdout == f"{key}\n"
    assert first.stderr == "The key of alice (roles: admin, staff), shown this once; keys.txt has its hash:\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert key not in text
    ((entry,), ()) = read_keys(text)
    assert (entry.name, entry.roles, entry.digest) == ("alice", {"admin", "staff"}, digest_of(key))
    second = run("key", "bob", "--file", str(file), folder=tmp_path)
    assert second.returncode == 0, second.stderr
    assert file.read_text().startswith(text)
    assert [entry.name for entry in read_keys(file.read_text())[0]] == ["alice", "bob"]


def test_a_file_keeps_its_permissions_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("# ours")
    file.chmod(0o640)
    assert run("key", "alice", folder=tmp_path).returncode == 0
    assert run("key", "alice", "--replace", "--role", "a", folder=tmp_path).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    comment, line = file.read_text().splitlines()
    assert comment == "# ours"
    assert line.startswith("alice:a:sha256$")


def test_who_has_a_key_gets_another_only_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    old = run("key", "alice", folder=tmp_path).stdout.strip()
    text = file.read_text()
    refused = run("key", "alice", folder=tmp_path)
    assert refused.returncode == 2
    assert "alice has a key in keys.txt already; --replace makes a new one" in refused.stderr
    assert (refused.stdout, file.read_text()) == ("", text)
    new = run("key", "alice", "--replace", folder=tmp_path).stdout.strip()
    assert new != old
    assert [entry.digest for entry in read_keys(file.read_text())[0]] == [digest_of(new)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a:b"], "'a:b': a name must be printable, without colon and comma"),
        ([""], "a name must be printable"),
        (["alice", "--role", "a,b"], "'a,b': a role must be printable, without colon and comma"),
        (["alice", "--file", "nowhere/keys.txt"], "nowhere/keys.txt: no such file or directory"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    refused = run("key", *arguments, folder=tmp_path)
    assert refused.returncode in (1, 2)
    assert said in refused.stderr.replace("\n", " ")
    assert refused.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_none_of_keys_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("root:x:0:0\n")
    refused = run("key", "alice", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("keys.txt:1: expected name:role,role:sha256$HASH")
    assert file.read_text() == "root:x:0:0\n"
