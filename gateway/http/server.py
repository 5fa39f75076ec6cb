"""The HTTP server: takes connections in, within bounds, and closes those that are too slow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from gateway import fixed_paths
from gateway.errors import GatewayError
from gateway.http.addresses import address_of_socket
from gateway.http.application import Application
from gateway.http.connection import READ_BYTES, Answerer, HttpConnection
from gateway.http.connections import Connections
from gateway.http.hangups import Hangups
from gateway.http.listening import Listening
from gateway.http.metered_stream import MeteredStream
from gateway.http.request_head import HttpRequest
from gateway.http.tls import Tls, TlsStream
from gateway.turns import Work

SWEEP_S: Final = 1.0
_FOR_WATCHERS: Final = frozenset({fixed_paths.HEALTH, fixed_paths.READY, fixed_paths.METRICS})
"""What is answered although there is no room: else who watches the gateway would take a full one for a dead one, and
would not learn what fills it."""


class GatewayServer(TCPServer):
    """A server with one timer for all its connections; a timer for each request costs a fifteenth of a call.

    Args:
        connections: the table of all that it takes in.
        make_room: ends a connection when the process can open no more files; False if none may go. None: one of the
            table.
        tls: what it speaks TLS with; None = it speaks plain HTTP.
    """

    def __init__(
        self,
        application: Application,
        *,
        connections: Connections,
        make_room: Callable[[], bool] | None = None,
        sweep_s: float = SWEEP_S,
        tls: Tls | None = None,
    ) -> None:
        super().__init__()
        self._application = application
        self._table = connections
        self._make_room = connections.make_room if make_room is None else make_room
        self._sweep_s = sweep_s
        self._loop = asyncio.get_running_loop()
        self._hangups = Hangups()
        self._listening: list[Listening] = []
        self._tls = tls
        self._handshakes: set[TlsStream] = set()
        self._connections: set[HttpConnection] = set()
        self._timer = self._loop.call_later(sweep_s, self._sweep)

    # Connections.

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on listening sockets; in place of Tornado's way, which a full table of descriptors makes spin."""
        self._listening += [Listening(self._loop, one, self._accepted, self._make_room) for one in sockets]

    def stop(self) -> None:
        """Accept no more."""
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        super().stop()

    def _accepted(self, connection: socket.socket, address: Any) -> None:
        if self._tls is not None:
            self._shake_hands(self._tls, connection, address)
            return
        stream = MeteredStream(connection, self._hangups, read_chunk_size=READ_BYTES)
        stream.client = self._table.admit(stream, self._owner_of(address), self._loop.time())
        self.handle_stream(stream, address)

    def _shake_hands(self, tls: Tls, connection: socket.socket, address: Any) -> None:
        table, now = self._table, self._loop.time()
        try:
            stream = tls.stream(connection, self._hangups, READ_BYTES)
        except OSError:
            connection.close()
            return
        client = stream.client = table.admit(stream, self._owner_of(address), now)
        table.shakes_hands(client, now)
        stream.set_close_callback(lambda: table.closed(client))
        self._handshakes.add(stream)

        def done(handshake: asyncio.Future[Any]) -> None:
            self._handshakes.discard(stream)
            # Why it failed is the client's to know: the log would have a line for each that looks around.
            if handshake.cancelled() or handshake.exception() is not None or stream.closed():
                stream.close()
                return
            table.has_shaken_hands(client, self._loop.time())
            self.handle_stream(stream, address)

        stream.wait_for_handshake().add_done_callback(done)

    def _owner_of(self, address: Any) -> str:
        # Behind a trusted proxy are many clients, whose requests are counted one by one.
        is_proxy = isinstance(address, tuple) and self._application.site.proxies.trusts(str(address[0]))
        return "" if is_proxy else address_of_socket(address)

    def handle_stream(self, stream: IOStream, address: object) -> None:
        """See `tornado.tcpserver.TCPServer`."""
        assert isinstance(stream, MeteredStream)
        connection = HttpConnection(stream, address, self, self._application.site.limits)
        self._connections.add(connection)
        connection.start()

    def start_request(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._table.expect(connection.client, self._loop.time())

    def body_grows(self, connection: HttpConnection, size: int) -> GatewayError | None:
        """See `gateway.http.connection.ConnectionOwner`."""
        return self._table.body_grows(connection.client, size, self._loop.time())

    def refusal_of_head(self, request: HttpRequest) -> GatewayError | Awaitable[GatewayError | None] | None:
        """See `gateway.http.connection.ConnectionOwner`."""
        return self._application.refusal_of_head(request)

    def request_arrived(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._table.arrived(connection.client)

    def answer(self, request: HttpRequest) -> Answerer:
        """See `gateway.http.connection.ConnectionOwner`."""
        if self._application.site.stopping:
            # Its next request is for the gateway that takes over.
            request.keeps_alive = False
        refusal = request.connection.client.refusal
        if refusal is not None:
            request.keeps_alive = False
            if self._application.inner_path(request) not in _FOR_WATCHERS:
                return self._application.refuse(request, refusal)
        return self._application.answer(request)

    def refuse(self, request: HttpRequest, error: GatewayError) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._application.refuse(request, error)

    def writing_takes_time(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._table.waits(connection.client, self._loop.time())

    def put_off(self, connection: HttpConnection, work: Work) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._application.site.turns.add(connection.remote_ip, work)

    def on_detach(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._connections.discard(connection)

    def on_close(self, connection: HttpConnection) -> None:
        """See `gateway.http.connection.ConnectionOwner`."""
        self._table.closed(connection.client)
        self._connections.discard(connection)

    async def close_all_connections(self) -> None:
        """Close what is open and end the timer."""
        self._timer.cancel()
        for stream in list(self._handshakes):
            stream.close()
        while self._connections:
            for connection in self._connections:
                connection.close()
            # Each says in the loop's next turn that it is closed.
            await asyncio.sleep(0)
        self._hangups.close()

    def _sweep(self) -> None:
        self._table.end_overdue(self._loop.time())
        self._timer = self._loop.call_later(self._sweep_s, self._sweep)
