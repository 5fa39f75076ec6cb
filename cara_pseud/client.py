"""The client's side: one connection to a server, and the socket under it.

What is known of the connection, and when to do what, is decided by a `cara_pseud.link.Link`; what waits to be sent
stands in the connection's outbox. Nothing is ever delivered late: what was not sent is kept here and dropped when its
call ends, and every new connection begins with an empty queue in ZeroMQ, since it is made here, never by ZeroMQ itself.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import zmq
import zope.interface

from cara_pseud import greeting, wire
from cara_pseud.batches import Message
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability
from cara_pseud.connection import Connection
from cara_pseud.errors import RpcError, Unauthenticated, Unavailable
from cara_pseud.greeting import Greeting
from cara_pseud.link import ANOTHER_PLUGIN, CONNECTING, DOWN, NO_HANDSHAKE, NOBODY, UP, Link, Step
from cara_pseud.outgoing_calls import CallFuture
from cara_pseud.passwords import as_bytes
from cara_pseud.peer import MAX_LINGER_S, MIN_LINGER_S, PeerBase
from cara_pseud.remote import RemoteCapability, RootCapability
from cara_pseud.stock import IClient, StockClient

__all__ = ["CONNECTING", "DOWN", "UP", "Client"]

_LOG: Final = logging.getLogger(__name__)

_REFUSED: Final = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_NEVER_MS: Final = 2**31 - 1
_FAILED: Final = zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
"""What ends an attempt to connect, or a connection."""
_AGAIN_S: Final = 0.25
"""A server that could not answer the greeting is asked again after this time."""
_MAX_UNANSWERED: Final = 10_000
_MAX_JUNK: Final = 20_000
"""So many messages that nobody asked for, without a pause, are a flood."""
_PATIENT_READS: Final = 4
"""So many reads in a row that leave something behind are more than a burst."""
_BEAT_S: Final = 20.0
"""A peer that has nothing to say lets hear from it so often; who hears nothing for a minute may hold it for gone."""


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
        callback_timeout: seconds that the server shall wait for answers of objects passed to it; None = its own time.
        why_nobody: gives the reason, as `trouble` has it, why nobody listens at the endpoint; empty if not known.
        max_message_bytes, max_calls, max_exports, max_backlog_bytes: see `cara_pseud.limits`.
        cork: a `cara_pseud.cork.Cork` at whose end calls leave that are made within it.
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
        callback_timeout: float | None = None,
        why_nobody: Callable[[], str] = str,
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
        self._callback_timeout_s = callback_timeout
        self._connection = self._new_connection(self.peer_routing_id, b"")
        self._root = RootCapability(self._connection)
        self._link = Link(_spread, why_nobody)
        self._told = self._link.state
        self._step_timer: asyncio.TimerHandle | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._endpoints: list[str] = []
        self._sources: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._told_trouble = ""
        self._trouble_listeners: list[Callable[[str], None]] = []
        self._handshake_failed = False
        self._login_uid: bytes | None = None
        self._logged_in = not self.logs_in
        self._unanswered: dict[bytes, Message] = {}
        self._said_something = False
        self._junk_before = self._reads_behind = 0

    def _configure_socket(self, socket: zmq.Socket[bytes]) -> None:
        # ZeroMQ keeps messages for a server that died and delivers them to the next one, so it must not connect again
        # by itself. IMMEDIATE would drop them too, but with it ZeroMQ 4.3.5 also drops what has arrived and is not read
        # yet, and aborts the process where a message was read in part ("Assertion failed: !_more (src/fq.cpp)").
        socket.setsockopt(zmq.RECONNECT_IVL, _NEVER_MS)
        # A stopped process is noticed by heartbeats only: after 1.5 s at the latest.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 300)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 1200)
        socket.setsockopt(zmq.HANDSHAKE_IVL, 2000)
        # With heartbeats and a queue that is full ZeroMQ 4.3.5 aborts the process when the server resets the
        # connection. So there is no bound there; what waits here has one, over which the connection is ended.
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.ROUTER_HANDOVER, True)

    def bind(self, endpoint: str) -> None:
        # Whoever connects to it may send something.
        self._sources |= {endpoint, "a peer that connects"}
        self._transport.only_sender = None
        super().bind(endpoint)

    def connect(self, endpoint: str) -> None:
        if endpoint.startswith("inproc://"):
            raise ValueError(f"{endpoint!r}: ZeroMQ tells nothing of connections by inproc; use tcp:// or ipc://")
        self._sources.add(endpoint)
        self._transport.only_sender = self.peer_routing_id if len(self._sources) == 1 else None
        super().connect(endpoint)
        self._endpoints.append(endpoint)
        self._link.connecting()

    def disconnect(self, endpoint: str) -> None:
        super().disconnect(endpoint)
        self._endpoints.remove(endpoint)
        if self._link.connected and not self._endpoints:
            self._on_loss()
            self._after_event()

    async def start(self) -> None:
        if self._started and not self._closed:
            return
        await super().start()
        loop = self.running_loop
        self._link.start(loop.time(), self._connect_grace)
        self._beat_timer = loop.call_later(_BEAT_S, self._beat)
        self._after_event()

    async def stop(self, grace: float = 0) -> None:
        try:
            await self._until_read(grace)
        finally:
            await super().stop(grace)

    async def _until_read(self, grace: float) -> None:
        """Wait, not for long, until the server has read what was sent.

        A socket that is closed while answers lie unread in it resets the connection, and ZeroMQ at the other end then
        drops what its full queue had no room for. An answer to something that asks for nothing says that all is read.
        """
        connection = self._connection
        if self._started and not self._closed and connection.extended and self._link.connected:
            asked = connection.sign_of_life()
            # Looked at in any case, or asyncio would report an error that nobody has seen.
            asked.add_done_callback(lambda answer: answer.cancelled() or answer.exception())
            connection.flush()
            await asyncio.wait([asked], timeout=max(MIN_LINGER_S, min(grace, MAX_LINGER_S)))

    def _end(self, connection: Connection) -> None:
        connection.flush()
        self._link.stop()
        for timer in (self._step_timer, self._beat_timer):
            if timer is not None:
                timer.cancel()
        connection.fail_waiting(Unavailable(f"the {type(self).__name__.lower()} was stopped before the call was sent"))
        super()._end(connection)
        self._tell_state()

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
            unanswered, self._unanswered = self._unanswered, {}
            self._login_uid, self._logged_in = None, True
            for message in unanswered.values():
                if message[0] in connection.pending:
                    self.transmit(connection, message, False)
            self._link.on_greeting_sent(self.running_loop.time(), True)
        elif kind == wire.UNAUTHORIZED and self._login_uid is None:
            self._login_uid, self._logged_in = uid, False
            credentials = self.codec.packb((self.user_id or b"", self.password or b""))
            self._transport.send(connection.routing_id, uid, wire.HELLO, credentials)
            self._link.on_login()
        elif kind == wire.UNAUTHORIZED and uid == self._login_uid:
            # Refused; it is tried again, since passwords can be mended at the server.
            self._login_uid = None
            unanswered, self._unanswered = self._unanswered, {}
            for refused in unanswered:
                connection.fail(refused, Unauthenticated())
        self._after_event()

    # The connection's host.

    def hold(self, connection: Connection) -> None:
        if not self._started:
            raise Unavailable(f"the {type(self).__name__} is not started: await its start() before calls are made")
        failure = self._link.failure()
        if failure is not None:
            self._link.on_call(self.running_loop.time())
            if self._link.failure() is not None:
                raise failure
            self._after_event()

    def transmit(self, connection: Connection, message: Message, more: bool) -> bool:
        if self._hooks is not None and message[1] == wire.WORK:
            self._hooks.on_work(connection, *message)
        self._said_something = True
        if not self._logged_in and message[1] == wire.WORK:
            # Until the login is through, what was sent is kept to be sent again after it.
            if len(self._unanswered) >= _MAX_UNANSWERED:
                self._unanswered = {uid: kept for uid, kept in self._unanswered.items() if uid in connection.pending}
            self._unanswered[message[0]] = message
        return self._transport.send(connection.routing_id, *message, more)

    def unreachable(self, connection: Connection) -> None:
        """ZeroMQ knows no way any more; the event that says why is on its way."""

    def hello(self, version: int) -> Mapping[str, Any]:
        return greeting.written(self._incarnation, version, self._callback_timeout_s)

    def why_waiting(self) -> str:
        return self._link.trouble

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        said = connection.greeting
        if before is not None and said is not None and said.incarnation != before.incarnation:
            # Another process: it knows nothing of what the one before gave and got.
            self._link.on_another_process()
            self._tell_state()
            connection.end_references()
            connection.end_exports()
        self._link.on_greeted()
        self._after_event()

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        now = self.running_loop.time()
        if isinstance(error, Unauthenticated):
            self._link.on_greeting_refused(now, error)
        elif self._link.connected:
            self._link.greet_again(now, _AGAIN_S)
        self._after_event()

    # The server's objects.

    @property
    def is_used(self) -> bool:
        """Whether calls are under way, or either side holds an object of the other's."""
        return bool(self._connection.pending) or self._connection.holds_objects

    def name_of(self, capability: Capability) -> tuple[bytes, int] | None:
        """The name of an object of the server, for `adopt` in another process of the same verified user.

        It is the incarnation of the server's process and the object's number there; None if it is no object of the
        server, is gone, or the server says no incarnation.
        """
        said, connection = self._connection.greeting, self._connection
        if said is None or said.incarnation is None or not isinstance(capability, RemoteCapability):
            return None
        return (said.incarnation, capability.id) if capability.connection is connection and capability.alive else None

    def adopt(self, incarnation: bytes, id: int, references: int) -> Capability:
        """Go on with an object by its name; its ``references``, not given back yet, are given back from here now.

        Raises:
            RpcError: ``unavailable``, the server has not said who it is; ``not_found``, it is another process.
        """
        said = self._connection.greeting
        if said is None or not self._link.connected:
            raise Unavailable("it is not known yet whether the service has the object")
        if said.incarnation != incarnation:
            raise RpcError("not_found", "the object ended with the process that had it")
        return self._connection.adopt(id, references)

    # States.

    @property
    def state(self) -> str:
        """``"connecting"``, ``"up"`` or ``"down"``."""
        return self._link.state

    @property
    def trouble(self) -> str:
        """Why it is not up, or up without an answer to the greeting; empty if nothing is wrong. Names no address."""
        if not self._started:
            return "the Client is not started"
        failure = self._link.refusal
        return self._link.trouble if failure is None else str(failure)

    def on_state(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have every change of `state` told, and once more when objects end; call the result to be told no more."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def on_trouble(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have every change of `trouble` told; call the result to be told no more."""
        self._trouble_listeners.append(callback)
        return lambda: self._trouble_listeners.remove(callback) if callback in self._trouble_listeners else None

    def _tell_state(self) -> None:
        trouble = self.trouble
        if trouble != self._told_trouble:
            self._told_trouble = trouble
            for listener in list(self._trouble_listeners):
                listener(trouble)
        state = self._link.state
        if state != self._told:
            self._told = state
            for listener in list(self._listeners):
                try:
                    listener(state)
                except Exception:
                    _LOG.exception("a function that is told the state failed")

    def _after_event(self) -> None:
        """Do what follows from a change of the link: calls that cannot wait fail, states are told, time is watched."""
        failure = self._link.failure()
        if failure is not None:
            self._connection.fail_waiting(failure)
        self._tell_state()
        if self._step_timer is not None:
            self._step_timer.cancel()
            self._step_timer = None
        due = self._link.next_time()
        if due is not None and self._started and not self._closed:
            self._step_timer = self.running_loop.call_at(due, self._take_steps)

    def _take_steps(self) -> None:
        self._step_timer = None
        link, connection = self._link, self._connection
        for step in link.due(self.running_loop.time()):
            if step is Step.CONNECT:
                self._connect_again()
            elif step is Step.GREET:
                self._greet()
            elif step is Step.GO_BARE:
                connection.go_bare()
            elif step is Step.FORGET:
                connection.end_exports()
                connection.give_up_references()
                self._told = ""  # who keeps objects is to look at them
        self._after_event()

    def _greet(self) -> None:
        now = self.running_loop.time()
        try:
            self._link.on_greeting_sent(now, self._connection.greet())
        except RpcError as error:
            self._link.on_greeting_refused(now, error)

    def on_event(self, event: int, value: int) -> None:
        if self._closed:
            return
        link, now = self._link, self.running_loop.time()
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            link.on_connected(now)
        elif event & _REFUSED:
            # Every call is told at once, until the server was mended and lets us in.
            link.on_refused(now, Unauthenticated(
                "the server refused the credentials"
                if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
                else ANOTHER_PLUGIN
            ))  # fmt: skip
        elif event & _FAILED:
            if event == zmq.EVENT_DISCONNECTED and link.connected:
                # The monitor is ahead of the socket: answers that have arrived come before the loss.
                self._transport.drain()
                self._inboxes.finish(self._connection, self.cork)
                if link.connected and not self._closed:
                    self._on_loss()
            # It may have been stopped by a handler of what arrived.
            if not self._closed and event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and not link.connected:
                self._handshake_failed = True
                link.on_failed_handshake(now, NO_HANDSHAKE)
            elif not self._closed:
                link.on_failed(now, None if link.connected else self._reason(event))
        self._after_event()

    def _reason(self, event: int) -> str | None:
        """Why an attempt to connect failed, as far as an event tells."""
        if event != zmq.EVENT_CONNECT_RETRIED:
            return None
        # After a handshake that failed ZeroMQ tells the end of the attempt, too.
        failed, self._handshake_failed = self._handshake_failed, False
        return None if failed else NOBODY

    def _on_loss(self) -> None:
        connection = self._connection
        holds = bool(self.user_id) and self.security_plugin != "noop_auth_backend"
        # What this turn has to say still might go where nobody reads any more.
        connection.fail_waiting(Unavailable("the connection was lost before the call was sent"))
        connection.begin_again(keep_references=holds)
        self._login_uid, self._logged_in = None, not self.logs_in
        self._unanswered.clear()
        for _, call in connection.running.values():
            call.cancelled = True
        self._link.on_lost(self.running_loop.time(), holds)
        if not holds:
            connection.exports.clear()
        self._tell_state()
        connection.fail_sent()

    def on_drained(self, more: bool) -> None:
        # ZeroMQ has no bound for what waits here to be read. So it is read before it is worked off, which tells how
        # much it is, and whoever sends nonsense faster than it can be thrown away must be stopped in another way.
        self._reads_behind = self._reads_behind + 1 if more else 0
        self._connection.inbox.ahead = self._transport.ahead = self._reads_behind >= _PATIENT_READS
        junk = self.dropped.total()
        if not more:
            self._junk_before = junk
        elif junk - self._junk_before > _MAX_JUNK:
            self._junk_before = junk
            self._on_flood()

    def _on_behind(self) -> None:
        inbox = self._connection.inbox
        # An honest server has no more under way than its calls, and the answers to ours.
        if inbox.bytes > self.max_backlog_bytes or len(inbox) > max(2 * self.max_calls, _MAX_JUNK):
            self._on_flood()

    def _on_flood(self) -> None:
        _LOG.warning("the server sends more than can be worked off; the connection is ended")
        for endpoint in self._endpoints:
            with suppress(zmq.ZMQError):
                super().disconnect(endpoint)
        if self._link.connected:
            self._on_loss()
        self._link.on_failed(self.running_loop.time())
        self._after_event()

    def _connect_again(self) -> None:
        if self._link.connected:
            return
        for endpoint in self._endpoints:
            with suppress(zmq.ZMQError):
                # ZeroMQ gave it up after a refusal, so perhaps there is nothing to undo.
                super().disconnect(endpoint)
            super().connect(endpoint)

    def _beat(self) -> None:
        connection = self._connection
        self._beat_timer = self.running_loop.call_later(_BEAT_S, self._beat)
        if connection.version == wire.EXTENSION_VERSION and not self._said_something:
            self._transport.send(connection.routing_id, b"", wire.HEARTBEAT, b"")
        self._said_something = False


def _spread(delay_s: float) -> float:
    """Vary a delay, so that the clients of a server that comes back do not come all at once."""
    return delay_s * (0.8 + secrets.randbelow(400) / 1000)
