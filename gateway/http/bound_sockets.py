"""The sockets at which the gateway accepts connections: a port, or a path in the file system.

A path outlives the process that bound it, so an old socket is removed before, and ours afterwards; never one at which
somebody listens.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tornado.netutil

from gateway.config.values import Listen, UnixListen

_BACKLOG: Final = 1_024
"""Connections that may wait to be taken in. Beyond it the kernel drops what comes, and who comes tries again after a
second; with 128, as many servers have it, a burst does that."""
PATIENCE_S: Final = 2.0
"""Longer than another program takes to look at a socket and to bind its own."""
_LOCK_POLL_S: Final = 0.02


class BoundSockets:
    """Bound sockets.

    Attributes:
        sockets: they listen already.
        port: of the sockets; None if they have none.

    Args:
        path: of a unix socket that is to be removed in the end; None if it is not ours.
    """

    def __init__(self, sockets: list[socket.socket], path: Path | None = None) -> None:
        self.sockets = sockets
        self.port: int | None = None if sockets[0].family == socket.AF_UNIX else sockets[0].getsockname()[1]
        self._path = path
        self._file = None if path is None else _file_at(path)

    def close(self) -> None:
        """Close the sockets, which nobody uses, and remove the path."""
        for one in self.sockets:
            one.close()
        self.remove()

    def remove(self) -> None:
        """Remove the path, unless somebody else is there by now. The sockets are closed by whoever uses them."""
        if self._path is not None and self._file is not None and _file_at(self._path) == self._file:
            with contextlib.suppress(OSError):
                self._path.unlink()


def bind(address: Listen | UnixListen, mode: int, patience_s: float = PATIENCE_S) -> BoundSockets:
    """Bind sockets and listen.

    Args:
        mode: the permission bits of a unix socket; who may write to it may connect.
        patience_s: how long to wait for another program that is about to bind a path of the same folder.

    Raises:
        OSError: it cannot be bound: somebody listens there, or what is at the path is no socket.
    """
    if isinstance(address, Listen):
        return BoundSockets(tornado.netutil.bind_sockets(address.port, address.host, backlog=_BACKLOG))
    path = address.path
    with _alone_in(path.parent, patience_s):
        _remove_left_over(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.setblocking(False)
            # Not even for a moment may anybody connect who may not later.
            umask = os.umask(0o777)
            try:
                bound.bind(str(path))
            finally:
                os.umask(umask)
            bound.listen(_BACKLOG)
            path.chmod(mode)
        except BaseException:
            bound.close()
            raise
    return BoundSockets([bound], path)


def _remove_left_over(path: Path) -> None:
    """Remove a socket that a program left behind.

    Raises:
        OSError: there is something else, or somebody listens at it.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except FileNotFoundError:
            return  # it was removed meanwhile
        except BlockingIOError:
            pass  # somebody listens who is busy
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@contextlib.contextmanager
def _alone_in(folder: Path, patience_s: float) -> Iterator[None]:
    """Keep other gateways from looking at a socket in a folder while this one replaces it.

    Two that start at once would both find the old one dead, and the slower one would remove the socket of the quicker.

    Raises:
        OSError: the folder cannot be read.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + patience_s
        while not _locked(descriptor):
            if time.monotonic() > until:
                raise OSError(errno.EAGAIN, f"the folder {folder} is locked by another program")
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file_at(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from one that takes its path later, even if that is given its number again."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
