"""Calls that a native service makes of objects of cara's peers, and their answers. No I/O."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cara_pseud.capabilities import Capability, Pending
from cara_pseud.errors import InvalidValue, ResourceExhausted, RpcError
from cara_pseud.schema.nodes import Type
from gateway.bridge import rpc_messages as messages
from gateway.bridge.answers import NativeAnswer, PromisedObject
from gateway.bridge.native_errors import exception_of
from gateway.bridge.native_methods import NULL_STRUCT
from gateway.bridge.objects import Broken, NativeObject, ObjectTable, SharedObjects
from gateway.bridge.pointers import Malformed
from gateway.bridge.rpc_messages import Came, View

MAX_ANSWERS: Final = 10_000
"""Calls of the service that are being answered; with more, one more is refused."""


class ServiceCalls(SharedObjects):
    """What a connection knows of the service's calls."""

    def _on_call(self, view: View) -> None:
        call = view.struct(0)
        answer_id = call.number(32, 0)
        if answer_id in self._answers:
            raise Broken("it asked two questions under one number")
        elsewhere = call.number(16, 48)
        answer = self._answers[answer_id] = NativeAnswer(answer_id, self._loop, is_elsewhere=elsewhere == 1)
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
            export = self._held.get(target.number(32, 0))
            if export is None:
                raise Broken("it called an object that it does not hold")
            return export.capability, export.types
        id, path = messages.read_answer_path(target.struct(0))
        answer = self._answers.get(id)
        if answer is None:
            raise Broken("it called an object in an answer that it has not asked for")
        return PromisedObject(answer, path), ()

    def _on_ended(self, answer: NativeAnswer, ended: asyncio.Future[Any]) -> None:
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
        table = ObjectTable(self)
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

    def _fail(self, answer: NativeAnswer, error: BaseException) -> None:
        answer.failed(error)
        if answer.is_elsewhere and not answer.is_finished:
            self._send(messages.return_other(answer.id, Came.SENT_ELSEWHERE))
        else:
            self._send(messages.return_exception(answer.id, *exception_of(error)))
        self._settle(answer)

    def _settle(self, answer: NativeAnswer) -> None:
        answer.is_returned = True
        if answer.is_finished:
            self._end_answer(answer, releases=answer.releases)

    def _end_answer(self, answer: NativeAnswer, *, releases: bool) -> None:
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

    def _on_bootstrap(self, view: View) -> None:
        answer_id = view.struct(0).number(32, 0)
        if answer_id in self._answers:
            raise Broken("it asked two questions under one number")
        answer = self._answers[answer_id] = NativeAnswer(answer_id, self._loop)
        if self.first is None:
            self._fail(answer, RpcError("unimplemented", "there is no object here to begin with"))
            return
        table = ObjectTable(self)
        number = table.add(*self.first)
        answer.exported = tuple(table.exported)
        b = messages.begin_return(answer_id, messages.object_pointer(number), 0)
        messages.put_table(b, messages.RETURN_CONTENT + 8, table.descriptors)
        answer.answered(None, {}, bytes(b[messages.FRAME_BYTES :]), table.objects)
        self._send(messages.seal(b))
        self._settle(answer)

    def _on_disembargo(self, view: View) -> None:
        disembargo = view.struct(0)
        if disembargo.number(16, 32) != 0:
            return  # the echo of one of ours, of which there are none
        target, _ = self._target(disembargo.struct(0))
        capability = target.resolved() if isinstance(target, PromisedObject) else target
        if not isinstance(capability, NativeObject):
            raise Broken("it asked for the way back to an object that is not its own")
        self._send(messages.disembargo(capability.id, disembargo.number(32, 0)))
