"""The socket to a native service: its bytes become messages for a `Vat`, whose messages leave together."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final, cast

from cara_pseud.cork import Cork
from gateway.bridge.framing import Framing
from gateway.bridge.native_methods import NativeMethods
from gateway.bridge.objects import Broken
from gateway.bridge.pointers import Malformed
from gateway.bridge.vat import Vat

_LOG: Final = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 2**26
"""Of one message: Cap'n Proto's own bound is 64 MiB, too."""
MAX_WAITING_BYTES: Final = 2**26
"""That a service has not read; with more, nothing more is called."""
_KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A host that is gone is noticed after half a minute; it says nothing by itself."""


class NativeConnection(asyncio.Protocol):
    """One connection to a service, from its beginning to its end.

    Attributes:
        vat: our end of it.
        lost: done when it is over, with the reason for the log.
    """

    def __init__(self, methods: NativeMethods, cork: Cork, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cork = cork
        self._framing = Framing(MAX_MESSAGE_BYTES)
        self._outgoing: list[bytes | bytearray] = []
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self.vat = Vat(methods, loop, self._send)
        self.lost: asyncio.Future[str] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(MAX_WAITING_BYTES, MAX_WAITING_BYTES // 2)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEP_ALIVE.items():
                if hasattr(socket, name):
                    raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        with self._cork:
            try:
                for segments in self._framing.take(data):
                    self.vat.receive(segments)
            except (Malformed, Broken) as error:
                self._end(str(error))

    def pause_writing(self) -> None:
        self.vat.is_full = True

    def resume_writing(self) -> None:
        self.vat.is_full = False

    def eof_received(self) -> None:
        self._reason = self._reason or "the service closed the connection"

    def connection_lost(self, exc: Exception | None) -> None:
        self._outgoing.clear()
        self.vat.close()
        if not self.lost.done():
            said = exc.strerror.lower() if isinstance(exc, OSError) and exc.strerror else exc and str(exc)
            reason = self._reason or said or "the connection was closed"
            self.lost.set_result(reason)

    def close(self) -> None:
        """End the connection."""
        self._end("the bridge ended the connection")

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.vat.close()
        if self._transport is not None:
            self._transport.abort()

    def _send(self, message: bytes | bytearray) -> None:
        outgoing = self._outgoing
        outgoing.append(message)
        if len(outgoing) == 1:
            self._cork.at_end(self._loop, self._flush)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(outgoing))


async def connect(
    endpoint: str, make: Callable[[], NativeConnection], loop: asyncio.AbstractEventLoop
) -> NativeConnection:
    """Connect to a service.

    Args:
        endpoint: ``unix:/path`` or ``tcp://host:port``.

    Raises:
        OSError: it is not there.
    """
    if endpoint.startswith("unix:"):
        transport, connection = await loop.create_unix_connection(make, endpoint.removeprefix("unix:"))
        try:
            transport.get_extra_info("socket").getpeername()
        except OSError:
            # A connection that finds no room at the service passes for made.
            transport.abort()
            raise BlockingIOError(errno.EAGAIN, "as many connections wait there as may") from None
    else:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        _, connection = await loop.create_connection(make, host.strip("[]"), int(port))
    return connection
