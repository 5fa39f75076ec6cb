"""One remote peer as we know it: calls under way both ways, what it holds of ours and we of its. No sockets.

A `Connection` packs and unpacks bodies, pairs answers with calls and keeps the tables; the peer that owns it
sends its messages and feeds it what arrives.

What the other side understands is told by the greeting (`cara_pseud.greeting`). Until then calls are drafts:

    unknown ── greeted ──► version 2, 1 or original (0)         drafts are written and leave
       └──── 2 s of silence ──► drafts that can do without their options go bare; a late answer still counts
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from threading import get_ident
from typing import Any, Final, Protocol, cast

from cara_pseud import batches, greeting, wire
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, IncomingCall, Pending
from cara_pseud.deadlines import Deadlines
from cara_pseud.errors import (
    DeadlineExceeded,
    InvalidValue,
    OutcomeUnknown,
    RemoteError,
    ResourceExhausted,
    RpcError,
    TooLarge,
    Unavailable,
)
from cara_pseud.exports import HolderExports
from cara_pseud.greeting import ORIGINAL, Greeting
from cara_pseud.inbox import Inbox
from cara_pseud.outbox import TOGETHER, Draft, Outbox, metadata
from cara_pseud.references import References
from cara_pseud.threads import call_in_loop


class Host(Protocol):
    """What a connection needs of the peer it belongs to."""

    codec: wire.Codec
    packing_for: Connection | None
    max_message_bytes: int
    max_calls: int
    timeout: float
    loop: asyncio.AbstractEventLoop | None
    sends_batches: bool
    thread: int | None

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the started peer."""

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines of all its calls."""

    def hold(self, connection: Connection) -> None:
        """See to it that the greeting is on its way, for which a call waits.

        Raises:
            RpcError: that is hopeless now; the call fails at once.
        """

    def flush_later(self, connection: Connection) -> None:
        """Have `Connection.flush` called at the end of the turn."""

    def transmit(self, connection: Connection, message: batches.Message, more: bool) -> bool:
        """Send a message now; ``more`` is whether another one follows at once. False if nobody is there.

        Raises:
            RpcError: it is not sent: too much waits already, or a security plugin would not have it.
        """

    def unreachable(self, connection: Connection) -> None:
        """Learn that nobody is there."""

    def hello(self, version: int) -> Mapping[str, Any]:
        """What it says of itself in a greeting of that version."""

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        """Learn what a peer said of itself, and what was known of it before, perhaps of an earlier connection."""

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        """Learn that a greeting was refused, or lost."""

    def why_waiting(self) -> str:
        """What calls wait for, as the end of a sentence."""

    def successor(self, connection: Connection) -> Connection | None:
        """The newest live connection of the same process of the same user, if this one is lost."""


class CallFuture(Pending):
    """The result of one call. Cancelling it gives the call up."""

    __slots__ = ("connection", "convert", "exported", "round", "slot", "uid")

    connection: Connection
    uid: bytes
    convert: Callable[[Any], Any] | None
    slot: int
    round: int
    exported: tuple[int, ...]

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self.connection.give_up(self)
        super().cancel(msg)
        self.tell()
        return True


class Connection(References):
    """A remote peer, addressed by its routing id.

    Attributes:
        user: its authenticated user, ``b""`` without authentication.
        version: what it understands: 2, 1, 0 for an original peer, None while that is not known.
        greeting: what it said of itself; after a loss still what it said before.
        let_in: whether its calls are answered; only a login by messages makes them wait.
        admitted: whether it is settled, too, whose objects it holds, which its first call does.
        descriptor: the file descriptor of its socket, as ZeroMQ's monitor names it.
        transport_user: who it is to ZeroMQ, which ``user`` is too unless there is a login by messages.
        inbox: messages of its batches that have not been worked off.
        heard: whether something came from it since somebody last looked.
        closed: whether it has ended for ZeroMQ; what it sent before may still be there to be read.
    """

    def __init__(self, host: Host, routing_id: bytes, user: bytes, exports: HolderExports, uid_prefix: bytes) -> None:
        super().__init__(exports)
        self.host = host
        self.routing_id = routing_id
        self.user = user
        self.version: int | None = None
        self.greeting: Greeting | None = None
        self.let_in = True
        self.admitted = True
        self.transport_user = user
        self.descriptor = -1
        self.heard, self.closed = True, False
        self.silent_rounds = 0
        self.inbox = Inbox()
        self.pending: dict[bytes, CallFuture] = {}
        self.running: dict[bytes, tuple[asyncio.Task[None], IncomingCall]] = {}
        self.outbox = Outbox()
        self._greeting_call: CallFuture | None = None
        self._uid_prefix = uid_prefix
        self._counter = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that its calls belong to."""
        return self.host.running_loop

    def _new_uid(self) -> bytes:
        self._counter = counter = self._counter + 1
        return self._uid_prefix + counter.to_bytes(8, "big")

    def _is_of_notice(self, uid: bytes) -> bool:
        return uid[: UID_PREFIX_BYTES + 1] == self._uid_prefix + _NOTICE

    # Calls of ours.

    def request(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> CallFuture:
        """Send a call; everything that can go wrong, also before it is sent, becomes the future's exception.

        From another thread than the loop's the call is made in the loop; what is given then can be awaited in any
        loop, and asked for its ``result()`` without one.
        """
        host = self.host
        if host.thread != get_ident() and host.thread is not None:
            made = call_in_loop(host.running_loop, lambda: self.request(name, args, kwargs, options, convert))
            return cast(CallFuture, made)
        future = CallFuture(loop=host.loop or host.running_loop)
        self._counter = counter = self._counter + 1
        uid = self._uid_prefix + counter.to_bytes(8, "big")
        future.connection, future.convert, future.exported, future.uid = self, convert, (), uid
        future.watcher, future.slot = None, -1
        timeout = options.timeout
        if timeout is None:
            greeted = self.greeting
            timeout = host.timeout if greeted is None else greeted.callback_timeout_s or host.timeout
        version = self.version
        host.packing_for = self
        exports = self.exports
        if exports.journal:
            exports.begin()
        try:
            if len(self.pending) >= host.max_calls:
                raise ResourceExhausted(f"{host.max_calls} calls are under way to this peer already")
            # msgpack packs plain dicts only; to copy an empty mapping would take as long as to pack the call.
            named = kwargs if type(kwargs) is dict else dict(kwargs) if kwargs else {}
            if version is None or self.lost:
                self._draft(future, name, args, named, options, timeout)
                return future
            if version and options is not NO_OPTIONS:
                name, args = wire.EXT_CALL, (metadata(options, options.timeout), name, args)
            body = host.codec.packb((name, args, named))
            if len(body) > host.max_message_bytes:
                raise TooLarge(f"the call takes {len(body)} bytes, at most {host.max_message_bytes} are permitted")
            future.slot = host.deadlines.add(future, timeout)
            self.pending[uid] = future
            if exports.journal:
                future.exported = tuple(exports.journal)
            future.round = self.outbox.round
            self.send(uid, wire.WORK, body)
        except RpcError as error:
            self._fail_unsent(future, error)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._fail_unsent(future, InvalidValue(f"the arguments cannot be sent: {error}"))
        return future

    def _draft(
        self,
        future: CallFuture,
        name: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        options: CallOptions,
        timeout: float,
    ) -> None:
        """Keep a call until it is known what the peer understands; values are packed as they are now."""
        host = self.host
        host.hold(self)
        pack, most = host.codec.packb, host.max_message_bytes
        until = host.running_loop.time() + timeout
        draft = Draft(future.uid, pack(name), pack(list(args)), pack(kwargs), options, until)
        # What cannot be written is this call's error now, not everybody's once the greeting is answered.
        pack(metadata(options, options.timeout))
        if draft.size > most:
            raise TooLarge(f"the call takes {draft.size} bytes, at most {most} are permitted")
        if self.outbox.bytes + draft.size > 4 * most:
            raise ResourceExhausted("too many calls wait for the connection already")
        future.slot = host.deadlines.add(future, timeout)
        self.pending[future.uid] = future
        future.exported = tuple(self.exports.journal)
        future.round = -1
        self.outbox.draft(draft)
        if self.silent and self.outbox.write_drafts(self._write, only_bare=True):
            host.flush_later(self)

    def _write(self, draft: Draft) -> bytes:
        """The body of a draft, now that it is known what the peer understands."""
        options = draft.options
        future = self.pending.get(draft.uid)
        if future is not None:
            future.round = self.outbox.round
        if not self.version or options is NO_OPTIONS:
            return _ARRAY_OF_3 + draft.name + draft.args + draft.kwargs
        remaining_s = None if options.timeout is None else max(draft.until - self.loop.time(), 0.0)
        said = self.host.codec.packb(metadata(options, remaining_s))
        return _EXTENDED_CALL + said + draft.name + draft.args + draft.kwargs

    def send(self, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send a message with those of the same turn."""
        messages = self.outbox.messages
        messages.append((uid, kind, body))
        if len(messages) == 1:
            self.host.flush_later(self)
        elif len(messages) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Send what this turn had to say."""
        messages = self.outbox.take()
        if not messages:
            return
        transmit = self.host.transmit
        together = self.version == 2 and len(messages) > 1 and self.host.sends_batches
        posts = batches.together(messages) if together else batches.each_alone(messages)
        sent, count = 0, len(messages)
        for message, stands_for in posts:
            upto = sent + stands_for
            try:
                there = not self.lost and transmit(self, message, upto < count)
            except RpcError as error:
                self._not_sent(messages[sent:upto], error)
            else:
                if not there:
                    self._not_sent(messages[sent:], Unavailable("the peer is gone"))
                    self.host.unreachable(self)
                    return
            sent = upto

    def _not_sent(self, messages: Sequence[batches.Message], error: RpcError) -> None:
        for uid, kind, _ in messages:
            if kind == wire.WORK:
                self.fail_unsent(uid, error)

    def _fail_unsent(self, future: CallFuture, error: Exception) -> None:
        self.exports.roll_back()
        if self.pending.pop(future.uid, None) is not None:
            self.host.deadlines.discard(future.slot, future)
        if not future.done():
            future.set_exception(error)

    def answer(self, uid: bytes, ok: bool, body: bytes) -> bool:
        """Resolve the call that an OK or ERROR is for. False if there is none (late, repeated or unknown)."""
        future = self.pending.pop(uid, None)
        if future is None:
            if ok and self.extended:
                self.host.codec.let_go(body)
            return self._is_of_notice(uid)
        self.host.deadlines.discard(future.slot, future)
        try:
            value = self.host.codec.unpackb(body)
            if ok:
                convert = future.convert
                result = wire.with_tuples(value) if convert is None else convert(value)
            else:
                raise wire.parse_error(value)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
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
            why = f": {self.host.why_waiting()}" if self.version is None else ""
            late = DeadlineExceeded(f"no answer within the deadline{why}")
            future.set_exception(late if sent else Unavailable(f"not sent within the deadline{why}"))
            future.tell()

    def _call_off(self, future: CallFuture) -> bool:
        if self.outbox.withdraw(future.uid, future.round):
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

    def fail_waiting(self, error: RpcError) -> None:
        """End every call that waits to be sent."""
        for uid in self.outbox.waiting():
            self.fail_unsent(uid, error)
        self.outbox.clear()

    def fail_sent(self) -> None:
        """End every call that was sent, because the connection is lost; those that wait to be sent go on."""
        waiting = set(self.outbox.waiting())
        for uid in [uid for uid in self.pending if uid not in waiting]:
            self.fail(uid, OutcomeUnknown())

    def notify(self, name: str, args: Sequence[Any]) -> None:
        """Send a call of an extension whose answer nobody needs."""
        if not self.lost:
            self._counter += 1
            uid = self._uid_prefix + _NOTICE + self._counter.to_bytes(7, "big")
            self.send(uid, wire.WORK, self.host.codec.packb((name, args, {})))

    # What the peer is.

    @property
    def greets(self) -> bool:
        """Whether a greeting is under way, or nobody waits for its answer any more."""
        return self._greeting_call is not None or self.silent

    def greet(self) -> bool:
        """Send the greeting, unless it is under way; False if nobody is there.

        Raises:
            RpcError: a security plugin would not have it.
        """
        if self._greeting_call is not None or self.version is not None:
            return True
        call = CallFuture(loop=self.loop)
        call.connection, call.convert, call.exported, call.uid = self, greeting.read, (), self._new_uid()
        call.slot, call.round, call.watcher = -1, -1, None
        body = self.host.codec.packb((wire.EXT_HELLO, (self.host.hello(wire.EXTENSION_VERSION),), {}))
        try:
            if not self.host.transmit(self, (call.uid, wire.WORK, body), False):
                return False
        except ResourceExhausted:
            return False
        self.pending[call.uid] = self._greeting_call = call
        call.watcher = self._greeting_ended
        return True

    def _greeting_ended(self, call: asyncio.Future[Any]) -> None:
        # Looked at in any case, or asyncio would report an error that nobody has seen.
        error = None if call.cancelled() else call.exception()
        if call is not self._greeting_call:
            return
        self._greeting_call = None
        if call.cancelled() or self.lost:
            return
        if error is None:
            self.recognise(call.result())
        elif isinstance(error, RpcError) and not isinstance(error, RemoteError):
            # Not the other side's dispatcher: a login that is refused, a peer that is being stopped, a loss.
            self.host.not_greeted(self, error)
        else:
            self.recognise(Greeting(ORIGINAL))

    def recognise(self, said: Greeting) -> None:
        """Take note of what the peer said in its answer to our greeting, and send what waited for it."""
        if self.note(said):
            self.open_up()

    def note(self, said: Greeting) -> bool:
        """Take note of what the peer said of itself; the first word counts. False if it was not the first."""
        if self.version is not None:
            return False
        # What was said before it was known leaves in the form that any peer reads.
        self.flush()
        before, self.greeting = self.greeting, said
        self.version, self.extended = said.version, said.version > ORIGINAL
        self.host.greeted(self, before)
        return True

    def open_up(self) -> None:
        """Send what waited for the greeting; behind the answer to it, which the peer must have before any batch."""
        self.flush()
        self.settle_homes()
        if self.outbox.write_drafts(self._write):
            self.host.flush_later(self)
        self.flush_dropped()

    def go_bare(self) -> None:
        """Send what means the same to any peer: it has been silent for too long."""
        if self.version is None and not self.silent:
            self.silent = True
            self.settle_homes()
            if self.outbox.write_drafts(self._write, only_bare=True):
                self.host.flush_later(self)

    def begin_again(self, keep_references: bool) -> None:
        """Take note that the connection was lost: the next one may lead to another process, of another kind.

        ``keep_references`` is whether the other side keeps what we hold for a while: it knows us by an authenticated
        name.
        """
        self.version = self.extended = None
        self.silent = False
        self._greeting_call = None
        self.inbox.clear()
        self.note_held()
        if not keep_references:
            self.end_references()

    def heir(self) -> Connection | None:
        return self.host.successor(self)


UID_PREFIX_BYTES: Final = 8
_NOTICE: Final = b"\x80"
"""Marks the uids of calls whose answers nobody waits for."""
_ARRAY_OF_3: Final = b"\x93"
_EXTENDED_CALL: Final = b"\x93\xa9cara:call\x93"
