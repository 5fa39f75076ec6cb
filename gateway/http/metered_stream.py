"""Tornado's stream with what the bounds of connections need: bytes are counted, and an end behind them is noticed."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.iostream import IOStream

from gateway.http.connections import ClientConnection, Connections
from gateway.http.hangups import Hangups


class MeteredStream(IOStream):
    """A `gateway.http.connections.Carrier`.

    Attributes:
        client: what the table knows of its connection.
        received, sent: how many bytes have come and gone.
    """

    client: ClientConnection

    def __init__(self, socket: Any, table: Connections, hangups: Hangups, **options: Any) -> None:
        super().__init__(socket, **options)
        self.received = self.sent = 0
        self._table = table
        self._hangups = hangups
        # Tornado's own clock is the system's, which may be set.
        self._loop = asyncio.get_running_loop()
        self._handed = 0
        self._watched: int | None = None

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent."""
        return self._handed - self.sent

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """See `tornado.iostream.BaseIOStream`, which makes this for its subclasses."""
        count = super().read_from_fd(buf)
        if count:
            self.received += count
        return count

    def write_to_fd(self, data: memoryview) -> int:
        """See `tornado.iostream.BaseIOStream`."""
        count = super().write_to_fd(data)
        self.sent += count
        return count

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """See `tornado.iostream.BaseIOStream`."""
        future = super().write(data)
        self._handed += len(data)
        if self.writing() and not self.closed():
            self._table.waits(self.client, self._loop.time())
        return future

    def watch(self, watches: bool) -> None:
        """Close if the client leaves while nobody reads, which alone would show it; or watch no more. Idempotent."""
        if watches and self._watched is None and not self.closed():
            self._watched = self.socket.fileno()
            self._hangups.watch(self._watched, self.close)
        elif not watches and self._watched is not None:
            self._hangups.forget(self._watched)
            self._watched = None

    def close_fd(self) -> None:
        """See `tornado.iostream.BaseIOStream`."""
        self.watch(False)
        super().close_fd()
