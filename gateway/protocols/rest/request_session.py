"""The session of one HTTP request: the one that it names, or the one that its first handle opens."""

from __future__ import annotations

from gateway.errors import GatewayError, Status
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions


class RequestSession:
    """Shared by all calls of the request.

    Args:
        principal, address: who asks, for whom one is opened.
        may_open: whether one may be opened.

    Attributes:
        session: None as long as there is none.
        opened: whether it was opened here, so that the answer has to name it.
    """

    __slots__ = ("_address", "_may_open", "_principal", "_sessions", "opened", "session")

    def __init__(
        self,
        sessions: Sessions,
        session: Session | None,
        principal: str | None = None,
        address: str = "",
        *,
        may_open: bool = True,
    ) -> None:
        self._sessions = sessions
        self._principal = principal
        self._address = address
        self._may_open = may_open
        self.session = session
        self.opened = False

    def reserve(self) -> None:
        """Keep a place for a session; to be followed by `unreserve`.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there is none; PERMISSION_DENIED, none may be opened.
        """
        if not self._may_open:
            detail = "the answer may hold objects, for which pages of other sites cannot open a session"
            raise GatewayError(Status.PERMISSION_DENIED, detail)
        self._sessions.reserve(self._address)

    def unreserve(self) -> None:
        """Give the place back, if only to open the session in it."""
        self._sessions.unreserve(self._address)

    def open(self) -> Session:
        """Open one.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are too many.
        """
        self.session = self._sessions.open(self._principal, rest=True, address=self._address)
        self.opened = True
        return self.session

    def abandon(self) -> None:
        """The answer does not reach the client, nor the name of a session that was opened for it."""
        session = self.session
        if self.opened and session is not None:
            self._sessions.end(session, "the answer that opened it could not be sent")
