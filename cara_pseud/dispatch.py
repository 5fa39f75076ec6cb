"""Answering calls: handlers by name, one task per call that takes time, results and errors back. No sockets.

A handler that returns at once is answered at once; an awaitable runs as a task of its own, so the reader never
waits for user code. Whatever a handler raises ends its call and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final, Protocol, cast, runtime_checkable

from cara_pseud import greeting, wire
from cara_pseud.answering import CURRENT
from cara_pseud.answering import current_call as current_call
from cara_pseud.capabilities import IncomingCall, Pending, Promises, WireHandler
from cara_pseud.connection import Connection
from cara_pseud.cork import Cork
from cara_pseud.dependents import Dependents, ReadCall, called_as_target
from cara_pseud.errors import ProtocolError, RemoteError, ResourceExhausted, RpcError, TooLarge
from cara_pseud.kept_answers import MOST_ERROR_BYTES, objects_in
from cara_pseud.logged_failures import log_failure
from cara_pseud.outgoing_calls import OutgoingCalls
from cara_pseud.promised import Promised
from cara_pseud.scalars import shown
from cara_pseud.stock import ServiceNotFoundError

_LOG: Final = logging.getLogger(__name__)

"""Answers a call on wire values with a wire value or an awaitable of one."""

# What a handler returns most often; asking an arbitrary object whether it is awaitable costs more than the call.
_IMMEDIATE_TYPES: Final = frozenset({type(None), bool, int, float, str, bytes, dict, list, tuple})
# Nor need that be asked of what calls of peers give.
_WAITED_FOR: Final = (Pending, Awaitable)
BARE: Final = ("",)
"""The results of a method that no schema tells of: one value, of which nobody knows what is in it."""
_SLOW_S: Final = 0.001
"""A handler that once took longer holds up the answers of others, which therefore leave before it runs again."""
# For everybody, whatever pseud's predicates say of functions.
_PROTOCOL: Final = frozenset({wire.CALL, wire.EXT_HELLO, wire.EXT_CALL, wire.EXT_CANCEL, wire.EXT_RELEASE})


class ServiceHost(Protocol):
    """What the dispatcher needs of its peer."""

    codec: wire.BodyCodec
    packing_for: OutgoingCalls | None
    max_message_bytes: int
    max_calls: int
    debug: bool
    dropped: Counter[str]
    cork: Cork
    served: dict[str, str]

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that tasks run in."""

    def restricted_handler(self, name: str, user: bytes, among_default: bool) -> WireHandler | None:
        """A handler that only some may call, if this user may; it goes before all others.

        Raises what the caller shall see if there is another handler, which this user may not call either.
        """

    def find_handler(self, name: str, user: bytes) -> WireHandler:
        """A handler that was registered elsewhere; raises what the caller shall see if there is none."""

    def send_answer(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send an answer, or drop it if nobody is there any more."""

    def believes(self, user: bytes) -> bool:
        """Whether this user may say on whose behalf it calls."""


@runtime_checkable
class ResultsKnown(Protocol):
    """An object whose methods' results are known by a schema."""

    def results_of(self, interface_id: int, method: int | str) -> Sequence[str] | None:
        """The names of a method's results; None if they are one struct."""


@runtime_checkable
class NamedTarget(Protocol):
    """An object that can say what its methods are called."""

    def name_of(self, interface_id: int, method: int | str) -> str:
        """What to call a method in the log."""


class Dispatcher:
    """The handlers of one peer."""

    def __init__(self, host: ServiceHost, *, passes_on: bool = False) -> None:
        """Begin without handlers; ``passes_on`` as `cara_pseud.server.Server` takes it."""
        self._host = host
        # See `cara_pseud.outgoing_calls.OutgoingCalls`: to look at a peer takes long.
        self._codec, self._cork = host.codec, host.cork
        self._max_calls, self._max_message_bytes = host.max_calls, host.max_message_bytes
        self._passes_on = passes_on
        self._slow: set[str] = set()
        self._called_call: WireHandler | None = None
        self._dependents = Dependents(host, self.on_work, self._reply_error)
        self._handlers: dict[str, WireHandler] = {
            wire.CALL: self._call,
            wire.EXT_HELLO: _hello,
            wire.EXT_CALL: self._extended_call,
            wire.EXT_CANCEL: _cancel,
            wire.EXT_RELEASE: _release,
        }

    def register(self, name: str, handler: WireHandler) -> None:
        """Answer calls of a bare name."""
        if name == wire.CALL:
            self._called_call = handler
        else:
            self._handlers[name] = handler

    def handler(self, name: str, user: bytes = b"") -> WireHandler:
        """A user's handler of a name, wherever it was registered; raises what the caller shall see if there is none."""
        handler, host = self._handlers.get(name), self._host
        if handler is not None and name in _PROTOCOL:
            return handler
        return host.restricted_handler(name, user, handler is not None) or handler or host.find_handler(name, user)

    def on_work(self, connection: Connection, uid: bytes, body: bytes, work: ReadCall | None = None) -> None:
        """Answer a WORK message, now or by a task; whatever it contains.

        ``work`` is what is in the body, if that is known already.
        """
        host = self._host
        try:
            if uid in connection.running:
                raise ProtocolError("the uuid of this call is that of another one, which is being answered")
            if len(connection.running) >= self._max_calls:
                raise ResourceExhausted(f"{self._max_calls} calls are being answered for this peer already")
            if len(body) > self._max_message_bytes:
                raise TooLarge(f"the call takes {len(body)} bytes, at most {self._max_message_bytes} are permitted")
            if work is None:
                name, args, kwargs = wire.parse_work(self._codec.unpack_work(body))
                if self._codec.promises:
                    self._dependents.take(connection, uid, body, (name, args, kwargs), self._codec.take_promises())
                    return
            else:
                name, args, kwargs = work
        except (ProtocolError, RpcError) as error:
            host.dropped["malformed or refused call"] += 1
            self._reply_error(connection, uid, error)
            return
        call = IncomingCall(connection.user, connection)
        call.called = name
        if connection.extended:
            call.surplus = host.dropped
        token = CURRENT.set(call)
        waited = self._cork.waits
        if waited:
            if self._slow and _inner_name(name, args) in self._slow:
                # What waits for the end of the turn would wait for this handler as well.
                self._cork.settle()
            began = perf_counter()
        try:
            result = self.handler(name, call.user)(call, args, kwargs)
            if type(result) not in _IMMEDIATE_TYPES and isinstance(result, _WAITED_FOR):
                if hasattr(type(result), "promised"):
                    call.promises = cast(Promises, result)
                if isinstance(result, Pending) and getattr(result, "watcher", result) is None and not result.done():
                    # It tells when it is there: a task that waits for it would cost as much as the call.
                    result.watcher = partial(self._ended, connection, uid, call)
                    connection.running[uid] = (result, call)
                    return
                # The task copies the context variables as they are now.
                task = host.running_loop.create_task(self._answer_later(connection, uid, call, result))
                # A loop with eager tasks may have run it to its end.
                if not task.done():
                    connection.running[uid] = (task, call)
                return
        except BaseException as error:
            # A handler that raises SystemExit or KeyboardInterrupt ends its call, not the server.
            self._reply_error(connection, uid, error, call)
            return
        finally:
            CURRENT.reset(token)
            if waited and perf_counter() - began > _SLOW_S:
                self._note_slow(_inner_name(name, args))
        self._reply(connection, uid, result, call)
        if name == wire.EXT_HELLO:
            connection.open_up()

    def _note_slow(self, name: str) -> None:
        # Names that nobody registered are a peer's own, and endless.
        if name in self._handlers and not self._passes_on:
            self._slow.add(name)

    def _ended(self, connection: Connection, uid: bytes, call: IncomingCall, result: asyncio.Future[Any]) -> None:
        """Answer a call with what has come of another one."""
        # In a circle they would wait for the collector, with all objects in the result.
        call.promises = None
        if isinstance(result, Pending):
            result.watcher = None
        if result.cancelled():
            self._reply_error(connection, uid, RpcError("cancelled", "the handler was cancelled"))
        elif (error := result.exception()) is not None:
            self._reply_error(connection, uid, error, call)
        else:
            self._reply(connection, uid, result.result(), call)
        connection.running.pop(uid, None)
        if connection.dependents:
            self._dependents.ended(connection, uid)

    async def _answer_later(
        self, connection: Connection, uid: bytes, call: IncomingCall, result: Awaitable[Any]
    ) -> None:
        try:
            value = await result
        except asyncio.CancelledError:
            # Cancelled by the caller, by stop(), or by the handler itself: only the last one is waited for.
            self._reply_error(connection, uid, RpcError("cancelled", "the handler was cancelled"))
        except BaseException as error:
            self._reply_error(connection, uid, error, call)
        else:
            self._reply(connection, uid, value, call)
        finally:
            connection.running.pop(uid, None)
            if connection.dependents:
                self._dependents.ended(connection, uid)

    def _reply(self, connection: Connection, uid: bytes, value: Any, call: IncomingCall) -> None:
        host = self._host
        host.packing_for = connection
        connection.exports.begin()
        try:
            body = self._codec.packb(value)
            if len(body) > self._max_message_bytes:
                raise TooLarge(f"the result takes {len(body)} bytes, at most {self._max_message_bytes} are permitted")
        except RpcError as error:
            connection.exports.roll_back()
            self._reply_error(connection, uid, error, call)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            connection.exports.roll_back()
            unsendable = RemoteError("InvalidValue", f"the result cannot be sent: {error}", code="internal")
            self._reply_error(connection, uid, unsendable, call)
        else:
            if connection.exports.journal:
                connection.give(uid)
                if connection.pipelines:
                    connection.kept.keep(uid, objects_in(value, self._results_of(call), connection.exports))
            host.send_answer(connection, uid, wire.OK, body)

    def _reply_error(
        self, connection: Connection, uid: bytes, error: BaseException, call: IncomingCall | None = None
    ) -> None:
        host = self._host
        if not isinstance(error, _EXPECTED):
            log_failure(_LOG, logging.WARNING, error, "a handler failed: %s", self._described(call))
        elif isinstance(error, RemoteError) and error.code == "internal":
            _LOG.warning("a wrong result: %s: %s", self._described(call), error)
        text = "".join(traceback.format_exception(error)) if host.debug else ""
        # Only our own peers read a status beside the class of an exception; to others it would be a traceback.
        body = self._codec.packb(wire.error_triple(error, text, with_status=connection.extended is True))
        if len(body) > self._max_message_bytes:
            too_large = TooLarge(f"the error {type(error).__name__} is too large to be sent")
            body = self._codec.packb(wire.error_triple(too_large))
        if connection.pipelines:
            connection.kept.keep(uid, body if len(body) <= MOST_ERROR_BYTES else self._short_error(error))
        host.send_answer(connection, uid, wire.ERROR, body)

    def _short_error(self, error: BaseException) -> bytes:
        """What is kept in the place of a long error."""
        code = error.code if isinstance(error, RpcError) else "unknown"
        short = RpcError(code, "the call that it names failed, with an error that is too long to be repeated")
        return self._codec.packb(wire.error_triple(short))

    def _results_of(self, call: IncomingCall) -> Sequence[str] | None:
        """The names of the results of what was called; None if they are one struct."""
        called = call.called
        if isinstance(called, str):
            handler = self.handler(called, call.user)
            return getattr(handler, "results", BARE)
        target, interface_id, method = called
        return target.results_of(interface_id, method) if isinstance(target, ResultsKnown) else BARE

    def _described(self, call: IncomingCall | None) -> str:
        """What is called and by whom, for the log; what the caller chose is quoted and short."""
        if call is None:
            return "a call"
        if isinstance(call.called, str):
            interface = self._host.served.get(call.called)
            method = f"{interface}.{call.called}" if interface else shown(call.called)
        else:
            target, interface_id, number = call.called
            if isinstance(target, NamedTarget):
                method = target.name_of(interface_id, number)
            else:
                method = f"method {shown(number)} of {interface_id:#018x}"
        parts = [method, f"called by {shown(call.user)}" if call.user else "called anonymously"]
        if call.principal is not None:
            parts.append(f"for {shown(call.principal)}")
        if call.request_id is not None:
            parts.append(f"request {shown(call.request_id)}")
        return ", ".join(parts)

    def _call(self, call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Answer the protocol's ``call``, or one of a method that is called so: their arguments tell them apart."""
        if self._called_call is not None and (kwargs or not _is_object_call(args)):
            return self._called_call(call, args, kwargs)
        return _call_object(call, args, kwargs)

    def _extended_call(self, call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if len(args) != 3 or type(args[0]) is not dict or type(args[1]) is not str or type(args[2]) is not list:
            raise ProtocolError(f"{wire.EXT_CALL} takes metadata, a name and an array of arguments")
        metadata, name, inner = args
        if name.startswith("cara:"):
            raise ProtocolError(f"{wire.EXT_CALL} cannot carry {name}")
        call.called = name
        deadline_ms = metadata.get("deadline_ms")
        if type(deadline_ms) is int and deadline_ms >= 0:
            call.deadline = self._host.running_loop.time() + deadline_ms / 1000
        request_id = metadata.get("request_id")
        if type(request_id) is str:
            call.request_id = request_id
        # Most calls have nothing else.
        if len(metadata) > (deadline_ms is not None) + (request_id is not None):
            self._take_note(call, metadata)
        return self.handler(name, call.user)(call, inner, kwargs)

    def _take_note(self, call: IncomingCall, metadata: Mapping[str, Any]) -> None:
        """Have a call know what else its caller says of it."""
        for field in ("traceparent", "idempotency_key"):
            value = metadata.get(field)
            if type(value) is str:
                setattr(call, field, value)
        principal, roles = metadata.get("principal"), metadata.get("roles")
        if (principal is not None or roles is not None) and self._host.believes(call.user):
            if type(principal) is str:
                call.principal = principal
            if type(roles) is list and all(type(role) is str for role in roles):
                call.roles = tuple(roles)


_EXPECTED: Final = (RpcError, ProtocolError, ServiceNotFoundError)


def _inner_name(name: str, args: Sequence[Any]) -> str:
    """The name of what is called, also where it travels in a call of an extension."""
    if name == wire.EXT_CALL and len(args) > 1 and type(args[1]) is str:
        return args[1]
    return name


def _connection(call: IncomingCall) -> Connection:
    assert isinstance(call.connection, Connection)
    return call.connection


def _is_object_call(args: Sequence[Any]) -> bool:
    return (
        len(args) == 5
        and (type(args[0]) is int or type(args[0]) is Promised)
        and type(args[1]) is int
        and type(args[2]) in (int, str)
        and type(args[3]) is list
        and type(args[4]) is dict
    )


def _call_object(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if len(args) != 5:
        raise ProtocolError("a call on an object must have an object id, interface id, method, arguments and names")
    id, interface_id, method, inner_args, inner_kwargs = args
    if not ((type(id) is int or type(id) is Promised) and type(interface_id) is int and type(method) in (int, str)):
        raise ProtocolError("object id and interface id must be integers, the method an integer or text")
    if type(inner_args) is not list or type(inner_kwargs) is not dict:
        raise ProtocolError("the arguments of a call on an object must be an array, the names a map")
    target = called_as_target(id) if isinstance(id, Promised) else _connection(call).exports.target(id)
    call.called = target, interface_id, method
    return target.invoke(interface_id, method, inner_args, inner_kwargs, call)


def _hello(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    connection = _connection(call)
    said = greeting.read(args[0] if args else None)
    # Whoever knows the method is a peer of ours, whatever it says.
    connection.note(said if said.version else greeting.Greeting(1))
    return connection.host.hello(min(max(said.version, 1), wire.EXTENSION_VERSION))


def _cancel(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    running = _connection(call).running
    for uid in args:
        task, cancelled = running.get(uid, (None, None)) if type(uid) is bytes else (None, None)
        # Once: a body has room for a million times the same uuid, each a callback of the loop.
        if task is not None and cancelled is not None and not cancelled.cancelled:
            cancelled.cancelled = True
            cancel_begun(task)


def cancel_begun(task: asyncio.Future[None]) -> None:
    """Cancel the task of a call, not before it has taken its first step.

    A task that is cancelled before that never runs: the call would get no answer and keep its place among those that
    are being answered. The first step is scheduled when the task is made, so what is scheduled now comes after it.
    """
    task.get_loop().call_soon(task.cancel)


def _release(call: IncomingCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    exports = _connection(call).exports
    for entry in args:
        if type(entry) is list and len(entry) == 2 and type(entry[0]) is int and type(entry[1]) is int:
            exports.release(entry[0], max(entry[1], 0))
