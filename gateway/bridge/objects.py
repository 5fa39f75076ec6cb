"""Objects that pass between a native service and cara's peers: what either side holds of the other's. No I/O.

An object that the service promised stays its promise here, even when it says where the promise has led: it passes
calls on itself, in the order in which they come, so that nothing has to be held up until the way is free (the
protocol's embargoes). The cost is a detour for the rare promise that leads back to us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from cara_pseud.capabilities import Capability, IncomingCall
from cara_pseud.errors import RpcError
from cara_pseud.limits import DEFAULT_MAX_CAPABILITIES
from cara_pseud.local import Forwarder, LocalCapability
from cara_pseud.schema.nodes import Type
from gateway.bridge import rpc_messages as messages
from gateway.bridge.answers import NativeAnswer, PromisedObject
from gateway.bridge.native_methods import NativeMethod, NativeMethods
from gateway.bridge.questions import PromisedNative
from gateway.bridge.rpc_messages import Descriptor, Hosted, View


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

    def __init__(self, vat: SharedObjects, id: int) -> None:
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
    def vat(self) -> SharedObjects:
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

    def results_of(self, interface_id: int, method: int | str) -> Sequence[str] | None:
        """The names of a method's results; None if they are one struct."""
        return self._vat.methods.find(self.types, interface_id, method).results.listed

    def left(self, *, gone: bool) -> None:
        """Nothing: the last one who lets go of the object itself releases it, whoever that is."""

    def released(self) -> None:
        """Nothing; see `left`."""

    def __del__(self) -> None:
        vat: SharedObjects | None = getattr(self, "_vat", None)
        if vat is not None:
            vat.let_go(self.id, self.count)


class HeldObject:
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


class ObjectTable:
    """The objects of one message that is built: what the other side is told of them."""

    __slots__ = ("_vat", "descriptors", "exported", "objects")

    def __init__(self, vat: SharedObjects) -> None:
        self._vat = vat
        self.descriptors: list[Descriptor] = []
        self.objects: list[Capability] = []
        self.exported: list[int] = []

    def add(self, capability: Any, type: Type | None) -> int:
        """See `gateway.bridge.value_writers.Objects`."""
        if not isinstance(capability, Capability):
            raise TypeError(capability)
        vat = self._vat
        if isinstance(capability, PromisedNative):
            found = capability.resolved()
            if found is not None:
                return self.add(found, type)
        if isinstance(capability, NativeObject) and capability.vat is vat:
            descriptor = Descriptor(Hosted.BY_RECEIVER, capability.id)
        elif isinstance(capability, PromisedNative) and capability.question.vat is vat:  # type: ignore[comparison-overlap]
            descriptor = Descriptor(Hosted.IN_ANSWER, capability.question.id, capability.pointers)
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


class SharedObjects:
    """What the two sides of a connection hold of each other.

    Attributes:
        methods: the schema's.
        closed: whether the connection has ended.
        root: the service's first object, once it was asked for and is there.
        first: the object that the other side gets if it asks for our first one, and what it is; None if there is none.
    """

    def __init__(
        self,
        methods: NativeMethods,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[bytes | bytearray], None],
        max_objects: int = DEFAULT_MAX_CAPABILITIES,
    ) -> None:
        """Begin with nothing.

        Args:
            send: takes whole messages with their frames, in order.
            max_objects: in one message.
        """
        self.methods = methods
        self.closed = False
        self.root: Capability | None = None
        self.first: tuple[Capability, Type] | None = None
        self._loop = loop
        self._send = send
        self._max_objects = max_objects
        self._answers: dict[int, NativeAnswer] = {}
        self._held: dict[int, HeldObject] = {}
        self._held_by_key: dict[Hashable, HeldObject] = {}
        self._last_held = 0
        self._imports: WeakValueDictionary[int, NativeObject] = WeakValueDictionary()

    @property
    def held(self) -> int:
        """How many objects of cara's peers the service holds."""
        return len(self._held)

    def call(
        self, target: NativeObject, method: NativeMethod, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Awaitable[Any]:
        """Call a method of the service's object.

        Raises:
            RpcError: nothing was sent.
        """
        raise NotImplementedError

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
            export = self._held.get(id)
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
        export = self._held_by_key.get(capability.key)
        if export is None:
            self._last_held += 1
            export = HeldObject(self._last_held, capability)
            self._held[export.id] = self._held_by_key[capability.key] = export
        if type is not None and type not in export.types:
            export.types = (*export.types, type)
        export.count += 1
        return export.id

    def release_export(self, id: int, count: int) -> None:
        """Take references back that the service had; at zero the object is let go."""
        export = self._held.get(id)
        if export is None:
            return
        export.count -= count
        if export.count <= 0:
            del self._held[id]
            if self._held_by_key.get(export.capability.key) is export:
                del self._held_by_key[export.capability.key]

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
