"""``/api/session``: a session as a resource of its own, opened, listed and ended."""

from __future__ import annotations

from gateway.errors import GatewayError, Status
from gateway.http.rest import ApiHandler
from gateway.reference_form import handle as handle_form


class SessionHandler(ApiHandler):
    """``/api/session``"""

    def prepare(self) -> None:
        super().prepare()
        self.set_header("Cache-Control", "no-store")

    def post(self) -> None:
        if self.body() not in (None, {}):
            raise GatewayError(Status.INVALID_ARGUMENT, "a session is opened with no body or {}")
        session = self.open_session()
        self.tell_session(session)
        self.answer({"session": session.id, "idle_s": self.site.limits.idle_session_s}, 201)

    def get(self) -> None:
        session = self.required_session()
        self.answer(
            {
                "handles": [
                    {
                        **handle_form(handle.token, handle.interface_name),
                        "service": handle.service.name,
                        "count": sum(handle.counts.values()),
                    }
                    for handle in session.handles
                ],
                "callbacks": [name for attachment in session for name in attachment.callbacks.names],
                "streams": session.streams,
            }
        )

    head = get

    def delete(self) -> None:
        session = self.required_session()
        self.site.sessions.end(session, "it was ended over REST")
        self.forget_cookie()
        self.set_status(204)
