"""A socket's way into a session: who is at its other end, what hello asks for, and until when that holds.

    let in ── hello ──► a token is looked at ──► in a session ── the proof has run out ──► out, with 4401
                             └── bad ──► out
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from gateway.access.principals import ANONYMOUS, Principal
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols import close_codes
from gateway.protocols.admission import Admission
from gateway.protocols.jsonrpc.events import Event, Hello
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

_LOG: Final = logging.getLogger(__name__)


class Guest(Protocol):
    """Whose hello it is.

    Attributes:
        stream: its rules.
        principal: who its client is, as it is told here.
    """

    stream: Stream
    principal: Principal

    def join(self, session: Session) -> None:
        """Be in a session from now on."""

    def go_on_as(self, hello: Hello, session: Session) -> None:
        """Leave the socket to the stream of the session that hello names. Raises GatewayError if it cannot go on."""

    def run(self, happened: Iterable[Event]) -> None:
        """Do what the stream says."""

    def stop(self, stops: bool) -> None:
        """Look at nothing more that the client sends, or go on."""

    def close(self, code: int, reason: str) -> None:
        """End the stream and its socket."""

    def lapsed(self, reason: str) -> None:
        """The proof of who the client is holds no more; the stream may go on with another one."""


class Entrance:
    """That of one stream, over one socket after the other."""

    __slots__ = ("_address", "_admission", "_guest", "_is_shut", "_limits", "_sessions", "_waits")

    def __init__(self, guest: Guest, sessions: Sessions, limits: Limits, admission: Admission, address: str) -> None:
        guest.stream.must_greet = admission.principal is None
        self._guest = guest
        self._sessions = sessions
        self._limits = limits
        self._admission = admission
        self._address = address
        self._waits: asyncio.Task[None] | None = None
        self._is_shut = False

    @property
    def principal(self) -> Principal:
        """Who the client is; ANONYMOUS as long as nobody knows, which is not for long."""
        return self._admission.principal or ANONYMOUS

    @property
    def waits(self) -> bool:
        """Whether it is being found out who the client is: nothing else is looked at meanwhile."""
        return self._waits is not None

    def begin(self) -> None:
        """There is a socket: count the time."""
        self._admission.begin(self._guest.lapsed, self._limits.head_s)

    def end(self) -> None:
        """There is no socket any more."""
        self._admission.end()
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def shut(self) -> None:
        """Let nobody in any more: the gateway ends."""
        self._is_shut = True

    def take_over(self, other: Entrance) -> None:
        """Go on over another one's socket, and as whoever has come over it."""
        self.end()
        other._admission.end()
        self._admission, other._admission = other._admission, Admission()
        self._guest.principal = self.principal
        self.begin()

    def hello(self, hello: Hello) -> None:
        """Answer hello, now or when it is known who says it."""
        try:
            find_out = self._admission.present(hello.token)
        except GatewayError as error:
            self._refuse(hello, error)
            return
        if find_out is None:
            self._greet(hello)
        else:
            # Set before anything is stopped: what is stopped for this must not go on for another reason.
            self._waits = asyncio.ensure_future(self._greet_later(find_out, hello))
            self._guest.stop(True)

    async def _greet_later(self, find_out: Callable[[], Awaitable[None]], hello: Hello) -> None:
        patience_s = self._limits.default_call_timeout_s
        error: GatewayError | None = None
        try:
            async with asyncio.timeout(patience_s):
                await find_out()
        except TimeoutError:
            error = GatewayError(Status.UNAVAILABLE, f"it could not be found out within {patience_s:g} s who this is")
        except GatewayError as found:
            error = found
        except Exception:
            _LOG.exception("nobody could say who is at a WebSocket")
            error = GatewayError(Status.INTERNAL, "the gateway failed; its log says why")
        self._waits = None
        if error is None:
            self._greet(hello)
        else:
            self._refuse(hello, error)
        self._guest.stop(False)

    def _refuse(self, hello: Hello, error: GatewayError) -> None:
        guest = self._guest
        guest.run(guest.stream.fail(hello.call, error))
        if error.status is Status.UNAUTHENTICATED and self._admission.asks:
            guest.close(close_codes.UNAUTHENTICATED, error.detail)

    def _greet(self, hello: Hello) -> None:
        guest, sessions, principal = self._guest, self._sessions, self.principal
        guest.principal = principal
        try:
            if self._is_shut:
                raise GatewayError(Status.UNAVAILABLE, "the gateway shuts down")
            if hello.session is None:
                session = sessions.open(principal, address=self._address)
            else:
                session = sessions.find(hello.session, principal)
            if hello.stream is not None:
                guest.go_on_as(hello, session)
                return
            guest.join(session)
        except GatewayError as error:
            guest.run(guest.stream.fail(hello.call, error))
        else:
            guest.run(guest.stream.welcome(hello.call, session.id, self._limits.resume_window_s))
