"""One WebSocket behind its handshake: frames in and out, pings, and word of what the other side has taken.

What the messages mean is the conversation's business, how frames look that of `gateway.http.websocket.frames`, how
bytes travel that of `gateway.http.websocket.byte_transports`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from cara_pseud.cork import Cork
from gateway.config.limits import Limits
from gateway.http.websocket import frames
from gateway.http.websocket.byte_transports import ByteTransport
from gateway.http.websocket.deflate import Agreement
from gateway.protocols.close_codes import IDLE, PROTOCOL_ERROR, SLOW_READER
from gateway.protocols.jsonrpc.conversation import Conversation
from gateway.stalls import Stalls

_LOG: Final = logging.getLogger(__name__)

LOST: Final = 1006
NO_CODE: Final = 1005
"""What stands for a close code that was not said: there was no close frame, or none in it (RFC 6455 section 7.4.1)."""
_TEXTS: Final = frozenset({frames.TextMessage})
_WRITE_BYTES: Final = 262_144
"""So much is written at a time, and when more waits, who has more to say is asked to keep it."""
_CLOSE_S: Final = 3.0
"""How long the other side has to answer a close frame."""
_SLOW_CLOSE_S: Final = 30.0
"""The same for a client that reads too slowly: the close frame stands behind what the kernel and the transport hold.

Nothing is added to that, so it costs no more memory to wait until the client has read so far.
"""
_LOST_S: Final = 0.2
"""How long bytes of a client that broke the rules are read and thrown away, so that it can read our close frame."""
_PING_S: Final = 30.0
"""After so much silence a ping is sent; after as much again the connection is dead. Proxies cut silence at 60 s."""


class SocketChannel:
    """One WebSocket: a `gateway.protocols.jsonrpc.channel.Channel` and a `TransportOwner`.

    Attributes:
        conversation: who gets what comes.
        close_code: with which it ended; 1006 as long as nobody has said one.
        received_bytes: what came.
    """

    conversation: Conversation
    close_code = LOST
    received_bytes = 0
    _earlier_calls = 0

    def __init__(
        self,
        limits: Limits,
        reader: frames.FrameReader,
        greeting: bytes,
        ended: Callable[[SocketChannel], None],
        cork: Cork,
        agreement: Agreement | None = None,
        stalls: Stalls | None = None,
        address: str = "",
    ) -> None:
        """Make it; what it is to send waits for a transport.

        Args:
            greeting: the answer to the handshake, with which the transport begins.
            ended: called once when the connection is over.
            cork: at whose end it writes.
            agreement: on compression, if there is one.
            stalls: told what its reads take.
            address: where the other side is.
        """
        self._loop = asyncio.get_running_loop()
        self._reader = reader
        self._ended = ended
        self._cork = cork
        self._agreement = agreement
        # Who says more is asked to keep it, so only a fault of ours, or a client that says hello wrongly again and
        # again and never reads, comes so far.
        self._max_waiting_bytes = limits.send_buffer_bytes + 2 * limits.max_message_bytes
        self._stalls = Stalls() if stalls is None else stalls
        self._address = address
        self._held = self._has_left = False
        self._transport: ByteTransport | None = None
        self._frames: deque[bytes] = deque((greeting,))
        self._waiting_bytes = len(greeting)
        self._written_bytes = self._given_bytes = 0
        self._said_full = False
        self._pong: bytes | None = None
        # As if it were: nothing is written before there is a transport.
        self._writing = True
        self._done = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._progress_seen = 0

    @property
    def client(self) -> Conversation:
        """Who is at its other end; see `gateway.http.site.Socket`."""
        return self.conversation

    @property
    def is_unused(self) -> bool:
        """See `gateway.http.connections.Upgraded`."""
        conversation = self.conversation
        return not conversation.stream.greeted and conversation.is_unused

    @property
    def partial(self) -> bytearray | None:
        """See `gateway.http.connections.Upgraded`."""
        return self._reader.partial

    def evict(self, reason: str) -> None:
        """See `gateway.http.connections.Upgraded`."""
        self.close(IDLE, reason)
        self.conversation.channel_failed(self)
        self._end_when_written()

    def transport_made(self, transport: ByteTransport) -> None:
        """See `gateway.http.websocket.byte_transports.TransportOwner`."""
        self._transport = transport
        self._ping_timer = self._loop.call_later(_PING_S, self._keep_alive)
        self._write()

    # In.

    def data_received(self, data: bytes) -> None:
        """See `gateway.http.websocket.byte_transports.TransportOwner`."""
        self._heard_at = self._loop.time()
        self.received_bytes += len(data)
        with self._cork:
            self._receive(data)
        self._stalls.spent("reading %d bytes from the WebSocket of %s", len(data), self._address)

    def _receive(self, data: bytes) -> None:
        reader = self._reader
        if self._has_left:
            return  # nothing counts behind a close frame
        events = reader.feed(data)
        if len(events) > 1 and not reader.closing and {*map(type, events)} == _TEXTS:
            texts = [text for text, in cast("list[frames.TextMessage]", events)]
            # The rest is for whoever has the channel then.
            events = events[self.conversation.intake.put_some(texts) :]
        for event in events:
            if type(event) is frames.TextMessage:
                if not reader.closing:
                    self.conversation.receive(event.data)
            elif type(event) is frames.Ping:
                if not reader.closing:
                    self._answer_ping(event.payload)
            elif type(event) is frames.Closed:
                self._on_closed(event.code)
                return
            elif type(event) is frames.Fault:
                self._on_fault(event)
            elif type(event) is frames.Binary and not reader.closing:
                self.on_binary(event.data)

    def on_binary(self, data: bytes) -> None:
        """Take a binary message; there is none unless the reader takes them."""

    def _on_fault(self, fault: frames.Fault) -> None:
        if self._reader.closing:
            self._end()
            return
        self.close(fault.code, fault.reason)
        self.conversation.channel_failed(self)
        if fault.in_close:
            self._end_when_written()
        elif fault.code == PROTOCOL_ERROR:
            # Where the next frame begins is not known any more, so no answer to our close frame can be seen.
            self._end_soon(_LOST_S)
        else:
            self._receive(b"")

    def _on_closed(self, code: int | None) -> None:
        self._has_left = True
        if self.close_code == LOST:
            self.close_code = NO_CODE if code is None else code
        if self._reader.closing:
            self._answer_close(code)
        else:
            # What came before may still wait for its turn.
            self.conversation.when_done(partial(self._answer_close, code))

    def _answer_close(self, code: int | None) -> None:
        if not self._reader.closing:
            self._reader.closing = True
            self._put(frames.close_frame(code))
        self.conversation.channel_closed(self, code)
        self._end_when_written()

    def _end_when_written(self) -> None:
        self._done = True
        if not self._writing:
            self._end()

    def hold(self, holds: bool) -> None:
        """See `gateway.protocols.jsonrpc.channel.Channel`."""
        if self._transport is None or holds == self._held:
            return
        # Once it is closing nothing is taken any more, and the answer to our close frame is waited for.
        self._held = holds and not self._reader.closing
        self._transport.hold(self._held)
        self._heard_at = self._loop.time()

    def carry(self, conversation: Conversation) -> None:
        """See `gateway.protocols.jsonrpc.channel.Channel`."""
        self._earlier_calls = conversation.pace.calls - self.calls
        self.conversation = conversation

    # Out.

    @property
    def calls(self) -> int:
        """How many calls came over it; those of a stream that it took over came over another one."""
        return self.conversation.pace.calls - self._earlier_calls

    @property
    def sent_bytes(self) -> int:
        """What was given to the transport."""
        return self._given_bytes

    @property
    def progress(self) -> int:
        """See `gateway.protocols.jsonrpc.slow_client.Outlet`."""
        transport = self._transport
        return self._given_bytes - (0 if transport is None else transport.untaken_bytes)

    def send(self, data: bytes) -> bool:
        """See `gateway.protocols.jsonrpc.slow_client.Outlet`."""
        if self._reader.closing:
            return False
        packed = None if self._agreement is None else self._agreement.deflated(data)
        if packed is None:
            self._put(frames.text_header(len(data)) + data)
        else:
            self._put(frames.text_header(len(packed), packed=True) + packed)
        if self._waiting_bytes <= _WRITE_BYTES:
            return False
        self._said_full = True
        return True

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""
        if not self._reader.closing:
            self._put(frames.binary_header(len(data)) + data)

    def close(self, code: int, reason: str) -> None:
        """See `gateway.protocols.jsonrpc.channel.Channel`."""
        if self._reader.closing:
            return
        self._reader.closing = True
        self.close_code = code
        self.hold(False)
        if code == SLOW_READER:
            self._forget_waiting()
        self._put(frames.close_frame(code, reason))
        self._end_soon(_SLOW_CLOSE_S if code == SLOW_READER else _CLOSE_S)

    def cut(self, code: int, reason: str) -> None:
        """See `gateway.protocols.jsonrpc.channel.Channel`."""
        if not self._reader.closing:
            self._forget_waiting()
            self.close(code, reason)

    def _forget_waiting(self) -> None:
        self._waiting_bytes -= sum(map(len, self._frames))
        self._frames.clear()

    def _end_soon(self, seconds: float) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._close_timer = self._loop.call_later(seconds, self._end)

    def _answer_ping(self, payload: bytes) -> None:
        pong = frames.pong_frame(payload)
        if self._waiting_bytes <= _WRITE_BYTES:
            self._put(pong)
        else:
            # Of pings that come before one could be answered, only the last is (RFC 6455 section 5.5.3).
            self._pong = pong

    def _put(self, frame: bytes) -> None:
        # Everything that one turn of the loop has to say leaves in one write.
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        if self._waiting_bytes > self._max_waiting_bytes and not self._reader.closing:
            self._give_up_on_reader()
        elif not self._writing:
            self._writing = True
            self._cork.at_end(self._loop, self._write)

    def _give_up_on_reader(self) -> None:
        _LOG.warning("a WebSocket reads too slowly: %d bytes wait for it", self._waiting_bytes)
        self.close(SLOW_READER, f"more than {self._max_waiting_bytes} bytes were waiting to be read")
        self.conversation.channel_failed(self)

    def _write(self) -> None:
        transport = self._transport
        if transport is None:
            return  # it ended before its turn came
        while self._frames:
            if not transport.write(self._next_chunk()):
                return
            self._written()
        self._writing = False
        if self._done:
            self._end()

    def writable(self) -> None:
        """See `gateway.http.websocket.byte_transports.TransportOwner`."""
        self._written()
        self._write()

    def _written(self) -> None:
        self._waiting_bytes -= self._written_bytes
        self._written_bytes = 0
        if self._pong is not None:
            pong, self._pong = self._pong, None
            self._put(pong)
        if self._said_full and not self._frames and not self._reader.closing:
            self._said_full = False
            self.conversation.drained()

    def _next_chunk(self) -> bytes:
        waiting = self._frames
        if self._waiting_bytes <= _WRITE_BYTES:
            chunk = b"".join(waiting)
            waiting.clear()
        else:
            parts, size = [], 0
            while waiting and size < _WRITE_BYTES:
                parts.append(waiting.popleft())
                size += len(parts[-1])
            chunk = b"".join(parts)
        self._written_bytes = len(chunk)
        self._given_bytes += len(chunk)
        return chunk

    # Life.

    def _keep_alive(self) -> None:
        if self._writing and self.progress != self._progress_seen:
            # It is busy reading: what it answers to a ping may stand behind all of that.
            self._progress_seen = self.progress
            self._heard_at = self._loop.time()
        if self._held:  # it may have said something that nobody has read
            self._heard_at = self._loop.time()
        silence = self._loop.time() - self._heard_at
        if silence >= 2 * _PING_S:
            self._end()
            return
        if silence >= _PING_S and not self._reader.closing:
            self._put(frames.ping_frame())
        self._ping_timer = self._loop.call_later(_PING_S, self._keep_alive)

    def _end(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def transport_lost(self) -> None:
        """See `gateway.http.websocket.byte_transports.TransportOwner`."""
        for timer in (self._close_timer, self._ping_timer):
            if timer is not None:
                timer.cancel()
        self._transport = None
        self._frames.clear()
        self._reader.closing = True
        self._ended(self)
        self.conversation.channel_closed(self)
