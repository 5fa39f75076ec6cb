"""The session of one HTTP request: the one that it names, or the one that its first handle opens."""

from __future__ import annotations

from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions


class RequestSession:
    """Shared by all calls of the request.

    Attributes:
        session: None as long as there is none.
        opened: whether it was opened here, so that the answer has to name it.
    """

    __slots__ = ("_principal", "_sessions", "opened", "session")

    def __init__(self, sessions: Sessions, session: Session | None, principal: str | None = None) -> None:
        self._sessions = sessions
        self._principal = principal
        self.session = session
        self.opened = False

    def reserve(self) -> None:
        """Keep a place for a session; to be followed by `unreserve`.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there is none.
        """
        self._sessions.reserve()

    def unreserve(self) -> None:
        """Give the place back, if only to open the session in it."""
        self._sessions.unreserve()

    def open(self) -> Session:
        """Open one.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are too many.
        """
        self.session = self._sessions.open(self._principal, rest=True)
        self.opened = True
        return self.session

    def abandon(self) -> None:
        """The answer does not reach the client, nor the name of a session that was opened for it."""
        session = self.session
        if self.opened and session is not None:
            self._sessions.end(session, "the answer that opened it could not be sent")
