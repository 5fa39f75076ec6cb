"""The HTTP server: closes connections on which no request comes, or comes to its end, in time.

Tornado can do it too, with a timer and some futures for each request, which cost a fifteenth of a call; and it waits
for ever for a body that does not end. One timer for all connections does both.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import tornado.httpserver
import tornado.httputil
import tornado.web
from tornado.http1connection import HTTP1ServerConnection

from gateway.http.request_deadlines import RequestDeadlines

UNLIMITED_BYTES: Final = sys.maxsize
"""For Tornado's own limit of bodies; ours is kept in `gateway.http.application`."""
SWEEP_S: Final = 5.0


class GatewayServer(tornado.httpserver.HTTPServer):
    """Tornado's server with one timer.

    Args:
        request_callback: the application; it tells ``deadlines`` what has come.
        deadlines: by what `gateway.http.base.connection_of` says of a request.
    """

    def initialize(  # type: ignore[override]
        self, request_callback: tornado.web.Application, deadlines: RequestDeadlines, sweep_s: float = SWEEP_S
    ) -> None:
        super().initialize(request_callback, max_body_size=UNLIMITED_BYTES)
        self.conn_params.header_timeout = None
        self._deadlines = deadlines
        self._sweep_s = sweep_s
        self._loop = asyncio.get_running_loop()
        self._streams: dict[object, HTTP1ServerConnection] = {}
        self._timer = self._loop.call_later(sweep_s, self._sweep)

    def start_request(
        self, server_conn: object, request_conn: tornado.httputil.HTTPConnection
    ) -> tornado.httputil.HTTPMessageDelegate:
        """See `tornado.httputil.HTTPServerConnectionDelegate`; called when a connection may send its next request."""
        assert isinstance(server_conn, HTTP1ServerConnection)
        context = server_conn.context
        self._streams[context] = server_conn
        self._deadlines.expect(context, self._loop.time())
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """See `tornado.httputil.HTTPServerConnectionDelegate`."""
        assert isinstance(server_conn, HTTP1ServerConnection)
        self._deadlines.arrived(server_conn.context)
        self._streams.pop(server_conn.context, None)
        super().on_close(server_conn)

    async def close_all_connections(self) -> None:
        """Close what is open and end the timer."""
        self._timer.cancel()
        await super().close_all_connections()

    def _sweep(self) -> None:
        for context in self._deadlines.overdue(self._loop.time()):
            connection = self._streams.get(context)
            if connection is not None:
                connection.stream.close()
        self._timer = self._loop.call_later(self._sweep_s, self._sweep)
