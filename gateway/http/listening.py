"""A listening socket: takes connections in, a few at a time, and goes on when the process can open no more files."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Final

_LOG: Final = logging.getLogger(__name__)

_AT_ONCE: Final = 16
"""So many connections are taken in one turn of the loop: those that were taken shall be read before the next ones
come, so that nobody is pushed out whose request is there already."""
_MOST_WAITING: Final = 1_024
"""More than the kernel lets wait."""
_PAUSE_S: Final = 0.1
"""How long nobody is taken in when there is no descriptor for anybody; the socket would wake the loop all the time."""

Accepted = Callable[[socket.socket, Any], None]


class Listening:
    """Accepts on one socket, and owns the socket.

    Args:
        accepted: takes a connection and the address of the other side.
        make_room: closes some connection, so that there is a descriptor; False if none may be closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        accepted: Accepted,
        make_room: Callable[[], bool],
    ) -> None:
        self._socket = listening
        self._accepted = accepted
        self._make_room = make_room
        self._loop = loop
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Take in who waits already, and then no more; idempotent."""
        if self._is_closed:
            return
        if self._pause is None:
            # The kernel has told them that they are connected, and would break that off.
            self._accept(_MOST_WAITING)
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._close_spare()

    def _accept(self, at_once: int = _AT_ONCE) -> None:
        for _ in range(at_once):
            if self._is_closed:
                return
            try:
                connection, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it was gone before its turn
            except OSError as error:
                self._out_of_descriptors(error)
                return
            self._take(connection, address)

    def _take(self, connection: socket.socket, address: Any) -> None:
        try:
            self._accepted(connection, address)
        except Exception:
            # One connection that fails is no reason to hear nobody any more.
            _LOG.exception("a connection could not be taken in")
            connection.close()

    def _out_of_descriptors(self, error: OSError) -> None:
        if not self._is_waited_for():
            return  # the kernel looks for a descriptor first, and for a connection then
        if self._make_room():
            return  # the socket is still readable, so the next turn takes it
        _LOG.warning("no connection can be taken in: %s", error)
        # With the descriptor that was kept for this, one at least is told by its end that there is no room.
        self._close_spare()
        try:
            self._socket.accept()[0].close()
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            pass
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(_PAUSE_S, self._go_on)

    def _is_waited_for(self) -> bool:
        """Whether a connection waits to be taken in."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _go_on(self) -> None:
        self._pause = None
        if self._spare is None:
            try:
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                self._pause = self._loop.call_later(_PAUSE_S, self._go_on)
                return
        self._loop.add_reader(self._socket, self._accept)

    def _close_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
