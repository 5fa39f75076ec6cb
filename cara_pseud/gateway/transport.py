"""One WebSocket at a time to one gateway, opened again with jittered back-off when it is lost. Knows no protocol.

Text goes in and out, and whoever reads it decides whether a lost socket is worth another.

    stopped ──start──▸ opening ──▸ open ──lost──▸ waiting ──▸ opening …
       ▴── stop, or socket_lost() says no ──┴──────┴────────┘
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.scalars import shown

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 10.0
_OPEN_TIMEOUT_S: Final = 15.0
_MAX_FRAME_BYTES: Final = 1 << 28
"""A gateway bounds its messages, and puts what it kept for a client that was away into one frame."""
_ABNORMAL: Final = 1006
_VISIBLE: Final = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_GRACE_S: Final = 1.0
"""How long a user's closing waits for the other end to take note."""


class OpenSocket(Protocol):
    """An open socket; see `cara_pseud.gateway.session.TextSocket`."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and have not left this process."""

    def send(self, frame: bytes) -> None:
        """Write one text message, given as UTF-8."""

    def close(self, code: int, reason: str) -> None:
        """Close it; the loss is told at once."""

    async def ended(self) -> None:
        """Wait until it is closed, which the other end may have to agree to."""


class SocketOpener(Protocol):
    """Opens sockets."""

    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> OpenSocket:
        """Open one.

        Args:
            received: called with each text message.
            lost: called once with the close code and the reason, but not before this has given a socket.

        Raises:
            OSError: it could not be opened; says why.
        """


class TransportEvents(Protocol):
    """What is done about sockets."""

    def socket_opened(self, socket: OpenSocket) -> None:
        """There is one."""

    def text_received(self, text: str | bytes) -> None:
        """A message came."""

    def socket_lost(self, code: int, reason: str) -> bool:
        """It is lost, or could not be opened; say whether another shall be."""

    def failed(self, error: Exception) -> None:
        """No socket will ever be opened: what it takes cannot be written, or there is a fault in this program."""


class SocketTransport:
    """One after the other."""

    def __init__(
        self,
        opener: SocketOpener,
        events: TransportEvents,
        loop: asyncio.AbstractEventLoop,
        chance: Callable[[], float],
    ) -> None:
        """Begin with none.

        Args:
            chance: gives numbers from 0 to 1.
        """
        self._opener = opener
        self._events = events
        self._loop = loop
        self._chance = chance
        self._attempt = 0
        self._task: asyncio.Task[None] | None = None
        self._latest: OpenSocket | None = None

    def start(self) -> None:
        """Open sockets from now on."""
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Open nothing more. Idempotent."""
        socket = self._latest
        if socket is not None:
            socket.close(1000, "")
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await socket.ended()
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    def proved(self) -> None:
        """Note that the socket is a good one: the next loss starts with a short wait again.

        One that is accepted and dropped at once, as by an overloaded gateway, keeps its back-off.
        """
        self._attempt = 0

    async def _run(self) -> None:
        while True:
            gone: asyncio.Future[tuple[int, str]] = self._loop.create_future()

            def lost(code: int, reason: str, gone: asyncio.Future[tuple[int, str]] = gone) -> None:
                if not gone.done():
                    gone.set_result((code, reason))

            try:
                async with asyncio.timeout(_OPEN_TIMEOUT_S):
                    socket = await self._opener.open(self._events.text_received, lost)
                self._latest = socket
                self._events.socket_opened(socket)
            except TimeoutError:
                lost(_ABNORMAL, f"it was not open within {_OPEN_TIMEOUT_S:g} s")
            except OSError as error:
                lost(_ABNORMAL, str(error))
            except Exception as error:
                # Nobody awaits this task, so whoever waits for the connection would never be told.
                self._events.failed(error)
                return
            code, reason = await gone
            if not self._events.socket_lost(code, reason):
                return
            await asyncio.sleep(self._delay())

    def _delay(self) -> float:
        """The wait before an attempt: doubled each time, at least half of it, the rest by chance.

        So the clients which one gateway's restart threw out do not come back in one instant.
        """
        delay_s: float = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(self._attempt, 16))
        self._attempt += 1
        return delay_s / 2 + delay_s / 2 * self._chance()


class WebSocketOpener:
    """Opens WebSockets to one address."""

    def __init__(self, url: str, *, ssl_context: ssl.SSLContext | None, headers: Mapping[str, str] | None) -> None:
        """Note where to.

        Args:
            url: of the gateway, with its prefix if it has one, or of its ``/ws``.
            headers: sent with each upgrade, such as for a proxy in between.

        Raises:
            InvalidValue: it is no address of a gateway, or a header that cannot be sent.
        """
        self.url = socket_address(url)
        self._ssl_context = ssl_context
        self._headers = _checked_headers(headers)

    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> OpenSocket:
        """Open one; see `SocketOpener`."""
        request = HTTPRequest(
            self.url, headers=self._headers, ssl_options=self._ssl_context, connect_timeout=_OPEN_TIMEOUT_S,
            request_timeout=_OPEN_TIMEOUT_S,
        )  # fmt: skip
        socket = _TornadoSocket(received, lost)
        connecting = asyncio.ensure_future(
            websocket_connect(request, on_message_callback=socket.take, max_message_size=_MAX_FRAME_BYTES)
        )
        try:
            connection = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # Tornado goes on all the same.
            connecting.add_done_callback(_close_unwanted)
            raise
        except HTTPClientError as error:
            raise OSError(f"the answer to the upgrade is {error.code} {error.message or ''}".rstrip()) from error
        except WebSocketError as error:
            raise OSError(str(error)) from error
        socket.begin(connection)
        return socket


def _close_unwanted(connecting: asyncio.Future[WebSocketClientConnection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


class _TornadoSocket:
    """A socket of Tornado's."""

    def __init__(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> None:
        self.unsent = 0
        self._received = received
        self._lost = lost
        self._connection: WebSocketClientConnection | None = None
        # What came before whoever opened it was told that it is open.
        self._early: list[str | bytes | None] | None = []
        self._over = False
        self._closed = asyncio.Event()

    def begin(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection
        asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        early, self._early = self._early or [], None
        for message in early:
            self.take(message)

    def take(self, message: str | bytes | None) -> None:
        """Take a message; None says that there will be no more."""
        if message is None:
            self._closed.set()
            if self._connection is not None:
                self._connection.close()  # also where the other end has: Tornado tells the two apart
        if self._early is not None:
            self._early.append(message)
        elif self._over:
            pass
        elif message is None:
            connection = self._connection
            assert connection is not None
            self._end(connection.close_code or _ABNORMAL, connection.close_reason or "")
        elif isinstance(message, str):
            self._received(message)
        else:
            self.close(4000, "a binary frame")

    def send(self, frame: bytes) -> None:
        """Write one text message."""
        connection = self._connection
        assert connection is not None
        self.unsent += len(frame)
        try:
            written = connection.write_message(frame)
        except WebSocketClosedError:
            return  # the loss is told soon, and the message is repeated
        asyncio.ensure_future(written).add_done_callback(lambda done: self._sent(done, len(frame)))

    def _sent(self, written: asyncio.Future[None], size: int) -> None:
        self.unsent -= size
        if not written.cancelled():
            written.exception()  # of a socket that was lost: told by other means

    def close(self, code: int, reason: str) -> None:
        """Close it. The other end's answer may take long; the protocol should not wait for it."""
        if not self._over:
            assert self._connection is not None
            self._connection.close(code, reason)
            self._end(code, reason)

    async def ended(self) -> None:
        """Wait until it is closed."""
        await self._closed.wait()

    def _end(self, code: int, reason: str) -> None:
        self._over = True
        self._lost(code, reason)


def socket_address(url: str) -> str:
    """The address of a gateway's socket.

    Raises:
        InvalidValue: it is no address of a gateway.
    """
    refusal = InvalidValue(f"{url!r} is no address of a gateway, such as wss://gateway.example", path="")
    if not isinstance(url, str) or not _VISIBLE.fullmatch(url):
        raise refusal
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidValue(f"{refusal.reason}: {error}", path="") from None
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
        raise refusal
    path = parts.path
    # The path of a socket is taken as it is, unless it can only be a folder's.
    if not path.endswith("/ws") and (parts.scheme.startswith("http") or not path or path.endswith("/")):
        path = f"{path.rstrip('/')}/ws"
    return urlunsplit((parts.scheme.replace("http", "ws"), parts.netloc, path, parts.query, ""))


def _checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    if headers is not None and not isinstance(headers, Mapping):
        raise WrongType(f"headers: {shown(headers)} is no mapping of names to texts", path="")
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidValue(f"headers: {shown(name)} is no name of a header", path="")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            # Not the value itself, which may be a secret.
            refusal = f"headers: the value of {name} has to be text of Latin-1, without ends of lines"
            raise InvalidValue(refusal, path="")
    return dict(headers or {})
