"""What capabilities are: references as they stand in wire values, what is said of a call, what is called. No I/O.

A `Capability` is either an object of ours (`LocalCapability`) or one that lives at a peer
(`cara_pseud.remote.RemoteCapability`); both are called the same way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from cara_pseud.schema.nodes import BoundMethod

WireValue: TypeAlias = Any
"""A value as msgpack carries it; capabilities in it are `Capability` objects."""

NO_ARGUMENTS: Final[Mapping[str, Any]] = MappingProxyType({})


class CallOptions(NamedTuple):  # a tuple costs a third of a frozen dataclass to make, once per call
    """What a caller may say about one call beside its arguments.

    ``timeout`` is in seconds and kept by the caller; the others travel only to peers of cara_pseud.
    """

    timeout: float | None = None
    request_id: str | None = None
    principal: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None
    roles: tuple[str, ...] = ()


NO_OPTIONS: Final = CallOptions()


class TwoForms(dict[str, WireValue]):
    """Arguments by name, as peers of the original understand them beside those by position.

    A peer of ours may have a newer or an older schema. It gets all by position, and ignores those that it does not
    know; or, if the caller has left some out, the caller's by name, so that it can tell that from a schema without
    them. Of defaults, which nobody has asked for, it may not know the names.
    """

    __slots__ = ("all", "given", "is_complete")

    def __init__(
        self, named: Mapping[str, WireValue], all: dict[str, WireValue], given: Sequence[str], is_complete: bool
    ) -> None:
        """Begin with what a peer of the original gets by name.

        Args:
            all: what it gets by position and by name, in the order of the parameters.
            given: the names of those that are the caller's; the others are defaults of the schema.
            is_complete: whether that is every parameter.
        """
        super().__init__(named)
        self.all = all
        self.given = given
        self.is_complete = is_complete

    @property
    def ours(self) -> tuple[Sequence[WireValue], dict[str, WireValue]]:
        """The arguments for a peer of ours, by position and by name."""
        return (tuple(self.all.values()), {}) if self.is_complete else ((), self.own)

    @property
    def own(self) -> dict[str, WireValue]:
        """The caller's arguments by name, for whoever knows the defaults."""
        return {name: self.all[name] for name in self.given}


class IncomingCall:
    """The call that a handler is answering (`cara_pseud.current_call()`).

    Attributes:
        user: the authenticated user of the caller, ``b""`` without authentication.
        principal: on whose behalf a trusted gateway calls, else None.
        roles: what that principal may, as the trusted gateway says; empty from anybody else.
        deadline: the loop's time at which the caller gives up, else None.
        request_id: the caller's name for this call, else None.
        cancelled: whether the caller gave up already.
        traceparent: W3C trace context of the caller, else None.
        idempotency_key: equal for repetitions of one call, else None.
        connection: an opaque object, the same for all calls of one connection.
        called: what is called, for the log: a bare name, or the object with its interface's id and the method.
        surplus: counts what only the caller's schema has, which is ignored; None if the caller is held to ours.
        promises: what gives objects in the answer before it is there; None if nothing does.
    """

    __slots__ = (
        "called", "cancelled", "connection", "deadline", "idempotency_key", "principal", "promises", "request_id",
        "roles", "surplus", "traceparent", "user",
    )  # fmt: skip

    def __init__(self, user: bytes, connection: object = None) -> None:
        self.user = user
        self.connection = connection
        self.principal: str | None = None
        self.roles: tuple[str, ...] = ()
        self.deadline: float | None = None
        self.request_id: str | None = None
        self.traceparent: str | None = None
        self.idempotency_key: str | None = None
        self.cancelled = False
        self.called: str | tuple[Target, int, int | str] = ""
        self.surplus: Counter[str] | None = None
        self.promises: Promises | None = None


class Target(Protocol):
    """An object of ours that peers may call."""

    def invoke(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue],
        kwargs: Mapping[str, WireValue],
        call: IncomingCall,
    ) -> WireValue | Awaitable[WireValue]:
        """Run a method, given by the declaring interface's id and the method's id or name, on wire values."""

    def released(self) -> None:
        """Learn that the last holder let go."""


WireHandler: TypeAlias = Callable[[IncomingCall, Sequence[WireValue], Mapping[str, WireValue]], Any]
"""Answers a call with a wire value, or an awaitable of one."""


class Promises(Protocol):
    """An awaitable that a handler gives whose result need not be there for the objects in it to be called."""

    def promised(self, path: Sequence[int]) -> Capability:
        """An object in the result, by the ids of the fields that lead to it from the struct of the method's results."""


class Pending(asyncio.Future[Any]):
    """The result of a call, with somebody who is told when it is there.

    What `add_done_callback` adds costs each call an entry in the loop's queue, and all of them a turn.

    Attributes:
        watcher: called with the future when it is done. If the peer's answer ended it, that is at once, in the loop's
            callback that read the answer; else (cancelled, expired, lost) in a turn of its own, as whoever caused
            it may be in the middle of something. Set by who waits, while it is not done; None if nobody does.
    """

    __slots__ = ("watcher",)

    watcher: Callable[[asyncio.Future[Any]], None] | None

    def tell(self) -> None:
        """Have the watcher told in the next turn."""
        if self.watcher is not None:
            self.get_loop().call_soon(self.watcher, self)


class Drivable:
    """Makes of a future a coroutine, too, for whoever makes a task of it. A subclass has a slot for ``_driven``.

    `asyncio.create_task` and `asyncio.TaskGroup` take nothing but coroutines. `asyncio.wait`, which takes none, is
    given the task.
    """

    __slots__ = ()

    _driven: Generator[Any, Any, Any]

    def send(self, value: None) -> Any:
        """Go on waiting; see `collections.abc.Coroutine`."""
        return self._wait().send(value)

    def throw(self, *error: Any) -> Any:
        """Have an exception raised in who waits."""
        return self._wait().throw(*error)

    def close(self) -> None:
        """Wait no more."""
        self._wait().close()

    def _wait(self) -> Generator[Any, Any, Any]:
        try:
            return self._driven
        except AttributeError:
            self._driven = self.__await__()  # type: ignore[attr-defined, misc]
            return self._driven


class Capability:
    """A reference as it stands in a wire value.

    Attributes:
        key: equal for two references to the same object.
    """

    __slots__ = ("__weakref__", "key")

    key: Hashable

    @property
    def alive(self) -> bool:
        """Whether a call has a chance; False once the object's peer is gone for good."""
        return True

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """Call a method by its declaring interface's id and its own id or name.

        ``convert`` is applied to the wire result before the future resolves; what it raises becomes the future's error.
        Cancelling the future cancels the call.
        """
        raise NotImplementedError

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[WireValue] = (),
        kwargs: Mapping[str, WireValue] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[WireValue], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """Call a method of the schema; see `call`."""
        return self.call(bound.interface.node_id, bound.method.id, args, kwargs, options, convert)

    def release(self) -> None:
        """Let go of the object; idempotent."""

    def give_back(self, count: int) -> None:
        """Let go of so many references to the object, as often as it was received; the last of them releases it.

        For those who share a capability: each gives back what it got.
        """
        self.release()

    def lend(self) -> None:
        """Learn that another peer has it through us; `returned` follows."""

    def returned(self) -> None:
        """Learn that a peer that had it through us let go."""

    def kept(self) -> None:
        """Learn that somebody beside peers has a name for it; `kept_no_more` follows."""

    def kept_no_more(self) -> None:
        """Learn that one of these names has ended."""

    def disown(self, count: int) -> None:
        """Forget so many references without giving them back: somebody else has taken them over."""


class RootedPeer:
    """What has a root capability: the methods that the other side registered under their bare names."""

    @property
    def root(self) -> Capability:
        """Those methods as one object."""
        raise NotImplementedError
