"""Sessions as operators see them: by numbers that are no secrets, a page at a time."""

from __future__ import annotations

import heapq
import re
from typing import Final, NamedTuple

from gateway.json.text import JSON
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

_NUMBER: Final = re.compile(r"[0-9a-f]{1,16}", re.ASCII)


class SessionPage(NamedTuple):
    """Some sessions in the order in which they were opened.

    Attributes:
        sessions: as JSON objects.
        after: the id behind which the next page begins; None if this is the last.
    """

    sessions: list[JSON]
    after: str | None


class SessionOverview:
    """All sessions of this process, those of sockets that never said hello too.

    Args:
        epoch: tells this process from others, so that an id that somebody wrote down is nobody else's later.
    """

    def __init__(self, sessions: Sessions, epoch: str) -> None:
        self._sessions = sessions
        self._prefix = f"{epoch}-"

    def count(self, principal: str | None = None) -> int:
        """How many there are, of one principal or of all."""
        return sum(principal is None or session.principal.name == principal for session in self._sessions.everyone())

    def page(self, after: str | None, most: int, principal: str | None = None) -> SessionPage:
        """The first sessions behind one, if that is still there or not.

        Args:
            after: an id; None begins with the oldest.
            principal: whose sessions; None: everybody's.

        Raises:
            ValueError: ``after`` is no id of this process.
        """
        least = 0 if after is None else self._number(after)
        wanted = (
            session
            for session in self._sessions.everyone()
            if session.number > least and (principal is None or session.principal.name == principal)
        )
        found = heapq.nsmallest(most + 1, wanted, key=lambda session: session.number)
        shown, now = found[:most], self._sessions.now()
        last = self._id(shown[-1]) if len(found) > most else None
        return SessionPage([self._summary(session, now) for session in shown], last)

    def end(self, id: str, reason: str) -> bool:
        """End a session, of which its clients are told; False if there is none of that id."""
        try:
            number = self._number(id)
        except ValueError:
            return False
        for session in self._sessions.everyone():
            if session.number == number:
                self._sessions.end(session, reason)
                return True
        return False

    def _id(self, session: Session) -> str:
        return f"{self._prefix}{session.number:x}"

    def _number(self, id: str) -> int:
        text = id.removeprefix(self._prefix)
        if text == id or not _NUMBER.fullmatch(text):
            raise ValueError("it is no id of a session of this process")
        return int(text, 16)

    def _summary(self, session: Session, now: float) -> JSON:
        clients = [client for client, _ in session]
        is_used = session.calls_in_flight > 0 or any(client.is_open for client in clients)
        return {
            "id": self._id(session),
            "principal": session.principal.name,
            "address": session.record.address or None,
            "age_s": round(now - session.opened_at, 3),
            "idle_s": 0 if is_used else round(max(now - self._sessions.used_at(session), 0.0), 3),
            "streams": session.streams,
            "connected": sum(client.is_open for client in clients),
            "handles": len(session.handles),
            "callbacks": session.callbacks,
            "calls": session.calls_in_flight,
            "kept_bytes": sum(client.kept_bytes for client in clients),
        }
