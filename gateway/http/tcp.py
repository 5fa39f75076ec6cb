"""What the kernel knows of a connection and its other side, where it can be asked (Linux)."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
from typing import Any


def untaken_bytes(connection: Any) -> int:
    """How much of what a socket was given the other machine has not confirmed; 0 where the system does not say.

    The kernel takes megabytes at once and asks for more only when a third of them is gone, which takes a slow line
    longer than a slow client is given.
    """
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError, AttributeError):  # closed meanwhile, or not asked this way
        return 0


def give_up_after(connection: Any, seconds: float) -> None:
    """Have a connection end whose other side confirms nothing of what it was sent for so long (RFC 5482).

    Without it the kernel tries for a quarter of an hour. Does nothing where the system cannot do it.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
        except (OSError, AttributeError):  # closed meanwhile, or no TCP
            return
