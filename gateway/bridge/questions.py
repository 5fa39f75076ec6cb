"""Calls of a native service that wait for their answers, and the objects in these before they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.capabilities import Capability, IncomingCall, Pending
from cara_pseud.errors import RpcError
from cara_pseud.local import LocalCapability
from cara_pseud.promised import not_kept
from cara_pseud.schema.nodes import Kind, Type
from gateway.bridge.native_methods import NativeMethod, NativeMethods


class AskedVat(Protocol):
    """Where a question was asked.

    Attributes:
        methods: the schema's.
    """

    methods: NativeMethods

    def give_up(self, question: NativeQuestion) -> None:
        """Tell the service that nobody waits for an answer any more."""

    def call_into(
        self,
        question: NativeQuestion,
        path: Sequence[int],
        method: NativeMethod,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> NativeQuestion:
        """Call an object in the answer to a question, which has not come.

        Args:
            path: of the object, by pointers.

        Raises:
            RpcError: nothing was sent.
        """


class NativeQuestion(Pending):
    """A call of ours, and what comes of it. Cancelling it gives the call up.

    Attributes:
        id: its number, until it is done.
        method: what was called; None if the first object was asked for.
        exported: objects of ours in the parameters.
        found: the struct of results, once it is there.
    """

    __slots__ = ("exported", "found", "id", "method", "vat")

    id: int
    vat: AskedVat
    method: NativeMethod | None
    exported: tuple[int, ...]
    found: Mapping[int, Any]

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

    def promised(self, path: Sequence[int]) -> Capability:
        """See `cara_pseud.capabilities.Promises`.

        Raises:
            RpcError: none can be there, or only if a member of a union is: who calls waits for the answer.
        """
        assert self.method is not None  # who asks for the first object calls nothing before it has that
        layouts, type = self.vat.methods.layouts, self.method.results.type
        pointers = []
        for id in path:
            place = layouts.struct(type) if type.kind is Kind.STRUCT else None
            # Members of a union share their places, so that another object may be where one is looked for.
            slots = () if place is None else place.fields
            slot = next((slot for slot in slots if slot.id == id), None)
            if slot is None or not (slot.type is None or slot.is_pointer):
                raise not_kept()
            if slot.type is None:
                type = layouts.group(slot, type)  # which lies in the same struct
            else:
                type = slot.type
                pointers.append(slot.at)
        if type.kind not in (Kind.INTERFACE, Kind.CAPABILITY, Kind.ANY_POINTER):
            raise not_kept()
        return PromisedNative(self, path, pointers, (type,) if type.kind is Kind.INTERFACE else ())


class PromisedNative(LocalCapability):
    """An object in an answer of the service that has not come.

    Attributes:
        question: whose answer it is.
        pointers: which of the answer's objects it is.
    """

    __slots__ = ("_path", "_types", "pointers", "question")

    def __init__(
        self, question: NativeQuestion, path: Sequence[int], pointers: Sequence[int], types: tuple[Type, ...]
    ) -> None:
        self.question = question
        self.pointers = tuple(pointers)
        self._path = tuple(path)
        self._types = types
        self.key = ("promised", question, self._path)

    @property
    def target(self) -> PromisedNative:  # type: ignore[override]
        """Itself; as with `gateway.bridge.objects.NativeObject`."""
        return self

    def resolved(self) -> Capability | None:
        """The object, if the answer has come; None if it has not.

        Raises:
            RpcError: the call failed, or there is no object.
        """
        question = self.question
        if not question.done():
            return None
        if question.cancelled():
            raise RpcError("cancelled", "the call that was to give the object was cancelled")
        error = question.exception()
        if error is not None:
            raise error
        found: Any = question.found
        for id in self._path:
            found = found.get(id) if isinstance(found, Mapping) else None
        if not isinstance(found, Capability):
            raise RpcError("failed_precondition", f"there is no object at that place of the answer of {question.label}")
        return found

    def invoke(  # type: ignore[override]
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> asyncio.Future[Any]:
        """Call a method; see `cara_pseud.capabilities.Target`."""
        found = self.resolved()
        if found is not None:
            return found.call(interface_id, method, args, kwargs)
        vat = self.question.vat
        return vat.call_into(
            self.question, self.pointers, vat.methods.find(self._types, interface_id, method), args, kwargs
        )

    def results_of(self, interface_id: int, method: int | str) -> Sequence[str] | None:
        """The names of a method's results; None if they are one struct."""
        return self.question.vat.methods.find(self._types, interface_id, method).results.listed

    def left(self, *, gone: bool) -> None:
        """Nothing: it is the answer that brings the object."""

    def released(self) -> None:
        """Nothing; see `left`."""
