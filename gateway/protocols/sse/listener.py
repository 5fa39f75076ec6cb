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
from gateway.protocols.progress_watch import ProgressWatch
from gateway.protocols.sse.event_log import EventLog, end_event, reset_event
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.holder_references import HolderReferences
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

_ID_BYTES: Final = 18
_PUT_BYTES: Final = 65_536
"""So much is given at a time to a connection that has nothing to write any more."""


class EventSink(Protocol):
    """One open connection that events are written to."""

    @property
    def progress(self) -> int:
        """How many bytes the other side's machine has taken."""

    def put(self, data: bytes, number: int) -> bool:
        """Write events; ``number`` is that of the last one. Never waits and never fails.

        Returns:
            Whether so much waits for the network now that further events had better wait for `Listener.drained`.
        """

    def finish(self) -> None:
        """End the connection when everything is written, or if that takes too long, without."""


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
        self._watch = ProgressWatch(self._progress, self._stuck, limits.slow_client_s)
        self._lost: bytes | None = None

    @classmethod
    def of(cls, session: Session, sessions: Sessions, limits: Limits, last_event: int | None) -> Listener:
        """The listener of a session behind the event of that number, or if it cannot go on there, a new one.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, the session has as many streams as may be.
        """
        known = cls._known(session, sessions, limits)
        lost = session.lost_callbacks
        if known is not None:
            if last_event is not None and known.log.counting.can_repeat(last_event):
                return known
            # Who listens still is told by itself that it was replaced.
            lost = () if known.is_open else known.callbacks.names
            known._close(close_codes.REPLACED, "another listener of the session took its place")
        log = EventLog(limits.max_message_bytes, session.record.events, sessions.kept)
        new = cls(session, sessions, limits, secrets.token_urlsafe(_ID_BYTES), log)
        if last_event is not None:
            new._lost = reset_event(f"the events behind {last_event} cannot be had any more", lost)
        elif lost:
            new._lost = reset_event("the listener before came back without the id of its last event", lost)
        sessions.attach(session, new, new.callbacks)
        session.lost_callbacks = ()
        session.record.listener = new.id
        return new

    @classmethod
    def _known(cls, session: Session, sessions: Sessions, limits: Limits) -> Listener | None:
        id = session.record.listener
        if id is None:
            return None
        record = session.record.streams.get(id)
        if record is not None:
            log = EventLog.restored(record, limits.max_message_bytes, sessions.kept)
            restored = cls(session, sessions, limits, id, log)
            sessions.attach(session, restored, restored.callbacks)
            sessions.taken(session, id)
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
        if self._lost is not None:
            lost, self._lost = self._lost, None
            sink.put(lost, 0)
        counting = self.log.counting
        counting.acknowledge(last_event or 0)
        counting.restart()
        self.drained()
        if counting.kept_bytes > self._limits.send_buffer_bytes:
            self._watch.begin()

    def drained(self) -> None:
        """The connection has nothing to write any more, after it said that enough waits."""
        sink, counting = self._sink, self.log.counting
        is_full = False
        while sink is not None and not is_full and counting.is_held:
            events = counting.next(_PUT_BYTES)
            is_full = bool(events) and sink.put(b"".join(events), counting.reached)
        if is_full:
            counting.hold()

    def _progress(self) -> tuple[int, int] | None:
        counting = self.log.counting
        if self._sink is None or counting.kept_bytes <= self._limits.send_buffer_bytes:
            return None
        return self._sink.progress, counting.acknowledged

    def _stuck(self) -> None:
        unread_bytes, patience_s = self.log.counting.kept_bytes, self._limits.slow_client_s
        self._close(
            close_codes.SLOW_READER,
            f"{unread_bytes} bytes of events were waiting, and none was read for {patience_s:g} s",
        )

    def closed(self, sink: EventSink) -> None:
        """The connection is gone. The listener may come back for a while."""
        if not self._over and sink is self._sink:
            self._sink = None
            self._watch.end()
            self.log.counting.leave()
            self._away = asyncio.get_running_loop().call_later(self._limits.resume_window_s, self.end)

    def answered(self, key: str, result: JSON, error: GatewayError | None) -> bool:
        """Take the answer to a request; False if it does not wait for one.

        Raises:
            GatewayError: INVALID_ARGUMENT with the path, the results do not fit; the request waits on.
        """
        if key not in self.log.requests:
            return False
        if error is None:
            self.callbacks.accept(key, result)
        else:
            self.callbacks.answered(key, None, error)
        return self.log.answered(key)

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
        self._watch.end()
        # The next listener's events go on behind: what this one has seen is no place in them.
        self._session.record.events = self.log.counting.sent + 1
        self._session.lost_callbacks = self.callbacks.names
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
        sink, counting, limit = self._sink, self.log.counting, self._limits.send_buffer_bytes
        if sink is not None and not counting.is_held and sink.put(event, counting.sent):
            counting.hold()
        self.log.make_room(limit)
        if sink is not None and counting.kept_bytes > limit:
            self._watch.begin()

    # A client of its session: see `gateway.client.Client`.

    @property
    def is_open(self) -> bool:
        return self._sink is not None

    @property
    def is_busy(self) -> bool:
        # What calls of its session pass to services is called through it.
        return not self._over and self._session.calls_in_flight > 0

    @property
    def is_unused(self) -> bool:
        return False

    @property
    def kept_bytes(self) -> int:
        return self.log.counting.kept_bytes

    @property
    def unboxes(self) -> bool:
        return False

    def request(self, name: str, method: str, params: list[JSON], traceparent: str | None = None) -> str:
        counting, limit = self.log.counting, self._limits.send_buffer_bytes
        self.log.make_room(limit)
        if counting.kept_bytes > limit or not self._sessions.kept.has_room(counting.kept_bytes, 0):
            detail = f"{counting.kept_bytes} bytes wait for the listener already; it is not asked above {limit}"
            raise GatewayError(Status.RESOURCE_EXHAUSTED, detail, reason="slow")
        key, event = self.log.request(name, method, params, traceparent)
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
