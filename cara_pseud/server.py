"""The server's side: many connections, who is behind each, and what happens when one is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import zmq
import zope.interface

from cara_pseud import wire
from cara_pseud.announcing import announce
from cara_pseud.batches import Message
from cara_pseud.connection import Connection
from cara_pseud.errors import ProtocolError, ResourceExhausted, RpcError, Unavailable
from cara_pseud.greeting import SILENCE_S, Greeting
from cara_pseud.holders import Holders
from cara_pseud.logins import Verdict
from cara_pseud.message_logins import MessageLogins
from cara_pseud.passwords import Passwords, as_bytes
from cara_pseud.peer import PeerBase
from cara_pseud.stock import IServer, StockServer

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 1024
_PROBE_AFTER_S: Final = (0.02, 0.1, 0.5, 2.0)
_QUEUED_MESSAGES: Final = 100
"""ZeroMQ's bound for what one connection has waiting in each direction; what is over it waits in the peer's memory."""
_KEEP_ALIVE_S: Final = 60
_KEEP_ALIVE_AGAIN_S: Final = 15
_KEEP_ALIVE_PROBES: Final = 4
_LISTEN_S: Final = 15.0
_SILENT_ROUNDS: Final = 5
"""A peer of version 2 that was silent so many times `_LISTEN_S` is held for gone: a busy interpreter is not dead."""
_READ_S: Final = 1.0
"""So long a closed connection is kept at the most until what it sent was read."""
_LOOK_S: Final = 0.001
"""Nothing is sent after more than this time without a look at who has gone; a new connection needs about as long."""
_MAX_BEHIND: Final = 1024
"""Messages of batches that wait to be worked off; with more nothing is read."""


@zope.interface.implementer(IServer)
class Server(PeerBase, StockServer):  # type: ignore[misc]
    """A pseud server that serves cara interfaces; see `cara_pseud.setup_server`.

    Args:
        user_id: its name, which clients give as ``peer_routing_id``.
        security_plugin: ``noop_auth_backend``, ``trusted_peer`` (believes any login; unsafe outside a trusted network),
            ``plain`` (with ``passwords``), ``curve`` (with ``public_key``, ``secret_key``, ``allowed_keys``), or
            ``untrusted_curve`` (CURVE for any client key, then a login with one of the ``passwords``).
        passwords: ``{user: password}``, a function ``(user, password) -> bool``, or the path of a file that
            ``cara-gateway passwd`` wrote.
        allowed_keys: ``{client public key (Z85): user}``.
        on_duplicate: what happens when a second connection claims a user under ``trusted_peer`` while the first lives:
            ``"accept"`` it (and log it), or ``"refuse"`` it.
        gateways: users that may say on whose behalf they call (`IncomingCall.principal`).
        timeout: seconds that calls of ours wait for an answer.
        max_message_bytes, max_calls, max_exports, max_backlog_bytes: see `cara_pseud.limits`.
        passes_on: its handlers compute nothing and pass calls on, so that what a turn has to say leaves together even
            if one of them once took long.
        debug: send tracebacks to callers; for development only.
    """

    def __init__(
        self,
        user_id: bytes | str,
        *,
        passwords: Passwords | None = None,
        allowed_keys: Mapping[Any, Any] | None = None,
        gateways: Collection[bytes | str] = (),
        on_duplicate: str = "accept",
        **arguments: Any,
    ) -> None:
        if arguments.pop("routing_id", None):
            raise TypeError("routing_id is prohibited: a server's routing id is its user_id")
        identity = as_bytes(user_id)
        if not 0 < len(identity) < 256 or identity[:1] == b"\0":
            raise ValueError("user_id must have 1 to 255 bytes and must not begin with a zero byte")
        self.passwords = passwords
        self.allowed_keys = allowed_keys
        self._gateways = frozenset(as_bytes(user) for user in gateways)
        self._by_routing_id: dict[bytes, Connection] = {}
        self._by_descriptor: dict[int, list[Connection]] = {}
        self._by_user: dict[bytes, list[Connection]] = {}
        self._silent_ones: dict[bytes, Greeting] = {}
        self._closed_descriptors: set[int] = set()
        self._ending: list[Connection] = []
        self._listen_timer: asyncio.TimerHandle | None = None
        plugin = arguments.get("security_plugin", "noop_auth_backend")
        self._authenticates = plugin != "noop_auth_backend"
        # What trusted_peer knows is only a claim: no connection shares another one's objects on its strength.
        self._verifies = plugin in ("plain", "curve", "untrusted_curve")
        if on_duplicate not in ("accept", "refuse"):
            raise ValueError(f"on_duplicate must be 'accept' or 'refuse', not {on_duplicate!r}")
        self._on_duplicate = on_duplicate
        self._message_logins: MessageLogins | None = None
        self._looked_at = 0.0
        PeerBase.__init__(self, user_id=identity, routing_id=identity, **arguments)
        self._holders = Holders(self._new_exports, self.max_exports)

    _monitored_events = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED

    def _configure_socket(self, socket: zmq.Socket[bytes]) -> None:
        # No heartbeats: with them ZeroMQ 4.3.5 aborts the process when a client resets its connection while the queue
        # of what it sent is full, and without a bound for that queue a flood would fill the memory. A host that is
        # gone is noticed by TCP, a process that is frozen by our own beats.
        socket.setsockopt(zmq.RCVHWM, _QUEUED_MESSAGES)
        socket.setsockopt(zmq.SNDHWM, _QUEUED_MESSAGES)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEP_ALIVE_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _KEEP_ALIVE_AGAIN_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, _KEEP_ALIVE_PROBES)
        # Of many that connect at once, those over ZeroMQ's 100 would hear from the kernel a second later, or three.
        socket.setsockopt(zmq.BACKLOG, _BACKLOG)
        # No ROUTER_HANDOVER: a connection that claims the routing id of another one must not get its answers.

    async def start(self) -> None:
        if not self._started or self._closed:
            await super().start()
            announce(self)
            self._listen_timer = self.running_loop.call_later(_LISTEN_S, self._listen)

    @property
    def connections(self) -> Sequence[Connection]:
        return list(self._by_routing_id.values())

    @property
    def root(self) -> Any:
        """A server has many peers: use ``send_to(user)``."""
        raise TypeError("a server has many peers, so an interface cannot wrap it; use send_to(user)")

    def believes(self, user: bytes) -> bool:
        return user in self._gateways

    async def stop(self, grace: float = 0) -> None:
        await super().stop(grace)
        if self._listen_timer is not None:
            self._listen_timer.cancel()
        self._holders.clear()
        if self._message_logins is not None:
            self._message_logins.close()
        self._by_routing_id.clear()
        self._by_user.clear()

    # Connections.

    def wants_metadata(self, routing_id: bytes) -> bool:
        # When a connection is gone another one may take its routing id, but not its user: look at every message.
        connection = self._by_routing_id.get(routing_id)
        return self._authenticates or connection is None or connection.closed

    def _connection_from(self, routing_id: bytes, user: str | None, descriptor: int) -> Connection | None:
        connection = self._by_routing_id.get(routing_id)
        if (
            connection is not None
            and (not self._authenticates or connection.transport_user == (user or "").encode())
            and not (connection.closed and connection.descriptor != descriptor)
        ):
            if descriptor >= 0 and descriptor != connection.descriptor:
                self._note_descriptor(connection, descriptor)
            return connection
        if connection is not None:
            self._forget(connection)
        identity = (user or "").encode() if self._authenticates else b""
        connection = self._new_connection(routing_id, identity)
        connection.admitted = False
        self._by_routing_id[routing_id] = connection
        if self.logs_in:
            connection.user, connection.let_in = b"", False
        else:
            connection.let_in = self._permits_duplicate(connection)
            if connection.let_in:
                self._let_in(connection)
            else:
                _LOG.warning("a second login as %r is refused", connection.user)
        if descriptor >= 0:
            self._note_descriptor(connection, descriptor)
        said = self._silent_ones.pop(routing_id, None)
        if said is not None and connection.let_in:
            connection.recognise(said)
        return connection

    def _note_descriptor(self, connection: Connection, descriptor: int) -> None:
        # Descriptors are used again. ZeroMQ tells that one is closed before another connection can have it, so what is
        # told from now on is told of this one.
        self._transport.drain_monitor()
        if connection.lost:
            return
        self._unnote_descriptor(connection)
        connection.descriptor = descriptor
        if descriptor in self._closed_descriptors:
            # It said something and went before that was read.
            self._end_soon(connection)
            return
        named = self._by_descriptor.setdefault(descriptor, [])
        named.append(connection)
        if len(named) > 1:
            # What one of them sent, the first or the last, was read after it was told to be closed.
            for one in named:
                self._probe_later(one, 0)

    def _unnote_descriptor(self, connection: Connection) -> None:
        named = self._by_descriptor.get(connection.descriptor, [])
        if connection in named:
            named.remove(connection)
            if not named:
                del self._by_descriptor[connection.descriptor]

    def _let_in(self, connection: Connection) -> None:
        if connection.user:
            self._by_user.setdefault(connection.user, []).append(connection)

    def _admit(self, connection: Connection, incarnation: bytes | None) -> None:
        """Settle whose objects it holds: those of its verified user's process, or its own."""
        connection.admitted = True
        if connection.user and self._verifies:
            self._holders.join(connection, (connection.user, incarnation))

    def _permits_duplicate(self, connection: Connection) -> bool:
        """Whether one more connection may claim a user that nobody verified."""
        others = [] if self._verifies else [one for one in self._by_user.get(connection.user, []) if not one.closed]
        if not others:
            return True
        if self._on_duplicate == "refuse":
            for other in others:
                # Perhaps it is only not noticed yet that the old one is gone.
                if not self._is_there(other.routing_id):
                    self._forget(other)
            if not all(other.lost for other in others):
                return False
        else:
            _LOG.warning("a second login as %r; objects of the first stay with its connection", connection.user)
        return True

    def _admit_late(self, connection: Connection, body: bytes) -> bool:
        # The one that had the name may be gone since: one that was cut off is noticed after some time only.
        if not connection.let_in and not self.logs_in and self._permits_duplicate(connection):
            connection.let_in = True
            self._let_in(connection)
        # A greeting says whose objects it holds; what comes before one, or without, is of no certain process.
        if connection.let_in and not body.startswith(wire.HELLO_BEGINS):
            self._admit(connection, None)
        return connection.let_in

    def _on_login(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        if kind != wire.HELLO or not self.logs_in or connection.let_in:
            return
        try:
            login, password = (as_bytes(part) for part in self.codec.unpackb(body))
        except (ProtocolError, RpcError, TypeError, ValueError):
            self.send_answer(connection, uid, wire.UNAUTHORIZED, b"Authentication Error")
            return
        if self._message_logins is None:
            self._message_logins = MessageLogins(self.running_loop, self.auth_backend.check, self._on_verdict)
        self._message_logins.ask(connection, uid, login, password)

    def _on_verdict(self, connection: Connection, uid: bytes, login: bytes, verdict: Verdict) -> None:
        # Several may have been under way; only the first one says who it is.
        if verdict is Verdict.PERMITTED and not connection.lost and connection.user in (b"", login):
            if not connection.let_in:
                connection.user, connection.let_in = login, True
                self._let_in(connection)
            self.send_answer(connection, uid, wire.AUTHENTICATED, f"Welcome {login!r}".encode())
        else:
            text = b"Too many logins at once" if verdict is Verdict.COME_AGAIN else b"Authentication Error"
            self.send_answer(connection, uid, wire.UNAUTHORIZED, text)

    def on_event(self, event: int, value: int) -> None:
        if event == zmq.EVENT_ACCEPTED:
            self._closed_descriptors.discard(value)
        elif event == zmq.EVENT_DISCONNECTED:
            self._closed_descriptors.add(value)
            named = self._by_descriptor.pop(value, [])
            for connection in named:
                if len(named) == 1:
                    self._end_soon(connection)
                else:
                    self._probe_later(connection, 0)

    def _end_soon(self, connection: Connection) -> None:
        """Forget a connection that ZeroMQ has closed when what it sent before was read: that is all there to be read.

        Nothing is sent to it any more, since its routing id may be another one's already.
        """
        connection.closed = True
        self._transport.forget(connection.routing_id)
        self._ending.append(connection)
        self._transport.look_soon()
        self.running_loop.call_later(_READ_S, self._forget, connection)

    def on_drained(self, more: bool) -> None:
        if self._ending and not more and not self._transport.paused:
            ending, self._ending = self._ending, []
            for connection in ending:
                if connection.inbox:
                    self._ending.append(connection)
                else:
                    self._forget(connection)
            if self._ending:
                self._transport.look_soon()

    def _probe_later(self, connection: Connection, attempt: int) -> None:
        # Whether a routing id still leads anywhere is told by sending, and that only after ZeroMQ has closed the
        # connection on its side.
        if attempt < len(_PROBE_AFTER_S) and not self._closed:
            self.running_loop.call_later(_PROBE_AFTER_S[attempt], self._probe, connection, attempt)

    def _probe(self, connection: Connection, attempt: int) -> None:
        if connection.lost or connection.closed or self._closed:
            return
        if self._is_there(connection.routing_id):
            self._probe_later(connection, attempt + 1)
        else:
            self._forget(connection)

    def transmit(self, connection: Connection, message: Message, more: bool) -> bool:
        # When a connection ends another one may claim its routing id, and must not get what was meant for it.
        now = self.running_loop.time()
        if now - self._looked_at > _LOOK_S:
            self._looked_at = now
            self._transport.drain_monitor()
        return not (connection.lost or connection.closed) and super().transmit(connection, message, more)

    def unreachable(self, connection: Connection) -> None:
        if not connection.closed:
            self._forget(connection)

    def on_gone(self, routing_id: bytes) -> None:
        connection = self._by_routing_id.get(routing_id)
        if connection is not None:
            self._forget(connection)

    def _listen(self) -> None:
        """Look who has been silent: a frozen process keeps its connection for ever."""
        self._listen_timer = self.running_loop.call_later(_LISTEN_S, self._listen)
        for connection in self.connections:
            if connection.heard:
                connection.heard, connection.silent_rounds = False, 0
                continue
            connection.silent_rounds += 1
            if connection.silent_rounds >= _SILENT_ROUNDS and connection.version == wire.EXTENSION_VERSION:
                said = connection.greeting
                self._forget(connection)
                if said is not None:
                    # It may wake up, and holds itself for greeted.
                    self._silent_ones[connection.routing_id] = said
        for routing_id in list(self._silent_ones):
            if not self._is_there(routing_id):
                del self._silent_ones[routing_id]

    def _is_there(self, routing_id: bytes) -> bool:
        try:
            return self._transport.send(routing_id, b"", wire.HEARTBEAT, b"")
        except ResourceExhausted:
            return True

    def _forget(self, connection: Connection) -> None:
        if connection.lost:
            return
        if self._by_routing_id.get(connection.routing_id) is connection:
            del self._by_routing_id[connection.routing_id]
        self._unnote_descriptor(connection)
        self._transport.forget(connection.routing_id)
        self._inboxes.forget(connection)
        # Handlers go on: half-done work is worse than an answer that nobody waits for.
        for _, call in connection.running.values():
            call.cancelled = True
        connection.lost = True
        connection.fail_waiting(Unavailable("the client is gone"))
        connection.fail_sent()
        others = self._by_user.get(connection.user, [])
        if connection in others:
            others.remove(connection)
            if not others:
                del self._by_user[connection.user]
        if connection.user and self._verifies:
            self._holders.leave(connection, self.running_loop)
        else:
            connection.exports.clear()

    def successor(self, connection: Connection) -> Connection | None:
        return self._holders.newest(connection.owner)

    # What the connections ask for.

    def hold(self, connection: Connection) -> None:
        if not self._started:
            raise Unavailable(f"the {type(self).__name__} is not started: await its start() before calls are made")
        if connection.lost:
            raise Unavailable("the client is gone")
        if connection.greets:
            return
        if not connection.greet():
            self._forget(connection)
            raise Unavailable("the client is gone")
        self.running_loop.call_later(SILENCE_S, connection.go_bare)

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        said = connection.greeting
        if not connection.admitted and connection.let_in:
            self._admit(connection, None if said is None else said.incarnation)

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        connection.go_bare()

    def _on_behind(self) -> None:
        if len(self._inboxes) > _MAX_BEHIND:
            self._transport.paused = True
        elif self._transport.paused:
            self._transport.resume()

    # Calls of ours.

    def _connection_to(self, user_id: bytes) -> Connection:
        routing_id = None if self._hooks is None else self._hooks.routing_id(user_id)
        known = self._by_user.get(user_id, ()) if routing_id is None else ()
        candidates = [connection for connection in known if not connection.closed]
        connection = candidates[-1] if candidates else self._by_routing_id.get(routing_id or user_id)
        if connection is None:
            if not self._started:
                raise Unavailable(f"the {type(self).__name__} is not started: await its start() before calls are made")
            raise Unavailable(f"no client {user_id!r} is connected")
        return connection

    def _send_by_name(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> asyncio.Future[Any]:
        raise AttributeError(f"a Server has no attribute {name!r}; to call a client use send_to(user).{name}(…)")
