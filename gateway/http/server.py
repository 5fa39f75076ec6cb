"""The HTTP server: takes connections in, within bounds, and closes those that are too slow.

Tornado can time requests too, with a timer and some futures for each, which cost a fifteenth of a call; and it waits
for ever for a body that does not end, for a client that does not read, and for a free descriptor. One timer for all
connections does it, and a table that knows what each is waiting for.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Iterable
from typing import Any, Final

import tornado.httpserver
import tornado.httputil
from tornado.http1connection import HTTP1ServerConnection

from gateway import fixed_paths
from gateway.errors import GatewayError
from gateway.http.addresses import address_of_socket
from gateway.http.application import GatewayApplication
from gateway.http.connections import Connections, Phase
from gateway.http.hangups import Hangups
from gateway.http.listening import Listening
from gateway.http.metered_stream import MeteredStream

UNLIMITED_BYTES: Final = sys.maxsize
"""For Tornado's own limit of bodies; ours is kept in `gateway.http.application`."""
SWEEP_S: Final = 1.0
_FOR_WATCHERS: Final = frozenset({fixed_paths.HEALTH, fixed_paths.READY, fixed_paths.METRICS})
"""What is answered although there is no room: else who watches the gateway would take a full one for a dead one, and
would not learn what fills it."""


class GatewayServer(tornado.httpserver.HTTPServer):
    """Tornado's server with one timer and a table of connections.

    Args:
        application: it tells ``connections`` what has come.
        connections: all of this gateway.
    """

    def initialize(  # type: ignore[override]
        self, application: GatewayApplication, connections: Connections, sweep_s: float = SWEEP_S
    ) -> None:
        super().initialize(application, max_body_size=UNLIMITED_BYTES)
        self.conn_params.header_timeout = None
        self._application = application
        self._table = connections
        self._sweep_s = sweep_s
        self._loop = asyncio.get_running_loop()
        self._hangups = Hangups()
        self._listening: list[Listening] = []
        self._timer = self._loop.call_later(sweep_s, self._sweep)

    # Connections.

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on listening sockets; in place of Tornado's way, which a full table of descriptors makes spin."""
        self._listening += [Listening(self._loop, one, self._accepted, self._table.make_room) for one in sockets]

    def stop(self) -> None:
        """Accept no more."""
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        super().stop()

    def _accepted(self, connection: socket.socket, address: Any) -> None:
        stream = MeteredStream(
            connection,
            self._table,
            self._hangups,
            max_buffer_size=self.max_buffer_size,
            read_chunk_size=self.read_chunk_size,
        )
        stream.connection = self._table.admit(stream, address_of_socket(address), self._loop.time())
        self.handle_stream(stream, address)

    def start_request(
        self, server_conn: object, request_conn: tornado.httputil.HTTPConnection
    ) -> tornado.httputil.HTTPMessageDelegate:
        """See `tornado.httputil.HTTPServerConnectionDelegate`; called when a connection may send its next request."""
        assert isinstance(server_conn, HTTP1ServerConnection)
        stream = server_conn.stream
        assert isinstance(stream, MeteredStream)
        connection = stream.connection
        refusal = connection.refusal
        if refusal is not None:
            if connection.requests:
                stream.close()
            else:
                return _Guest(self._application, server_conn, request_conn, refusal)
        if stream.closed():
            return _Deaf(request_conn)
        self._table.expect(connection, self._loop.time())
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """See `tornado.httputil.HTTPServerConnectionDelegate`; also called when a WebSocket is made of it."""
        assert isinstance(server_conn, HTTP1ServerConnection)
        stream = server_conn.stream
        assert isinstance(stream, MeteredStream)
        if stream.connection.phase is not Phase.SOCKET:
            self._table.closed(stream.connection)
        super().on_close(server_conn)

    async def close_all_connections(self) -> None:
        """Close what is open and end the timer."""
        self._timer.cancel()
        await super().close_all_connections()
        self._hangups.close()

    def _sweep(self) -> None:
        self._table.end_overdue(self._loop.time())
        self._timer = self._loop.call_later(self._sweep_s, self._sweep)


class _Guest(tornado.httputil.HTTPMessageDelegate):
    """A request on a connection for which there is no room: refused as soon as its head is read."""

    def __init__(
        self,
        application: GatewayApplication,
        server_conn: HTTP1ServerConnection,
        request_conn: tornado.httputil.HTTPConnection,
        refusal: GatewayError,
    ) -> None:
        self._application = application
        self._server_conn = server_conn
        self._request_conn = request_conn
        self._refusal = refusal
        self._inner: tornado.httputil.HTTPMessageDelegate | None = None

    def headers_received(
        self,
        start_line: tornado.httputil.RequestStartLine | tornado.httputil.ResponseStartLine,
        headers: tornado.httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, tornado.httputil.RequestStartLine)
        if start_line.path.partition("?")[0] in _FOR_WATCHERS:
            self._inner = self._application.start_request(self._server_conn, self._request_conn)
            return self._inner.headers_received(start_line, headers)
        request = tornado.httputil.HTTPServerRequest(
            connection=self._request_conn, start_line=start_line, headers=headers
        )
        return self._application.refuse(request, self._refusal)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._inner is None else self._inner.data_received(chunk)

    def finish(self) -> None:
        if self._inner is not None:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if self._inner is not None:
            self._inner.on_connection_close()


class _Deaf(tornado.httputil.HTTPMessageDelegate):
    """A request that came before its client left, and is begun for nobody: what Tornado has read of it is let go."""

    def __init__(self, request_conn: tornado.httputil.HTTPConnection) -> None:
        self._request_conn = request_conn

    def headers_received(
        self,
        start_line: tornado.httputil.RequestStartLine | tornado.httputil.ResponseStartLine,
        headers: tornado.httputil.HTTPHeaders,
    ) -> None:
        detach = getattr(self._request_conn, "detach")  # noqa: B009
        detach()
