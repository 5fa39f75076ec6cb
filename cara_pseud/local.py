"""Capabilities of objects that live here: called as those of a peer are, but run in the loop of whoever calls them.

Answering a call made in this process takes a task and its deadline; what a peer calls is run by `cara_pseud.dispatch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud.answering import CURRENT
from cara_pseud.capabilities import (
    NO_ARGUMENTS,
    NO_OPTIONS,
    CallOptions,
    Capability,
    Drivable,
    IncomingCall,
    Target,
    WireValue,
)
from cara_pseud.errors import DeadlineExceeded


class LocalCall(Drivable, asyncio.Task[Any]):
    """The result of a call of an object of ours."""

    __slots__ = ("_driven",)


class LocalCapability(Capability):
    """An object of ours. ``key`` is chosen by the target's maker: the same object, the same key."""

    __slots__ = ("target",)
    call_class: type[LocalCall] = LocalCall
    """What its calls give."""

    def __init__(self, target: Target, key: Hashable | None = None) -> None:
        self.target = target
        self.key = ("local", id(target)) if key is None else key

    def taken(self) -> None:
        """Learn that one more holder has it, however often that one is sent it."""

    def left(self, *, gone: bool) -> None:
        """Learn that a holder has it no more; ``gone`` is whether that holder is, instead of having let go."""
        self.target.released()

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        call = IncomingCall(b"")
        call.request_id, call.principal = options.request_id, options.principal
        call.traceparent, call.idempotency_key = options.traceparent, options.idempotency_key
        call.roles = options.roles

        async def run() -> Any:
            CURRENT.set(call)
            limit = asyncio.timeout(options.timeout)
            try:
                async with limit:
                    call.deadline = limit.when()
                    result = self.target.invoke(interface_id, method, args, kwargs, call)
                    if isinstance(result, Awaitable):
                        result = await result
            except TimeoutError as late:
                if limit.expired():
                    raise DeadlineExceeded("no answer within the deadline") from late
                raise
            return result if convert is None else convert(result)

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "an object of this process is called from outside of its loop; "
                "make the call there, with asyncio.run_coroutine_threadsafe"
            ) from None
        return self.call_class(run(), loop=loop)


class Lender(Target, Protocol):
    """Answers the calls of those who an object was lent to."""

    def lent(self) -> None:
        """Learn that one more peer has got it; `released` follows."""


class LentCapability(Capability):
    """An object that somebody passes on: at its own peer it is itself, the calls of any other one go to its lender.

    Attributes:
        inner: the object.
        lender: answers in its place.
        stand_in: what other peers get.
    """

    __slots__ = ("inner", "lender", "stand_in")

    def __init__(self, inner: Capability, lender: Lender, key: Hashable) -> None:
        self.inner = inner
        self.lender = lender
        self.stand_in = LocalCapability(lender, key)
        self.key = key

    @property
    def alive(self) -> bool:
        return self.inner.alive

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        return self.stand_in.call(interface_id, method, args, kwargs, options, convert)


class Forwarder:
    """A target that passes calls on to a capability of another peer (three parties)."""

    def __init__(self, capability: Capability) -> None:
        self.capability = capability

    def invoke(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
        call: IncomingCall,
    ) -> Awaitable[WireValue]:
        options = CallOptions(
            None, call.request_id, call.principal, call.traceparent, call.idempotency_key, call.roles
        )
        return self.capability.call(interface_id, method, args, kwargs, options)

    def released(self) -> None:
        """Give it back to where it came from, unless others of us hold it."""
        self.capability.returned()
