"""A connection to a gateway: joins the parts.

Proxies make calls, invocations write them, the session carries them, the transport moves the text, the heartbeat sees
whether it arrives.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import secrets
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from threading import get_ident
from typing import Any, Final, TypeAlias, cast

from cara_pseud.capabilities import NO_OPTIONS, CallOptions
from cara_pseud.errors import ArgumentError, InvalidValue, RpcError, Unavailable, WrongType
from cara_pseud.gateway import plain_objects
from cara_pseud.gateway.callback_table import CallbackTable
from cara_pseud.gateway.callbacks import OwnObjects, RunPlain
from cara_pseud.gateway.heartbeat import Heartbeat
from cara_pseud.gateway.invocation import Invocation, Received
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.objects import GatewayCall, GatewayCapability, Known, ResultShape
from cara_pseud.gateway.references import MessageReferences
from cara_pseud.gateway.requests import CallbackReply
from cara_pseud.gateway.session import StreamSession
from cara_pseud.gateway.session_events import ConnectionState, Reset, StateChange
from cara_pseud.gateway.targets import AnswerPlace, Callee, ObjectCallee, PendingAnswer, ServiceCallee, handle_in
from cara_pseud.gateway.transport import OpenSocket, SocketOpener, SocketTransport
from cara_pseud.generics import Classes
from cara_pseud.interfaces import InterfaceType
from cara_pseud.threads import call_in_loop
from cara_pseud.uninterrupted import WholeTurns

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_EVENTS: Final = ("state", "released", "reset")

Credential: TypeAlias = "str | Callable[[], str | Awaitable[str]]"
"""Says who calls. A function is asked again each time when a connection is opened; it may be ``async``."""


class GatewayConnection:
    """One client of a gateway, in the loop that made it.

    Attributes:
        session: its conversation.
        state: None as long as there was no connection.
        own: makes callbacks of objects of this process; see `cara_pseud.gateway.objects.GatewayClient`.
        loop: the loop that it lives in.
    """

    def __init__(
        self,
        opener: SocketOpener,
        run_plain: RunPlain | None = None,
        *,
        token: Credential | None = None,
        session: str | None = None,
        resume: Any = None,
        retry: bool = False,
        prefix: str | None = None,
        chance: Callable[[], float] | None = None,
    ) -> None:
        """Begin to connect. Called in a running loop.

        Args:
            opener: opens sockets to the gateway.
            run_plain: see `OwnObjects`.
            prefix: of ids, in place of a random one.
            chance: gives numbers from 0 to 1, for the waits before attempts; else random ones.
        """
        self.loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._token = token
        self._retry = retry
        prefix = f"{secrets.token_hex(5)}-" if prefix is None else prefix
        self._callbacks = CallbackTable(prefix, lambda target: target.forgotten())
        self.session = StreamSession(
            self, WholeTurns(self.loop), prefix, session=session, resume=resume, renews=callable(token)
        )
        self.own = OwnObjects(self, self.loop, self.session.check_values, run_plain)
        self._known: dict[int, Known] = {}
        self._schemas: list[Known] = []
        self._listeners: dict[str, list[Callable[[Any], object]]] = {name: [] for name in _EVENTS}
        self._unheard: Reset | None = None
        self._socket: OpenSocket | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opened: asyncio.Future[None] = self.loop.create_future()
        self.state: ConnectionState | None = None
        self._heartbeat = Heartbeat(self.loop, self)
        self._transport = SocketTransport(opener, self, self.loop, chance or (lambda: secrets.randbelow(1000) / 1000))
        self._transport.start()

    async def opened(self) -> None:
        """Wait until the first connection is there.

        Raises:
            RpcError: there is none, or the gateway refused this client.
        """
        try:
            await asyncio.shield(self._opened)
        except BaseException:
            self._opened.cancel()
            await self.close()
            raise

    async def close(self) -> None:
        """See `GatewaySession.close`."""
        self.session.close()
        await self._transport.stop()

    def learn(self, classes: Classes) -> None:
        """Take note of a schema."""
        if all(known.classes is not classes for known in self._schemas):
            self._schemas.append(Known(classes))

    def on(self, event: str, listener: Callable[[Any], object]) -> Callable[[], None]:
        """See `GatewaySession.on`."""
        if event not in self._listeners:
            raise InvalidValue(f"there is no event {event!r}; there are {', '.join(_EVENTS)}", path="")
        listeners = self._listeners[event]
        listeners.append(listener)
        if event == "reset" and self._unheard is not None:
            reset, self._unheard = self._unheard, None
            self.loop.call_soon(self._tell, "reset", reset)

        def end() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return end

    def control(self, method: str, params: JSON) -> GatewayCall:
        """Call a method of the gateway itself, of which nothing but data comes back."""
        owner, _, name = method.partition(".")
        return self.begin(
            ServiceCallee(owner), name, self.references(), lambda: params, lambda json, _: Received(json, ()),
            NO_OPTIONS, None,
        )  # fmt: skip

    # What capabilities need; see `cara_pseud.gateway.objects.GatewayClient`.

    @property
    def generation(self) -> int:
        """The session that objects must be of."""
        return self.session.generation

    def known(self, interface_id: int) -> Known:
        """The schema that an interface is of."""
        found = self._known.get(interface_id)
        if found is None:
            found = next((known for known in self._schemas if interface_id in known.forms.schema.nodes), None)
            if found is None:
                raise ArgumentError(
                    "no schema with this interface was named; ask for a service with an interface of it first: "
                    "gateway.service(name, Interface)"
                )
            self._known[interface_id] = found
        return found

    def references(self) -> MessageReferences:
        """For a message that is to be written."""
        return MessageReferences(self, self._callbacks)

    def target(self, token: str, interface: str | None) -> ObjectCallee:
        """Take note of a handle that came. One that nobody can reach any more is given back."""
        generation = self.session.generation
        target = ObjectCallee(self, token, interface, generation)
        finalizer = weakref.finalize(target, _give_back, self.loop, self.session, token, generation)
        finalizer.atexit = False
        target.kept = finalizer.detach
        return target

    def begin(
        self,
        target: Callee,
        method: str,
        references: MessageReferences,
        write: Callable[[], JSON],
        receive: Callable[[JSON, Sequence[str]], Received],
        options: CallOptions,
        shape: ResultShape | None,
    ) -> GatewayCall:
        """Make a call. From another thread than the loop's it is made in the loop."""
        if get_ident() != self._thread:
            made = call_in_loop(
                self.loop, lambda: self.begin(target, method, references, write, receive, options, shape)
            )
            return cast(GatewayCall, made)
        if options.principal is not None or options.roles:
            raise ArgumentError("a gateway knows by its token who calls: principal and roles cannot be said of a call")
        call = GatewayCall(loop=self.loop)
        call._connection, call._shape = self, shape

        def receive_and_keep(json: JSON, callbacks: Sequence[str]) -> Received:
            received = receive(json, callbacks)
            self._callbacks.keep(callbacks, received.objects)
            return received

        def finished(value: Any, error: BaseException | None) -> None:
            if call.done():
                return
            if error is None:
                call.set_result(value)
            else:
                call.set_exception(error)
                if call.answer.built_on:
                    call.exception()  # so that nobody is told that it was never asked for

        invocation = Invocation(self.session, target, method, references, receive_and_keep, finished)
        call.answer = invocation.answer
        meta = {
            name: text
            for name, text in (
                ("request_id", options.request_id),
                ("traceparent", options.traceparent),
                ("idempotency_key", options.idempotency_key),
            )
            if text is not None
        }
        invocation.begin(write, options.timeout, meta)
        return call

    def call_plain(
        self,
        target: Callee,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
    ) -> GatewayCall:
        """Make a call with plain values."""
        references = self.references()
        write = partial(plain_objects.write, args, kwargs, self, references)
        return self.begin(
            target, method, references, write, lambda json, _: plain_objects.receive(json, self), options, None
        )

    def cast(self, target: ObjectCallee | AnswerPlace, interface: str) -> AnswerPlace:
        """Have the gateway take an object for one with another interface of its service's schema.

        Its answer is not waited for: what is called on the object in it is sent along.
        """
        references = self.references()

        def write() -> JSON:
            params: dict[str, JSON] = {"handle": None, "interface": interface}
            if isinstance(target, AnswerPlace):
                references.later(target, params, "handle", "$.handle")
            else:
                params["handle"] = references.handle(target, "$.handle")
            return params

        def receive(json: JSON, callbacks: Sequence[str]) -> Received:
            token = handle_in(json)
            return Received(None, [] if token is None else [self.target(token, json["interface"])])

        call = self.begin(ServiceCallee("rpc"), "cast", references, write, receive, NO_OPTIONS, None)
        return AnswerPlace(call.answer)

    def cancel(self, answer: PendingAnswer) -> None:
        """Give a call up."""
        answer.given_up = True
        if answer.id:
            self.session.cancel(answer.id)

    def release(self, target: ObjectCallee) -> None:
        """Give an object back."""
        if not target.released:
            target.released = True
            if target.kept is not None:
                target.kept()
            self.session.release(target.token, target.generation)
            for place in target.casts.values():
                place.answer.when_settled(partial(self._release_all, place.answer))

    def _release_all(self, answer: PendingAnswer) -> None:
        for target in answer.objects:
            self.release(target)

    # What the session tells and asks; see `cara_pseud.gateway.session.SessionEvents`.

    def ask_token(self, answer: Callable[[str | None, BaseException | None], None]) -> None:
        """Give the token that says who this is."""
        token = self._token
        if not callable(token):
            answer(token, None)
            return

        async def ask() -> None:
            try:
                asked = token()
                given = await asked if inspect.isawaitable(asked) else asked
            except Exception as error:
                answer(None, error)
            else:
                answer(given, None)

        self._keep(self.loop.create_task(ask()))

    def state_changed(self, change: StateChange) -> None:
        """Tell whoever listens."""
        self.state = change.state
        if change.state is ConnectionState.OPEN:
            self._heartbeat.start()
            if not self._opened.done():
                self._opened.set_result(None)
        else:
            self._heartbeat.stop()
        if change.state is ConnectionState.CLOSED and not self._opened.done():
            self._opened.set_exception(change.error or Unavailable("the gateway could not be reached"))
        self._tell("state", change)

    def reset(self, reset: Reset) -> None:
        """Tell whoever listens, or will."""
        if not self._tell("reset", reset):
            self._unheard = reset

    def released(self, what: Mapping[str, JSON]) -> None:
        """Forget a callback that the gateway let go of."""
        name = what.get("callback")
        if isinstance(name, str):
            self._callbacks.released(name)
        self._tell("released", dict(what))

    def session_lost(self) -> None:
        """Nobody has a callback any more."""
        self._callbacks.session_lost()

    def callback(self, name: str, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object]:
        """Start a callback."""
        target = self._callbacks.target(name)
        try:
            if target is None:
                raise RpcError("not_found", f"this client has no callback {name}")
            end: Callable[[], object] = target.start(method, params, reply)
        except RpcError:
            self.unclaimed(params)
            raise
        return end

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None:
        """A message that carried these was answered or dropped."""
        self._callbacks.settle(callbacks, accepted)

    def unclaimed(self, value: JSON) -> None:
        """Give the objects back in what nobody waits for any more."""
        for target in plain_objects.receive(value, self).objects:
            self.release(target)

    # What the transport and the heartbeat tell.

    def socket_opened(self, socket: OpenSocket) -> None:
        """Start a conversation."""
        self._socket = socket
        self.session.connected(socket)

    def text_received(self, text: str | bytes) -> None:
        """Take a frame. What comes behind the answer to hello shows that the connection carries more than that."""
        if self.state is ConnectionState.OPEN:
            self._transport.proved()
            self._heartbeat.heard()
        self.session.received(text)

    def socket_lost(self, code: int, reason: str) -> bool:
        """Say whether another should be opened."""
        self._socket = None
        again = self.session.disconnected(code, reason)
        if again and self.state is None and not self._retry:
            # Whoever connects is told at once, unless they would rather wait.
            why = f": {reason}" if reason else ""
            failure = self.session.failure or Unavailable(f"the gateway could not be reached (code {code}{why})")
            self.state_changed(StateChange(ConnectionState.CLOSED, code=code, reason=reason, error=failure))
            return False
        return again

    def failed(self, error: Exception) -> None:
        """Tell whoever waits for the connection that there will be none."""
        failure = error if isinstance(error, RpcError) else RpcError("internal", f"it cannot be connected: {error!r}")
        if failure is not error:
            failure.__cause__ = error
        self.session.fail(failure)

    def ask(self) -> None:
        """Send something that is answered at once."""
        self.session.ping()

    def unsent(self) -> int:
        """Bytes that were written and have not left this process."""
        return 0 if self._socket is None else self._socket.unsent

    def lost(self) -> None:
        """Give the connection up."""
        if self._socket is not None:
            self._socket.close(3000, "no sign of life")

    def _tell(self, event: str, what: Any) -> bool:
        listeners = list(self._listeners[event])
        for listener in listeners:
            try:
                listener(what)
            except Exception:
                # The listener's fault, to be seen as such; the connection goes on.
                _LOG.exception("a listener of %r failed", event)
        return bool(listeners)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def service_of(connection: GatewayConnection, name: str, interface: Any) -> GatewayCapability:
    """A service by its name in the gateway's configuration.

    Args:
        interface: its interface class, or None.

    Raises:
        InvalidValue: that is no name of a service.
        WrongType: it is no interface class.
    """
    if not _SERVICE.fullmatch(name):
        raise InvalidValue(f"{name!r} is no name of a service", path="")
    if interface is not None:
        if not isinstance(interface, InterfaceType) or not hasattr(interface, "__declaration__"):
            raise WrongType(f"{interface!r} is no interface class", path="")
        connection.learn(interface.__declaration__.classes)
    return GatewayCapability(connection, ServiceCallee(name))


def _give_back(loop: asyncio.AbstractEventLoop, session: StreamSession, token: str, generation: int) -> None:
    """From the collector, in whichever thread that runs."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(session.release, token, generation)
