"""A session's handles: which token stands for which object, and who holds how many of it.

What is counted stands in the session's record; beside it are here the live capability and the service that it came
from. The table owns the references put into it and gives them back. Tokens come from outside, unguessable.

An object has one handle by which it comes in, and one for each interface that it was cast to. What the service is owed
for it stands at whichever of them lives longest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from cara_pseud.capabilities import Capability
from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.schema.nodes import Schema, Type
from gateway.catalogue import Service
from gateway.errors import GatewayError, Status, quote
from gateway.json.codec.objects import Where
from gateway.sessions.record import HandleRecord

REST: Final = "rest"
"""The holder that stands for REST; every other holder is a stream, by its id."""


_Object: TypeAlias = "tuple[str, Hashable]"
"""The name of a service, and the key of one of its objects."""


@dataclass(slots=True, eq=False)
class Handle:
    """One object as a session knows it. ``service`` is the one that it came from, even if another is served now."""

    token: str
    service: Service
    capability: Capability
    record: HandleRecord

    @property
    def interface(self) -> Type | None:
        """What it is known to be; None for an object from an AnyPointer, which has no methods here."""
        return self.record.interface

    @property
    def counts(self) -> dict[str, int]:
        """How often each holder was sent it and has not given it back."""
        return self.record.counts

    @property
    def interface_name(self) -> str | None:
        """The name of its interface, as clients know it."""
        return self.service.interface_name(self.record.interface)

    def fits(self, interface: Type | None) -> bool:
        """Whether the object may be passed where that interface is expected; None expects any."""
        # Of what came from an AnyPointer nobody knows; its service will say.
        own = self.record.interface
        return interface is None or own is None or _is_narrower(self.service.schema, own, interface)


class Handles:
    """The handles of one session.

    Args:
        records: what of them is plain data, by token; kept up to date.
        limit: see below.
        new_token: gives a token that cannot be guessed.

    Attributes:
        limit: the most there may be.
    """

    def __init__(self, records: dict[str, HandleRecord], limit: int, new_token: Callable[[], str]) -> None:
        self._records = records
        self.limit = limit
        self._new_token = new_token
        self._by_token: dict[str, Handle] = {}
        self._by_object: dict[_Object, Handle] = {}
        self._casts: dict[_Object, dict[Type | None, Handle]] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Handle]:
        return iter(list(self._by_token.values()))

    def put(self, holder: str, service: Service, interface: Type | None, capability: Capability) -> Handle:
        """Count one more reference of ``holder`` to an object; the same object again is the same handle.

        The table takes one reference of the capability over.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are as many handles as may be; the reference is given back.
        """
        key = (service.name, capability.key)
        handle = self._by_object.get(key)
        if handle is None:
            try:
                self.check_room()
            except GatewayError:
                capability.give_back(1)
                raise
            record = HandleRecord(service.name, interface, service.upstream.name_of(capability))
            relative = self._relative(key) if self._casts else None
            if relative is not None and relative.capability is not capability:
                capability.give_back(1)
                record.references -= 1
                capability = relative.capability
            handle = self._add(Handle(self._new_token(), service, capability, record))
        else:
            record = handle.record
            if capability is not handle.capability:
                capability.give_back(1)
                record.references -= 1
            if interface is not None and _is_narrower(service.schema, interface, record.interface):
                handle.service, record.interface = service, interface
            elif interface == record.interface:
                # The service may have been described anew since, with more methods.
                handle.service = service
        record.references += 1
        record.counts[holder] = record.counts.get(holder, 0) + 1
        return handle

    def cast(self, holder: str, handle: Handle, interface: Type) -> Handle:
        """Count one reference of ``holder`` to the object of a handle, as one that has another interface.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are as many handles as may be.
        """
        key = _object(handle)
        found = self._by_object.get(key)
        if found is None or found.interface != interface:
            found = self._casts.get(key, {}).get(interface)
        if found is None:
            self.check_room()
            record = HandleRecord(handle.service.name, interface, handle.record.object, is_cast=True)
            found = self._add(Handle(self._new_token(), handle.service, handle.capability, record))
        counts = found.counts
        counts[holder] = counts.get(holder, 0) + 1
        return found

    def adopt(self, token: str, service: Service) -> None:
        """Make a handle of a record that another process has left; it goes on with the counts that stand there.

        Raises:
            GatewayError: NOT_FOUND, the object cannot be reached from here or is no more; UNAVAILABLE, that is not
                known now.
        """
        record = self._records[token]
        interface = record.interface
        if record.object is None:
            raise GatewayError(Status.NOT_FOUND, "the object was bound to the process that got it")
        if interface is not None and interface.node_id not in service.schema.nodes:
            raise GatewayError(Status.NOT_FOUND, f"{service.name} has no such interface any more")
        try:
            capability = service.upstream.adopt(record.object, record.references)
        except Unavailable as error:
            raise GatewayError(Status.UNAVAILABLE, f"{service.name}: {error.message}") from None
        except RpcError as error:
            raise GatewayError(Status.NOT_FOUND, error.message) from None
        self._add(Handle(token, service, capability, record))

    def _add(self, handle: Handle) -> Handle:
        token = handle.token
        self._records[token] = handle.record
        self._by_token[token] = handle
        handle.capability.kept()
        if handle.record.is_cast:
            self._casts.setdefault(_object(handle), {})[handle.interface] = handle
        else:
            self._by_object[_object(handle)] = handle
        return handle

    def _relative(self, key: _Object) -> Handle | None:
        """A handle of that object; the one by which it came, if that is there."""
        return self._by_object.get(key) or next(iter(self._casts.get(key, {}).values()), None)

    def check_room(self) -> None:
        """Be sure that there may be one more handle.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are as many as may be.
        """
        if len(self._by_token) >= self.limit:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"the session holds {self.limit} handles already; release some first"
            )

    def get(self, token: str, where: Where | None = None) -> Handle:
        """The handle of that token, which stands there in a message if it stands in one.

        Raises:
            GatewayError: NOT_FOUND; the same for released, foreign and invented tokens.
        """
        handle = self._by_token.get(token)
        if handle is None:
            detail = f"there is no handle {quote(token)} in this session, or it was released"
            path = None if where is None else where()
            raise GatewayError(Status.NOT_FOUND, f"{path}: {detail}" if path else detail, path=path)
        return handle

    def release(self, holder: str, token: str, count: int = 1) -> Handle | None:
        """Take back ``count`` references of a holder; the handle if that was the last of all, else None."""
        handle = self._by_token.get(token)
        if handle is None or holder not in handle.counts:
            return None
        counts = handle.counts
        counts[holder] -= count
        if counts[holder] <= 0:
            del counts[holder]
        return None if counts else self._bury(handle)

    def drop(self, token: str) -> Handle | None:
        """End a handle whoever holds it; None if there is none of that token."""
        handle = self._by_token.get(token)
        return None if handle is None else self._bury(handle)

    def drop_holder(self, holder: str) -> list[Handle]:
        """Take back everything of a holder that is gone; the handles that ended by it."""
        held = [handle for handle in self if handle.counts.pop(holder, None) is not None]
        return [self._bury(handle) for handle in held if not handle.counts]

    def clear(self) -> list[Handle]:
        """End every handle; they are returned."""
        return [self._bury(handle) for handle in self]

    def leave(self) -> None:
        """Forget the objects without giving anything back: whoever goes on with the records does that."""
        for handle in self:
            handle.capability.disown(handle.record.references)
        self._by_token.clear()
        self._by_object.clear()
        self._casts.clear()

    def _bury(self, handle: Handle) -> Handle:
        del self._by_token[handle.token]
        del self._records[handle.token]
        key, has_casts = _object(handle), bool(self._casts)
        if not handle.record.is_cast:
            del self._by_object[key]
        elif len(casts := self._casts[key]) > 1:
            del casts[handle.interface]
        else:
            del self._casts[key]
        handle.counts.clear()
        handle.capability.kept_no_more()
        heir = self._relative(key) if has_casts else None
        if heir is not None:
            heir.record.references += handle.record.references
        else:
            # What is another session's, too, stays its own.
            handle.capability.give_back(handle.record.references)
        return handle


def _object(handle: Handle) -> _Object:
    return handle.service.name, handle.capability.key


def _is_narrower(schema: Schema, interface: Type, known: Type | None) -> bool:
    """Whether an interface says more about an object than what was known: it extends that, or nothing was known."""
    return known is None or any(ancestor.node_id == known.node_id for ancestor in schema.ancestry(interface))
