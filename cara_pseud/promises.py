"""Objects in answers that have not come, and calls that name them.

A call that names such an object leaves at once where the object's peer understands that (`cara_pseud.promised`), so
that a chain of calls costs one round trip. Elsewhere it waits here for the answer, and then calls the object itself:

    made ── its peer takes promises ──► sent ── answered ──► done
      │                                   └── the peer does not know the answer any more ──┐
      └── the objects live elsewhere, or nobody knows yet what the peer understands ──► waits ──► sent ──► done
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.any_pointer import Reference
from cara_pseud.capabilities import (
    NO_ARGUMENTS,
    NO_OPTIONS,
    CallOptions,
    Capability,
    Drivable,
    Pending,
    TwoForms,
    WireValue,
)
from cara_pseud.errors import DeadlineExceeded, RpcError, UnknownField
from cara_pseud.promised import is_not_kept, not_kept
from cara_pseud.proxies import Remote, make_proxy
from cara_pseud.python_names import schema_name
from cara_pseud.result_places import ResultPlace, only_place, place_of, value_at
from cara_pseud.scalars import shown
from cara_pseud.signatures import Signature
from cara_pseud.wire import CALL


class Piping(Protocol):
    """A connection whose peer may understand promises."""

    def request_naming(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions,
        convert: Callable[[Any], Any] | None,
    ) -> Pending | None:
        """Send a call that names answers which have not come; None if it cannot name them."""


class First(Protocol):
    """A call whose answer may be called into."""

    def pipe(self) -> tuple[Piping, bytes] | None:
        """The connection that the answer will come over, and the call's uuid there; None if it cannot be named."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None: ...

    def get_loop(self) -> asyncio.AbstractEventLoop: ...


class Unresolved(Exception):
    """A value to be sent has a promised object in it, which has no form yet."""


class PromisedCapability(Capability):
    """An object in the answer to a call of ours.

    Letting go of it does nothing: the answer brings the object, and whoever has that lets go.

    Attributes:
        first: that call.
        path: the ids of the fields that lead to the object, from the struct of the method's results.
    """

    __slots__ = ("_find", "first", "path")

    def __init__(self, first: First, path: tuple[int, ...], find: Callable[[], Capability]) -> None:
        """Name an object.

        Args:
            find: gives the object when the call is done, or raises an RpcError.
        """
        self.first = first
        self.path = path
        self._find = find
        self.key: Hashable = ("promised", first, path)

    def resolved(self) -> Capability:
        """The object, once the call is done.

        Raises:
            RpcError: the call failed; with its code, or there is no object in its answer.
        """
        try:
            found = self._find()
        except asyncio.CancelledError:
            raise RpcError("cancelled", "the call that was to give the object was cancelled") from None
        return found.resolved() if isinstance(found, PromisedCapability) and found.first.done() else found

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> asyncio.Future[Any]:
        def naming() -> Pending | None:
            pipe = self.first.pipe()
            if pipe is None:
                return None
            given, named = kwargs.ours if type(kwargs) is TwoForms else (args, dict(kwargs))
            target = (self, interface_id, method, given, named)
            return pipe[0].request_naming(CALL, target, NO_ARGUMENTS, options, convert)

        def plainly(options: CallOptions) -> asyncio.Future[Any]:
            return self.resolved().call(interface_id, method, args, kwargs, options, convert)

        return DependentCall(self.first.get_loop(), (self,), naming, plainly, options, convert)


def passed_on(first: First, path: Sequence[int]) -> PromisedCapability:
    """An object in the answer to a call that is made for another peer: its names are passed on to who answers.

    What it is nobody here could say, as no schema is known: the other peer asks again when it is.
    """

    def find() -> Capability:
        raise not_kept()

    return PromisedCapability(first, tuple(path), find)


class Promising:
    """Makes the objects in the result of a call attributes and items of the call, before the result is there.

    A subclass has an attribute ``convert``; what a proxy's method puts there knows the signature.
    """

    __slots__ = ()

    convert: Callable[[Any], Any] | None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        signature = getattr(self.convert, "signature", None)
        if signature is None:
            raise AttributeError(name)
        only = only_place(signature)
        if only is not None and only.is_object and schema_name(name) != signature.results[0].name:
            # As with the result itself, which a single object is.
            return getattr(_promised_at(self, signature, only), name)
        return _promised_at(self, signature, place_of(signature, name))

    def __getitem__(self, name: object) -> Any:
        signature = getattr(self.convert, "signature", None)
        if signature is None:
            raise UnknownField(f"there is no {shown(name)}: no schema says what the call gives")
        return _promised_at(self, signature, place_of(signature, name))


class PromisedStruct:
    """A struct in an answer that has not come: the objects in it can be called, and nothing else can be read."""

    __slots__ = ("_call", "_place", "_signature")

    def __init__(self, call: Any, signature: Signature, place: ResultPlace) -> None:
        self._call = call
        self._place = place
        self._signature = signature

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: object) -> Any:
        return _promised_at(self._call, self._signature, self._place.member(name))

    def __repr__(self) -> str:
        return f"<{self._place.text}: promised>"


def _promised_at(call: Any, signature: Signature, place: ResultPlace) -> Any:
    """What stands for a place of a result until that is there.

    Raises:
        UnknownField: no object can be there.
    """
    if place.is_struct:
        return PromisedStruct(call, signature, place)
    if place.is_object or place.is_any:
        capability = PromisedCapability(call, place.path, lambda: _found(call, signature, place))
        return make_proxy(place.type.__proxy_class__, capability) if place.is_object else Reference(capability)
    raise UnknownField(f"{place.text} is no object: await the call to read it")


def _found(call: Any, signature: Signature, place: ResultPlace) -> Capability:
    value = value_at(signature, call.result(), place.path)
    if isinstance(value, Remote | Reference):
        return value.__capability__
    dump = getattr(getattr(type(value), "__conversion__", None), "dump", None)
    found = value if dump is None else dump(value)
    if not isinstance(found, Capability):
        raise RpcError("invalid_argument", f"{place.text} is no object that could be called")
    return found


class DependentCall(Drivable, Promising, Pending):
    """The result of a call that names objects in answers which have not come. Cancelling it gives the call up."""

    __slots__ = ("_driven", "_firsts", "_inner", "_options", "_plainly", "_timer", "_until", "convert")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        promised: Sequence[PromisedCapability],
        naming: Callable[[], Pending | None],
        plainly: Callable[[CallOptions], asyncio.Future[Any]],
        options: CallOptions,
        convert: Callable[[Any], Any] | None,
    ) -> None:
        """Begin it.

        Args:
            promised: the objects that it names.
            naming: sends it at once, if that can be.
            plainly: sends it when the objects are known.
        """
        super().__init__(loop=loop)
        self.watcher = None
        self.convert = convert
        self._firsts = promised
        self._plainly = plainly
        self._options = options
        self._timer: asyncio.TimerHandle | None = None
        self._inner: asyncio.Future[Any] | None = None
        self._until = None if options.timeout is None else loop.time() + options.timeout
        sent = naming() if any(not one.first.done() for one in promised) else None
        if sent is None:
            self._wait_for_firsts()
        else:
            self._watch(sent, self._named_ended)

    def pipe(self) -> tuple[Piping, bytes] | None:
        """See `First`."""
        inner = self._inner
        pipe = getattr(inner, "pipe", None)
        return None if pipe is None or inner is None or inner.done() else pipe()

    def promised(self, path: Sequence[int]) -> Capability:
        """See `cara_pseud.capabilities.Promises`."""
        return passed_on(self, path)

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        inner = self._inner
        self._let_go()
        super().cancel(msg)
        if inner is not None:
            inner.cancel()
        self.tell()
        return True

    def _watch(self, inner: asyncio.Future[Any], ended: Callable[[asyncio.Future[Any]], None]) -> None:
        self._inner = inner
        if isinstance(inner, Pending) and not inner.done():
            inner.watcher = ended
        else:
            inner.add_done_callback(ended)

    def _named_ended(self, inner: asyncio.Future[Any]) -> None:
        if not inner.cancelled() and is_not_kept(inner.exception()):
            if not self.done():
                self._inner = None
                self._wait_for_firsts()
        else:
            self._take(inner)

    def _take(self, inner: asyncio.Future[Any]) -> None:
        """End as another call did."""
        if self.done():
            # Looked at in any case, or asyncio would report an error that nobody has seen.
            _ = inner.cancelled() or inner.exception()
            return
        self._let_go()
        if inner.cancelled():
            super().cancel()
        elif (error := inner.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(inner.result())
        if self.watcher is not None:
            self.watcher(self)

    def _wait_for_firsts(self) -> None:
        left = {id(one.first): one.first for one in self._firsts if not one.first.done()}
        if self._until is not None and self._timer is None:
            self._timer = self.get_loop().call_at(self._until, self._expire)

        def one_ended(first: Any) -> None:
            left.pop(id(first), None)
            if not left and not self.done():
                self._send()

        if left:
            for first in list(left.values()):
                first.add_done_callback(one_ended)
        else:
            self._send()

    def _send(self) -> None:
        options = self._options
        if self._until is not None:
            options = options._replace(timeout=max(0.0, self._until - self.get_loop().time()))
        self._end_wait()
        try:
            sent = self._plainly(options)
        except Exception as error:
            # Whoever finds the object says why there is none.
            self._let_go()
            self.set_exception(error)
            self.tell()
        else:
            self._watch(sent, self._take)

    def _expire(self) -> None:
        if not self.done():
            self._let_go()
            self.set_exception(DeadlineExceeded("the call that it refers to was not answered within the deadline"))
            self.tell()

    def _let_go(self) -> None:
        """Forget all that it took: in a circle with the call it made it would wait for the collector."""
        self._end_wait()
        inner, self._inner, self._firsts, self._plainly = self._inner, None, (), _over
        if isinstance(inner, Pending):
            inner.watcher = None

    def _end_wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _over(options: CallOptions) -> asyncio.Future[Any]:
    raise AssertionError("the call is over")


def promised_in(value: WireValue) -> Iterator[PromisedCapability]:
    """The promised objects in a value of a call."""
    if isinstance(value, PromisedCapability):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from promised_in(item)
        if type(value) is TwoForms:
            yield from promised_in(value.all)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from promised_in(item)
