"""One HTTP connection: requests in, answers out, one after another (RFC 9112). Knows no path and no handler.

Its states: HEAD, a request is to come; BODY, its head has; ANSWER, somebody answers it; and then HEAD again, or LAST,
where nothing but the end comes. What a client sends ahead waits here, up to a bound; meanwhile it is read on, as only
reading shows that a client has left. Whoever closes its sending half has left: most that do so read nothing any more.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import select
import socket
import time
from collections.abc import Awaitable
from functools import partial
from typing import Final, Protocol

from tornado.iostream import IOStream, StreamClosedError

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.http.chunks import ChunkReader
from gateway.http.metered_stream import MeteredStream
from gateway.http.request_head import (
    CHUNKED,
    HeadError,
    HttpRequest,
    early_fault,
    parse_head,
    too_large_head,
)
from gateway.turns import Work

MAX_DRAINED_BYTES: Final = 64 * 2**20
"""So much of a body that is too large is read, though it is refused: its sender may read no answer before."""
READ_BYTES: Final = 65536
MAX_AHEAD_BYTES: Final = 65536
"""So much is read ahead of the request that is answered: some hundred calls."""
CHUNKS_AT_ONCE: Final = 256
"""So many chunks of a body are read before others have their turn: a hundred microseconds, however small they are."""
LINGER_S: Final = 2.0
"""How long a client that still sends has to read its last answer. Closed at once, the kernel would tell it of an error
in place of the answer; nginx lingers too."""
MAX_LINGER_BYTES: Final = 2**20
_LINGERS_FROM_BYTES: Final = 32 * 2**10
"""A body that is refused by its head is waited for longer while so much comes in `LINGER_S`: a slow line does that."""
_LOG: Final = logging.getLogger(__name__)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answerer(Protocol):
    """Whoever answers a request."""

    def connection_lost(self) -> None:
        """Learn that nobody reads the answer any more."""


class ConnectionOwner(Protocol):
    """Who is told what a connection does."""

    def start_request(self, connection: HttpConnection) -> None:
        """The connection may send its next request."""

    def body_grows(self, connection: HttpConnection, size: int) -> GatewayError | None:
        """A piece of a body has come, maybe an empty one, behind which more must; or why that may not."""

    def refusal_of_head(self, request: HttpRequest) -> GatewayError | Awaitable[GatewayError | None] | None:
        """What a request will be refused for whatever its body is; None if nothing is known of that.

        It may take time to find out; then whoever waits to send the body has to be told.
        """

    def request_arrived(self, connection: HttpConnection) -> None:
        """A request is complete, or refused before it was."""

    def answer(self, request: HttpRequest) -> Answerer:
        """Begin to answer a request."""

    def refuse(self, request: HttpRequest, error: GatewayError) -> None:
        """Answer a request with an error, whatever it asks; one without a method is none that could be read."""

    def writing_takes_time(self, connection: HttpConnection) -> None:
        """Not everything could be written at once."""

    def put_off(self, connection: HttpConnection, work: Work) -> None:
        """Have work done when it is the turn of the connection's address."""

    def on_detach(self, connection: HttpConnection) -> None:
        """The connection is no more one of HTTP."""

    def on_close(self, connection: HttpConnection) -> None:
        """The connection is no more."""


class _State(enum.Enum):
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    LAST = enum.auto()


class HttpConnection:
    """See the module.

    Attributes:
        remote_ip: the address at its other end; ``unix:`` where that has none.
        client: what is known of it among all connections.
        certificate: what the client has shown of who it is.
    """

    _asked: asyncio.Task[None] | None = None

    def __init__(self, stream: MeteredStream, address: object, owner: ConnectionOwner, limits: Limits) -> None:
        self.stream = stream
        self.client = stream.client
        self.certificate = stream.certificate
        self._scheme = stream.scheme
        is_ip = stream.socket.family in (socket.AF_INET, socket.AF_INET6)
        self.remote_ip = str(address[0]) if is_ip and isinstance(address, tuple) else "unix:"
        self._owner = owner
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._state = _State.HEAD
        self._ahead = b""
        self._searched = 0
        self._reading = False
        self._is_next_due = False
        self._is_put_off = False
        self._is_detached = False
        self._request: HttpRequest | None = None
        self._answerer: Answerer | None = None
        self._chunks: ChunkReader | None = None
        self._body: list[bytes] = []
        self._body_bytes = self._wire_bytes = 0
        self._written: asyncio.Future[None] | None = None
        self._lingered_bytes = self._lingered_mark = 0
        self._max_linger_bytes = MAX_LINGER_BYTES
        self._linger: asyncio.TimerHandle | None = None
        stream.set_close_callback(self._lost)
        if is_ip:
            stream.set_nodelay(True)

    def start(self) -> None:
        """Begin to read."""
        self._owner.start_request(self)
        self._read()

    def close(self) -> None:
        """End the connection at once; idempotent."""
        self.stream.close()

    # What comes in.

    def _read(self) -> None:
        if not self._reading and not self._is_detached and not self.stream.closed():
            try:
                reading = self.stream.read_bytes(READ_BYTES, partial=True)
            except OSError:
                self.close()
                return
            assert isinstance(reading, asyncio.Future)
            self._reading = True
            if self.stream.is_watched:
                self.stream.forget()
            reading.add_done_callback(self._received)

    def _received(self, reading: asyncio.Future[bytes]) -> None:
        self._reading = False
        # The end of the stream is told by its callback; what came just before it comes from nobody who would read.
        if reading.cancelled() or reading.exception() is not None or self.stream.closed():
            return
        data = reading.result()
        self.client.received += len(data)
        if self._state is _State.LAST:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > self._max_linger_bytes:
                self.close()
        else:
            self._ahead = self._ahead + data if self._ahead else data
            if not self._is_next_due:
                self._advance()
        self._read_on()

    def _read_on(self) -> None:
        # What has come may be requests that wait for their turns, and grows meanwhile as fast as the client sends.
        is_answered = self._state is _State.ANSWER or self._is_next_due
        if self._is_put_off:
            return
        # An upgrade takes what follows along, and the stream with it, so that nothing may read from it then.
        if not is_answered or (len(self._ahead) < MAX_AHEAD_BYTES and not self._upgrades):
            self._read()
        elif not self._is_detached:
            self.stream.watch()

    @property
    def _upgrades(self) -> bool:
        return self._request is not None and "Upgrade" in self._request.headers

    def _advance(self) -> None:
        """Go on with what has come, as far as that goes; at most one request is begun."""
        try:
            if self._state is _State.HEAD:
                self._take_head()
            if self._state is _State.BODY:
                self._take_body()
        except Exception:
            # A fault of ours; the client would wait for ever.
            _LOG.exception("a connection failed")
            self.close()

    def _take_head(self) -> None:
        data = self._ahead
        if data[:2] == b"\r\n":
            # Some clients end a body with a line's end that is no part of it (RFC 9112 section 2.2).
            data = self._ahead = data.lstrip(b"\r\n")
        if not data:
            return
        end = data.find(b"\r\n\r\n", self._searched)
        limit = self._limits.max_head_bytes
        try:
            if end < 0:
                fault = early_fault(data)
                if fault is not None:
                    raise fault
                self._searched = max(0, len(data) - 3)
                self.client.give_up = self._refuse_head
            if (len(data) if end < 0 else end + 4) > limit:
                raise too_large_head(f"the head of a request may take {limit} bytes")
            if end < 0:
                return
            request = parse_head(data[: end + 2], self._limits.max_head_lines)
        except HeadError as error:
            self._refuse_head(error)
            return
        self._searched = 0
        self._ahead = data[end + 4 :]
        request.connection = self
        request.remote_ip = self.remote_ip
        request.protocol = self._scheme
        request.began_s = time.perf_counter()
        self._request = request
        if request.length == 0:
            self._begin(request)
        else:
            self._expect_body(request)

    # Bodies.

    def _expect_body(self, request: HttpRequest) -> None:
        self._state = _State.BODY
        self._body_bytes = self._wire_bytes = 0
        self._chunks = ChunkReader() if request.length == CHUNKED else None
        if 0 < request.length <= len(self._ahead) and self.client.refusal is None:
            return  # it has come with its head, as most do, and is looked at once
        refusal = self._refusal_of_head(request)
        if isinstance(refusal, GatewayError):
            # Its sender may send all of it before it reads.
            self._max_linger_bytes = max(MAX_LINGER_BYTES, min(request.length, MAX_DRAINED_BYTES))
            self._refuse(request, refusal)
            return
        self.client.give_up = partial(self._refuse, request)
        if refusal is not None:
            self._asked = asyncio.ensure_future(self._ask_for_body(request, refusal))
        elif request.waits and not self._ahead:
            self._write(_CONTINUE)

    async def _ask_for_body(self, request: HttpRequest, refusal: Awaitable[GatewayError | None]) -> None:
        """Have a body sent whose sender waits for that, or refuse the request; its sender may not have waited."""
        error = await refusal
        if self._request is request and self._state is _State.BODY:
            if error is not None:
                self._refuse(request, error)
            elif not self._wire_bytes and not self._body_bytes:
                self._write(_CONTINUE)

    def _refusal_of_head(self, request: HttpRequest) -> GatewayError | Awaitable[GatewayError | None] | None:
        """Why a request is refused before its body has come."""
        if self.client.refusal is not None:
            return self.client.refusal
        if request.length > self._limits.max_message_bytes:
            return self._too_large()
        return self._owner.refusal_of_head(request)

    def _take_body(self) -> None:
        request, data = self._request, self._ahead
        assert request is not None
        if self._chunks is not None:
            self._take_chunks(request, self._chunks, data)
            return
        missing = request.length - self._body_bytes
        if len(data) > missing:
            data, self._ahead = data[:missing], data[missing:]
        else:
            self._ahead = b""
        self._count(data)
        if self._body_bytes == request.length:
            self._body_arrived(request)
        elif (refusal := self._room_for_more(len(data))) is not None:
            self._refuse(request, refusal)

    def _take_chunks(self, request: HttpRequest, chunks: ChunkReader, data: bytes) -> None:
        self._ahead = b""
        self._wire_bytes += len(data)
        try:
            piece = chunks.take(data, CHUNKS_AT_ONCE)
        except HeadError as error:
            self._refuse(request, error)
            return
        self._count(piece)
        if chunks.has_ended:
            self._ahead = chunks.rest
            self._body_arrived(request)
        elif self._wire_bytes > MAX_DRAINED_BYTES:
            self._refuse(request, self._too_large())
        elif (refusal := self._room_for_more(len(piece))) is not None:
            self._refuse(request, refusal)
        elif chunks.has_more:
            # Nothing more is read meanwhile.
            self._is_put_off = True
            self._owner.put_off(self, self._go_on_with_chunks)

    def _go_on_with_chunks(self) -> bool:
        self._is_put_off = False
        if not self.stream.closed():
            self._advance()
            self._read_on()
        return False

    def _room_for_more(self, size: int) -> GatewayError | None:
        """Why a body may not be larger by so much; of what is too large already nothing is kept."""
        return self._owner.body_grows(self, size if self._body else 0)

    def _count(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes <= self._limits.max_message_bytes:
            self._body.append(data)
        else:
            self._body.clear()

    def _body_arrived(self, request: HttpRequest) -> None:
        if self._body_bytes > self._limits.max_message_bytes:
            self._state = _State.ANSWER
            self.client.give_up = None
            self._owner.request_arrived(self)
            self._owner.refuse(request, self._too_large())
            return
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._begin(request)

    def _too_large(self) -> GatewayError:
        limit = self._limits.max_message_bytes
        return GatewayError(Status.TOO_LARGE, f"the body is too large: at most {limit} bytes are permitted")

    # Answers.

    def _begin(self, request: HttpRequest) -> None:
        self._state = _State.ANSWER
        self._chunks = None
        self.client.give_up = None
        self._owner.request_arrived(self)
        if self.close_if_left():
            return
        answerer = self._owner.answer(request)
        if self._request is request:
            self._answerer = answerer

    def close_if_left(self) -> bool:
        """Close if the client has left, where nobody reads who would notice; whether it is closed."""
        if not self._reading and self._ahead and not self.stream.closed():
            poll = select.poll()
            poll.register(self.stream.fileno(), select.POLLRDHUP)
            if poll.poll(0):
                self.close()
        return self.stream.closed()

    def _refuse_head(self, error: GatewayError) -> None:
        """Refuse what is no request, or not a whole one."""
        self._refuse(HttpRequest("", "", "", {}, "", 1), error)

    def _refuse(self, request: HttpRequest, error: GatewayError) -> None:
        """Answer with an error and close, as it is not known where the next request begins."""
        self.client.give_up = None
        request.connection = self
        request.keeps_alive = False
        request.remote_ip = request.remote_ip or self.remote_ip
        request.began_s = request.began_s or time.perf_counter()
        self._request = request
        self._state = _State.ANSWER
        self._owner.request_arrived(self)
        self._lingered_bytes = 1
        self._owner.refuse(request, error)

    def write(self, data: bytes) -> Awaitable[None]:
        """Write a part of the answer.

        Returns:
            Whether and when all of it is with the kernel; fails with `tornado.iostream.StreamClosedError` if the client
            has left. Nobody needs to wait for it.
        """
        self._write(data)
        assert self._written is not None
        return self._written

    def _write(self, data: bytes) -> None:
        try:
            written = self._written = self.stream.write(data)
        except StreamClosedError as error:
            self._written = self._loop.create_future()
            self._written.set_exception(error)
            # Nobody may look at it.
            self._written.exception()
            return
        self.client.handed += len(data)
        if not written.done():
            self._owner.writing_takes_time(self)

    def finished(self) -> None:
        """The answer is complete: go on with the next request when it is written, or end."""
        written, request = self._written, self._request
        self._request = self._answerer = None
        if self.stream.closed() or request is None:
            return
        if not request.keeps_alive:
            self._state = _State.LAST
        if written is None or written.done():
            self._go_on()
        else:
            written.add_done_callback(lambda _: self._go_on())

    def _go_on(self) -> None:
        if self.stream.closed() or self._is_detached:
            return
        if self._state is _State.LAST:
            self._end()
            return
        self._state = _State.HEAD
        self._body_bytes = 0
        self._owner.start_request(self)
        if self._ahead:
            # Requests that were sent ahead are begun one in each turn of the loop, so that others come to pass as well.
            self._is_next_due = True
            self._loop.call_soon(self._next)
        else:
            self._read_on()

    def _next(self) -> None:
        self._is_next_due = False
        if self._state is _State.HEAD and not self.stream.closed():
            self._advance()
        self._read_on()

    def _end(self) -> None:
        if not self._lingered_bytes and not self._ahead:
            self.close()
            return
        self._ahead = b""
        self._linger = self._loop.call_later(LINGER_S, self._end_lingering)
        try:
            self.stream.end_writing()
        except OSError:
            self.close()
            return
        self._read()

    def _end_lingering(self) -> None:
        if self._lingered_bytes - self._lingered_mark < _LINGERS_FROM_BYTES:
            self.close()
            return
        self._lingered_mark = self._lingered_bytes
        self._linger = self._loop.call_later(LINGER_S, self._end_lingering)

    def detach(self) -> tuple[IOStream, bytes]:
        """Give the stream away, and what was read of it that is no part of the request.

        Raises:
            GatewayError: FAILED_PRECONDITION, the request was sent ahead of the answer to another one.
        """
        if self._reading:
            # Nobody else could read from the stream, and nobody means it: the other side waits for the answer first.
            raise GatewayError(Status.FAILED_PRECONDITION, "an upgrade is sent when all other requests are answered")
        self._is_detached = True
        stream, ahead = self.stream, self._ahead
        stream.forget()
        stream.set_close_callback(None)
        self._request = self._answerer = None
        self._owner.on_detach(self)
        return stream, ahead

    def _lost(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        if self._asked is not None:
            self._asked.cancel()
        answerer, self._request, self._answerer = self._answerer, None, None
        self._owner.on_close(self)
        if answerer is not None:
            answerer.connection_lost()
