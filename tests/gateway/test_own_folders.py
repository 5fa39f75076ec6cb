"""Folders that a process makes for itself, and what becomes of them when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.own_folders import OwnFolder

OWNER = """
import sys, time
from pathlib import Path
from gateway.own_folders import OwnFolder
folder = OwnFolder("own-", Path(sys.argv[1]))
(folder.path / "socket").touch()
print(folder.path, flush=True)
time.sleep(60)
"""
ROOT = Path(__file__).parents[2]


def test_nobody_else_may_enter_it_and_it_can_be_removed(tmp_path: Path) -> None:
    folder = OwnFolder("own-", tmp_path)
    assert folder.path.parent == tmp_path
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "socket").touch()
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_lives_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        assert owner.stdout is not None
        theirs = Path(owner.stdout.readline().strip())
        OwnFolder("own-", tmp_path).remove()
        assert (theirs / "socket").exists()
        owner.send_signal(signal.SIGKILL)
    assert theirs.exists()
    OwnFolder("other-", tmp_path).remove()
    assert theirs.exists()
    OwnFolder("own-", tmp_path).remove()
    assert not theirs.exists()


@pytest.mark.parametrize("kind", ["without a lock", "a link", "a file"])
def test_what_only_has_such_a_name_stays(tmp_path: Path, kind: str) -> None:
    elsewhere, named = tmp_path / "elsewhere", tmp_path / "place" / "own-x"
    elsewhere.mkdir()
    named.parent.mkdir()
    (elsewhere / "lock").touch()
    if kind == "without a lock":
        named.mkdir()
    elif kind == "a link":
        named.symlink_to(elsewhere)
    else:
        named.touch()
    OwnFolder("own-", named.parent).remove()
    assert os.path.lexists(named)
    assert (elsewhere / "lock").exists()
