"""Sessions whose client lost its socket before it asked for anything: there is nothing in them that could be missed.

Whoever opens sockets and leaves them fills the bounds with such sessions, each for the resume window. A client that
comes back to one that was ended meanwhile gets a new one, and has lost nothing.
"""

from __future__ import annotations

from gateway.sessions.session import Session


class AwaySessions:
    """Sessions that a client has left, by address, those that were left first in front."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[str, dict[str, Session]] = {}

    def add(self, session: Session) -> None:
        """Note that a client of a session lost its socket."""
        self._left.setdefault(session.record.address, {})[session.id] = session

    def discard(self, session: Session) -> None:
        """Somebody is there again, or the session is over; harmless if it was not left."""
        address = session.record.address
        own = self._left.get(address)
        if own is not None and own.pop(session.id, None) is not None and not own:
            del self._left[address]

    def take_empty(self, address: str | None) -> Session | None:
        """A session, of that address if there is one, in which nothing is; it is not asked about again."""
        while self._left:
            known = address if address is not None else next(iter(self._left))
            own = self._left.get(known)
            if own is None:
                return None
            session = next(iter(own.values()))
            # If it is not empty, it is added again when it is left once more.
            self.discard(session)
            if session.is_empty:
                return session
        return None
