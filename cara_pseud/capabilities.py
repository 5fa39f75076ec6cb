"""Live references as they stand in wire values, and the tables of what a peer has exported. No I/O.

A `Capability` is either an object of ours (`LocalCapability`) or one that lives at a peer (`RemoteCapability`);
both are called the same way. What is exported belongs to a *holder*: the authenticated user, else the
connection. Ids are 64 random bits, valid for their holder only, so that a guessed or overheard id opens nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from cara_pseud.errors import ResourceExhausted, RpcError
from cara_pseud.schema.nodes import BoundMethod

_LOG: Final = logging.getLogger(__name__)

Wire = Any
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
    """

    __slots__ = (
        "called", "cancelled", "connection", "deadline", "idempotency_key", "principal", "request_id", "roles",
        "traceparent", "user",
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


class Target(Protocol):
    """An object of ours that peers may call."""

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Wire], kwargs: Mapping[str, Wire], call: IncomingCall
    ) -> Wire | Awaitable[Wire]:
        """Run a method, given by the declaring interface's id and the method's id or name, on wire values."""

    def released(self) -> None:
        """Learn that the last holder let go."""


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
        args: Sequence[Wire] = (),
        kwargs: Mapping[str, Wire] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Wire], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """Call a method by its declaring interface's id and its own id or name.

        ``convert`` is applied to the wire result before the future resolves; what it raises becomes the future's error.
        Cancelling the future cancels the call.
        """
        raise NotImplementedError

    def invoke(
        self,
        bound: BoundMethod,
        args: Sequence[Wire] = (),
        kwargs: Mapping[str, Wire] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Wire], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """Call a method of the schema; see `call`."""
        return self.call(bound.interface.node_id, bound.method.id, args, kwargs, options, convert)

    def release(self) -> None:
        """Let go of the object; idempotent."""


class Peer:
    """What has a root capability: the methods that the other side registered under their bare names."""

    @property
    def root(self) -> Capability:
        """Those methods as one object."""
        raise NotImplementedError


class LocalCapability(Capability):
    """An object of ours. ``key`` is chosen by the target's maker: the same object, the same key."""

    __slots__ = ("target",)

    def __init__(self, target: Target, key: Hashable | None = None) -> None:
        self.target = target
        self.key = ("local", id(target)) if key is None else key

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Wire] = (),
        kwargs: Mapping[str, Wire] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Wire], Any] | None = None,
    ) -> asyncio.Future[Any]:
        call = IncomingCall(b"")
        call.request_id, call.principal = options.request_id, options.principal
        call.traceparent, call.idempotency_key = options.traceparent, options.idempotency_key
        call.roles = options.roles

        async def run() -> Any:
            async with asyncio.timeout(options.timeout):
                result = self.target.invoke(interface_id, method, args, kwargs, call)
                if isinstance(result, Awaitable):
                    result = await result
            return result if convert is None else convert(result)

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "an object of this process is called from outside of its loop; "
                "make the call there, with asyncio.run_coroutine_threadsafe"
            ) from None
        return loop.create_task(run())


class Forwarder:
    """A target that passes calls on to a capability of another peer (three parties)."""

    def __init__(self, capability: Capability) -> None:
        self.capability = capability

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Wire], kwargs: Mapping[str, Wire], call: IncomingCall
    ) -> Awaitable[Wire]:
        options = CallOptions(
            None, call.request_id, call.principal, call.traceparent, call.idempotency_key, call.roles
        )
        return self.capability.call(interface_id, method, args, kwargs, options)

    def released(self) -> None:
        """Nothing: the capability's own life is ended by whoever else refers to it, or by the collector."""


class Export:
    """One object of ours as one holder knows it; ``count`` is how often it was sent and not given back."""

    __slots__ = ("capability", "count", "id", "key")

    def __init__(self, id: int, key: Hashable, capability: LocalCapability) -> None:
        self.id = id
        self.key = key
        self.capability = capability
        self.count = 0


class Quota:
    """What a user holds, whatever number of processes it has it in, and how many objects that may be.

    Attributes:
        by_id: all of it. A process may call what another one holds, but does not keep it alive.
    """

    __slots__ = ("by_id", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.by_id: dict[int, Export] = {}


class HolderExports:
    """Everything one holder may call. ``random_id`` gives 64 unpredictable bits.

    Attributes:
        journal: the ids counted since `begin`, one per reference.
        quota: shared by all holders that are one user.
    """

    def __init__(self, random_id: Callable[[], int], quota: Quota) -> None:
        self._random_id = random_id
        self.quota = quota
        self._by_id: dict[int, Export] = {}
        self._by_key: dict[Hashable, Export] = {}
        self.journal: list[int] = []

    def begin(self) -> None:
        """Start a message: what it exports is taken back by `roll_back` if it cannot be sent."""
        self.journal.clear()

    def roll_back(self) -> None:
        """Take back every reference counted since `begin`."""
        for id in self.journal:
            self.release(id, 1)
        self.journal.clear()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Export]:
        return iter(list(self._by_id.values()))

    def add(self, capability: LocalCapability, *, id: int | None = None) -> Export:
        """Count one more reference to an object, under a new id if the holder had none.

        Raises:
            ResourceExhausted: the holder's quota is reached.
        """
        export = self._by_key.get(capability.key)
        if export is None:
            if self.quota.used >= self.quota.limit:
                raise ResourceExhausted(f"{self.quota.limit} objects are held already; release some first")
            if id is None:
                id = self._random_id()
                while id in self._by_id:
                    id = self._random_id()
            export = Export(id, capability.key, capability)
            self._by_id[id] = self._by_key[capability.key] = export
            self.quota.by_id.setdefault(id, export)
            self.quota.used += 1
        export.count += 1
        self.journal.append(export.id)
        return export

    def get(self, id: int) -> Export | None:
        """The export of that id, this holder's or another one's of the same user, or None."""
        export = self._by_id.get(id)
        return self.quota.by_id.get(id) if export is None else export

    def own(self, id: int) -> Export | None:
        """The export of that id if it is this very holder's."""
        return self._by_id.get(id)

    def target(self, id: int) -> Target:
        """The object of that id.

        Raises:
            RpcError: ``not_found``, without a hint whether another holder has such an object.
        """
        export = self.get(id)
        if export is None:
            raise RpcError("not_found", "there is no such object, or it was released")
        return export.capability.target

    def release(self, id: int, count: int) -> None:
        """Take ``count`` references back; the object is freed at zero. Unknown ids are forgotten quietly."""
        export = self._by_id.get(id)
        if export is None:
            return
        export.count -= count
        if export.count <= 0:
            self._free(export)

    def absorb(self, other: HolderExports) -> None:
        """Take over what another table has; ids are random, so that they are different."""
        for export in other:
            other._by_id.pop(export.id)
            other._by_key.pop(export.key)
            other.quota.used -= 1
            other.quota.by_id.pop(export.id, None)
            self.quota.used += 1
            self.quota.by_id.setdefault(export.id, export)
            self._by_id[export.id] = export
            self._by_key.setdefault(export.key, export)

    def clear(self) -> None:
        """Free everything: the holder is gone."""
        for export in list(self._by_id.values()):
            self._free(export)

    def _free(self, export: Export) -> None:
        del self._by_id[export.id]
        if self._by_key.get(export.key) is export:
            del self._by_key[export.key]
        self.quota.used -= 1
        if self.quota.by_id.get(export.id) is export:
            del self.quota.by_id[export.id]
        try:
            export.capability.target.released()
        except BaseException:
            # Whatever it is, the others are to be freed as well: perhaps nobody comes by here again.
            target = export.capability.target
            name = getattr(target, "interface_name", type(target).__name__)
            _LOG.exception("an object failed when it was let go: %s", name)
