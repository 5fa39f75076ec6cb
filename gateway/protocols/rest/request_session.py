"""The session of one HTTP request: the one that it names, or the one that its first handle opens."""

from __future__ import annotations

from gateway.access.principals import ANONYMOUS, Principal
from gateway.errors import GatewayError, Status
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions


class RequestSession:
    """Shared by all calls of the request.

    Args:
        address: of who asks.
        may_open: whether one may be opened.

    Attributes:
        principal: who asks, for whom one is opened.
        session: None as long as there is none.
        opened: whether it was opened here, so that the answer has to name it.
    """

    __slots__ = ("_address", "_may_open", "_sessions", "opened", "principal", "session")

    def __init__(
        self,
        sessions: Sessions,
        session: Session | None,
        principal: Principal = ANONYMOUS,
        address: str = "",
        *,
        may_open: bool = True,
    ) -> None:
        self._sessions = sessions
        self.principal = principal
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
        self.session = self._sessions.open(self.principal, rest=True, address=self._address)
        self.opened = True
        return self.session

    def abandon(self) -> None:
        """The answer does not reach the client, nor the name of a session that was opened for it."""
        session = self.session
        if self.opened and session is not None:
            self._sessions.end(session, "the answer that opened it could not be sent")
