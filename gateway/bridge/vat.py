"""One connection to a native service: questions, answers, imports, exports. No sockets, no clock.

Whoever owns a `Vat` feeds it messages and is given messages to send. Objects of the service are `NativeObject`, which
cara's peers hold and call; objects of cara's peers are `HeldObject`, which the service holds and calls.

What the two sides hold of each other is in `gateway.bridge.objects`, the service's calls in
`gateway.bridge.service_calls`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cara_pseud.errors import (
    ArgumentError,
    InvalidValue,
    OutcomeUnknown,
    ResourceExhausted,
    RpcError,
    TooLarge,
    Unavailable,
)
from cara_pseud.limits import DEFAULT_MAX_CAPABILITIES
from gateway.bridge import rpc_messages as messages
from gateway.bridge.answers import NativeAnswer
from gateway.bridge.native_errors import error_of, readable
from gateway.bridge.native_methods import NULL_STRUCT, NativeMethod, NativeMethods, refused
from gateway.bridge.objects import Broken, NativeObject, ObjectTable
from gateway.bridge.pointers import Malformed, ReceivedMessage
from gateway.bridge.questions import NativeQuestion
from gateway.bridge.rpc_messages import Came, MessageKind, View
from gateway.bridge.service_calls import ServiceCalls

MAX_QUESTIONS: Final = 20_000
"""Calls under way, given up ones whose answers have not come included."""


class Vat(ServiceCalls):
    """Our end of the connection.

    Attributes:
        is_full: whether the service reads so slowly that nothing more may be called; set by whoever owns this.
    """

    def __init__(
        self,
        methods: NativeMethods,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[bytes | bytearray], None],
        *,
        max_objects: int = DEFAULT_MAX_CAPABILITIES,
    ) -> None:
        """Begin with nothing.

        Args:
            send: takes whole messages with their frames, in order.
            max_objects: in one message.
        """
        super().__init__(methods, loop, send, max_objects)
        self.is_full = False
        self._questions: dict[int, NativeQuestion] = {}
        # Those whose answers have not come, with the objects of ours in their parameters.
        self._given_up: dict[int, tuple[int, ...]] = {}
        # Answered by our own answer to another call, which is not there yet.
        self._passed_on: set[int] = set()
        self._free: list[int] = []
        # For the next call with objects; most have none.
        self._table = ObjectTable(self)
        self._last_question = 0

    # Calls of ours.

    def bootstrap(self) -> asyncio.Future[Any]:
        """Ask for the service's first object; it is in `root` when the future is done."""
        question = self._ask(None)
        self._send(messages.bootstrap(question.id))
        return question

    def call(
        self, target: NativeObject, method: NativeMethod, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> NativeQuestion:
        """Call a method of an object.

        Raises:
            RpcError: nothing was sent.
        """
        return self._call(target.id, method, args, kwargs, None)

    def call_into(
        self,
        question: NativeQuestion,
        path: Sequence[int],
        method: NativeMethod,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> NativeQuestion:
        """See `gateway.bridge.questions.AskedVat`."""
        return self._call(question.id, method, args, kwargs, path)

    def _call(
        self,
        target: int,
        method: NativeMethod,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        path: Sequence[int] | None,
    ) -> NativeQuestion:
        if self.closed:
            raise Unavailable("the service cannot be reached: the connection to it was lost")
        if self.is_full:
            raise ResourceExhausted("the service does not read as fast as it is called")
        params, form = method.params, method.form
        question = self._ask(method)
        b = form.begin(question.id, 0 if path else target)
        table = self._table
        try:
            params.write(table, b, messages.CALL_BYTES, params.by_id(args, kwargs))
            if path is not None:
                messages.aim(b, target, path)
            if table.descriptors:
                self._table = ObjectTable(self)
                if len(table.descriptors) > self._max_objects:
                    raise TooLarge(f"the call holds {len(table.descriptors)} objects, at most {self._max_objects}")
                messages.put_table(b, messages.CALL_CONTENT + 8, table.descriptors)
                question.exported = tuple(table.exported)
            self._send(form.complete(b))
        except Exception as error:
            self._table = ObjectTable(self)
            table.take_back()
            self._forget(question.id)
            if isinstance(error, InvalidValue | ArgumentError):
                raise refused(error, method) from error
            raise
        return question

    def _ask(self, method: NativeMethod | None) -> NativeQuestion:
        if len(self._questions) + len(self._given_up) >= MAX_QUESTIONS:
            raise ResourceExhausted(f"{MAX_QUESTIONS} calls are under way to the service already")
        if self._free:
            id = self._free.pop()
        else:
            id = self._last_question
            self._last_question += 1
        question = NativeQuestion(loop=self._loop)
        question.id, question.vat, question.method, question.exported, question.watcher = id, self, method, (), None
        self._questions[id] = question
        return question

    def _forget(self, id: int) -> None:
        self._questions.pop(id, None)
        self._free.append(id)

    def give_up(self, question: NativeQuestion) -> None:
        """Tell the service that nobody waits for an answer any more."""
        if self._questions.pop(question.id, None) is None or self.closed:
            return
        if question.id in self._passed_on:
            self._passed_on.discard(question.id)
            self._free.append(question.id)
        else:
            self._given_up[question.id] = question.exported
        self._send(messages.finish(question.id, releases=True))

    def _on_return(self, view: View) -> None:
        returned = view.struct(0)
        id, came = returned.number(32, 0), returned.number(16, 48)
        question = self._answered(id, keeps=returned.bit(32))
        if question is None:
            return
        is_ours, result, error = False, None, None
        try:
            if came == Came.RESULTS:
                payload = returned.struct(0)
                entries = messages.read_table(payload, self._max_objects)
                # From here on the objects are ours: each is given back when nobody has it any more.
                is_ours = True
                payload.incoming.objects = [self._received(entry) for entry in entries]
                result = self._result(question, payload.incoming, *payload.at(0))
            elif came == Came.TAKEN_FROM_OTHER:
                answer = self._other_answer(question, returned.number(32, 64))
                if not answer.is_there:
                    self._pass_on(question, id, answer)
                    return
                result = self._taken(question, answer)
            else:
                error = self._failure(question, returned, came)
        except Malformed as malformed:
            error = self.methods.unreadable(malformed, question.label)
        except RpcError as failed:
            error = failed
        self._end(question, id, result, error, is_ours=is_ours)

    def _on_plain_results(self, incoming: ReceivedMessage, id: int, keeps: bool, pointer: int) -> None:
        """What `_on_return` does with most answers; a call has no time for its way there."""
        question = self._answered(id, keeps=keeps)
        if question is not None:
            result, error = None, None
            try:
                result = self._result(question, incoming, incoming.segments[0], messages.PLAIN_CONTENT, pointer)
            except Malformed as malformed:
                error = self.methods.unreadable(malformed, question.label)
            self._end(question, id, result, error, is_ours=True)

    def _answered(self, id: int, *, keeps: bool) -> NativeQuestion | None:
        """The question that an answer is for; None if it was given up.

        Args:
            keeps: whether the service keeps the objects in the parameters.
        """
        question = self._questions.pop(id, None)
        if question is None:
            # One that was given up: what it holds was released by our word that it is finished.
            parameters = self._given_up.pop(id, None)
            if parameters is None:
                raise Broken("it answered what nobody asked")
            self._free.append(id)
            for exported in () if keeps else parameters:
                self.release_export(exported, 1)
        elif question.exported and not keeps:
            for exported in question.exported:
                self.release_export(exported, 1)
        return question

    def _end(self, question: NativeQuestion, id: int, result: Any, error: RpcError | None, *, is_ours: bool) -> None:
        """Tell whoever asked; ``is_ours`` is whether what the answer holds is not released by the end of the question.
        """
        self._send(messages.finish(id, releases=not is_ours))
        self._free.append(id)
        if error is not None:
            question.set_exception(error)
        else:
            question.set_result(result)
        if question.watcher is not None:
            question.watcher(question)

    def _result(
        self, question: NativeQuestion, incoming: ReceivedMessage, segment: bytes, place: int, pointer: int
    ) -> Any:
        if question.method is None:
            self.root = incoming.object(segment, place, pointer) if pointer else None
            return self.root
        form = question.method.results
        if not pointer:
            segment, place, pointer = NULL_STRUCT
        question.found = form.read(incoming, segment, place, pointer)
        return form.as_result(question.found)

    def _other_answer(self, question: NativeQuestion, id: int) -> NativeAnswer:
        """The answer to another call, of the service's to us: it said that this one ends with that."""
        answer = self._answers.get(id)
        if answer is None or not answer.is_elsewhere or question.method is None:
            raise Broken("it gave an answer that is none of its own calls'")
        return answer

    def _taken(self, question: NativeQuestion, answer: NativeAnswer) -> Any:
        assert question.method is not None  # see _other_answer
        form = question.method.results
        question.found = answer.results_for(form)
        return form.as_result(question.found)

    def _pass_on(self, question: NativeQuestion, id: int, answer: NativeAnswer) -> None:
        """Have a call end when the other one does. Until then it is under way: the service may end that with this."""
        self._questions[id] = question
        self._passed_on.add(id)

        def is_there() -> None:
            if self._questions.get(id) is not question or id not in self._passed_on:
                return
            del self._questions[id]
            self._passed_on.discard(id)
            result, error = None, None
            try:
                result = self._taken(question, answer)
            except RpcError as failed:
                error = failed
            self._end(question, id, result, error, is_ours=False)

        answer.when_there(is_there)

    def _failure(self, question: NativeQuestion, returned: View, came: int) -> RpcError:
        if came == Came.EXCEPTION:
            return error_of(*messages.read_exception(returned.struct(0)), question.label)
        if came == Came.CANCELED:
            return RpcError("cancelled", f"the service cancelled {question.label}")
        return RpcError("internal", f"the service answered {question.label} in a way that nobody asked for")

    # Messages.

    def receive(self, segments: Sequence[bytes]) -> None:
        """Take a message.

        Raises:
            Broken: the connection is of no use any more.
        """
        incoming = ReceivedMessage(segments)
        try:
            if len(segments) == 1:
                plain = messages.read_plain_results(segments[0])
                if plain is not None:
                    self._on_plain_results(incoming, *plain)
                    return
            kind, view = messages.read_message(incoming)
            handler = self._handlers.get(kind)
            if handler is None:
                self._send(messages.unimplemented(ReceivedMessage(segments)))
            else:
                handler(self, view)
        except Malformed as error:
            raise Broken(f"it sent what is no message of the protocol: {error}") from None

    def _on_unimplemented(self, view: View) -> None:
        """What we send is level 1, which everybody has, but for what may be left undone."""

    def _on_abort(self, view: View) -> None:
        raise Broken(f"it ended the connection: {readable(view.struct(0).text(0))[1]}")

    _handlers: Final[Mapping[int, Callable[[Vat, View], None]]] = {
        MessageKind.UNIMPLEMENTED: _on_unimplemented,
        MessageKind.ABORT: _on_abort,
        MessageKind.CALL: ServiceCalls._on_call,
        MessageKind.RETURN: _on_return,
        MessageKind.FINISH: ServiceCalls._on_finish,
        MessageKind.RESOLVE: ServiceCalls._on_resolve,
        MessageKind.RELEASE: ServiceCalls._on_release,
        MessageKind.BOOTSTRAP: ServiceCalls._on_bootstrap,
        MessageKind.DISEMBARGO: ServiceCalls._on_disembargo,
    }

    def close(self) -> None:
        """End everything: the connection is lost."""
        if self.closed:
            return
        self.closed = True
        questions, self._questions = self._questions, {}
        for question in questions.values():
            if not question.done():
                question.set_exception(OutcomeUnknown())
                question.tell()
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if answer.running is not None:
                answer.running.cancel()
        self.root = None

    def forget(self) -> None:
        """Let go of the objects that the service held; it is gone."""
        self._held.clear()
        self._held_by_key.clear()
        del self._table  # which knows us

