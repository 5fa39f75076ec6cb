"""Unix sockets: who may connect, and which files are removed."""

from __future__ import annotations

import fcntl
import gc
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from gateway.config.values import Listen, UnixListen
from gateway.http.bound_sockets import BoundSockets, bind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.sock"


def listening(path: Path, mode: int = 0o660) -> BoundSockets:
    return bind(UnixListen(path), mode)


def close(*bound: BoundSockets) -> None:
    for one in bound:
        for opened in one.sockets:
            opened.close()


def is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def test_a_port_is_known_when_it_is_bound() -> None:
    bound = bind(Listen("127.0.0.1", 0), 0o660)
    assert bound.port == bound.sockets[0].getsockname()[1] > 0
    bound.remove()
    close(bound)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_has_the_permission_bits_that_were_asked_for(path: Path, mode: int) -> None:
    bound = listening(path, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert bound.port is None
    assert is_answered(path)
    bound.remove()
    close(bound)
    assert not path.exists()


def test_the_socket_of_a_program_that_died_is_replaced(path: Path) -> None:
    dead = listening(path)
    close(dead)
    assert not is_answered(path)
    bound = listening(path)
    assert is_answered(path)
    # The dead one's end comes late, and finds that the path is not its own any more.
    dead.remove()
    assert is_answered(path)
    close(bound)


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_socket_that_is_alive_is_left_alone(path: Path, is_busy: bool) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen(0)
        waiting = []
        if is_busy:
            # Its backlog is full, so that it cannot answer either.
            for _ in range(3):
                asking = socket.socket(socket.AF_UNIX)
                asking.setblocking(False)
                waiting.append(asking)
                asking.connect_ex(str(path))
        before = path.stat().st_ino
        with pytest.raises(OSError, match="Address already in use"):
            listening(path)
        assert path.stat().st_ino == before
        for asking in waiting:
            asking.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "precious").write_text("precious")
        path.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="a file that is no socket"):
        listening(path)
    assert path.exists()


def test_a_folder_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        listening(tmp_path / "nothing" / "gateway.sock")


def test_a_folder_is_looked_at_by_one_program_at_a_time(path: Path) -> None:
    other = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="is locked by another program"):
        bind(UnixListen(path), 0o660, patience_s=0.05)
    assert not path.exists()
    os.close(other)
    bound = listening(path)
    assert not bound.sockets[0].getblocking()
    close(bound)


def test_a_path_that_cannot_be_bound_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="path too long"):
        listening(tmp_path / ("x" * 120))
    gc.collect()  # a socket that is left open would be an error here


def test_of_many_that_start_at_once_beside_a_dead_one_one_listens(path: Path) -> None:
    close(listening(path))
    started: list[BoundSockets] = []
    failed: list[OSError] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        try:
            started.append(listening(path))
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(started), len(failed)) == (1, 7)
    assert is_answered(path)
    started[0].remove()
    close(*started)
