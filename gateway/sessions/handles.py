"""A session's handles: which token stands for which object, and who holds how many of it.

The table owns the references put into it and releases them. Tokens come from outside, unguessable; everything but
the live capability is plain data: a session can be written down as (token, service, interface, counts).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Schema, Type
from gateway.errors import GatewayError, Status, quote

REST: Final = "rest"
"""The holder that stands for REST; every other holder is a stream, by its id."""


@dataclass(slots=True, eq=False)
class Handle:
    """One object as a session knows it.

    ``counts`` says how often each holder was sent it and has not given it back; ``interface`` is None for an object
    from an AnyPointer, which has no methods here.
    """

    token: str
    service: str
    schema: Schema
    interface: Type | None
    capability: Capability
    counts: dict[str, int] = field(default_factory=dict)

    def fits(self, interface: Type | None) -> bool:
        """Whether the object may be passed where that interface is expected; None expects any."""
        # Of what came from an AnyPointer nobody knows; its service will say.
        return interface is None or self.interface is None or _is_narrower(self.schema, self.interface, interface)


class Handles:
    """The handles of one session.

    Args:
        limit: the most there may be.
        new_token: gives a token that cannot be guessed.
    """

    def __init__(self, limit: int, new_token: Callable[[], str]) -> None:
        self._limit = limit
        self._new_token = new_token
        self._by_token: dict[str, Handle] = {}
        self._by_object: dict[tuple[str, Hashable], Handle] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Handle]:
        return iter(list(self._by_token.values()))

    def put(
        self, holder: str, service: str, schema: Schema, interface: Type | None, capability: Capability
    ) -> Handle:
        """Count one more reference of ``holder`` to an object; the same object again is the same handle.

        The table takes the reference over; it releases one to an object that it knows already.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are as many handles as may be; the reference is released.
        """
        key = (service, capability.key)
        handle = self._by_object.get(key)
        if handle is None:
            try:
                self.check_room()
            except GatewayError:
                capability.release()
                raise
            handle = Handle(self._new_token(), service, schema, interface, capability)
            self._by_token[handle.token] = self._by_object[key] = handle
        else:
            if capability is not handle.capability:
                capability.release()
            if interface is not None and _is_narrower(schema, interface, handle.interface):
                handle.schema, handle.interface = schema, interface
        handle.counts[holder] = handle.counts.get(holder, 0) + 1
        return handle

    def check_room(self) -> None:
        """Be sure that there may be one more handle.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, there are as many as may be.
        """
        if len(self._by_token) >= self._limit:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"the session holds {self._limit} handles already; release some first"
            )

    def get(self, token: str, path: str | None = None) -> Handle:
        """The handle of that token.

        Raises:
            GatewayError: NOT_FOUND; the same for released, foreign and invented tokens.
        """
        handle = self._by_token.get(token)
        if handle is None:
            detail = f"there is no handle {quote(token)} in this session, or it was released"
            raise GatewayError(Status.NOT_FOUND, f"{path}: {detail}" if path else detail, path=path)
        return handle

    def release(self, holder: str, token: str, count: int = 1) -> Handle | None:
        """Take back ``count`` references of a holder; the handle if that was the last of all, else None."""
        handle = self._by_token.get(token)
        if handle is None or holder not in handle.counts:
            return None
        handle.counts[holder] -= count
        if handle.counts[holder] <= 0:
            del handle.counts[holder]
        return self._bury(handle) if not handle.counts else None

    def drop(self, token: str) -> Handle | None:
        """End a handle whoever holds it; None if there is none of that token."""
        handle = self._by_token.get(token)
        return None if handle is None else self._bury(handle)

    def drop_holder(self, holder: str) -> list[Handle]:
        """Take back everything of a holder that is gone; the handles that ended by it."""
        held = [handle for handle in self if handle.counts.pop(holder, None) is not None]
        return [self._bury(handle) for handle in held if not handle.counts]

    def drop_capability(self, service: str, key: Hashable) -> Handle | None:
        """End the handle of an object that is gone, by the capability's key."""
        handle = self._by_object.get((service, key))
        return None if handle is None else self._bury(handle)

    def clear(self) -> list[Handle]:
        """End every handle; they are returned."""
        return [self._bury(handle) for handle in self]

    def _bury(self, handle: Handle) -> Handle:
        del self._by_token[handle.token]
        del self._by_object[handle.service, handle.capability.key]
        handle.counts.clear()
        handle.capability.release()
        return handle


def _is_narrower(schema: Schema, interface: Type, known: Type | None) -> bool:
    """Whether an interface says more about an object than what was known: it extends that, or nothing was known."""
    return known is None or any(ancestor.node_id == known.node_id for ancestor in schema.ancestry(interface))
