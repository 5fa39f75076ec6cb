"""The sessions that exist: opening, finding, using, and ending them when nobody does any more.

    (none) ── open ──► in use ── last stream gone, REST silent ──► idle ── idle time over ──► ended
                         ▲ │                                        │
                         │ │ └──────── found by its id ◄────────────┘        end() leads from everywhere to ended
            found by id  │ ▼ suspend
                      with no process

What a session has is plain data in a store (`gateway.sessions.record`); here are those that are live in this process,
and the clock. Ids come from here and from nowhere else, so no client can choose one.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from weakref import WeakSet

from gateway.access.principals import ANONYMOUS, Principal
from gateway.access.refusals import Refusals
from gateway.catalogue import Service, ServiceMethod
from gateway.client import Client
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.sessions.away import AwaySessions
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.handles import REST, Handle
from gateway.sessions.kept_bytes import KeptBytes
from gateway.sessions.passed_objects import Admits, MayCall, admit_all, may_all
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session
from gateway.sessions.shares import SessionShares
from gateway.sessions.store import MemoryStore, SessionStore

_ID_BYTES: Final = 24
_TOKEN_BYTES: Final = 18
"""192 and 144 random bits: more than anybody can guess, and a multiple of 3, so that base64 needs no padding."""
_COOKIE_DOT: Final = "."


def no_services(name: str) -> Service | None:
    """The services of a gateway that finds its sessions in this process only."""
    return None


class Sessions:
    """All sessions of the gateway.

    Args:
        store: where they are as plain data.
        services: the service of a name that is served now, or None; for sessions that come from the store.
        refusals: where it is counted when there is no room for one.
        permits: whether somebody may call a method; asked of what they passed in calls, when their roles change.
        permits_object: the same for a method as it stands on the wire; asked when a service calls an object of another
            one that a session has passed to it.
        admits: whether somebody may make one more call; asked likewise.
    """

    def __init__(
        self,
        limits: Limits,
        store: SessionStore | None = None,
        services: Callable[[str], Service | None] = no_services,
        refusals: Refusals | None = None,
        permits: Callable[[Principal, ServiceMethod], bool] | None = None,
        permits_object: MayCall = may_all,
        admits: Admits = admit_all,
    ) -> None:
        self._limits = limits
        self._permits_object, self._admits = permits_object, admits
        self.kept = KeptBytes(limits.max_kept_bytes_over_all)
        self._store: SessionStore = MemoryStore() if store is None else store
        self._services = services
        self._permits = permits
        self._live: dict[str, Session] = {}
        self._private: WeakSet[Session] = WeakSet()
        self._numbers = itertools.count(1)
        self._shares = SessionShares(limits)
        self._away = AwaySessions()
        self._refusals = Refusals() if refusals is None else refusals
        self._timer: asyncio.TimerHandle | None = None
        self._windows: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._wall_s: float | None = None

    def rebound(self) -> None:
        """Hold the limits as they are now; what is open stays."""
        self.kept.limit = self._limits.max_kept_bytes_over_all
        self._shares.rebound()
        for session in (*self, *self._private):
            session.handles.limit = self._limits.max_handles_per_session

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, session: Session) -> bool:
        return session.id in self._live

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._live.values()))

    def everyone(self) -> Iterator[Session]:
        """Those that are live in this process, also those that cannot be found."""
        return (session for session in (*self._live.values(), *self._private) if not session.ended)

    def used_at(self, session: Session) -> float:
        """When a session was last found or left by a client, in seconds since 1970."""
        expires_at = session.record.expires_at
        return expires_at - self._limits.idle_session_s if expires_at else session.opened_at

    # Opening and finding.

    def private(self, principal: Principal = ANONYMOUS, address: str = "") -> Session:
        """Make a session that cannot be found by its id and ends with whoever asked for it (see `end`)."""
        record = SessionRecord(secrets.token_urlsafe(_ID_BYTES), principal.name, address=address)
        session = self._made(record, principal)
        self._private.add(session)
        return session

    def open(self, principal: Principal = ANONYMOUS, *, rest: bool = False, address: str = "") -> Session:
        """Make a session that can be found.

        Args:
            rest: whether REST opens it.
            address: of who opens it, "" if it is not known.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are too many.
        """
        self._check_room(address, rest)
        record = SessionRecord(
            secrets.token_urlsafe(_ID_BYTES), principal.name, rest=rest, address=address, by_rest=rest, provisional=rest
        )
        session = self._live[record.id] = self._made(record, principal)
        self._keep(record)
        self._touch(record)
        return session

    def reserve(self, address: str = "") -> None:
        """Keep a place for a session that REST may have to open; to be followed by `unreserve`.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there is none.
        """
        self._check_room(address, rest=True)
        self._shares.take(address, rest=True)

    def unreserve(self, address: str = "") -> None:
        """Give the place back, if only to open the session in it."""
        self._shares.give(address, rest=True)

    def cookie_of(self, session: Session) -> str:
        """The cookie that names a session. It is no id: who is only told the id cannot make a page use the session."""
        record = session.record
        if record.cookie is None:
            record.cookie = secrets.token_urlsafe(_ID_BYTES)
        return f"{record.id}{_COOKIE_DOT}{record.cookie}"

    def find_by_cookie(self, cookie: str, principal: Principal = ANONYMOUS) -> Session | None:
        """Find a session by the cookie that REST was sent, and note that it is used.

        Returns:
            None if it is somebody else's: a browser sends the cookie whoever it is used by.

        Raises:
            GatewayError: as `find`; NOT_FOUND also for a cookie that the gateway has not set.
        """
        record = self._named(cookie)
        if record is None:
            raise _no_session()
        return self.find(record.id, principal, rest=True) if record.principal == principal.name else None

    def principal_of(self, cookie: str) -> Principal | None:
        """Whoever opened the session that a cookie names; None if nobody."""
        session = self.login(cookie)
        return None if session is None else session.principal

    def login(self, cookie: str) -> Session | None:
        """The session that a cookie names, as long as whoever opened it is still who that was; to ask is to use it."""
        record = self._named(cookie)
        session = None if record is None or self._is_over(record) else self._live.get(record.id)
        if record is None or session is None:
            return None
        principal = session.principal
        if principal.name is None or principal.is_removed or self.now() >= principal.expires_at:
            return None
        record.rest = True
        self._shares.came_back(record)
        self._touch(record)
        return session

    def roles_changed(self) -> None:
        """What some may do is another now: what they passed in calls that they may make no more ends."""
        for session in (*self, *self._private):
            self._end_forbidden(session)

    def _end_forbidden(self, session: Session) -> None:
        permits = self._permits
        if permits is not None:
            for _, callbacks in session:
                callbacks.end_forbidden(partial(permits, session.principal))

    def end_those_of(self, principal: Principal, reason: str) -> None:
        """End the sessions of somebody; those that another credential of the same name was last shown for go on."""
        for session in (*self, *self._private):
            if session.principal is principal:
                self.end(session, reason)

    def _named(self, cookie: str) -> SessionRecord | None:
        id, _, secret = cookie.partition(_COOKIE_DOT)
        record = self._store.find(id)
        set_here = None if record is None else record.cookie
        is_ours = set_here is not None and secrets.compare_digest(set_here.encode(), secret.encode())
        return record if is_ours else None

    def find(self, id: str, principal: Principal = ANONYMOUS, *, rest: bool = False) -> Session:
        """Find a session by its id and note that it is used; ``rest`` is whether REST looks for it.

        It is of whoever has the name of the principal that opened it. Of one who has several credentials it knows the
        one that was shown last.

        Raises:
            GatewayError: NOT_FOUND, for an unknown, ended or expired id and for somebody else's session alike;
                UNAVAILABLE, it comes from another process, and a service of its objects cannot be asked now.
        """
        record = self._store.find(id)
        if record is not None and self._is_over(record):
            self._end_record(record, "idle")
            record = None
        if record is None or record.principal != principal.name:
            raise _no_session()
        session = self._live.get(id) or self._revive(record, principal)
        if session.principal is not principal:
            session.principal = principal
            self._end_forbidden(session)
        record.rest = record.rest or rest
        self._shares.came_back(record)
        self._away.discard(session)
        self._touch(record)
        return session

    def _made(self, record: SessionRecord, principal: Principal) -> Session:
        number = next(self._numbers)
        return Session(
            record, self._limits, _new_token, principal, self._permits_object, self.now, number, self._admits
        )

    def _check_room(self, address: str, rest: bool) -> None:
        now, shares = self.now(), self._shares
        record = next(shares.evictable(address, now), None)
        if record is not None:
            self._end_record(record, "nobody came back to it")
            self._refusals.count("provisional_session_s")
        if shares.full(address, rest=rest) is not None:
            self._end_idle()
        full = shares.full(address, rest=rest)
        while full is not None:
            left = self._away.take_empty(address if full[0] == "max_sessions_per_address" else None)
            if left is None:
                break
            self.end(left, "its client was away and had asked for nothing")
            full = shares.full(address, rest=rest)
        if full is not None:
            name, number = full
            self._refusals.count(name)
            retry_after = shares.retry_after_s(now)
            detail = f"there are {number} sessions already, as many as {name} permits: try again in {retry_after} s"
            raise GatewayError(Status.RESOURCE_EXHAUSTED, detail, retry_after=retry_after)

    def _keep(self, record: SessionRecord) -> None:
        self._store.open(record)
        self._shares.opened(record, self.now())

    def _drop(self, record: SessionRecord) -> None:
        if self._store.find(record.id) is record:
            self._store.drop(record.id)
            self._shares.ended(record)

    # Clients.

    def attach(self, session: Session, client: Client, callbacks: Callbacks) -> None:
        """Note that a client is there; the session lives as long as it is.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, the session has as many streams as may be.
        """
        session.attach(client, callbacks)

    def detach(self, session: Session, id: str) -> None:
        """End a client: what only it held is released."""
        self._stop_window(session, id)
        session.detach(id)
        if not session.streams and not session.record.rest:
            self.end(session, "its last stream has ended")
        elif session in self:
            self._touch(session.record)

    def left(self, session: Session) -> None:
        """Note that a client of a session lost its socket, and may come back."""
        if session in self:
            self._away.add(session)

    # Processes.

    def suspend(self, session: Session) -> SessionRecord:
        """Leave a session to whoever finds it next: nothing of it is live here afterwards, and nothing is released.

        What cannot go along is ended, and its clients are told: calls under way, callbacks, objects that are bound to
        this process. A client that reads too slowly for that ends, as it would at any other time.
        """
        record = session.record
        for handle in session.handles:
            if handle.record.is_bound:
                self._lose(session, handle, "it is bound to a process of the gateway that leaves the session")
        for client, _ in session:
            stream = client.suspend()
            if session.find(client.id) is not None:  # else it could take no more, and is over
                record.streams[client.id] = stream
        for id in record.streams:
            self._stop_window(session, id)
        session.handles.leave()
        session.ended = True
        session.passed.end()
        self._live.pop(session.id, None)
        self._away.discard(session)
        return record

    def adopt(self, record: SessionRecord) -> None:
        """Take a session in that another process has left; it is live as soon as it is found.

        Only for stores that do not share what they keep: with another store the record is there already. If nobody
        finds it, it ends when its time is over, or where other sessions are kept, one idle time later at the most.
        """
        self._keep(record)
        self._sweep_after(self._left_s(record))

    def _revive(self, record: SessionRecord, principal: Principal) -> Session:
        session = self._made(record, principal)
        for token, handle in list(record.handles.items()):
            service = self._services(handle.service)
            try:
                if service is None:
                    raise GatewayError(Status.NOT_FOUND, f"there is no service {handle.service} any more")
                session.handles.adopt(token, service)
            except GatewayError as error:
                if error.status is Status.UNAVAILABLE:
                    session.handles.leave()
                    raise
                del record.handles[token]
        self._live[record.id] = session
        loop = asyncio.get_running_loop()
        for id in record.streams:
            window = loop.call_later(self._limits.resume_window_s, self.detach, session, id)
            self._windows[record.id, id] = window
        return session

    def taken(self, session: Session, id: str) -> None:
        """Note that a stream of the record is live again, as a client."""
        session.record.streams.pop(id, None)
        self._stop_window(session, id)

    def _stop_window(self, session: Session, id: str) -> None:
        window = self._windows.pop((session.id, id), None)
        if window is not None:
            window.cancel()

    # Ending.

    def end(self, session: Session, reason: str) -> None:
        """End a session: its streams are told, every handle is released at its service. Idempotent."""
        if session.ended:
            return
        session.ended = True
        self._live.pop(session.id, None)
        self._away.discard(session)
        self._drop(session.record)
        for client, _ in session:
            client.session_ended(reason)
        for one in list(session.relying):
            one.lapse(f"the login has ended: {reason}")
        for id in session.record.streams:
            self._stop_window(session, id)
        session.clear()

    def service_lost(self, service: str, reason: str) -> None:
        """A service is gone: the handles of objects that went with it end, and their streams are told."""
        for session in (*self, *self._private):
            for handle in session.handles:
                if handle.service.name == service and not handle.capability.alive:
                    self._lose(session, handle, reason)

    def service_removed(self, service: str, reason: str) -> None:
        """A service is served no more: the handles of its objects end, and their streams are told."""
        for session in (*self, *self._private):
            for handle in session.handles:
                if handle.service.name == service:
                    self._lose(session, handle, reason, Status.NOT_FOUND.code)

    def drop_handle(self, session: Session, token: str) -> None:
        """End a handle over REST, whoever holds it; the streams that do are told.

        Raises:
            GatewayError: NOT_FOUND, there is no such handle.
        """
        handle = session.handles.get(token)
        handle.counts.pop(REST, None)  # whoever ends it knows
        self._lose(session, handle, "it was released over REST", "released")

    def _lose(
        self, session: Session, handle: Handle, reason: str, code: str = Status.UNAVAILABLE.code
    ) -> None:
        clients = {id(client): client for name in handle.counts if (client := session.holder(name))}
        session.handles.drop(handle.token)
        for client in clients.values():
            client.handle_ended(handle.token, code, reason)

    def end_all(self, reason: str) -> None:
        """End every session; the gateway stops."""
        if self._timer is not None:
            self._timer.cancel()
        for session in self:
            self.end(session, reason)

    def _end_record(self, record: SessionRecord, reason: str) -> None:
        # One that is with no process is taken in first, as somebody has to give its objects back.
        try:
            session = self._live.get(record.id) or self._revive(record, Principal(record.principal))
        except GatewayError:
            self._drop(record)  # and its objects go when their service has heard of nobody for a while
        else:
            self.end(session, reason)

    # Time.

    def now(self) -> float:
        """Seconds since 1970, by the loop's clock: no jump of the system's clock ends a session."""
        now = asyncio.get_running_loop().time()
        if self._wall_s is None:
            self._wall_s = time.time() - now
        return self._wall_s + now

    def _touch(self, record: SessionRecord) -> None:
        self._store.touch(record, self.now() + self._limits.idle_session_s)
        self._sweep_after(self._limits.idle_session_s)

    def _left_s(self, record: SessionRecord) -> float:
        return max(record.expires_at - self.now(), 0.001)

    def _is_over(self, record: SessionRecord) -> bool:
        session = self._live.get(record.id)
        is_used = session is not None and bool(session.streams or session.calls_in_flight or session.relying)
        return not is_used and self.now() >= record.expires_at

    def _sweep_after(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._end_idle()
        first = next(iter(self._store), None)
        if first is not None:
            self._sweep_after(self._left_s(first))

    def _end_idle(self) -> None:
        now = self.now()
        for record in self._store:
            if now < record.expires_at:
                return
            if self._is_over(record):
                self._end_record(record, "idle")
            else:
                self._store.touch(record, now + self._limits.idle_session_s)


def _no_session() -> GatewayError:
    return GatewayError(Status.NOT_FOUND, "there is no such session, or it has ended", reason="session")


def _new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)
