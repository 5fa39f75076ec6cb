"""The server's side: many connections, who is behind each, and what happens when one is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import zmq
import zope.interface

from cara_pseud import wire
from cara_pseud.capabilities import HolderExports
from cara_pseud.connection import Connection
from cara_pseud.errors import ProtocolError, RpcError, Unavailable
from cara_pseud.passwords import Passwords, as_bytes
from cara_pseud.peer import HOLDER_GRACE_S, PeerBase
from cara_pseud.stock import IServer, StockServer

_LOG: Final = logging.getLogger(__name__)
_PROBE_AFTER_S: Final = (0.02, 0.1, 0.5, 2.0)
_MAX_LOGINS: Final = 64


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
        max_message_bytes, max_calls, max_exports, max_backlog_bytes: see the constants in `cara_pseud.peer`.
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
        self._by_descriptor: dict[int, bytes] = {}
        self._by_user: dict[bytes, list[Connection]] = {}
        self._holders: dict[bytes, HolderExports] = {}
        self._holder_timers: dict[bytes, asyncio.TimerHandle] = {}
        plugin = arguments.get("security_plugin", "noop_auth_backend")
        self._authenticates = plugin != "noop_auth_backend"
        # What trusted_peer knows is only a claim: no connection shares another one's objects on its strength.
        self._verifies = plugin in ("plain", "curve", "untrusted_curve")
        if on_duplicate not in ("accept", "refuse"):
            raise ValueError(f"on_duplicate must be 'accept' or 'refuse', not {on_duplicate!r}")
        self._on_duplicate = on_duplicate
        self._logins: set[asyncio.Task[None]] = set()
        PeerBase.__init__(self, user_id=identity, routing_id=identity, **arguments)

    def _configure_socket(self, socket: zmq.Socket[bytes]) -> None:
        # A stopped or cut-off client is noticed by these only.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 6000)

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
        for timer in self._holder_timers.values():
            timer.cancel()
        for task in list(self._logins):
            task.cancel()
        for exports in self._holders.values():
            exports.clear()
        self._holder_timers.clear()
        self._holders.clear()
        self._by_routing_id.clear()
        self._by_user.clear()

    # Connections.

    def wants_metadata(self, routing_id: bytes) -> bool:
        # A routing id may pass to another connection (ROUTER_HANDOVER), a user may not: look at every message.
        return self._authenticates or routing_id not in self._by_routing_id

    def _connection_from(self, routing_id: bytes, user: str | None, descriptor: int) -> Connection | None:
        connection = self._by_routing_id.get(routing_id)
        if connection is not None and (not self._authenticates or connection.transport_user == (user or "").encode()):
            if descriptor >= 0 and descriptor != connection.descriptor:
                self._note_descriptor(connection, descriptor)
            return connection
        if connection is not None:
            self._forget(connection)
        identity = (user or "").encode() if self._authenticates else b""
        connection = self._new_connection(routing_id, identity)
        if self.logs_in:
            connection.user, connection.admitted = b"", False
        else:
            connection.admitted = self._permits_duplicate(connection)
            if not connection.admitted:
                _LOG.warning("a second login as %r is refused", connection.user)
            self._admit(connection)
        self._by_routing_id[routing_id] = connection
        if descriptor >= 0:
            self._note_descriptor(connection, descriptor)
        return connection

    def _note_descriptor(self, connection: Connection, descriptor: int) -> None:
        connection.descriptor = descriptor
        before = self._by_routing_id.get(self._by_descriptor.get(descriptor, b""))
        self._by_descriptor[descriptor] = connection.routing_id
        if before is not None and before is not connection:
            # Its descriptor has passed on, before we were told that it is closed.
            self._probe_later(before, 0)

    def _admit(self, connection: Connection) -> None:
        user = connection.user
        if not user or not connection.admitted:
            return
        if self._verifies:
            timer = self._holder_timers.pop(user, None)
            if timer is not None:
                timer.cancel()
            connection.owner = user
            connection.exports = self._holders.setdefault(user, connection.exports)
        self._by_user.setdefault(user, []).append(connection)

    def _permits_duplicate(self, connection: Connection) -> bool:
        """Whether one more connection may claim a user that nobody verified."""
        others = self._by_user.get(connection.user, []) if not self._verifies else []
        if not others:
            return True
        if self._on_duplicate == "refuse":
            for other in list(others):
                # Perhaps it is only not noticed yet that the old one is gone.
                if not self._transport.send(other.routing_id, b"", wire.HEARTBEAT, b""):
                    self._forget(other)
            if any(not other.lost for other in others):
                return False
        else:
            _LOG.warning("a second login as %r; objects of the first stay with its connection", connection.user)
        return True

    def _admit_late(self, connection: Connection) -> bool:
        # The one that had the name may be gone since: one that was cut off is noticed after some seconds only.
        if not self.logs_in and self._permits_duplicate(connection):
            connection.admitted = True
            self._admit(connection)
        return connection.admitted

    def _on_login(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        if kind != wire.HELLO or not self.logs_in or connection.admitted:
            return
        try:
            login, password = (as_bytes(part) for part in self.codec.unpackb(body))
        except (ProtocolError, RpcError, TypeError, ValueError):
            self.send_answer(connection, uid, wire.UNAUTHORIZED, b"Authentication Error")
            return
        if len(self._logins) >= _MAX_LOGINS:
            self.send_answer(connection, uid, wire.UNAUTHORIZED, b"Too many logins at once")
            return
        task = self.running_loop.create_task(self._log_in(connection, uid, login, password))
        self._logins.add(task)
        task.add_done_callback(self._logins.discard)

    async def _log_in(self, connection: Connection, uid: bytes, login: bytes, password: bytes) -> None:
        try:
            permitted = await asyncio.to_thread(self.auth_backend.check, login, password)
        except Exception:
            _LOG.exception("the credentials check failed; the client is refused")
            permitted = False
        if permitted is not True or not login or connection.lost:
            self.send_answer(connection, uid, wire.UNAUTHORIZED, b"Authentication Error")
            return
        connection.user, connection.admitted = login, True
        self._admit(connection)
        self.send_answer(connection, uid, wire.AUTHENTICATED, f"Welcome {login!r}".encode())

    def on_event(self, event: int, value: int) -> None:
        if event == zmq.EVENT_DISCONNECTED:
            routing_id = self._by_descriptor.pop(value, None)
            connection = self._by_routing_id.get(routing_id) if routing_id is not None else None
            if connection is not None:
                self._probe_later(connection, 0)

    def _probe_later(self, connection: Connection, attempt: int) -> None:
        # The event names a file descriptor, which may belong to another connection by now; whether the routing id still
        # leads anywhere is told by sending, and that only after ZeroMQ has closed the connection on its side.
        if attempt < len(_PROBE_AFTER_S) and not self._closed:
            self.running_loop.call_later(_PROBE_AFTER_S[attempt], self._probe, connection, attempt)

    def _probe(self, connection: Connection, attempt: int) -> None:
        if connection.lost or self._closed:
            return
        if self._transport.send(connection.routing_id, b"", wire.HEARTBEAT, b""):
            # The event was another connection's, which had the descriptor before.
            self._by_descriptor.setdefault(connection.descriptor, connection.routing_id)
            self._probe_later(connection, attempt + 1)
        else:
            self._forget(connection)

    def _on_unreachable(self, connection: Connection) -> None:
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection.lost:
            return
        if self._by_routing_id.get(connection.routing_id) is connection:
            del self._by_routing_id[connection.routing_id]
        # Handlers go on: half-done work is worse than an answer that nobody waits for.
        for _, call in connection.running.values():
            call.cancelled = True
        connection.lost = True
        connection.fail_sent({})
        user = connection.user
        others = self._by_user.get(user, [])
        if connection in others:
            others.remove(connection)
            if not others:
                del self._by_user[user]
        if not (user and self._verifies):
            connection.exports.clear()
        elif not others:
            self._holder_timers[user] = self.running_loop.call_later(HOLDER_GRACE_S, self._free_holder, user)

    def _free_holder(self, user: bytes) -> None:
        self._holder_timers.pop(user, None)
        exports = self._holders.pop(user, None)
        if exports is not None:
            exports.clear()

    def successor(self, connection: Connection) -> Connection | None:
        candidates = self._by_user.get(connection.user) if connection.user and self._verifies else None
        return candidates[-1] if candidates else None

    # Calls of ours.

    def _connection_to(self, user_id: bytes) -> Connection:
        candidates = self._by_user.get(user_id)
        connection = candidates[-1] if candidates else self._by_routing_id.get(user_id)
        if connection is None:
            raise Unavailable(f"no client {user_id!r} is connected")
        return connection

    def _send_by_name(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> asyncio.Future[Any]:
        raise AttributeError(f"a Server has no attribute {name!r}; to call a client use send_to(user).{name}(…)")

    def transmit(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        if connection.lost or not self._transport.send(connection.routing_id, uid, kind, body):
            self._forget(connection)
            raise Unavailable("the client is gone")


