"""A client that listens to a session's server-sent events and answers callbacks by requests of their own."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, Protocol

from gateway.catalogue import Service
from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON
from gateway.protocols import close_codes
from gateway.protocols.sse.event_log import EventLog, end_event
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.holder_references import HolderReferences
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

_ID_BYTES: Final = 18


class EventSink(Protocol):
    """One open connection that events are written to."""

    @property
    def waiting_bytes(self) -> int:
        """How much of what was put is not written yet."""

    def put(self, data: bytes, number: int) -> None:
        """Write events; ``number`` is that of the last one. Never waits and never fails."""

    def finish(self) -> None:
        """End the connection when everything is written."""


class Listener:
    """The listener of one session, over one connection after the other: a `gateway.client.Client`.

    Attributes:
        id: its name as a holder of handles.
        callbacks: its objects that services hold.
        log: its events.
    """

    def __init__(self, session: Session, sessions: Sessions, limits: Limits, id: str, log: EventLog) -> None:
        self.id = id
        self.log = log
        self.callbacks = Callbacks(self, session.check_callbacks, self._references, limits.callback_timeout_s)
        self._session = session
        self._sessions = sessions
        self._limits = limits
        self._sink: EventSink | None = None
        self._over = False
        self._away: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, session: Session, sessions: Sessions, limits: Limits, last_event: int | None) -> Listener:
        """The listener of a session behind the event of that number, or if it cannot go on there, a new one.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, the session has as many streams as may be.
        """
        known = cls._known(session, sessions, limits)
        if known is not None:
            if last_event is not None and known.log.counting.can_repeat(last_event):
                return known
            known._close(close_codes.REPLACED, "another listener of the session took its place")
        new = cls(session, sessions, limits, secrets.token_urlsafe(_ID_BYTES), EventLog(limits.max_message_bytes))
        sessions.attach(session, new, new.callbacks)
        session.record.listener = new.id
        return new

    @classmethod
    def _known(cls, session: Session, sessions: Sessions, limits: Limits) -> Listener | None:
        id = session.record.listener
        if id is None:
            return None
        record = session.record.streams.get(id)
        if record is not None:
            sessions.taken(session, id)
            restored = cls(session, sessions, limits, id, EventLog.restored(record, limits.max_message_bytes))
            sessions.attach(session, restored, restored.callbacks)
            return restored
        attachment = session.listener
        client = None if attachment is None else attachment.client
        return client if isinstance(client, Listener) else None

    # The connection.

    def listen(self, sink: EventSink, last_event: int | None) -> None:
        """Write to that connection from now on, at first what came behind the event of that number."""
        replaced, self._sink = self._sink, sink
        if replaced is not None:
            replaced.put(end_event(close_codes.REPLACED, "another connection took this stream over"), 0)
            replaced.finish()
        if self._away is not None:
            self._away.cancel()
            self._away = None
        counting = self.log.counting
        counting.acknowledge(last_event or 0)
        events = counting.repeat()
        if events:
            sink.put(b"".join(events), counting.sent)

    def closed(self, sink: EventSink) -> None:
        """The connection is gone. The listener may come back for a while."""
        if not self._over and sink is self._sink:
            self._sink = None
            self.log.counting.leave()
            self._away = asyncio.get_running_loop().call_later(self._limits.resume_window_s, self.end)

    def answered(self, key: str, result: JSON, error: GatewayError | None) -> bool:
        """Take the answer to a request; False if it does not wait for one."""
        if not self.log.answered(key):
            return False
        self.callbacks.answered(key, result, error)
        return True

    def end(self) -> None:
        """End the listener: callbacks fail, what only it held is released. Idempotent."""
        if self._over:
            return
        self._stop()
        if not self._session.ended:
            self._session.record.listener = None
            self._sessions.detach(self._session, self.id)

    def _stop(self) -> None:
        self._over = True
        self._sink = None
        if self._away is not None:
            self._away.cancel()
        self.log.counting.drop()
        self.callbacks.end()

    def _close(self, code: int, reason: str) -> None:
        if self._sink is not None:
            self._sink.put(end_event(code, reason), 0)
            self._sink.finish()
        self.end()

    def _tell(self, event: bytes) -> None:
        sink, limit = self._sink, self._limits.send_buffer_bytes
        if sink is not None:  # else it is kept for the next one
            sink.put(event, self.log.counting.sent)
        self.log.make_room(limit)
        # What was called off is not kept, but it was put, and waits there.
        unread_bytes = max(self.log.counting.kept_bytes, 0 if sink is None else sink.waiting_bytes)
        if unread_bytes > limit:
            self._close(close_codes.SLOW_READER, f"{unread_bytes} bytes of events were not read yet")

    # A client of its session: see `gateway.client.Client`.

    @property
    def is_open(self) -> bool:
        return self._sink is not None

    @property
    def is_busy(self) -> bool:
        return False

    @property
    def is_unused(self) -> bool:
        return False

    @property
    def unboxes(self) -> bool:
        return False

    def request(self, name: str, method: str, params: list[JSON]) -> str:
        key, event = self.log.request(name, method, params)
        self._tell(event)
        return key

    def withdraw(self, key: str) -> bool:
        if self._over or key not in self.log.requests:
            return False
        event = self.log.withdraw(key)
        if event is None:
            return True
        self._tell(event)
        return False

    def callback_ended(self, name: str, code: str, reason: str) -> None:
        if not self._over:
            self._tell(self.log.released({"callback": name, "code": code, "reason": reason}))

    def handle_ended(self, token: str, code: str, reason: str) -> None:
        if not self._over:
            self._tell(self.log.released({"handle": token, "code": code, "reason": reason}))

    def session_ended(self, reason: str) -> None:
        self._close(close_codes.SESSION_ENDED, f"the session has ended: {reason}")

    def suspend(self) -> StreamRecord:
        self.callbacks.withdraw()
        for name in self.callbacks.names:
            self.callback_ended(name, Status.UNAVAILABLE.code, "the gateway's process left the session")
        record = self.log.record()
        if self._sink is not None:
            self._sink.finish()
        self._stop()
        return record

    def drain(self) -> None:
        """Nothing: it begins no calls."""

    def shut_down(self) -> None:
        self._close(close_codes.SHUTDOWN, "the gateway shuts down")

    # A holder of references: see `gateway.sessions.holder_references.Holder`.

    def live_session(self) -> Session:
        """Its session."""
        if self._over:
            raise GatewayError(Status.UNAVAILABLE, "the listener is gone")
        return self._session

    def _references(self, service: Service) -> HolderReferences:
        return HolderReferences(self, service)
