"""How the bytes of a WebSocket come and go once its handshake is through. Knows no frames.

There are two ways. `LoopTransports` takes the connection away from Tornado and gives it to the event loop itself, which
calls for what came and keeps what could not be written: no future, no task and no buffer per connection, and much less
work per chunk than Tornado's stream. `StreamTransports` goes on with Tornado's stream; it is slower and relies on
nothing but what Tornado documents.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

import tornado
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from gateway.http.tcp import untaken_bytes

_LOG: Final = logging.getLogger(__name__)

_READ_BYTES: Final = 65536
_PIECE_BYTES: Final = 16384
_KNOWN_TORNADO: Final = ((6, 4), (6, 7))
"""Versions, from and below, whose stream behaves as `LoopTransports` needs it: a read for what is there is done at
once, and closing it closes its own descriptor and says nothing to the other side."""


class TransportOwner(Protocol):
    """Whose bytes a transport carries."""

    def transport_made(self, transport: ByteTransport) -> None:
        """Take the transport, before anything else is told."""

    def data_received(self, data: bytes) -> None:
        """Take bytes that came."""

    def writable(self) -> None:
        """Learn that everything is written, after `ByteTransport.write` said that it was not."""

    def transport_lost(self) -> None:
        """Learn that the connection is no more, whoever ended it. Told once."""


class ByteTransport(Protocol):
    """One open connection."""

    def write(self, data: bytes) -> bool:
        """Write; False if the kernel did not take everything: the owner is to wait for `TransportOwner.writable`."""

    @property
    def untaken_bytes(self) -> int:
        """How much of what was written the other side's machine has not taken."""

    def hold(self, holds: bool) -> None:
        """Read nothing more, or go on reading; idempotent."""

    def close(self) -> None:
        """End the connection at once; idempotent."""


class ByteTransports(Protocol):
    """A way to get transports."""

    async def take(self, stream: IOStream, owner: TransportOwner, early: bytes = b"") -> None:
        """Make a transport of a connection that HTTP has given up, and give it to its owner.

        Args:
            early: what was read of it already.

        Raises:
            OSError: the connection is gone.
        """


def best_transports(version: tuple[int, ...] = tornado.version_info) -> ByteTransports:
    """The faster way if this version of Tornado is known to permit it."""
    since, below = _KNOWN_TORNADO
    return LoopTransports() if since <= version[:2] < below else StreamTransports()


class StreamTransports:
    """ByteTransports that are Tornado's streams."""

    async def take(self, stream: IOStream, owner: TransportOwner, early: bytes = b"") -> None:
        """See `ByteTransports`."""
        _StreamTransport(stream, owner, early)


class _StreamTransport:
    def __init__(self, stream: IOStream, owner: TransportOwner, early: bytes) -> None:
        self._stream = stream
        self._owner = owner
        self._unwritten: deque[int] = deque()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._early = early
        owner.transport_made(self)
        self._reader = asyncio.ensure_future(self._read())

    def write(self, data: bytes) -> bool:
        # Tornado says only when all of a write has left, so that a long one would look like no progress for long.
        view = memoryview(data)
        for at in range(0, len(data), _PIECE_BYTES):
            piece = view[at : at + _PIECE_BYTES]
            try:
                written = self._stream.write(piece)
            except StreamClosedError:
                return False  # the reader says that the connection is lost
            if not written.done():
                self._unwritten.append(len(piece))
                written.add_done_callback(self._written)
        return not self._unwritten

    @property
    def untaken_bytes(self) -> int:
        return sum(self._unwritten) + untaken_bytes(self._stream.socket)

    def hold(self, holds: bool) -> None:
        if holds:
            self._may_read.clear()
        else:
            self._may_read.set()

    def close(self) -> None:
        self._may_read.set()  # so that the reader ends, too
        self._stream.close()

    def _written(self, written: asyncio.Future[Any]) -> None:
        if not written.cancelled() and written.exception() is None:
            self._unwritten.popleft()
            if not self._unwritten:
                self._owner.writable()

    async def _read(self) -> None:
        try:
            if self._early:
                self._owner.data_received(self._early)
            while True:
                self._owner.data_received(await self._stream.read_bytes(_READ_BYTES, partial=True))
                await self._may_read.wait()
        except StreamClosedError:
            pass
        except Exception:
            _LOG.exception("a WebSocket failed")
        finally:
            self._stream.close()
            self._owner.transport_lost()


class LoopTransports:
    """The event loop's own transports. All share one buffer for reading, as its content is taken at once."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_READ_BYTES))

    async def take(self, stream: IOStream, owner: TransportOwner, early: bytes = b"") -> None:
        """See `ByteTransports`."""
        if isinstance(stream, SSLIOStream):  # what TLS has decrypted already could not be taken along
            _StreamTransport(stream, owner, early)
            return
        early += _read_already(stream)
        # A second descriptor of the same connection: Tornado's is closed without a word to the other side.
        socket = stream.socket.dup()
        stream.close()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _LoopTransport(owner, self._buffer, early), socket
            )
        except BaseException:
            socket.close()
            raise


def _read_already(stream: IOStream) -> bytes:
    """What a client sent before its handshake was answered: a few bytes, if it is rude, or none."""
    parts = []
    try:
        while (reading := asyncio.ensure_future(stream.read_bytes(_READ_BYTES, partial=True))).done():
            parts.append(reading.result())
    except StreamClosedError:
        raise ConnectionResetError("the client left during the handshake") from None
    # The read that is under way has taken nothing yet, and ends with the stream.
    return b"".join(parts)


class _LoopTransport(asyncio.BufferedProtocol):
    _transport: asyncio.Transport

    def __init__(self, owner: TransportOwner, buffer: memoryview, early: bytes) -> None:
        self._owner = owner
        self._buffer = buffer
        self._early = early
        self._is_full = False

    def write(self, data: bytes) -> bool:
        self._transport.write(data)
        return not self._is_full

    @property
    def untaken_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + untaken_bytes(self._transport.get_extra_info("socket"))

    def hold(self, holds: bool) -> None:
        if holds:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # "Full" begins with the first byte that the kernel does not take: what waits longer is the owner's to count.
        transport.set_write_buffer_limits(0)
        self._owner.transport_made(self)
        if self._early:
            self._take(self._early)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(self._buffer[:nbytes]))

    def _take(self, data: bytes) -> None:
        try:
            self._owner.data_received(data)
        except Exception:
            _LOG.exception("a WebSocket failed")
            self._transport.abort()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._owner.writable()

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.transport_lost()
