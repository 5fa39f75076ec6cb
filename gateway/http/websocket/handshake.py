"""The WebSocket at ``/ws``: the handshake (RFC 6455 §4.2). What follows it is a `SocketChannel`."""

from __future__ import annotations

import re
import time
from typing import Final

from gateway.access.gatekeeper import NOT_SHOWN
from gateway.errors import GatewayError, Status, quote
from gateway.http.base import BaseHandler
from gateway.http.connections import ClientConnection
from gateway.http.websocket import frames
from gateway.http.websocket.channel import SocketChannel
from gateway.http.websocket.deflate import Agreement, agree
from gateway.logs import EndedSocket
from gateway.protocols.jsonrpc.conversation import Conversation

_KEY: Final = re.compile("[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64; of the last character two bits count."""


class SocketHandler(BaseHandler):
    """``/ws``"""

    async def get(self) -> None:
        key = self._key()
        connection: ClientConnection = self.request.connection.client
        stream, early = self.detach()
        # Nothing may fail between here and the transport: the connection is ours and not that of HTTP.
        self.set_status(101)
        self.on_finish()
        agreement = self._agreement()
        channel = self.channel(_greeting(key, agreement), agreement, connection)
        self.site.sockets.add(channel)
        self.site.connections.upgraded(connection, channel)
        try:
            await self.site.transports.take(stream, channel, early)
        except OSError:  # the client left meanwhile
            stream.close()
            channel.transport_lost()

    def channel(self, greeting: bytes, agreement: Agreement | None, connection: ClientConnection) -> SocketChannel:
        """What the new WebSocket is for."""
        site, request_id, began_s = self.site, self.request_id, self.request.began_s
        remote, trace_id, admission = self.shown_address(), self.trace_said(), self.admission()

        def ended(channel: SocketChannel) -> None:
            site.sockets.discard(channel)
            site.connections.closed(connection)
            principal = admission.principal
            site.log.socket(EndedSocket(
                channel.close_code, channel.calls, time.perf_counter() - began_s, channel.received_bytes,
                channel.sent_bytes, remote, request_id, None if principal is None else principal.name, trace_id,
            ))  # fmt: skip

        limits = site.limits
        reader = frames.FrameReader(limits.max_message_bytes, inflates=agreement is not None)
        address = self.address
        channel = SocketChannel(
            limits, reader, greeting, ended, site.cork, agreement, site.turns.stalls, address
        )
        channel.conversation = Conversation(
            site.served, site.calls, site.sessions, limits, channel, admission, turns=site.turns,
            address=address,
        )  # fmt: skip
        return channel

    def unidentified(self, error: GatewayError) -> None:
        # A page cannot send a header with the upgrade: its token comes with hello.
        if error.reason != NOT_SHOWN:
            raise error
        self.is_unknown = True

    def _agreement(self) -> Agreement | None:
        if not self.site.compresses_sockets:
            return None
        return agree(self.request.headers.get("Sec-Websocket-Extensions", ""))

    def _key(self) -> str:
        headers = self.request.headers
        # That of HTTP/1.0 is not to be heeded, as proxies of that version pass it on unread (RFC 9110 section 7.8).
        upgrades = () if self.request.minor == 0 else _listed(headers.get("Upgrade", ""))
        key = headers.get("Sec-Websocket-Key")
        if "websocket" not in upgrades or "upgrade" not in _listed(headers.get("Connection", "")) or key is None:
            detail = "this path is a WebSocket; a request must upgrade to it, by HTTP/1.1"
            raise GatewayError(Status.FAILED_PRECONDITION, detail)
        if not _KEY.fullmatch(key):
            detail = f"Sec-WebSocket-Key must be 16 bytes in base64, not {quote(key)}"
            raise GatewayError(Status.FAILED_PRECONDITION, detail)
        if headers.get("Sec-Websocket-Version") != "13":
            raise GatewayError(Status.FAILED_PRECONDITION, "the version of the WebSocket protocol must be 13")
        return key

    def error_headers(self, error: GatewayError) -> None:
        if error.status is Status.FAILED_PRECONDITION:
            self.set_header("Sec-WebSocket-Version", "13")


def _listed(header: str) -> list[str]:
    return [part.strip(" \t").lower() for part in header.split(",")]


def _greeting(key: str, agreement: Agreement | None) -> bytes:
    extensions = "" if agreement is None else f"Sec-WebSocket-Extensions: {agreement.header()}\r\n"
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {frames.accept_value(key)}\r\n{extensions}\r\n"
    ).encode("ascii")
