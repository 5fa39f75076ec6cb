"""Calls of ours to one remote peer: from their making to their answer, or to whatever else ends them. No sockets.

Every call ends: by its answer, at its deadline, when its caller gives it up, or with the connection. What the other
side understands is told by the greeting (see `cara_pseud.connection`); until then calls are drafts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from threading import get_ident
from types import FunctionType
from typing import Any, Final, Protocol, cast

import msgpack

from cara_pseud import promised, wire
from cara_pseud.any_pointer import enter_any
from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability, Drivable, Pending, TwoForms
from cara_pseud.deadlines import Deadlines
from cara_pseud.errors import (
    DeadlineExceeded,
    InvalidValue,
    OutcomeUnknown,
    ResourceExhausted,
    RpcError,
    TooLarge,
    Unavailable,
    WrongType,
)
from cara_pseud.exports import HolderExports
from cara_pseud.greeting import Greeting
from cara_pseud.outbox import TOGETHER, Draft, Outbox, metadata
from cara_pseud.promises import DependentCall, PromisedCapability, Promising, Unresolved, passed_on, promised_in
from cara_pseud.references import References
from cara_pseud.threads import call_in_loop


class Caller(Protocol):
    """What calls need of the peer that makes them."""

    codec: wire.BodyCodec
    packing_for: OutgoingCalls | None
    max_message_bytes: int
    max_calls: int
    timeout: float
    loop: asyncio.AbstractEventLoop | None
    thread: int | None

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the started peer."""

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines of all its calls."""

    def flush_later(self, connection: OutgoingCalls) -> None:
        """Have `OutgoingCalls.flush` called at the end of the turn."""

    def why_waiting(self) -> str:
        """What calls wait for, as the end of a sentence."""


class CallFuture(Pending):
    """The result of one call. Cancelling it gives the call up."""

    __slots__ = ("connection", "convert", "exported", "round", "slot", "uid")

    connection: OutgoingCalls
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


    def pipe(self) -> tuple[OutgoingCalls, bytes] | None:
        """Where calls may name its answer, and by what; None if they cannot."""
        connection, uid = self.connection, self.uid
        # A draft has no round yet: nobody knows what the peer understands.
        return (connection, uid) if connection.pipelines and uid in connection.pending and self.round >= 0 else None

    def promised(self, path: Sequence[int]) -> Capability:
        """See `cara_pseud.capabilities.Promises`: who passes the call on passes on what names its answer."""
        return passed_on(self, path)


class ProxyCall(Drivable, Promising, CallFuture):
    """The result of a call that a proxy made."""

    __slots__ = ("_driven",)


class OutgoingCalls(References):
    """What a connection knows of the calls that are made over it.

    Attributes:
        pending: those under way, by uid; those that wait to be sent, too.
        version: what the peer understands: 2, 1, 0 for an original peer, None while that is not known.
        greeting: what it said of itself; after a loss still what it said before.
        pipelines: whether it understands calls that name answers which have not come.
        max_message_bytes: of a body, in both directions.
    """

    def __init__(self, host: Caller, exports: HolderExports, uid_prefix: bytes) -> None:
        super().__init__(exports)
        self.host = host
        # A peer answers to names that it does not have, so each look at it takes long: what all calls need is here.
        self._codec, self._packb = host.codec, host.codec.packb
        self._max_calls, self.max_message_bytes = host.max_calls, host.max_message_bytes
        self._thread: int | None = None
        self._loop: asyncio.AbstractEventLoop
        self._deadlines: Deadlines
        self.version: int | None = None
        self.greeting: Greeting | None = None
        self.pending: dict[bytes, CallFuture] = {}
        self.outbox = Outbox()
        self.pipelines = False
        self._names_answers = False
        self._uid_prefix = uid_prefix
        self._counter = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that its calls belong to."""
        return self.host.running_loop

    def hold(self) -> None:
        """See to it that the greeting is on its way, for which a call waits.

        Raises:
            RpcError: that is hopeless now; the call fails at once.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Send what this turn had to say."""
        raise NotImplementedError

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
        if self._thread != get_ident():
            if host.thread != get_ident() and host.thread is not None:
                made = call_in_loop(host.running_loop, lambda: self.request(name, args, kwargs, options, convert))
                return cast(CallFuture, made)
            # One that has not begun yet may not know its loop for good.
            self._thread, self._loop, self._deadlines = host.thread, host.running_loop, host.deadlines
        # What is called without an interface gives what it gave with pseud, a future and nothing else. So does what a
        # gateway calls, which knows the results in its own way: a future that has attributes for them takes longer.
        is_proxys = type(convert) is FunctionType and hasattr(convert, "signature")
        future = (ProxyCall if is_proxys else CallFuture)(loop=self._loop)
        self._counter = counter = self._counter + 1
        uid = self._uid_prefix + counter.to_bytes(8, "big")
        future.connection = self
        future.convert, future.exported = convert, ()
        future.uid, future.watcher = uid, None
        timeout = said_s = options.timeout
        if timeout is None:
            greeted = self.greeting
            timeout = host.timeout if greeted is None else greeted.callback_timeout_s or host.timeout
        version = self.version
        host.packing_for = self
        exports = self.exports
        if exports.journal:
            exports.begin()
        try:
            if len(self.pending) >= self._max_calls:
                raise ResourceExhausted(f"{self._max_calls} calls are under way to this peer already")
            if version is None or self.lost:
                self._draft(future, name, args, kwargs, options, timeout)
                return future
            # msgpack packs plain dicts only; to copy an empty mapping would take as long as to pack the call.
            if kwargs is NO_ARGUMENTS:
                named: dict[str, Any] = {}
            elif type(kwargs) is TwoForms and version:
                args, named = kwargs.ours
            else:
                named = dict(kwargs)
            if version and options is not NO_OPTIONS:
                name, args = wire.EXT_CALL, (metadata(options, said_s), name, args)
            packb = self._packb
            body = packb((name, args, named))
            if len(body) > self.max_message_bytes:
                raise TooLarge(f"the call takes {len(body)} bytes, at most {self.max_message_bytes} are permitted")
            future.slot = self._deadlines.add(future, timeout)
            self.pending[uid] = future
            if exports.journal:
                future.exported = tuple(exports.journal)
            future.round = self.outbox.round
            self.send(uid, wire.WORK, body)
        except Unresolved:
            exports.roll_back()
            if name is wire.EXT_CALL:
                _, name, args = args
            return cast(CallFuture, self._dependent(name, args, kwargs, options, convert))
        except RpcError as error:
            self._fail_unsent(future, error)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            if name is wire.EXT_CALL:
                _, name, args = args
            found = _unwritable_text(args, kwargs) if isinstance(error, UnicodeEncodeError) else None
            self._fail_unsent(future, found or InvalidValue(f"the arguments cannot be sent: {error}"))
        return future

    def _dependent(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions,
        convert: Callable[[Any], Any] | None,
    ) -> DependentCall:
        """Make a call with promised objects among its arguments."""

        def naming() -> Pending | None:
            return self.request_naming(name, args, kwargs, options, convert)

        def plainly(options: CallOptions) -> Pending:
            return self.request(name, args, kwargs, options, convert)

        named = tuple(promised_in(args)) + tuple(promised_in(kwargs))
        return DependentCall(self.loop, named, naming, plainly, options, convert)

    def request_naming(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Pending | None:
        """Send a call that names answers which have not come; None if it cannot: one of them comes from elsewhere."""
        for one in (*promised_in(args), *promised_in(kwargs)):
            if not one.first.done() and ((pipe := one.first.pipe()) is None or pipe[0] is not self):
                return None
        self._names_answers = True
        try:
            # Options of its own, even if they are empty: it travels as a call of ours.
            return self.request(name, args, kwargs, CallOptions(*options), convert)
        finally:
            self._names_answers = False

    def packed(self, obj: Any, user: bytes | None, paired: bool) -> msgpack.ExtType:
        """The form of an object in a message to the peer.

        Raises:
            TypeError: it is none.
            Unresolved: nobody knows yet which it is, and the message is not one that can name it.
            RpcError: it is promised, and will never come.
        """
        if type(obj) is PromisedCapability:
            if not obj.first.done():
                pipe = obj.first.pipe() if self._names_answers else None
                if pipe is None:
                    raise Unresolved
                return promised.written(pipe[1], obj.path)
            return self.packed(obj.resolved(), user, paired)
        return msgpack.ExtType(wire.EXT_CAPABILITY, wire.capability_payload(self.export(obj), user, paired))

    def _draft(
        self,
        future: CallFuture,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions,
        timeout: float,
    ) -> None:
        """Keep a call until it is known what the peer understands; values are packed as they are now."""
        host = self.host
        self.hold()
        pack, most = self._codec.packb, self.max_message_bytes
        until = host.running_loop.time() + timeout
        if type(kwargs) is TwoForms:
            bare, ours = _both_forms(kwargs, pack)
        else:
            bare = ours = pack(list(args)) + pack(dict(kwargs))
        draft = Draft(future.uid, pack(name), bare, ours, options, until)
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
        if self.silent:
            self.write_drafts(only_bare=True)

    def write_drafts(self, *, only_bare: bool = False) -> None:
        """Send drafts with the messages of the same turn; ``only_bare`` leaves those that need their options."""
        if self.outbox.write_drafts(self._write, only_bare=only_bare):
            self.host.flush_later(self)

    def _write(self, draft: Draft) -> bytes:
        """The body of a draft, now that it is known what the peer understands."""
        options = draft.options
        future = self.pending.get(draft.uid)
        if future is not None:
            future.round = self.outbox.round
        if not self.version:
            return _ARRAY_OF_3 + draft.name + draft.bare
        if options is NO_OPTIONS:
            return _ARRAY_OF_3 + draft.name + draft.ours
        remaining_s = None if options.timeout is None else max(draft.until - self.loop.time(), 0.0)
        said = self._codec.packb(metadata(options, remaining_s))
        return _EXTENDED_CALL + said + draft.name + draft.ours

    def send(self, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send a message with those of the same turn."""
        messages = self.outbox.messages
        messages.append((uid, kind, body))
        if len(messages) == 1:
            self.host.flush_later(self)
        elif len(messages) >= TOGETHER:
            self.flush()

    def new_uid(self) -> bytes:
        """A name for a call that no other one of this connection has."""
        self._counter = counter = self._counter + 1
        return self._uid_prefix + counter.to_bytes(8, "big")

    def _is_of_notice(self, uid: bytes) -> bool:
        return uid[: UID_PREFIX_BYTES + 1] == self._uid_prefix + _NOTICE

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
                self._codec.let_go(body)
            return self._is_of_notice(uid)
        if future.slot >= 0:
            self._deadlines.discard(future.slot, future)
        try:
            value = self._codec.unpackb(body)
            if ok:
                convert = future.convert
                result = wire.with_tuples(value) if convert is None else convert(value)
            else:
                raise wire.parse_error(value)
        except Exception as error:
            signature = getattr(future.convert, "signature", None)
            if ok and self.extended and signature is not None and isinstance(error, WrongType) and body == _NOTHING:
                # A peer of ours answers nothing only where its schema has no result yet.
                future.set_result(signature.no_result())
            else:
                # Without this frame, which has the future: in a circle they would wait for the collector, with all of
                # the answer.
                future.set_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
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


def _unwritable_text(args: Sequence[Any], kwargs: Mapping[str, Any]) -> InvalidValue | None:
    """The text among plain arguments that UTF-8 cannot carry, with its place; None if it is elsewhere."""
    try:
        enter_any(list(args))
        enter_any(dict(kwargs))
    except InvalidValue as error:
        return error
    except RecursionError:
        pass
    return None


def _both_forms(arguments: TwoForms, pack: Callable[[Any], bytes]) -> tuple[bytes, bytes]:
    """The two forms of arguments, each value packed once: that counts the objects in it."""
    packed = {name: pack(value) for name, value in arguments.all.items()}
    pieces, by_position = list(packed.values()), len(packed) - len(arguments)
    bare = _array(pieces[:by_position]) + _map([pack(name) + packed[name] for name in arguments])
    if arguments.is_complete:
        return bare, _array(pieces) + _map([])
    return bare, _array([]) + _map([pack(name) + packed[name] for name in arguments.given])


def _array(pieces: Sequence[bytes]) -> bytes:
    """An array of packed values (msgpack's fixarray and array 16)."""
    size = len(pieces)
    return (bytes((0x90 | size,)) if size < 16 else b"\xdc" + size.to_bytes(2, "big")) + b"".join(pieces)


def _map(pairs: Sequence[bytes]) -> bytes:
    """A map of packed pairs (msgpack's fixmap and map 16)."""
    size = len(pairs)
    return (bytes((0x80 | size,)) if size < 16 else b"\xde" + size.to_bytes(2, "big")) + b"".join(pairs)


UID_PREFIX_BYTES: Final = 8
_NOTICE: Final = b"\x80"
"""Marks the uids of calls whose answers nobody waits for."""
_NOTHING: Final = b"\xc0"
"""msgpack's nil."""
_ARRAY_OF_3: Final = b"\x93"
_EXTENDED_CALL: Final = b"\x93\xa9cara:call\x93"
