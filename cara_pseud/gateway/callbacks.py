"""Objects of this process as the gateway calls them: parameters from JSON, a task for each call, results to JSON."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from cara_pseud.answering import CURRENT
from cara_pseud.capabilities import IncomingCall
from cara_pseud.errors import InvalidValue, RpcError, UnknownField
from cara_pseud.gateway import plain_values
from cara_pseud.gateway.failures import refused
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.objects import GatewayClient, Known, TypedIncoming, TypedOutgoing
from cara_pseud.gateway.plain_objects import PlainOutgoing, receive
from cara_pseud.gateway.references import MessageReferences
from cara_pseud.gateway.requests import CallbackReply
from cara_pseud.gateway.typed_values import JsonReader, JsonWriter
from cara_pseud.local import LocalCapability
from cara_pseud.logged_failures import log_failure
from cara_pseud.schema.nodes import BoundMethod, Type

_LOG: Final = logging.getLogger(__name__)

RunPlain = Callable[[Callable[..., Any], Sequence[Any]], Awaitable[Any]]
"""Runs a function of the user's with these arguments, which are plain values."""


class OwnTarget(Protocol):
    """An object of this process that the gateway may call."""

    def start(self, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object]:
        """Start a method; see `cara_pseud.gateway.requests.RequestEvents.callback`."""

    def forgotten(self) -> None:
        """Learn that nobody calls it any more."""


class OwnObjects:
    """Makes those of one client; see `cara_pseud.gateway.objects.Own`."""

    def __init__(
        self,
        connection: GatewayClient,
        loop: asyncio.AbstractEventLoop,
        check_values: Callable[[str, int], None],
        run_plain: RunPlain | None,
    ) -> None:
        """Begin with none.

        Args:
            check_values: refuses an answer with so many values.
            run_plain: runs functions elsewhere; None: in the loop.
        """
        self.connection = connection
        self.check_values = check_values
        self.run_plain = run_plain
        self._loop = loop
        self._running: set[asyncio.Task[Any]] = set()

    def typed(self, capability: LocalCapability, interface: Type, known: Known) -> OwnTarget:
        """One whose interface is known."""
        return _Typed(self, capability, interface, known)

    def plain(self, value: object) -> OwnTarget:
        """One that gets plain values."""
        return _Plain(self, value)

    def run(
        self, name: str, made: Awaitable[Any], write: Callable[[Any, MessageReferences], JSON], reply: CallbackReply
    ) -> Callable[[], object]:
        """Have a call run, and answered by what is written of its result. Gives what ends it."""

        async def answer() -> None:
            references = self.connection.references()
            try:
                try:
                    json = write(await made, references)
                    self.check_values(f"the answer of {name}", references.values)
                except (InvalidValue, UnknownField) as error:
                    raise refused(error) from error
            except Exception as error:
                references.discard()
                if not isinstance(error, RpcError):
                    # Whoever wrote the callback would never know.
                    log_failure(_LOG, logging.ERROR, error, "a callback failed: %s", name)
                reply.fail(error)
            else:
                reply.give(json, references.callbacks)

        task = self._loop.create_task(answer())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task.cancel


class _Typed:
    def __init__(self, callbacks: OwnObjects, capability: LocalCapability, interface: Type, known: Known) -> None:
        self._callbacks = callbacks
        self._capability = capability
        self._known = known
        self._methods: dict[str, BoundMethod] = {
            known.forms.method(bound).name: bound for bound in known.forms.schema.methods(interface)
        }
        capability.taken()

    def start(self, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object]:
        bound = self._methods.get(method)
        if bound is None:
            raise RpcError("unimplemented", f"the callback has no method {method}")
        form = self._known.forms.method(bound)
        connection = self._callbacks.connection
        try:
            args = JsonReader(self._known.forms, TypedIncoming(connection)).params(form, params)
        except InvalidValue as error:
            raise refused(error) from error
        made = self._capability.invoke(bound, args)

        def write(result: Any, references: MessageReferences) -> JSON:
            outgoing = TypedOutgoing(connection, references, self._known)
            return JsonWriter(self._known.forms, outgoing).result(form, result)

        return self._callbacks.run(method, made, write, reply)

    def forgotten(self) -> None:
        self._capability.left(gone=False)


class _Plain:
    def __init__(self, callbacks: OwnObjects, value: object) -> None:
        self._callbacks = callbacks
        self._value = value

    def start(self, method: str, params: list[JSON], reply: CallbackReply) -> Callable[[], object]:
        callee = plain_values.method_of(self._value, method)
        if callee is None:
            raise RpcError("unimplemented", f"the callback has no method {method}")
        connection = self._callbacks.connection
        args = receive(params, connection).value

        def write(result: Any, references: MessageReferences) -> JSON:
            outgoing = PlainOutgoing(connection, references)
            holder = plain_values.written_result(result, outgoing)
            unsettled = [hole.place.answer for hole in references.holes if not hole.place.answer.settled]
            if unsettled:
                raise RpcError("failed_precondition", f"{unsettled[0].label} was not awaited before it was returned")
            for hole in references.holes:
                references.fill(hole)
            return holder["value"]

        return self._callbacks.run(method, self._run(callee, args), write, reply)

    async def _run(self, callee: Callable[..., Any], args: Sequence[Any]) -> Any:
        CURRENT.set(IncomingCall(b""))
        run_plain = self._callbacks.run_plain
        result = callee(*args) if run_plain is None else await run_plain(callee, args)
        return await result if isinstance(result, Awaitable) else result

    def forgotten(self) -> None:
        """Nobody is told: plain objects have no word for it."""
