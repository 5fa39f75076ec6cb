"""``POST /rpc``: JSON-RPC 2.0 over HTTP, one message or batch a request; what it means is in `protocols.jsonrpc`."""

from __future__ import annotations

from typing import Final

from cara_pseud.capabilities import CallOptions
from gateway.errors import Status
from gateway.http.rest import ApiHandler, header_text, seconds
from gateway.protocols.jsonrpc.single_conversation import SingleConversation
from gateway.protocols.rest.request_session import RequestSession
from gateway.trace_context import stated

_OTHER_TYPES: Final = ("application/json-rpc", "application/jsonrequest")
"""What older clients send: drafts of JSON-RPC over HTTP asked for it. No page can send them without a preflight."""


class RpcHandler(ApiHandler):
    """``/rpc``: a `gateway.protocols.jsonrpc.single_conversation.Asker`."""

    _conversation: SingleConversation | None = None
    _owner: RequestSession

    def post(self) -> None:
        site = self.site
        text = self.json_text(_OTHER_TYPES) if self.request.body else b""
        self._owner = RequestSession(site.sessions, self.session_if_known(), self.principal, self.address)
        conversation = self._conversation = SingleConversation(
            self, site.served, site.calls, site.limits, self._owner, self._options(), site.turns, self.address,
            stated(self.sent.get("Tracestate")),
        )  # fmt: skip
        self.answers_later()
        site.calls_under_way += 1
        conversation.receive(text)

    def tell(self, data: bytes | None) -> None:
        """See `gateway.protocols.jsonrpc.single_conversation.Asker`."""
        conversation, owner = self._conversation, self._owner
        assert conversation is not None  # it is who tells
        self.tell_allowance()
        if data is None:
            self.set_status(204)
            self.finish()
            return
        if conversation.holds_handles:
            self.set_header("Cache-Control", "no-store")
            if owner.opened and owner.session is not None:
                self.tell_session(owner.session)
        if conversation.is_unreadable:
            self._problem_code = Status.INVALID_ARGUMENT.code
        self.answer_bytes(data, 400 if conversation.is_unreadable else 200, secret=conversation.holds_handles)

    def idle(self) -> None:
        """See `gateway.protocols.jsonrpc.single_conversation.Asker`."""
        self.site.calls_under_way -= 1

    def on_connection_close(self) -> None:
        if self._conversation is not None:
            self._conversation.close()

    def _options(self) -> CallOptions:
        headers = self.sent
        wished = headers.get("Request-Timeout")
        return CallOptions(
            None if wished is None else seconds(wished), self.request_id,
            traceparent=header_text(headers, "Traceparent"),
        )  # fmt: skip
