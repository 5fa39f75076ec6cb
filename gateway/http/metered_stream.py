"""Tornado's stream with what the bounds of connections need: what leaves is counted, and who left is noticed."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from tornado.iostream import IOStream

from gateway.access.credentials import Certificate
from gateway.http.connections import ClientConnection
from gateway.http.hangups import Hangups


class MeteredStream(IOStream):
    """A `gateway.http.connections.Carrier`.

    Attributes:
        client: what the table knows of its connection.
        sent: how many bytes are with the kernel.
        is_watched: whether it closes if the client leaves, although nobody reads.
        scheme: of what is spoken over it.
        certificate: what the client has shown of who it is.
    """

    scheme: ClassVar[str] = "http"

    client: ClientConnection

    def __init__(self, connection: Any, hangups: Hangups, **options: Any) -> None:
        super().__init__(connection, **options)
        self.sent = 0
        self.is_watched = False
        self._hangups = hangups

    def write_to_fd(self, data: memoryview) -> int:
        """See `tornado.iostream.BaseIOStream`, which makes this for its subclasses."""
        count = super().write_to_fd(data)
        self.sent += count
        return count

    def watch(self) -> None:
        """Close if the client leaves while nobody reads, which alone would show it. Idempotent."""
        if not self.is_watched and not self.closed():
            self.is_watched = True
            self._hangups.watch(self.socket.fileno(), self.close)

    def forget(self) -> None:
        """Watch no more, as somebody reads. Idempotent."""
        if self.is_watched:
            self.is_watched = False
            self._hangups.forget(self.socket.fileno())

    @property
    def certificate(self) -> Certificate | None:
        return None

    def end_writing(self) -> None:
        """Let the other side know that nothing more comes.

        Raises:
            OSError: it has left.
        """
        self.socket.shutdown(socket.SHUT_WR)

    def close_fd(self) -> None:
        """See `tornado.iostream.BaseIOStream`."""
        self.forget()
        super().close_fd()
