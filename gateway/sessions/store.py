"""The sessions that exist: opening, finding, using, and ending them when nobody does any more.

    (none) ── open ──► in use ── last stream gone, REST silent ──► idle ── idle time over ──► ended
                         ▲                                          │
                         └──────────── found by its id ─────────────┘        end() leads from everywhere to ended

What a session has is plain data in `gateway.sessions.record`; here are the live things beside it: the streams'
channels and the clock. Ids come from here and from nowhere else, so no client can choose one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Any, Final, Protocol
from weakref import WeakSet

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.messages import Id
from gateway.sessions.handles import REST, Handles
from gateway.sessions.record import Session

_ID_BYTES: Final = 24
_TOKEN_BYTES: Final = 18
"""192 and 144 random bits: more than anybody can guess, and a multiple of 3, so that base64 needs no padding."""


class Door(Protocol):
    """A stream's way to its client, as far as its session is concerned."""

    def session_ended(self, reason: str) -> None:
        """Learn that the session is no more."""

    def handle_lost(self, token: str, code: str, reason: str) -> None:
        """Learn that the object behind a handle is no more."""

    def can_resume(self, received: int) -> bool:
        """Whether the client can go on here, having received so many messages."""

    def resume(self, channel: Any, hello: Id, received: int) -> None:
        """Go on over that channel, and answer there the hello of that id. Only if `can_resume`."""

    def callback_names(self) -> Collection[str]:
        """The client's objects that services hold."""


class LiveSession:
    """A session with what it has beside plain data.

    Attributes:
        core: what it has: handles, streams, counters.
        principal: whose it is; nobody else finds it.
        used_at: the loop's time of its last use.
        rest: whether REST uses it too, so that it does not end with its last stream.
        events: the stream of its ``/api/events``, which takes the callbacks that REST passes (see
            `gateway.sessions.references.EventsSide`); None if it was never opened.
        ended: whether it is over.
    """

    __slots__ = ("__weakref__", "core", "doors", "ended", "events", "principal", "rest", "used_at")

    def __init__(self, core: Session, principal: str | None) -> None:
        self.core = core
        self.principal = principal
        self.used_at = 0.0
        self.rest = False
        self.events: Any = None
        self.doors: dict[str, Door] = {}
        self.ended = False

    @property
    def id(self) -> str:
        return self.core.id

    @property
    def handles(self) -> Handles:
        return self.core.handles

    def door_of(self, holder: str) -> Door | None:
        """Where a holder of handles is told of their end; what REST holds, its event stream is told."""
        events: Door | None = self.events
        return events if holder == REST else self.doors.get(holder)

    def door(self, stream_id: str, received: int) -> Door:
        """The stream of that id, if it can go on behind so many received messages.

        Raises:
            GatewayError: NOT_FOUND, with a reason; nothing has changed.
        """
        door = self.doors.get(stream_id)
        if door is None:
            raise GatewayError(Status.NOT_FOUND, "there is no such stream, or it has ended", reason="stream")
        if not door.can_resume(received):
            detail = f"the stream cannot go on behind {received} messages: never sent, or dropped already"
            raise GatewayError(Status.NOT_FOUND, detail, reason="received")
        return door


class Sessions:
    """All sessions of the gateway, least recently used first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions: OrderedDict[str, LiveSession] = OrderedDict()
        self._reserved = 0
        self._private: WeakSet[LiveSession] = WeakSet()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session: LiveSession) -> bool:
        return session.id in self._sessions

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(list(self._sessions.values()))

    def private(self, principal: str | None = None) -> LiveSession:
        """Make a session that cannot be found by its id and ends with whoever asked for it (see `end`)."""
        core = Session(secrets.token_urlsafe(_ID_BYTES), self._limits, _new_token)
        session = LiveSession(core, principal)
        self._private.add(session)
        return session

    def open(self, principal: str | None = None, *, rest: bool = False) -> LiveSession:
        """Make a session that can be found; ``rest`` is whether REST opens it.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are too many.
        """
        self._check_room()
        session = self.private(principal)
        session.rest = rest
        self._private.discard(session)
        self._sessions[session.id] = session
        self._touch(session)
        return session

    def reserve(self) -> None:
        """Keep a place for a session that may have to be opened; to be followed by `unreserve`.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there is none.
        """
        self._check_room()
        self._reserved += 1

    def unreserve(self) -> None:
        """Give the place back, if only to open the session in it."""
        self._reserved -= 1

    def _check_room(self) -> None:
        limit = self._limits.max_sessions
        if len(self._sessions) + self._reserved >= limit:
            self._end_idle()
        if len(self._sessions) + self._reserved >= limit:
            raise GatewayError(Status.RESOURCE_EXHAUSTED, f"there are {limit} sessions already; try again later")

    def find(self, id: str, principal: str | None = None, *, rest: bool = False) -> LiveSession:
        """Find a session by its id and note that it is used; ``rest`` is whether REST looks for it.

        Raises:
            GatewayError: NOT_FOUND, for an unknown, ended or expired id and for somebody else's session alike.
        """
        session = self._sessions.get(id)
        if session is not None and self._is_over(session, asyncio.get_running_loop().time()):
            self.end(session, "idle")
            session = None
        if session is None or session.principal != principal:
            raise GatewayError(Status.NOT_FOUND, "there is no such session, or it has ended", reason="session")
        session.rest = session.rest or rest
        self._touch(session)
        return session

    def attach(self, session: LiveSession, stream_id: str, door: Door) -> None:
        """Note that a stream is there; the session lives as long as it is."""
        session.doors[stream_id] = door

    def detach(self, session: LiveSession, stream_id: str) -> None:
        """End a stream: what only it held is released."""
        session.doors.pop(stream_id, None)
        session.core.close_stream(stream_id)
        if not session.doors and not session.rest:
            self.end(session, "its last stream has ended")
        elif session in self:
            self._touch(session)

    def end(self, session: LiveSession, reason: str) -> None:
        """End a session: its streams are told, every handle is released at its service. Idempotent."""
        if session.ended:
            return
        session.ended = True
        self._sessions.pop(session.id, None)
        for door in list(session.doors.values()):
            door.session_ended(reason)
        session.doors.clear()
        session.events = None
        session.handles.clear()

    def service_lost(self, service: str, reason: str) -> None:
        """A service is gone: the handles of objects that went with it end, and their streams are told."""
        for session in (*self, *self._private):
            for handle in session.handles:
                if handle.service == service and not handle.capability.alive:
                    doors = {id(door): door for holder in handle.counts if (door := session.door_of(holder))}
                    session.handles.drop(handle.token)
                    for door in doors.values():
                        door.handle_lost(handle.token, Status.UNAVAILABLE.code, reason)

    def end_all(self, reason: str) -> None:
        """End every session; the gateway stops."""
        if self._timer is not None:
            self._timer.cancel()
        for session in self:
            self.end(session, reason)

    def _touch(self, session: LiveSession) -> None:
        loop = asyncio.get_running_loop()
        session.used_at = loop.time()
        self._sessions.move_to_end(session.id)
        if self._timer is None:
            self._timer = loop.call_later(self._limits.idle_session_s, self._sweep)

    def _is_over(self, session: LiveSession, now: float) -> bool:
        idle_s = now - session.used_at
        return not session.doors and not session.core.calls_in_flight and idle_s >= self._limits.idle_session_s

    def _sweep(self) -> None:
        self._timer = None
        self._end_idle()
        if self._sessions:
            oldest = next(iter(self._sessions.values()))
            loop = asyncio.get_running_loop()
            due = max(oldest.used_at + self._limits.idle_session_s - loop.time(), 0.001)
            self._timer = loop.call_later(due, self._sweep)

    def _end_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for session in self:
            if now - session.used_at < self._limits.idle_session_s:
                return
            if self._is_over(session, now):
                self.end(session, "idle")
            else:
                self._touch(session)


def _new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)
