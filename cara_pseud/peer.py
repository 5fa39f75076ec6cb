"""What server and client have in common: pseud's constructor and names, a transport, a dispatcher, the end of life.

No message can stop or block the reader: what is none of the protocol's is counted in ``dropped`` and forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgpack
import zmq
import zope.interface.interfaces

from cara_pseud import batches, greeting, limits, plugins, wire
from cara_pseud.capabilities import RootedPeer, WireHandler
from cara_pseud.connection import Connection
from cara_pseud.cork import Cork
from cara_pseud.deadlines import Deadlines
from cara_pseud.dispatch import Dispatcher, cancel_begun
from cara_pseud.errors import OutcomeUnknown, ProtocolError, RpcError, TooLarge, Unauthenticated, Unavailable
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.greeting import Greeting
from cara_pseud.inbox import LARGE_BYTES, Inboxes
from cara_pseud.interfaces import capability_of
from cara_pseud.outgoing_calls import UID_PREFIX_BYTES, CallFuture, OutgoingCalls
from cara_pseud.remote_names import Recipient, RemoteName
from cara_pseud.routing import Routes, raw_handler
from cara_pseud.stock import BaseRPC, ServiceNotFoundError
from cara_pseud.transport import Transport, for_endpoint

_LOG: Final = logging.getLogger(__name__)

MIN_LINGER_S: Final = 0.25
MAX_LINGER_S: Final = 1.0
"""How long a stopped peer waits at most until what it sent last is on the wire: a slow reader's would be never.

The grace of the stop, within these bounds.
"""


class PeerBase(BaseRPC, RootedPeer):  # type: ignore[misc]
    """The common part of `Server` and `Client`; see there.

    Attributes:
        dropped: how many messages were thrown away, by reason.
        served: which interface each method registered by `cara_pseud.register_interface` belongs to.
    """

    socket_type = zmq.ROUTER
    _paired_payloads = False
    _monitored_events = zmq.EVENT_DISCONNECTED

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        io_loop: Any = None,
        context: zmq.Context[Any] | None = None,
        security_plugin: str = "noop_auth_backend",
        timeout: float = 5,
        max_message_bytes: int = limits.DEFAULT_MAX_MESSAGE_BYTES,
        max_calls: int = limits.DEFAULT_MAX_CALLS,
        max_exports: int = limits.DEFAULT_MAX_EXPORTS,
        max_backlog_bytes: int = limits.DEFAULT_MAX_BACKLOG_BYTES,
        max_values: int = limits.DEFAULT_MAX_VALUES,
        max_capabilities: int = limits.DEFAULT_MAX_CAPABILITIES,
        debug: bool = False,
        cork: Cork | None = None, passes_on: bool = False,
        **pseud_arguments: Any,
    ) -> None:
        limits.check(max_message_bytes=max_message_bytes, max_values=max_values, max_calls=max_calls)
        if loop is None and io_loop is not None:
            loop = getattr(io_loop, "asyncio_loop", None)
        try:
            # pseud asks for the current loop if it gets none; the running one is taken in start().
            BaseRPC.__init__(
                self,
                context=context or zmq.Context.instance(),
                loop=loop or _NO_LOOP,
                security_plugin=security_plugin,
                timeout=timeout,
                **pseud_arguments,
            )
        except zope.interface.interfaces.ComponentLookupError:
            heartbeat_plugin = pseud_arguments.get("heartbeat_plugin", "noop_heartbeat_backend")
            raise plugins.missing_plugin(self, security_plugin, heartbeat_plugin) from None
        hooks = plugins.Hooks(self)
        self._hooks = hooks if hooks.needed else None
        # Plugins are shown every call of ours as it is sent.
        self.sends_batches = self._hooks is None
        self._routes = Routes(self.registry, hooks.predicate_arguments)
        self.logs_in: bool = getattr(self.auth_backend, "logs_in", False)
        self.loop = loop
        self.max_message_bytes = max_message_bytes
        self.max_calls = max_calls
        self.max_exports = max_exports
        self.max_backlog_bytes = max_backlog_bytes
        self.debug = debug
        self.dropped: Counter[str] = Counter()
        self.served: dict[str, str] = {}
        self.thread: int | None = None
        self.codec = wire.BodyCodec(self._export, self._resolve, max_values, max_capabilities)
        self.packer = self.codec
        self.packing_for: OutgoingCalls | None = None
        self._receiving_from: Connection | None = None
        self._incarnation = b""
        self._inboxes = Inboxes(self._on_one, self.dropped, self._on_behind)
        self.cork = Cork() if cork is None else cork
        self._dispatcher = Dispatcher(self, passes_on=passes_on)
        self._transport = Transport(self, self.dropped, max_backlog_bytes, self.cork)
        self._started = False
        self._stopping = False
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        # zope asks for __provides__ and the like while the constructor of pseud runs.
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteName(self._send_by_name, name)

    # Life.

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the started peer; the running one before that."""
        loop: asyncio.AbstractEventLoop | None = self.loop
        return asyncio.get_running_loop() if loop is None else loop

    @cached_property
    def deadlines(self) -> Deadlines:
        """The deadlines of all calls under way."""
        return Deadlines(self.running_loop, self._expired)

    def _open_socket(self) -> zmq.Socket[bytes]:
        if self._closed:
            raise RuntimeError(f"this {type(self).__name__} was stopped; make a new one")
        socket: zmq.Socket[bytes] | None = self.__dict__["socket"]
        if socket is None:
            # A frame of more than twice our limit is no honest mistake: ZeroMQ cuts the connection.
            max_frame_bytes = max(2 * self.max_message_bytes, 65536)
            self.socket = socket = self._transport.open(self.context, self.routing_id, max_frame_bytes)
            try:
                self._configure_socket(socket)
                self.auth_backend.configure()
                self._transport.monitor(self._monitored_events)
            except BaseException:
                self._transport.close()
                self.__dict__["socket"] = None
                raise
            self.initialized = True
        return socket

    def _configure_socket(self, socket: zmq.Socket[bytes]) -> None:
        """Set options of the subclass before anything is bound or connected."""

    def bind(self, endpoint: str) -> None:
        """Listen at a ZeroMQ endpoint such as ``tcp://127.0.0.1:5555``; before or after `start`."""
        try:
            for_endpoint(self._open_socket(), endpoint).bind(endpoint)
        finally:
            self._transport.look_soon()

    @property
    def endpoint(self) -> str:
        """The endpoint last bound or connected, with the port that ``tcp://…:*`` was given."""
        last = self._open_socket().getsockopt(zmq.LAST_ENDPOINT)
        return last.decode().rstrip("\0") if isinstance(last, bytes) else ""

    def connect(self, endpoint: str) -> None:
        """Connect to a ZeroMQ endpoint, now and again whenever the connection is lost."""
        try:
            for_endpoint(self._open_socket(), endpoint).connect(endpoint)
        finally:
            self._transport.look_soon()

    def disconnect(self, endpoint: str) -> None:
        """Undo `connect`."""
        try:
            self._open_socket().disconnect(endpoint)
        finally:
            self._transport.look_soon()

    async def start(self) -> None:
        """Start reading in the running loop; idempotent."""
        if self._started and not self._closed:
            return
        self._open_socket()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._incarnation = secrets.token_bytes(wire.INCARNATION_BYTES)
        self.heartbeat_backend.configure()
        self._started = True
        self._transport.start(self.loop)

    async def stop(self, grace: float = 0) -> None:
        """Stop for good: finish within ``grace`` seconds what is being answered, fail our own calls; idempotent.

        Calls that arrive meanwhile are refused with `Unavailable`, unless they are of a peer that waits for an answer
        already and may need them for it. What was sent is on the wire when this returns, except to peers that do not
        read: without a grace those are waited for `MIN_LINGER_S`.
        """
        if self._closed:
            return
        if grace > 0 and self._started:
            # What has arrived is in flight, too.
            self._transport.drain()
            for connection in self.connections:
                self._inboxes.finish(connection, self.cork)
            self._stopping = True
            until = self.running_loop.time() + grace
            while running := [task for connection in self.connections for task, _ in connection.running.values()]:
                remaining_s = until - self.running_loop.time()
                if remaining_s <= 0 or not (await asyncio.wait(running, timeout=remaining_s))[0]:
                    break
        if self._closed:
            return
        self._closed = True
        for connection in self.connections:
            self._inboxes.forget(connection)
            connection.flush()
            self._end(connection)
            connection.exports.clear()
        self.deadlines.close()
        await self._transport.finish(max(MIN_LINGER_S, min(grace, MAX_LINGER_S)))
        if self._hooks is not None:
            self._hooks.close()
        await plugins.finished(self.auth_backend.stop())
        await plugins.finished(self.heartbeat_backend.stop())

    async def __aenter__(self) -> Any:
        await self.start()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.stop()

    def _end(self, connection: Connection) -> None:
        connection.lost = True
        error = OutcomeUnknown(f"the {type(self).__name__.lower()} was stopped before the answer came")
        for task, _ in connection.running.values():
            cancel_begun(task)
        for uid in list(connection.pending):
            connection.fail(uid, error)

    # Calls of ours.

    @property
    def connections(self) -> Sequence[Connection]:
        """The remote peers known now."""
        raise NotImplementedError

    def _connection_to(self, user_id: bytes) -> Connection:
        raise NotImplementedError

    def _send_by_name(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> asyncio.Future[Any]:
        raise NotImplementedError

    def send_work(self, user_id: bytes, name: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Call a method of a remote peer on raw values (pseud's name for it)."""
        return self._connection_to(user_id).request(name, args, kwargs)

    def send_to(self, user_id: bytes) -> Recipient:
        """The methods of one remote peer as attributes (pseud's name for it)."""
        return Recipient(self._connection_to(user_id).request)

    def _expired(self, key: Any) -> None:
        assert isinstance(key, CallFuture)
        key.connection.expire(key)

    # The connections' host.

    def hold(self, connection: Connection) -> None:
        """See `cara_pseud.connection.Host`."""
        raise NotImplementedError

    def flush_later(self, connection: OutgoingCalls) -> None:
        """See `cara_pseud.outgoing_calls.Caller`."""
        self.cork.at_end(self.loop or self.running_loop, connection.flush)

    def transmit(self, connection: Connection, message: batches.Message, more: bool) -> bool:
        """See `cara_pseud.connection.Host`."""
        if self._hooks is not None and message[1] == wire.WORK:
            self._hooks.on_work(connection, *message)
        return self._transport.send(connection.routing_id, *message, more)

    def unreachable(self, connection: Connection) -> None:
        """See `cara_pseud.connection.Host`."""

    def hello(self, version: int) -> Mapping[str, Any]:
        """See `cara_pseud.connection.Host`."""
        return greeting.written(self._incarnation, version)

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        """See `cara_pseud.connection.Host`."""

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        """See `cara_pseud.connection.Host`."""

    def why_waiting(self) -> str:
        """See `cara_pseud.outgoing_calls.Caller`."""
        return "the client does not answer the greeting"

    def successor(self, connection: Connection) -> Connection | None:
        """See `cara_pseud.connection.Host.successor`."""
        return None

    # What the transport reads.

    def wants_metadata(self, routing_id: bytes) -> bool:
        """See `cara_pseud.transport.Receiver`."""
        return False

    def on_event(self, event: int, value: int) -> None:
        """See `cara_pseud.transport.Receiver`."""

    def _connection_from(self, routing_id: bytes, user: str | None, descriptor: int) -> Connection | None:
        raise NotImplementedError

    def on_message(self, frames: list[bytes], user: str | None, descriptor: int) -> None:
        """See `cara_pseud.transport.Receiver`."""
        connection = self._connection_from(frames[0], user, descriptor)
        if connection is None:
            self.dropped["unknown sender"] += 1
            return
        if self._hooks is not None and not self._hooks.admit(connection, frames, user):
            return
        if len(frames) != 6:
            # A probe of a stock client is one empty frame.
            self.dropped["probe" if len(frames) == 2 and not frames[1] else "wrong number of frames"] += 1
            return
        _, delimiter, version, uid, kind, body = frames
        if delimiter or version != wire.VERSION:
            self.dropped["not pseud v1"] += 1
            return
        connection.heard = True
        if kind == wire.BATCH:
            self._on_batch(connection, body)
        elif connection.inbox or connection.inbox.ahead or len(body) >= LARGE_BYTES:
            # Behind what came before it, or in a turn that it does not share with another large one.
            self._inboxes.put(connection, [(uid, kind, body)], self.cork, self.running_loop)
        else:
            self._on_one(connection, uid, kind, body)

    def _on_one(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        self._receiving_from = connection
        if kind == wire.WORK:
            if not (connection.admitted or self._admit_late(connection, body)):
                text = plugins.LOGIN_REQUIRED if self.logs_in else _NAME_TAKEN
                self.send_answer(connection, uid, wire.UNAUTHORIZED, text)
            elif self._stopping and not connection.running:
                self._refuse_work(connection, uid)
            elif wire.is_uuid(uid):
                self._dispatcher.on_work(connection, uid, body)
            else:
                self.dropped["bad uuid"] += 1
        elif kind == wire.OK or kind == wire.ERROR:
            if len(body) > (limit := connection.max_message_bytes):
                connection.fail(uid, TooLarge(f"the answer takes {len(body)} bytes, at most {limit} are permitted"))
            elif not connection.answer(uid, kind == wire.OK, body):
                self.dropped["answer to no call"] += 1
        elif kind in _LOGIN_TYPES:
            self._on_login(connection, uid, kind, body)
        elif kind != wire.HEARTBEAT:
            self.dropped["unknown message type"] += 1

    def _on_batch(self, connection: Connection, body: bytes) -> None:
        # A greeting answered late is answered together with the calls that did not wait for it.
        if connection.version != wire.EXTENSION_VERSION and not connection.greets:
            self.dropped["batch of a peer that did not greet"] += 1
            return
        try:
            messages = batches.parse(body)
        except ProtocolError:
            self.dropped["malformed batch"] += 1
            return
        turn, large = self._transport.turn, len(body) >= LARGE_BYTES
        self._inboxes.take_in(connection, messages, turn, self.cork, self.running_loop, large)

    def _on_behind(self) -> None:
        """Learn that there is more than before, or less, to be worked off."""

    def on_drained(self, more: bool) -> None:
        """See `cara_pseud.transport.Receiver`."""

    def on_gone(self, routing_id: bytes) -> None:
        """See `cara_pseud.transport.Receiver`."""

    def _refuse_work(self, connection: Connection, uid: bytes) -> None:
        error = Unavailable(f"the {type(self).__name__} is being stopped")
        self.send_answer(connection, uid, wire.ERROR, self.codec.packb(wire.error_triple(error)))

    def _on_login(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Take part in a login by messages; unless the plugin has one, HELLO and AUTHENTICATED mean nothing."""
        if kind == wire.UNAUTHORIZED:
            text = (
                "the server refused the login: this user is connected already"
                if body == _NAME_TAKEN
                else "the peer asks for a login that the security plugin does not have"
            )
            connection.fail(uid, Unauthenticated(text))

    def _admit_late(self, connection: Connection, body: bytes) -> bool:
        """Whether a connection that was not admitted may be by now."""
        return False

    # Answering.

    def register(self, name: str, handler: WireHandler) -> None:
        """Answer calls of a bare name; ``handler`` gets the call, positional and keyword wire arguments."""
        self._dispatcher.register(name, handler)

    @property
    def register_rpc(self) -> Callable[..., Any]:
        """pseud's decorator: register a function on raw values under its own or a given name."""
        return self._register_rpc

    def _register_rpc(
        self,
        func: Callable[..., Any] | None = None,
        name: str | None = None,
        domain: str = "default",
        with_identity: bool = False,
    ) -> Any:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            if domain == "default":
                self.register(name or function.__name__, raw_handler(function, with_identity))
            else:
                self._routes.register(function, name or function.__name__, domain, with_identity)
            return function

        return register if func is None else register(func)

    def restricted_handler(self, name: str, user: bytes, among_default: bool) -> WireHandler | None:
        """See `cara_pseud.dispatch.ServiceHost`."""
        return self._routes.restricted(name, user, among_default)

    def find_handler(self, name: str, user: bytes) -> WireHandler:
        """A handler registered in pseud's own registry, or by the peer that this one is a proxy to.

        Raises:
            ServiceNotFoundError: there is none; pseud's own, since its name travels to the caller.
        """
        try:
            return self._routes.default(name, user)
        except ServiceNotFoundError:
            if isinstance(self.proxy_to, PeerBase):
                return self.proxy_to._dispatcher.handler(name, user)
            raise

    def send_message(self, message: Sequence[Any]) -> asyncio.Future[None]:
        """Send frames that a plugin made (pseud's name for it); they are sent when this returns."""
        self._transport.send(*plugins.parse_message(message))
        sent: asyncio.Future[None] = self.running_loop.create_future()
        sent.set_result(None)
        return sent

    def send_answer(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """See `cara_pseud.dispatch.ServiceHost`."""
        if not connection.lost and not self._closed:
            connection.send(uid, kind, body)

    def believes(self, user: bytes) -> bool:
        """See `cara_pseud.dispatch.ServiceHost`."""
        return False

    # Capabilities.

    def _new_connection(self, routing_id: bytes, user: bytes) -> Connection:
        exports = self._new_exports(Quota(self.max_exports))
        return Connection(self, routing_id, user, exports, secrets.token_bytes(UID_PREFIX_BYTES))

    def _new_exports(self, quota: Quota) -> HolderExports:
        return HolderExports(lambda: secrets.randbits(64), quota)

    def _export(self, obj: Any) -> msgpack.ExtType:
        assert self.packing_for is not None
        user = self.user_id.encode() if isinstance(self.user_id, str) else self.user_id
        return self.packing_for.packed(capability_of(obj), user, self._paired_payloads)

    def _resolve(self, id: int, user: bytes | None) -> Any:
        assert self._receiving_from is not None
        return self._receiving_from.resolve(id, user)


_NAME_TAKEN: Final = b"This user is connected already"
_LOGIN_TYPES: Final = frozenset({wire.HELLO, wire.AUTHENTICATED, wire.UNAUTHORIZED})


class _NoLoop:
    """Stands in for a loop in pseud's constructor, which would otherwise ask for the current one."""


_NO_LOOP: Final = _NoLoop()
