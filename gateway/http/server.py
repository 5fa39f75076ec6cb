"""The HTTP server: its connections, closed where no request comes, or comes to its end, in time."""

from __future__ import annotations

import asyncio
from typing import Final

from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from gateway.errors import GatewayError
from gateway.http.application import GatewayApplication
from gateway.http.connection import READ_BYTES, Answerer, HttpConnection
from gateway.http.request_deadlines import RequestDeadlines
from gateway.http.request_head import HttpRequest

SWEEP_S: Final = 5.0


class GatewayServer(TCPServer):
    """A server with one timer for all its connections; a timer for each request costs a fifteenth of a call.

    Args:
        deadlines: of its connections.
    """

    def __init__(
        self, application: GatewayApplication, *, deadlines: RequestDeadlines, sweep_s: float = SWEEP_S
    ) -> None:
        super().__init__(read_chunk_size=READ_BYTES)
        self._application = application
        self._deadlines = deadlines
        self._sweep_s = sweep_s
        self._loop = asyncio.get_running_loop()
        self._connections: set[HttpConnection] = set()
        self._timer = self._loop.call_later(sweep_s, self._sweep)

    def handle_stream(self, stream: IOStream, address: object) -> None:
        """See `tornado.tcpserver.TCPServer`."""
        connection = HttpConnection(stream, address, self, self._application.site.limits)
        self._connections.add(connection)
        connection.start()

    def start_request(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._deadlines.expect(connection, self._loop.time())

    head_arrived = start_request

    def request_arrived(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._deadlines.arrived(connection)

    def answer(self, request: HttpRequest) -> Answerer:
        """See `gateway.http.connection.ConnectionOwner`."""
        return self._application.answer(request)

    def refuse(self, request: HttpRequest, error: GatewayError) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._application.refuse(request, error)

    def on_close(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._deadlines.arrived(connection)
        self._connections.discard(connection)

    async def close_all_connections(self) -> None:
        """Close what is open and end the timer."""
        self._timer.cancel()
        while self._connections:
            for connection in self._connections:
                connection.close()
            # Each says in the loop's next turn that it is closed.
            await asyncio.sleep(0)

    def _sweep(self) -> None:
        for overdue in self._deadlines.overdue(self._loop.time()):
            if isinstance(overdue, HttpConnection):
                overdue.close()
        self._timer = self._loop.call_later(self._sweep_s, self._sweep)
