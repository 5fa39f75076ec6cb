"""One remote peer as we know it: calls under way both ways, what it holds of ours and we of its. No sockets.

A `Connection` packs and unpacks bodies, pairs answers with calls and keeps the tables; the peer that owns it
sends its frames and feeds it what arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from cara_pseud import wire
from cara_pseud.capabilities import (
    NO_ARGUMENTS,
    NO_OPTIONS,
    CallOptions,
    Capability,
    Forwarder,
    HolderExports,
    IncomingCall,
    LocalCapability,
    Pending,
)
from cara_pseud.deadlines import Deadlines
from cara_pseud.errors import (
    DeadlineExceeded,
    InvalidValue,
    OutcomeUnknown,
    ResourceExhausted,
    RpcError,
    TooLarge,
    Unavailable,
)
from cara_pseud.schema.nodes import BoundMethod


class Host(Protocol):
    """What a connection needs of the peer it belongs to."""

    codec: wire.Codec
    packing_for: Connection | None
    max_message_bytes: int
    max_calls: int
    timeout: float
    loop: asyncio.AbstractEventLoop | None

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the started peer."""

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines of all its calls."""

    def transmit(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send a message, or keep it until the connection is up.

        Raises:
            Unavailable: the connection is down; nothing was and nothing will be sent.
            ResourceExhausted: too much waits already.
        """

    def withdraw(self, connection: Connection, uid: bytes) -> bool:
        """Never send a message that was kept by `transmit`; False if it was sent."""

    def successor(self, connection: Connection) -> Connection | None:
        """The newest live connection of the same authenticated user, if this one is lost."""


class CallFuture(Pending):
    """The result of one call. Cancelling it gives the call up."""

    __slots__ = ("connection", "convert", "exported", "slot", "uid")

    connection: Connection
    uid: bytes
    convert: Callable[[Any], Any] | None
    slot: int
    exported: tuple[int, ...]

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self.connection.give_up(self)
        super().cancel(msg)
        self.tell()
        return True


class Connection:
    """A remote peer, addressed by its routing id.

    Attributes:
        user: its authenticated user, ``b""`` without authentication.
        owner: what its objects are told apart by: the user where that was verified, else the connection itself.
        exports: what it may call of ours, shared by all connections of an authenticated user.
        extended: True once it is known to be a peer of cara_pseud, False once it is known not to be.
        lost: whether it is gone; nothing is sent to it any more.
        admitted: whether its calls are answered; only a login by messages makes them wait.
        descriptor: the file descriptor of its socket, as ZeroMQ's monitor names it.
        transport_user: who it is to ZeroMQ, which ``user`` is too unless there is a login by messages.
    """

    def __init__(self, host: Host, routing_id: bytes, user: bytes, exports: HolderExports, uid_prefix: bytes) -> None:
        self.host = host
        self.owner: Hashable = self
        self.routing_id = routing_id
        self.user = user
        self.exports = exports
        self.extended: bool | None = None
        self.lost = False
        self.admitted = True
        self.transport_user = user
        self.descriptor = -1
        self.pending: dict[bytes, CallFuture] = {}
        self.running: dict[bytes, tuple[asyncio.Task[None], IncomingCall]] = {}
        self._imports: WeakValueDictionary[int, RemoteCapability] = WeakValueDictionary()
        self._dropped: list[tuple[int, int]] = []
        self._uid_prefix = uid_prefix
        self._counter = 0
        self._greeted = False
        self._epoch = 0

    # Calls of ours.

    def request(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> CallFuture:
        """Send a call; everything that can go wrong, also before it is sent, becomes the future's exception."""
        host = self.host
        future = CallFuture(loop=host.loop or host.running_loop)
        self._counter = counter = self._counter + 1
        uid = self._uid_prefix + counter.to_bytes(8, "big")
        future.connection, future.convert, future.exported, future.uid = self, convert, (), uid
        future.watcher = None
        timeout = host.timeout if options.timeout is None else options.timeout
        if options is not NO_OPTIONS and self.extended:
            name, args = wire.EXT_CALL, (_metadata(options), name, args)
        host.packing_for = self
        exports = self.exports
        if exports.journal:
            exports.begin()
        try:
            if len(self.pending) >= host.max_calls:
                raise ResourceExhausted(f"{host.max_calls} calls are under way to this peer already")
            # msgpack packs plain dicts only; to copy an empty mapping would take as long as to pack the call.
            named = kwargs if type(kwargs) is dict else dict(kwargs) if kwargs else {}
            body = host.codec.packb((name, args, named))
            if len(body) > host.max_message_bytes:
                raise TooLarge(f"the call takes {len(body)} bytes, at most {host.max_message_bytes} are permitted")
            self.pending[uid] = future
            if exports.journal:
                future.exported = tuple(exports.journal)
            future.slot = host.deadlines.add(future, timeout)
            host.transmit(self, uid, wire.WORK, body)
        except RpcError as error:
            self._fail_unsent(future, error)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._fail_unsent(future, InvalidValue(f"the arguments cannot be sent: {error}"))
        return future

    def _fail_unsent(self, future: CallFuture, error: Exception) -> None:
        self.exports.roll_back()
        if self.pending.pop(future.uid, None) is not None:
            self.host.deadlines.discard(future.slot, future)
        future.set_exception(error)

    def answer(self, uid: bytes, ok: bool, body: bytes) -> bool:
        """Resolve the call that an OK or ERROR is for. False if there is none (late, repeated or unknown)."""
        future = self.pending.pop(uid, None)
        if future is None:
            return False
        self.host.deadlines.discard(future.slot, future)
        try:
            value = self.host.codec.unpackb(body)
            if ok:
                result = value if future.convert is None else future.convert(value)
            else:
                raise wire.parse_error(value)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        if not self._greeted:
            self._greet()
        if future.watcher is not None:
            future.watcher(future)
        return True

    def give_up(self, future: CallFuture) -> None:
        """Forget a call whose caller no longer waits, and tell a peer that understands."""
        if self.pending.pop(future.uid, None) is None:
            return
        self.host.deadlines.discard(future.slot, future)
        self._call_off(future)

    def expire(self, future: CallFuture) -> None:
        """End a call whose deadline has come."""
        if self.pending.pop(future.uid, None) is not None:
            sent = self._call_off(future)
            future.set_exception(DeadlineExceeded() if sent else Unavailable("not connected within the deadline"))
            future.tell()

    def _call_off(self, future: CallFuture) -> bool:
        if self.host.withdraw(self, future.uid):
            self._take_back(future)
            return False
        if self.extended and not self.lost:
            self.notify(wire.EXT_CANCEL, (future.uid,))
        return True

    def fail(self, uid: bytes, error: Exception) -> None:
        """End one call of ours with an error; none of that uid: nothing."""
        future = self.pending.pop(uid, None)
        if future is not None:
            self.host.deadlines.discard(future.slot, future)
            future.set_exception(error)
            future.tell()

    def fail_unsent(self, uid: bytes, error: Exception) -> None:
        """End a call of ours that was never sent: the objects in it were not passed after all."""
        future = self.pending.get(uid)
        if future is not None:
            self._take_back(future)
            self.fail(uid, error)

    def _take_back(self, future: CallFuture) -> None:
        for id in future.exported:
            self.exports.release(id, 1)

    def fail_sent(self, waiting: Mapping[bytes, Any]) -> None:
        """End every call that was sent, because the connection is lost; those still ``waiting`` to be sent go on."""
        for uid in [uid for uid in self.pending if uid not in waiting]:
            self.fail(uid, OutcomeUnknown())

    def begin_again(self, keep_references: bool) -> None:
        """Take note that the connection was lost: the next one may lead to another process, of another kind.

        ``keep_references`` is whether the other side keeps what we hold for a while: it knows us by an authenticated
        name.
        """
        self.extended = None
        self._greeted = False
        if not keep_references:
            self._epoch += 1
            self._imports = WeakValueDictionary()
            self._dropped = []

    @property
    def epoch(self) -> int:
        """Counts losses that ended all references."""
        return self._epoch

    def notify(self, name: str, args: Sequence[Any]) -> None:
        """Send a call of an extension whose answer nobody needs."""
        self._counter += 1
        uid = self._uid_prefix + self._counter.to_bytes(8, "big")
        try:
            self.host.transmit(self, uid, wire.WORK, self.host.codec.packb((name, args, {})))
        except (Unavailable, ResourceExhausted):
            # A peer that is gone frees what it holds for us by itself.
            return

    def _greet(self) -> None:
        self._greeted = True
        if self.extended is None:
            greeting = self.request(
                wire.EXT_HELLO, ({"version": wire.EXTENSION_VERSION},), convert=lambda answer: type(answer) is dict
            )
            greeting.add_done_callback(self._greeted_back)

    def _greeted_back(self, greeting: asyncio.Future[Any]) -> None:
        if self.extended is None:
            self.recognise(not greeting.cancelled() and greeting.exception() is None and bool(greeting.result()))
        elif not greeting.cancelled():
            greeting.exception()

    def recognise(self, extended: bool) -> None:
        """Take note of whether it is a peer of cara_pseud."""
        self.extended = extended
        self._flush_dropped()

    # References.

    def resolve(self, id: int, user: bytes | None) -> Capability:
        """The capability for a received ext 100.

        Raises:
            RpcError: ``permission_denied`` when the pair names another user than the authenticated sender.
        """
        if user and self.user and user != self.user:
            raise RpcError("permission_denied", "an object may only be passed by the user that has it")
        own = self.exports.get(id)
        if own is not None:
            return own.capability
        capability = self._imports.get(id)
        if capability is None or capability.released_:
            capability = self._imports[id] = RemoteCapability(self, id)
        capability.count += 1
        return capability

    def export(self, obj: Any) -> int:
        """The object id under which the remote peer may call ``obj``, counted once more.

        Raises:
            TypeError: ``obj`` is no capability (msgpack's way to say that it cannot be packed).
        """
        if isinstance(obj, LocalCapability):
            return self.exports.add(obj).id
        if isinstance(obj, RemoteCapability):
            if obj.connection.owner == self.owner:
                if not self.extended:
                    # An original peer takes its own object for ours and calls it back here: pass those calls on.
                    self.exports.add(LocalCapability(Forwarder(obj), ("home", obj.key)), id=obj.id)
                return obj.id
            return self.exports.add(LocalCapability(Forwarder(obj), ("forward", obj.key))).id
        raise TypeError(f"{type(obj).__name__} has no form on the wire")

    def dropped(self, id: int, count: int) -> None:
        """Give ``count`` references back; may be called from the collector, on any thread."""
        # Until it is known whether the peer understands, what is given back is kept.
        if self.lost or self.extended is False or (self.extended is None and len(self._dropped) >= _MAX_DROPPED):
            return
        self._dropped.append((id, count))
        if self.extended and len(self._dropped) == 1:
            try:
                self.host.running_loop.call_soon_threadsafe(self._flush_dropped)
            except RuntimeError:
                # The loop is closed: the connection is gone, and with it what we held.
                self._dropped.clear()

    def _flush_dropped(self) -> None:
        if self.extended is None:
            return
        released, self._dropped = self._dropped, []
        if released and self.extended and not self.lost:
            self.notify(wire.EXT_RELEASE, released)


class RemoteCapability(Capability):
    """An object at a peer. ``count`` is how often it was sent to us; all are given back at once."""

    __slots__ = ("_epoch", "connection", "count", "id", "released_")

    def __init__(self, connection: Connection, id: int) -> None:
        self.connection = connection
        self.id = id
        self.count = 0
        self.released_ = False
        self._epoch = connection.epoch
        self.key = ("remote", connection.owner, connection.epoch, id)

    @property
    def alive(self) -> bool:
        connection = self.connection
        if self.released_ or self._epoch != connection.epoch:
            return False
        return not connection.lost or connection.host.successor(connection) is not None

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> CallFuture:
        connection = self.connection
        if connection.lost:
            connection = connection.host.successor(connection) or connection
        if self._epoch != connection.epoch and connection is self.connection:
            gone = CallFuture(loop=connection.host.running_loop)
            gone.watcher = None
            gone.set_exception(RpcError("not_found", "the object ended with the connection to its peer"))
            return gone
        packed_kwargs = kwargs if type(kwargs) is dict else dict(kwargs)
        return connection.request(
            wire.CALL, (self.id, interface_id, method, args, packed_kwargs), NO_ARGUMENTS, options, convert
        )

    def release(self) -> None:
        if not self.released_:
            self.released_ = True
            if self._epoch == self.connection.epoch:
                self.connection.dropped(self.id, self.count)

    def __del__(self) -> None:
        # The safety net; a partly built object (resolve failed) has no count yet.
        if not getattr(self, "released_", True):
            self.release()


class RootCapability(Capability):
    """The methods that a peer registered under their bare names, as one object."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.key = ("root", connection)

    @property
    def alive(self) -> bool:
        return not self.connection.lost

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> CallFuture:
        return self.connection.request(bound.method.name, args, kwargs, options, convert)

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> CallFuture:
        if not isinstance(method, str):
            raise TypeError("a peer's registered methods are called by name")
        return self.connection.request(method, args, kwargs, options, convert)


def _metadata(options: CallOptions) -> dict[str, Any]:
    timeout, request_id, principal, traceparent, idempotency_key = options
    fields: dict[str, Any] = {}
    if timeout is not None:
        fields["deadline_ms"] = int(timeout * 1000)
    if request_id is not None:
        fields["request_id"] = request_id
    if principal is not None:
        fields["principal"] = principal
    if traceparent is not None:
        fields["traceparent"] = traceparent
    if idempotency_key is not None:
        fields["idempotency_key"] = idempotency_key
    return fields


UID_PREFIX_BYTES: Final = 8
_MAX_DROPPED: Final = 10_000
"""References given back to a peer that nobody knows yet: an original one never says what it is."""
