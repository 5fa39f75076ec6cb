"""What a supervisor such as systemd passes to a service, and what it wants to hear: sd_listen_fds(3), sd_notify(3).

Knows the two protocols alone; without a supervisor nothing is passed and nothing is said.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.config.values import Listen, UnixListen

_FIRST_DESCRIPTOR: Final = 3
_MOST_SOCKETS: Final = 64
"""More than anybody listens at; a number that is not so large is no mistake."""


class PassedSocketError(ValueError):
    """A socket was passed at which a gateway cannot listen; the text says which and why."""


def passed_sockets(environment: Mapping[str, str], pid: int) -> list[socket.socket]:
    """Take the sockets that the supervisor has bound for this process; none if it has bound none.

    Raises:
        PassedSocketError: one of them is none at which connections of TCP or of a unix socket can be accepted.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return []  # they are for a parent of ours, or nothing was passed
    text = environment.get("LISTEN_FDS", "")
    if not text.isascii() or not text.isdigit() or int(text) > _MOST_SOCKETS:
        raise PassedSocketError(f"LISTEN_FDS: expected a number up to {_MOST_SOCKETS}, not {text!r}")
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return [
        _taken(_FIRST_DESCRIPTOR + place, names[place] if place < len(names) and names[place] else "unknown")
        for place in range(int(text))
    ]


def _taken(descriptor: int, name: str) -> socket.socket:
    place = f"the passed socket {descriptor} ({name})"
    try:
        os.set_inheritable(descriptor, False)
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise PassedSocketError(f"{place}: is no open socket: {(error.strerror or 'unknown error').lower()}") from None
    is_stream = passed.type == socket.SOCK_STREAM
    if passed.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) or not is_stream:
        raise PassedSocketError(f"{place}: expected one of TCP or a unix stream, as ListenStream= makes them")
    if not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise PassedSocketError(f"{place}: does not listen; the unit needs Accept=no")
    return passed


def listen_of(passed: Sequence[socket.socket]) -> Listen | UnixListen:
    """Where clients find the first of them, as a configuration says it."""
    address = passed[0].getsockname()
    if isinstance(address, tuple):
        return Listen(str(address[0]), int(address[1]))
    return UnixListen(Path(os.fsdecode(address)))


class Supervisor:
    """Who watches over this process.

    Args:
        address: of its socket; a name that begins with ``@`` is an abstract one. None = there is nobody.
        watchdog_s: how long it waits for a sign of life before it takes the process for stuck; None = for ever.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = address
        self._socket: socket.socket | None = None
        if address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Supervisor:
        """The one that the environment names."""
        address = environment.get("NOTIFY_SOCKET") or None
        wait = environment.get("WATCHDOG_USEC", "")
        is_meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog_s = int(wait) / 1e6 if is_meant and wait.isascii() and wait.isdigit() and int(wait) > 0 else None
        return cls(address, watchdog_s)

    def ready(self, status: str) -> None:
        """Say that the gateway serves, for the first time or after `reloading`."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` follows, whatever comes of it."""
        # The time by which systemd knows that this is about the signal that it has sent.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self, status: str, within_s: float) -> None:
        """Say that the gateway ends, and how long that may take."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def alive(self) -> None:
        """Say that the loop goes round."""
        self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # Whoever does not hear it will do what it does with services that say nothing.
        with suppress(OSError):
            self._socket.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
