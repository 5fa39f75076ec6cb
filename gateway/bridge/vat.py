"""One connection to a native service: questions, answers, imports, exports. No sockets, no clock.

Whoever owns a `Vat` feeds it messages and is given messages to send. Objects of the service are `NativeObject`, which
cara's peers hold and call; objects of cara's peers are `Export`, which the service holds and calls.

An object that the service promised stays its promise here, even when it says where the promise has led: it passes
calls on itself, in the order in which they come, so that nothing has to be held up until the way is free (the
protocol's embargoes). The cost is a detour for the rare promise that leads back to us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from cara_pseud.capabilities import Capability, IncomingCall, Pending
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
from cara_pseud.local import Forwarder, LocalCapability
from cara_pseud.schema.nodes import Type
from gateway.bridge import rpc_messages as messages
from gateway.bridge.answers import Answer, PromisedObject
from gateway.bridge.native_errors import error_of, exception_of, readable
from gateway.bridge.native_methods import NULL_STRUCT, NativeMethod, NativeMethods, refused, unreadable
from gateway.bridge.pointers import Incoming, Malformed
from gateway.bridge.rpc_messages import Came, Descriptor, Hosted, Kind, View

MAX_ANSWERS: Final = 10_000
"""Calls of the service that are being answered; with more, one more is refused."""
MAX_QUESTIONS: Final = 20_000
"""Calls under way, given up ones whose answers have not come included."""


class Broken(Exception):
    """The other side does not keep to the protocol, or has said that it ends the connection."""


class NativeObject(LocalCapability):
    """An object of the service, as cara's peers are given it.

    Attributes:
        id: the service's number of it.
        count: how often it was sent to us.
        types: what the schema takes it for, as often as it says something new.
    """

    __slots__ = ("_vat", "count", "id", "types")

    def __init__(self, vat: Vat, id: int) -> None:
        self._vat = vat
        self.id = id
        self.count = 0
        self.types: tuple[Type, ...] = ()
        self.key = ("native", vat, id)

    @property
    def target(self) -> NativeObject:  # type: ignore[override]
        """Itself: were it another object, the two would refer to each other and never be let go at once."""
        return self

    @property
    def alive(self) -> bool:
        return not self._vat.closed

    @property
    def vat(self) -> Vat:
        """The connection that it came over."""
        return self._vat

    def seen_as(self, type: Type) -> None:
        """Take note of what the schema takes it for."""
        if type not in self.types:
            self.types = (*self.types, type)

    def invoke(  # type: ignore[override]
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> Awaitable[Any]:
        """Call a method; see `cara_pseud.capabilities.Target`."""
        return self._vat.call(self, self._vat.methods.find(self.types, interface_id, method), args, kwargs)

    def name_of(self, interface_id: int, method: int | str) -> str:
        """What to call a method in the log."""
        return self._vat.methods.find(self.types, interface_id, method).label

    def left(self, *, gone: bool) -> None:
        """Nothing: the last one who lets go of the object itself releases it, whoever that is."""

    def released(self) -> None:
        """Nothing; see `left`."""

    def __del__(self) -> None:
        vat: Vat | None = getattr(self, "_vat", None)
        if vat is not None:
            vat.let_go(self.id, self.count)


class Export:
    """An object of cara's peers, as the service knows it.

    Attributes:
        count: how often it was sent and not given back.
        types: what the schema takes it for.
    """

    __slots__ = ("capability", "count", "id", "types")

    def __init__(self, id: int, capability: Capability) -> None:
        self.id = id
        self.capability = capability
        self.count = 0
        self.types: tuple[Type, ...] = ()


class Question(Pending):
    """A call of ours, and what comes of it. Cancelling it gives the call up."""

    __slots__ = ("exported", "id", "method", "vat")

    id: int
    vat: Vat
    method: NativeMethod | None
    exported: tuple[int, ...]

    @property
    def label(self) -> str:
        """What was asked, for errors."""
        return "the service's first object" if self.method is None else self.method.label

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self.vat.give_up(self)
        super().cancel(msg)
        self.tell()
        return True


class Table:
    """The objects of one message that is built: what the other side is told of them."""

    __slots__ = ("_vat", "descriptors", "exported", "objects")

    def __init__(self, vat: Vat) -> None:
        self._vat = vat
        self.descriptors: list[Descriptor] = []
        self.objects: list[Capability] = []
        self.exported: list[int] = []

    def add(self, capability: Any, type: Type | None) -> int:
        """See `gateway.bridge.value_writers.Objects`."""
        if not isinstance(capability, Capability):
            raise TypeError(capability)
        vat = self._vat
        if isinstance(capability, NativeObject) and capability.vat is vat:
            descriptor = Descriptor(Hosted.BY_RECEIVER, capability.id)
        else:
            id = vat.export(capability, type)
            self.exported.append(id)
            descriptor = Descriptor(Hosted.BY_SENDER, id)
        self.descriptors.append(descriptor)
        self.objects.append(capability)
        return len(self.descriptors) - 1

    def take_back(self) -> None:
        """The message is not sent."""
        for id in self.exported:
            self._vat.release_export(id, 1)


class Vat:
    """Our end of the connection.

    Attributes:
        methods: the schema's.
        closed: whether it has ended.
        root: the service's first object, once it was asked for and is there.
    """

    def __init__(
        self,
        methods: NativeMethods,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[bytes | bytearray], None],
        has_room: Callable[[], bool],
        *,
        max_objects: int = DEFAULT_MAX_CAPABILITIES,
    ) -> None:
        """Begin with nothing.

        Args:
            send: takes whole messages with their frames, in order.
            has_room: whether the service reads fast enough that one more call may be sent.
            max_objects: in one message.
        """
        self.methods = methods
        self.closed = False
        self.root: Capability | None = None
        self._loop = loop
        self._send = send
        self._has_room = has_room
        self._max_objects = max_objects
        self._questions: dict[int, Question] = {}
        self._given_up: set[int] = set()
        self._free: list[int] = []
        self._last_question = 0
        self._answers: dict[int, Answer] = {}
        self._exports: dict[int, Export] = {}
        self._exports_by_key: dict[Hashable, Export] = {}
        self._last_export = 0
        self._imports: WeakValueDictionary[int, NativeObject] = WeakValueDictionary()

    @property
    def live_exports(self) -> int:
        """How many objects of cara's peers the service holds."""
        return len(self._exports)

    # Calls of ours.

    def bootstrap(self) -> asyncio.Future[Any]:
        """Ask for the service's first object; it is in `root` when the future is done."""
        question = self._ask(None)
        self._send(messages.bootstrap(question.id))
        return question

    def call(
        self, target: NativeObject | Question, method: NativeMethod, args: Sequence[Any], kwargs: Mapping[str, Any],
        path: Sequence[int] = (),
    ) -> Question:  # fmt: skip
        """Call a method of an object, or of an object in the answer to another call, which may not have come.

        Args:
            path: of the object in the answer, by pointers.

        Raises:
            RpcError: nothing was sent.
        """
        if self.closed:
            raise Unavailable("the service cannot be reached: the connection to it was lost")
        if not self._has_room():
            raise ResourceExhausted("the service does not read as fast as it is called")
        params = method.params
        question = self._ask(method)
        in_answer = isinstance(target, Question)
        b = messages.begin_call(
            question.id, target.id, method.interface_id, method.id, params.pointer, params.words, in_answer=in_answer
        )
        table = Table(self)
        try:
            params.write(table, b, messages.CALL_BYTES, params.by_id(args, kwargs))
            if in_answer:
                messages.aim(b, target.id, path)
            if table.descriptors:
                if len(table.descriptors) > self._max_objects:
                    raise TooLarge(f"the call holds {len(table.descriptors)} objects, at most {self._max_objects}")
                messages.put_table(b, messages.CALL_CONTENT + 8, table.descriptors)
                question.exported = tuple(table.exported)
            self._send(messages.seal(b))
        except Exception as error:
            table.take_back()
            self._forget(question.id)
            if isinstance(error, InvalidValue | ArgumentError):
                raise refused(error, method) from error
            raise
        return question

    def _ask(self, method: NativeMethod | None) -> Question:
        if len(self._questions) + len(self._given_up) >= MAX_QUESTIONS:
            raise ResourceExhausted(f"{MAX_QUESTIONS} calls are under way to the service already")
        if self._free:
            id = self._free.pop()
        else:
            id = self._last_question
            self._last_question += 1
        question = Question(loop=self._loop)
        question.id, question.vat, question.method, question.exported, question.watcher = id, self, method, (), None
        self._questions[id] = question
        return question

    def _forget(self, id: int) -> None:
        self._questions.pop(id, None)
        self._given_up.discard(id)
        self._free.append(id)

    def give_up(self, question: Question) -> None:
        """Tell the service that nobody waits for an answer any more."""
        if self._questions.pop(question.id, None) is not None and not self.closed:
            self._given_up.add(question.id)
            self._send(messages.finish(question.id, releases=True))

    def _on_return(self, view: View) -> None:
        returned = view.struct(0)
        id, came = returned.number(32, 0), returned.number(16, 48)
        question = self._questions.pop(id, None)
        if question is None:
            # One that was given up: what it holds was released by our word that it is finished.
            if id not in self._given_up:
                raise Broken("it answered what nobody asked")
            self._forget(id)
            return
        if not returned.bit(32):  # releaseParamCaps; its default is true
            for exported in question.exported:
                self.release_export(exported, 1)
        keeps, result, error = False, None, None
        try:
            if came == Came.RESULTS:
                payload = returned.struct(0)
                entries = messages.read_table(payload, self._max_objects)
                # From here on the objects are ours: each is given back when nobody has it any more.
                keeps = True
                payload.incoming.objects = [self._received(entry) for entry in entries]
                result = self._result(question, payload)
            elif came == Came.TAKEN_FROM_OTHER:
                result = self._taken(question, returned.number(32, 64))
            else:
                error = self._failure(question, returned, came)
        except Malformed as malformed:
            error = unreadable(malformed, question.label)
        except RpcError as failed:
            error = failed
        self._send(messages.finish(id, releases=not keeps))
        self._free.append(id)
        if error is not None:
            question.set_exception(error)
        else:
            question.set_result(result)
        if question.watcher is not None:
            question.watcher(question)

    def _result(self, question: Question, payload: View) -> Any:
        incoming = payload.incoming
        segment, place, pointer = payload.at(0)
        if question.method is None:
            self.root = incoming.object(segment, place, pointer) if pointer else None
            return self.root
        form = question.method.results
        if not pointer:
            segment, place, pointer = NULL_STRUCT
        return form.as_result(form.read(incoming, segment, place, pointer))

    def _taken(self, question: Question, answer_id: int) -> Any:
        """The result that another call of the service's to us has: it said that this one ends with that."""
        answer = self._answers.get(answer_id)
        if answer is None or not answer.is_elsewhere or question.method is None:
            raise Broken("it gave an answer that is none of its own calls'")
        return answer.results_for(question.method.results)

    def _failure(self, question: Question, returned: View, came: int) -> RpcError:
        if came == Came.EXCEPTION:
            return error_of(*messages.read_exception(returned.struct(0)), question.label)
        if came == Came.CANCELED:
            return RpcError("cancelled", f"the service cancelled {question.label}")
        return RpcError("internal", f"the service answered {question.label} in a way that nobody asked for")

    # What we hold.

    def _received(self, entry: Descriptor) -> Capability | None:
        hosted, id, path = entry
        if hosted in (Hosted.BY_SENDER, Hosted.PROMISED_BY_SENDER):
            known = self._imports.get(id)
            if known is None:
                known = self._imports[id] = NativeObject(self, id)
            known.count += 1
            return known
        if hosted == Hosted.BY_RECEIVER:
            export = self._exports.get(id)
            if export is None:
                raise Broken("it named an object that it does not hold")
            return export.capability
        if hosted == Hosted.IN_ANSWER:
            answer = self._answers.get(id)
            if answer is None:
                raise Broken("it named an answer that it has not asked for")
            if answer.is_there:
                return answer.object_at(path)
            return LocalCapability(Forwarder(PromisedObject(answer, path)), ("promised", answer, path))
        return None

    def let_go(self, id: int, count: int) -> None:
        """Give references to an object of the service's back; from the object's own end."""
        if not self.closed and count:
            self._send(messages.release(id, count))

    # What the service holds.

    def export(self, capability: Capability, type: Type | None) -> int:
        """The number under which the service may call an object, counted once more."""
        if not capability.alive:
            raise RpcError("not_found", "an object in the call is gone, with the connection to its peer")
        export = self._exports_by_key.get(capability.key)
        if export is None:
            self._last_export += 1
            export = Export(self._last_export, capability)
            self._exports[export.id] = self._exports_by_key[capability.key] = export
        if type is not None and type not in export.types:
            export.types = (*export.types, type)
        export.count += 1
        return export.id

    def release_export(self, id: int, count: int) -> None:
        """Take references back that the service had; at zero the object is let go."""
        export = self._exports.get(id)
        if export is None:
            return
        export.count -= count
        if export.count <= 0:
            del self._exports[id]
            if self._exports_by_key.get(export.capability.key) is export:
                del self._exports_by_key[export.capability.key]

    # Calls of the service's.

    def _on_call(self, view: View) -> None:
        call = view.struct(0)
        answer_id = call.number(32, 0)
        if answer_id in self._answers:
            raise Broken("it asked two questions under one number")
        elsewhere = call.number(16, 48)
        answer = self._answers[answer_id] = Answer(answer_id, self._loop, is_elsewhere=elsewhere == 1)
        payload = call.struct(1)
        interface_id, number = call.number(64, 64), call.number(16, 32)
        try:
            entries = messages.read_table(payload, self._max_objects)
            payload.incoming.objects = [self._received(entry) for entry in entries]
            if elsewhere > 1:
                raise RpcError("unimplemented", "results cannot be sent to a third party")
            if len(self._answers) > MAX_ANSWERS:
                raise ResourceExhausted(f"{MAX_ANSWERS} calls are being answered already")
            target, types = self._target(call.struct(0))
            method = self.methods.find(types, interface_id, number)
            segment, place, pointer = payload.at(0)
            if not pointer:
                segment, place, pointer = NULL_STRUCT
            wire = method.params.read(payload.incoming, segment, place, pointer)
            answer.results = method.results
            running = target.call(interface_id, number, method.params.as_arguments(wire))
        except Malformed as error:
            self._fail(answer, RpcError("invalid_argument", f"the parameters cannot be read: {error}"))
        except RpcError as error:
            self._fail(answer, error)
        else:
            answer.running = running
            if isinstance(running, Pending):
                running.watcher = lambda ended: self._on_ended(answer, ended)
                if running.done():
                    self._loop.call_soon(running.watcher, running)
            else:
                running.add_done_callback(lambda ended: self._on_ended(answer, ended))

    def _target(self, target: View) -> tuple[Capability, tuple[Type, ...]]:
        if target.number(16, 32) == 0:
            export = self._exports.get(target.number(32, 0))
            if export is None:
                raise Broken("it called an object that it does not hold")
            return export.capability, export.types
        id, path = messages.read_answer_path(target.struct(0))
        answer = self._answers.get(id)
        if answer is None:
            raise Broken("it called an object in an answer that it has not asked for")
        return PromisedObject(answer, path), ()

    def _on_ended(self, answer: Answer, ended: asyncio.Future[Any]) -> None:
        if self.closed:
            if not ended.cancelled():
                ended.exception()  # looked at, or asyncio would report it
            return
        answer.running = None
        if ended.cancelled():
            self._fail(answer, RpcError("cancelled", "the call was cancelled"))
            return
        error = ended.exception()
        if error is not None:
            self._fail(answer, error)
            return
        form = answer.results
        assert form is not None  # the call was begun
        wire = form.of_result(ended.result())
        b = messages.begin_return(answer.id, form.pointer, form.words)
        table = Table(self)
        try:
            form.write(table, b, messages.RETURN_BYTES, wire)
        except InvalidValue as misfit:
            table.take_back()
            self._fail(answer, RpcError("internal", f"a result does not fit the schema: {misfit}"))
            return
        except RpcError as gone:
            table.take_back()
            self._fail(answer, gone)
            return
        answer.answered(form, wire, bytes(b[messages.FRAME_BYTES :]), table.objects)
        if answer.is_elsewhere:
            table.take_back()
            self._send(messages.return_other(answer.id, Came.SENT_ELSEWHERE))
        else:
            answer.exported = tuple(table.exported)
            if table.descriptors:
                messages.put_table(b, messages.RETURN_CONTENT + 8, table.descriptors)
            self._send(messages.seal(b))
        self._settle(answer)

    def _fail(self, answer: Answer, error: BaseException) -> None:
        answer.failed(error)
        if answer.is_elsewhere and not answer.is_finished:
            self._send(messages.return_other(answer.id, Came.SENT_ELSEWHERE))
        else:
            self._send(messages.return_exception(answer.id, *exception_of(error)))
        self._settle(answer)

    def _settle(self, answer: Answer) -> None:
        answer.is_returned = True
        if answer.is_finished:
            self._end_answer(answer, releases=answer.releases)

    def _end_answer(self, answer: Answer, *, releases: bool) -> None:
        self._answers.pop(answer.id, None)
        if releases:
            for id in answer.exported:
                self.release_export(id, 1)

    def _on_finish(self, view: View) -> None:
        finish = view.struct(0)
        answer = self._answers.get(finish.number(32, 0))
        if answer is None:
            raise Broken("it is finished with what it has not asked for")
        answer.is_finished = True
        answer.releases = not finish.bit(32)  # releaseResultCaps; its default is true
        if answer.is_returned:
            self._end_answer(answer, releases=answer.releases)
        elif answer.running is not None:
            answer.running.cancel()

    # Messages.

    def receive(self, segments: Sequence[bytes]) -> None:
        """Take a message.

        Raises:
            Broken: the connection is of no use any more.
        """
        incoming = Incoming(segments)
        try:
            kind, view = messages.read_message(incoming)
            handler = self._handlers.get(kind)
            if handler is None:
                self._send(messages.unimplemented(Incoming(segments)))
            else:
                handler(self, view)
        except Malformed as error:
            raise Broken(f"it sent what is no message of the protocol: {error}") from None

    def _on_unimplemented(self, view: View) -> None:
        """What we send is level 1, which everybody has, but for what may be left undone."""

    def _on_abort(self, view: View) -> None:
        raise Broken(f"it ended the connection: {readable(view.struct(0).text(0))[1]}")

    def _on_bootstrap(self, view: View) -> None:
        answer_id = view.struct(0).number(32, 0)
        if answer_id in self._answers:
            raise Broken("it asked two questions under one number")
        answer = self._answers[answer_id] = Answer(answer_id, self._loop)
        self._fail(answer, RpcError("unimplemented", "there is no object here to begin with"))

    def _on_resolve(self, view: View) -> None:
        resolve = view.struct(0)
        if resolve.number(16, 32) == 0:
            # Let go at once, see above; an object that somebody holds was counted once more and is now once less.
            entry = messages.read_descriptor(resolve.struct(0))
            if entry.hosted in (Hosted.BY_SENDER, Hosted.PROMISED_BY_SENDER):
                self.let_go(entry.id, 1)

    def _on_release(self, view: View) -> None:
        release = view.struct(0)
        self.release_export(release.number(32, 0), release.number(32, 32))

    def _on_disembargo(self, view: View) -> None:
        disembargo = view.struct(0)
        if disembargo.number(16, 32) != 0:
            return  # the echo of one of ours, of which there are none
        capability, _ = self._target(disembargo.struct(0))
        if isinstance(capability, PromisedObject):
            capability = capability.resolved()
        if not isinstance(capability, NativeObject):
            raise Broken("it asked for the way back to an object that is not its own")
        self._send(messages.disembargo(capability.id, disembargo.number(32, 0)))

    _handlers: Final[Mapping[int, Callable[[Vat, View], None]]] = {
        Kind.UNIMPLEMENTED: _on_unimplemented, Kind.ABORT: _on_abort, Kind.CALL: _on_call, Kind.RETURN: _on_return,
        Kind.FINISH: _on_finish, Kind.RESOLVE: _on_resolve, Kind.RELEASE: _on_release, Kind.BOOTSTRAP: _on_bootstrap,
        Kind.DISEMBARGO: _on_disembargo,
    }  # fmt: skip

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
        self._exports.clear()
        self._exports_by_key.clear()
        self.root = None

