"""``POST /rpc``: JSON-RPC 2.0 over HTTP, one message or batch a request; what it means is in `protocols.jsonrpc`."""

from __future__ import annotations

from typing import Final

from cara_pseud.capabilities import CallOptions
from gateway.errors import Status
from gateway.http.rest import ApiHandler, seconds
from gateway.protocols.jsonrpc.exchange import Exchange
from gateway.protocols.rest.request_session import RequestSession

_OTHER_TYPES: Final = ("application/json-rpc", "application/jsonrequest")
"""What older clients send: drafts of JSON-RPC over HTTP asked for it. No page can send them without a preflight."""


class RpcHandler(ApiHandler):
    """``/rpc``"""

    _exchange: Exchange | None = None

    async def post(self) -> None:
        site = self.site
        text = self.json_text(_OTHER_TYPES) if self.request.body else b""
        owner = RequestSession(site.sessions, self.session(), self.principal)
        exchange = Exchange(site.served, site.calls, site.limits, owner, self._options(), self._idle)
        self._exchange = exchange
        site.calls_under_way += 1
        exchange.receive(text)
        data = await exchange.reply
        self._exchange = None
        if not exchange.holds_handles:
            owner.abandon()  # it was opened for a result that could not be sent
        if data is None:
            self.set_status(204)
            self.finish()
            return
        if exchange.holds_handles:
            self.set_header("Cache-Control", "no-store")
            if owner.opened and owner.session is not None:
                self.tell_session(owner.session)
        if exchange.is_unreadable:
            self._problem_code = Status.INVALID_ARGUMENT.code
        self.answer_bytes(data, 400 if exchange.is_unreadable else 200, secret=exchange.holds_handles)

    def on_connection_close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()

    def _idle(self) -> None:
        self.site.calls_under_way -= 1

    def _options(self) -> CallOptions:
        headers = self.sent
        wished = headers.get("Request-Timeout")
        return CallOptions(
            None if wished is None else seconds(wished), self.request_id, self.principal, headers.get("Traceparent")
        )
