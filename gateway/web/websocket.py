"""The WebSocket at ``/ws``: the handshake, bytes in and out, pings, a bound on what a slow reader may keep waiting.

What the messages mean is `gateway.conversation`'s business, how frames look that of `gateway.web.frames`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import Any, Final

from tornado.iostream import IOStream, StreamClosedError

from gateway.conversation import Conversation
from gateway.errors import GatewayError, Status
from gateway.limits import Limits
from gateway.web import frames
from gateway.web.base import BaseHandler, Site

_LOG: Final = logging.getLogger(__name__)

SLOW_READER: Final = 4003
_READ_BYTES: Final = 65536
_WRITE_BYTES: Final = 262_144
_CLOSE_S: Final = 3.0
"""How long the other side has to answer a close frame."""
_SLOW_CLOSE_S: Final = 30.0
"""The same for a client that reads too slowly: the close frame stands behind what the kernel and Tornado hold already.

Nothing is added to that, so it costs no more memory to wait until the client has read so far.
"""
_LOST_S: Final = 0.2
"""How long bytes of a client that broke the rules are read and thrown away, so that it can read our close frame."""
_PING_S: Final = 30.0
"""After so much silence a ping is sent; after as much again the connection is dead. Proxies cut silence at 60 s."""


class SocketHandler(BaseHandler):
    """``/ws``"""

    async def get(self) -> None:
        key = self._key()
        # Nothing may fail between here and `run`: the connection is ours then and not Tornado's.
        self.set_status(101)
        self._log()
        stream = self.detach()
        channel = SocketChannel(stream, self.site, self.principal)
        self.site.sockets.add(channel)
        try:
            await channel.run(key)
        finally:
            self.site.sockets.discard(channel)

    def _key(self) -> str:
        headers = self.request.headers
        upgrade = headers.get("Upgrade", "").lower()
        connection = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
        key = headers.get("Sec-WebSocket-Key", "")
        if upgrade != "websocket" or "upgrade" not in connection or not key:
            raise GatewayError(Status.FAILED_PRECONDITION, "this path is a WebSocket; a request must upgrade to it")
        if headers.get("Sec-WebSocket-Version") != "13":
            raise GatewayError(Status.FAILED_PRECONDITION, "the version of the WebSocket protocol must be 13")
        return key

    def error_headers(self, error: GatewayError) -> None:
        if error.status is Status.FAILED_PRECONDITION:
            self.set_header("Sec-WebSocket-Version", "13")


class SocketChannel:
    """One WebSocket: a `gateway.conversation.Channel`."""

    def __init__(self, stream: IOStream, site: Site, principal: str | None) -> None:
        limits: Limits = site.limits
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._reader = frames.FrameReader(limits.max_message_bytes)
        self._max_waiting_bytes = limits.send_buffer_bytes
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._writing = False
        self._done = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._ping_timer: asyncio.TimerHandle | None = None
        self.conversation = Conversation(site.services, site.calls, site.sessions, limits, self, principal)

    async def run(self, key: str) -> None:
        """Shake hands, then read until the connection ends."""
        stream = self._stream
        stream.set_nodelay(True)
        self._put(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + frames.accept_value(key).encode() + b"\r\n\r\n"
        )
        self._ping_timer = self._loop.call_later(_PING_S, self._look_for_life)
        try:
            while True:
                chunk = await stream.read_bytes(_READ_BYTES, partial=True)
                self._heard_at = self._loop.time()
                self._receive(chunk)
        except StreamClosedError:
            pass
        except Exception:
            _LOG.exception("a WebSocket failed")
        finally:
            self._end()

    def _receive(self, chunk: bytes) -> None:
        reader = self._reader
        for event in reader.feed(chunk):
            if type(event) is frames.Message:
                if not reader.closing:
                    self.conversation.receive(event.data)
            elif type(event) is frames.Ping:
                if not reader.closing:
                    self._put(frames.pong_frame(event.payload))
            elif type(event) is frames.Closed:
                self._on_closed(event.code)
            elif type(event) is frames.Fault:
                self._on_fault(event)

    def _on_fault(self, fault: frames.Fault) -> None:
        if self._reader.closing:
            self._end()
            return
        self.close(fault.code, fault.reason)
        self.conversation.channel_failed(self)
        if fault.code == frames.PROTOCOL_ERROR:
            # Where the next frame begins is not known any more, so no answer to our close frame can be seen.
            self._end_soon(_LOST_S)
        else:
            self._receive(b"")

    def _on_closed(self, code: int | None) -> None:
        if not self._reader.closing:
            self._reader.closing = True
            self._put(frames.close_frame(code))
        self.conversation.channel_closed(self, code)
        self._done = True
        if not self._writing:
            self._end()

    def carry(self, conversation: Conversation) -> None:
        """See `gateway.conversation.Channel`."""
        self.conversation = conversation

    # Out.

    def send(self, data: bytes) -> None:
        """See `gateway.conversation.Channel`."""
        if not self._reader.closing:
            self._put(frames.text_header(len(data)) + data)

    def close(self, code: int, reason: str) -> None:
        """See `gateway.conversation.Channel`."""
        if self._reader.closing:
            return
        self._reader.closing = True
        if code == SLOW_READER:
            self._waiting_bytes -= sum(map(len, self._frames))
            self._frames.clear()
        self._put(frames.close_frame(code, reason))
        self._end_soon(_SLOW_CLOSE_S if code == SLOW_READER else _CLOSE_S)

    def _end_soon(self, seconds: float) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._close_timer = self._loop.call_later(seconds, self._end)

    def _put(self, frame: bytes) -> None:
        # Everything that one turn of the loop has to say leaves in one write.
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        if self._waiting_bytes > self._max_waiting_bytes and not self._reader.closing:
            self._give_up_on_reader()
        elif not self._writing:
            self._writing = True
            self._loop.call_soon(self._write)

    def _give_up_on_reader(self) -> None:
        _LOG.warning("a WebSocket reads too slowly: %d bytes wait for it", self._waiting_bytes)
        self.close(SLOW_READER, f"more than {self._max_waiting_bytes} bytes were waiting to be read")
        self.conversation.channel_failed(self)

    def _write(self) -> None:
        try:
            while self._frames:
                chunk = self._next_chunk()
                written = self._stream.write(chunk)
                if not written.done():
                    written.add_done_callback(partial(self._written, len(chunk)))
                    return
                written.result()
                self._waiting_bytes -= len(chunk)
        except StreamClosedError:
            self._end()
            return
        self._writing = False
        if self._done:
            self._end()

    def _written(self, size: int, written: asyncio.Future[Any]) -> None:
        self._waiting_bytes -= size
        if written.cancelled() or written.exception() is not None:
            self._end()
        else:
            self._write()

    def _next_chunk(self) -> bytes:
        waiting = self._frames
        if len(waiting) == 1:
            return waiting.popleft()
        parts, size = [], 0
        while waiting and size < _WRITE_BYTES:
            parts.append(waiting.popleft())
            size += len(parts[-1])
        return b"".join(parts)

    # Life.

    def _look_for_life(self) -> None:
        silence = self._loop.time() - self._heard_at
        if silence >= 2 * _PING_S:
            self._end()
            return
        if silence >= _PING_S and not self._reader.closing:
            self._put(frames.ping_frame())
        self._ping_timer = self._loop.call_later(_PING_S, self._look_for_life)

    def _end(self) -> None:
        for timer in (self._close_timer, self._ping_timer):
            if timer is not None:
                timer.cancel()
        self._stream.close()
        self.conversation.channel_closed(self)
