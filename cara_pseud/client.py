"""The client's side: one connection, and what is known of it.

States, told by ZeroMQ's monitor: *connecting* (never connected, or lost less than 250 ms ago: calls wait within their
deadline) → *up* → on loss *connecting* → *down* (calls fail at once with `Unavailable`) → *up* again whenever it is
connected anew. Calls in flight at a loss fail at once with `OutcomeUnknown`; nothing is ever delivered late, because
what was not sent is kept here and dropped when its call ends, and because every new connection begins with an empty
queue in ZeroMQ: it is made here, never by ZeroMQ itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import zmq
import zope.interface

from cara_pseud import wire
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability
from cara_pseud.connection import CallFuture, Connection, RootCapability
from cara_pseud.errors import ResourceExhausted, RpcError, Unauthenticated, Unavailable
from cara_pseud.passwords import as_bytes
from cara_pseud.peer import HOLDER_GRACE_S, PeerBase
from cara_pseud.stock import IClient, StockClient

CONNECTING: Final = "connecting"
UP: Final = "up"
DOWN: Final = "down"

GRACE_S: Final = 0.25
"""After a loss calls wait this long for a new connection before they fail."""
_TOGETHER: Final = 16
"""So many calls leave at once even before the turn is over, so that the server begins while others are still made."""
_NOBODY_S: Final = 1.0
_RETRY_S: Final = 0.005
_REFUSED: Final = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_NEVER_MS: Final = 2**31 - 1
_FAILED: Final = zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
"""What ends an attempt to connect, or a connection."""
_CONNECT_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.4, 0.5)
"""After a loss and each attempt that failed; the last one for ever."""
_AFTER_REFUSAL_S: Final = 1.0


@zope.interface.implementer(IClient)
class Client(PeerBase, StockClient):  # type: ignore[misc]
    """A pseud client; wrap it with a cara interface: ``Calculator(client)``.

    Args:
        peer_routing_id: the server's ``user_id``.
        user_id, password: the login for ``security_plugin="plain"`` and ``"untrusted_curve"``.
        public_key, secret_key, peer_public_key: Z85 keys for ``security_plugin="curve"``; ``"untrusted_curve"`` needs
            only the server's, ``peer_public_key``.
        timeout: seconds that a call waits for its answer unless it says otherwise.
        connect_grace: seconds that calls wait for the *first* connection; None = as long as their deadline.
        max_message_bytes, max_calls, max_exports, max_backlog_bytes: see the constants in `cara_pseud.peer`.
        turn: a `cara_pseud.turns.Turn` at whose end calls leave that are made within it.
    """

    _paired_payloads = True
    _monitored_events = _FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | _REFUSED

    def __init__(
        self,
        peer_routing_id: bytes | str,
        *,
        user_id: bytes | str | None = None,
        password: bytes | str | None = None,
        connect_grace: float | None = None,
        **arguments: Any,
    ) -> None:
        if arguments.pop("routing_id", None):
            raise TypeError("routing_id is prohibited: ZeroMQ chooses a client's")
        PeerBase.__init__(
            self,
            peer_routing_id=as_bytes(peer_routing_id),
            user_id=None if user_id is None else as_bytes(user_id),
            password=None if password is None else as_bytes(password),
            **arguments,
        )
        self._connect_grace = connect_grace
        self._connection = self._new_connection(self.peer_routing_id, b"")
        self._root = RootCapability(self._connection)
        self._state = CONNECTING
        self._refusal: RpcError | None = None
        self._waiting: dict[bytes, tuple[bytes, bytes]] = {}
        self._state_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._retry_until = 0.0
        self._endpoints: list[str] = []
        self._sources: set[str] = set()
        self._connect_timer: asyncio.TimerHandle | None = None
        self._attempts = 0
        self._holder_timer: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[str], None]] = []
        # Until a login by messages is through, what was sent is kept to be sent again after it.
        self._logged_in = not self.logs_in
        self._unanswered: dict[bytes, tuple[bytes, bytes]] = {}
        self._login_uid: bytes | None = None

    def _configure_socket(self, socket: zmq.Socket[bytes]) -> None:
        # ZeroMQ keeps messages for a server that died and delivers them to the next one, so it must not connect again
        # by itself. IMMEDIATE would drop them too, but with it ZeroMQ 4.3.5 also drops what has arrived and is not read
        # yet, and aborts the process where a message was read in part ("Assertion failed: !_more (src/fq.cpp)").
        socket.setsockopt(zmq.RECONNECT_IVL, _NEVER_MS)
        # A stopped process is noticed by heartbeats only: after 1.5 s at the latest.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 300)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 1200)
        socket.setsockopt(zmq.HANDSHAKE_IVL, 2000)

    def bind(self, endpoint: str) -> None:
        # Whoever connects to it may send something.
        self._sources |= {endpoint, "a peer that connects"}
        self._transport.only_sender = None
        super().bind(endpoint)

    def connect(self, endpoint: str) -> None:
        self._sources.add(endpoint)
        self._transport.only_sender = self.peer_routing_id if len(self._sources) == 1 else None
        super().connect(endpoint)
        self._endpoints.append(endpoint)

    def disconnect(self, endpoint: str) -> None:
        super().disconnect(endpoint)
        self._endpoints.remove(endpoint)

    async def start(self) -> None:
        if self._started:
            return
        await super().start()
        if self._connect_grace is not None and self._state == CONNECTING:
            self._state_timer = self.running_loop.call_later(self._connect_grace, self._give_up)

    def _end(self, connection: Connection) -> None:
        self._send_turn()
        for timer in (self._state_timer, self._retry_timer, self._holder_timer, self._connect_timer):
            if timer is not None:
                timer.cancel()
        self._fail_waiting(Unavailable(f"the {type(self).__name__} was stopped before the call was sent"))
        super()._end(connection)
        self._set_state(DOWN)

    # Calls.

    @property
    def root(self) -> Capability:
        return self._root

    @property
    def connections(self) -> Sequence[Connection]:
        return (self._connection,)

    def request(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
    ) -> CallFuture:
        """Call a method of the server on wire values; what goes wrong becomes the future's exception."""
        return self._connection.request(name, args, kwargs, options)

    def _connection_to(self, user_id: bytes) -> Connection:
        if user_id != self.peer_routing_id:
            raise Unavailable(f"this client is connected to {self.peer_routing_id!r}, not to {user_id!r}")
        return self._connection

    def _send_by_name(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> asyncio.Future[Any]:
        return self._connection.request(name, args, kwargs)

    def _connection_from(self, routing_id: bytes, user: str | None, descriptor: int) -> Connection | None:
        # Whoever else connected to a bound client, say, has nothing to tell it.
        return self._connection if routing_id == self.peer_routing_id else None

    def _on_login(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        if not self.logs_in:
            super()._on_login(connection, uid, kind, body)
        elif kind == wire.AUTHENTICATED and uid == self._login_uid:
            self._logged_in = True
            unanswered, self._unanswered = self._unanswered, {}
            for again, (kind_again, body_again) in unanswered.items():
                if again in connection.pending:
                    self.transmit(connection, again, kind_again, body_again)
        elif kind == wire.UNAUTHORIZED and self._login_uid is None:
            self._login_uid = uid
            credentials = self.codec.packb((self.user_id or b"", self.password or b""))
            self._transport.send(connection.routing_id, uid, wire.HELLO, credentials)
        elif kind == wire.UNAUTHORIZED and uid == self._login_uid:
            # Refused; the next call tries again, since passwords can be mended at the server.
            self._login_uid = None
            unanswered, self._unanswered = self._unanswered, {}
            for refused in unanswered:
                connection.fail(refused, Unauthenticated())

    def transmit(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        if not self._logged_in:
            self._unanswered[uid] = (kind, body)
        waiting = self._waiting
        if self._state == UP and self._retry_timer is None:
            # What one turn of the loop has to send leaves together: each message alone would wake ZeroMQ's thread, and
            # cost twice as much.
            waiting[uid] = (kind, body)
            if len(waiting) == 1:
                self._turn.at_end(self.running_loop, self._send_turn)
            elif len(waiting) >= _TOGETHER:
                self._send_turn()
            return
        if self._refusal is not None:
            raise self._refusal
        if self._state == DOWN or self._closed:
            raise Unavailable()
        if sum(len(body) for _, body in waiting.values()) > self.max_message_bytes * 4:
            raise ResourceExhausted("too many calls wait for the connection already")
        waiting[uid] = (kind, body)

    def withdraw(self, connection: Connection, uid: bytes) -> bool:
        self._unanswered.pop(uid, None)
        return self._waiting.pop(uid, None) is not None

    def _retry_soon(self) -> None:
        if self._retry_timer is None:
            self._retry_timer = self.running_loop.call_later(_RETRY_S, self._send_waiting)

    def _send_turn(self) -> None:
        if self._waiting and self._state == UP and self._retry_timer is None:
            self._retry_until = self.running_loop.time() + _NOBODY_S
            self._send_waiting()

    def _send_waiting(self) -> None:
        self._retry_timer = None
        if self._state != UP:
            return
        connection, send, waiting = self._connection, self._transport.send, self._waiting
        routing_id, left = connection.routing_id, len(waiting)
        refused: list[tuple[bytes, ResourceExhausted]] = []
        for uid, (kind, body) in waiting.items():
            try:
                if not send(routing_id, uid, kind, body, left > 1):
                    break
            except ResourceExhausted as error:
                refused.append((uid, error))
            left -= 1
        # The last ones still wait.
        self._waiting = dict(list(waiting.items())[-left:]) if left else {}
        for uid, refusal in refused:
            connection.fail_unsent(uid, refusal)
        if left and self.running_loop.time() < self._retry_until:
            self._retry_soon()
        elif left:
            self._fail_waiting(Unavailable(f"connected, but nobody there is named {self.peer_routing_id!r}"))

    def _fail_waiting(self, error: RpcError) -> None:
        waiting, self._waiting = self._waiting, {}
        for uid in waiting:
            self._connection.fail_unsent(uid, error)

    # States.

    @property
    def state(self) -> str:
        """``"connecting"``, ``"up"`` or ``"down"``."""
        return self._state

    def on_state(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have every change of `state` told; call the result to be told no more."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            for listener in list(self._listeners):
                listener(state)

    def on_event(self, event: int, value: int) -> None:
        if self._closed:
            return
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._on_up()
        elif event & _FAILED:
            self._on_failed(event)
        elif event & _REFUSED:
            self._on_refused(event)

    def _on_failed(self, event: int) -> None:
        if event == zmq.EVENT_DISCONNECTED:
            # The monitor is ahead of the socket: answers that have arrived come before the loss.
            self._transport.drain()
            if self._state == UP and not self._closed:
                self._on_loss()
        if self._state != UP and not self._closed:
            self._connect_soon(_CONNECT_AGAIN_S[min(self._attempts, len(_CONNECT_AGAIN_S) - 1)])

    def _on_up(self) -> None:
        self._refusal = None
        self._attempts = 0
        for timer in (self._state_timer, self._holder_timer):
            if timer is not None:
                timer.cancel()
        self._state_timer = self._holder_timer = None
        self._set_state(UP)
        # Right after the handshake ZeroMQ may not yet know the server's name.
        self._retry_until = self.running_loop.time() + _NOBODY_S
        self._send_waiting()

    def _on_loss(self) -> None:
        connection = self._connection
        authenticated = bool(self.user_id) and self.security_plugin != "noop_auth_backend"
        connection.begin_again(keep_references=authenticated)
        self._logged_in, self._login_uid = not self.logs_in, None
        self._unanswered.clear()
        for _, call in connection.running.values():
            call.cancelled = True
        loop = self.running_loop
        if authenticated:
            self._holder_timer = loop.call_later(HOLDER_GRACE_S, connection.exports.clear)
        else:
            connection.exports.clear()
        self._set_state(CONNECTING)
        self._state_timer = loop.call_later(GRACE_S, self._give_up)
        connection.fail_sent(self._waiting)

    def _give_up(self) -> None:
        self._state_timer = None
        if self._state == CONNECTING:
            self._set_state(DOWN)
            self._fail_waiting(Unavailable())

    def _on_refused(self, event: int) -> None:
        # Every call is told at once, until the server was mended and lets us in.
        self._refusal = Unauthenticated(
            "the server refused the credentials"
            if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            else "the server expects another security plugin"
        )
        self._set_state(DOWN)
        self._fail_waiting(self._refusal)
        self._connect_soon(_AFTER_REFUSAL_S)

    def _connect_soon(self, delay_s: float) -> None:
        if self._connect_timer is None:
            # Spread, so that the clients of a server that comes back do not come all at once.
            spread_s = delay_s * (0.8 + secrets.randbelow(400) / 1000)
            self._connect_timer = self.running_loop.call_later(spread_s, self._connect_again)

    def _connect_again(self) -> None:
        self._connect_timer = None
        if self._state == UP:
            return
        self._attempts += 1
        for endpoint in self._endpoints:
            with suppress(zmq.ZMQError):
                # ZeroMQ gave it up after a refusal, so perhaps there is nothing to undo.
                super().disconnect(endpoint)
            super().connect(endpoint)
