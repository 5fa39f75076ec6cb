"""Calls of the service's that are answered here, and the objects in their answers before and after these are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability
from cara_pseud.errors import RpcError
from gateway.bridge.pointers import STRUCT_POINTER, Malformed, ReceivedMessage


class ResultForm(Protocol):
    """The form of a method's results.

    Attributes:
        type: the struct of the schema.
    """

    type: Any


class NativeAnswer:
    """One call of the service's.

    Attributes:
        results: the form of its results, once it is known what was called.
        running: what is being waited for.
        exported: the objects in the results, each once more in the hands of the service.
        is_elsewhere: whether the results stay here, for a question of ours.
        is_returned: whether the service has the answer.
        is_finished: whether the service wants nothing of it any more; ``releases``, not even the objects in it.
    """

    __slots__ = (
        "_content", "_error", "_form", "_is_answered", "_objects", "_waiting", "_wire", "exported", "id",
        "is_elsewhere", "is_finished", "is_returned", "loop", "releases", "results", "running",
    )  # fmt: skip

    def __init__(self, id: int, loop: asyncio.AbstractEventLoop, *, is_elsewhere: bool = False) -> None:
        self.id = id
        self.loop = loop
        self.is_elsewhere = is_elsewhere
        self.results: Any = None
        self.running: asyncio.Future[Any] | None = None
        self.exported: tuple[int, ...] = ()
        self.is_returned = self.is_finished = self.releases = False
        self._form: ResultForm | None = None
        self._is_answered = False
        self._wire: dict[int, Any] = {}
        self._content = b""
        self._objects: Sequence[Capability] = ()
        self._error: BaseException | None = None
        self._waiting: list[Callable[[], None]] = []

    @property
    def is_there(self) -> bool:
        """Whether it is known what came of the call."""
        return self._is_answered or self._error is not None

    def answered(
        self, form: ResultForm | None, wire: dict[int, Any], message: bytes, objects: Sequence[Capability]
    ) -> None:
        """Take the results.

        Args:
            form: of the results; None if they are one object and no struct.
            wire: the struct of results.
            message: the segment of the answer, and ``objects`` those in it by their numbers.
        """
        self._form, self._wire, self._content, self._objects = form, wire, message, objects
        self._is_answered = True
        self._go_on()

    def failed(self, error: BaseException) -> None:
        """Take note that there are none."""
        self._error = error
        self._go_on()

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for begin in waiting:
            begin()

    def when_there(self, begin: Callable[[], None]) -> None:
        """Have something done when it is known what came of the call; in the order in which this is asked for."""
        if self.is_there:
            begin()
        else:
            self._waiting.append(begin)

    def results_for(self, form: ResultForm) -> dict[int, Any]:
        """The struct of results as that of another method, which said that it ends with this call.

        Raises:
            RpcError: there are none, or they are of another type.
        """
        if self._error is not None:
            raise self._error if isinstance(self._error, RpcError) else RpcError("unknown", type(self._error).__name__)
        if self._form is None or self._form.type.node_id != form.type.node_id:
            raise RpcError("internal", "the service passed a call on to a method with other results")
        return self._wire

    def object_at(self, path: Sequence[int]) -> Capability:
        """The object that pointers lead to, from the results.

        Raises:
            RpcError: there is none.
        """
        if self._error is not None:
            raise RpcError("failed_precondition", "the call that was to give the object failed")
        incoming = ReceivedMessage([self._content])
        incoming.objects = self._objects
        try:
            # Places in the answer's segment; see rpc_messages.
            segment, place, pointer = self._content, 48, int.from_bytes(self._content[48:56], "little")
            for index in path:
                if pointer & 3 != STRUCT_POINTER or not pointer:
                    raise Malformed("there is no struct")
                segment, _, _, pointers, count = incoming.struct(segment, place, pointer)
                place, pointer = pointers + 8 * index, incoming.pointer(segment, pointers, count, index)
            found: Capability = incoming.object(segment, place, pointer)
        except Malformed:
            raise RpcError("failed_precondition", "there is no object at that place of the answer") from None
        return found


class PromisedObject(Capability):
    """The object that will be in an answer."""

    __slots__ = ("_answer", "_path")

    def __init__(self, answer: NativeAnswer, path: Sequence[int]) -> None:
        self._answer = answer
        self._path = tuple(path)
        self.key = ("promised", answer, self._path)

    def resolved(self) -> Capability | None:
        """What it is, if that is known."""
        return self._answer.object_at(self._path) if self._answer.is_there else None

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> asyncio.Future[Any]:
        result: asyncio.Future[Any] = self._answer.loop.create_future()

        def begin() -> None:
            if result.done():
                return
            try:
                inner = self._answer.object_at(self._path).call(interface_id, method, args, kwargs, options, convert)
            except RpcError as error:
                result.set_exception(error)
                return
            inner.add_done_callback(pass_on)
            result.add_done_callback(lambda given_up: inner.cancel() if given_up.cancelled() else None)

        def pass_on(inner: asyncio.Future[Any]) -> None:
            if result.done():
                return
            if inner.cancelled():
                result.cancel()
            elif (error := inner.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(inner.result())

        self._answer.when_there(begin)
        return result
