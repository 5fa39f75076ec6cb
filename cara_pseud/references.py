"""The references that pass between a peer and us: what it holds of ours, what we hold of its. No sockets.

An object of ours leaves as an id of the holder's table, one of the peer's comes in as an id of its own. An object that
comes home is the object itself; to an original peer, which takes its own for ours, its calls are passed on.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from cara_pseud import wire
from cara_pseud.capabilities import Capability
from cara_pseud.errors import RpcError
from cara_pseud.exports import HolderExports
from cara_pseud.local import Forwarder, LentCapability, LocalCapability
from cara_pseud.remote import Origin, RemoteCapability


class References(Origin):
    """What a connection knows of references: all of an origin but its calls.

    Attributes:
        user: the peer's authenticated user, ``b""`` without authentication.
        owner: what its objects are told apart by: the user's process where that was verified, else the connection.
        exports: what it may call of ours, shared by all connections of a verified user's process.
        extended: True once it is known to be a peer of cara_pseud, False once it is known not to be.
        silent: whether it is treated as an original peer for want of an answer to the greeting.
        lost: whether it is gone; nothing is sent to it any more.
    """

    user: bytes

    def __init__(self, exports: HolderExports) -> None:
        self.owner: Hashable = self
        self.exports = exports
        self.extended: bool | None = None
        self.silent = False
        self.lost = False
        self._homes: list[RemoteCapability] = []
        self._imports: WeakValueDictionary[int, RemoteCapability] = WeakValueDictionary()
        self._dropped: list[tuple[int, int]] = []
        self._held_before: dict[int, int] = {}
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Counts the events that ended all references."""
        return self._epoch

    @property
    def holds_objects(self) -> bool:
        """Whether either side holds an object of the other's."""
        return len(self.exports) > 0 or len(self._imports) > 0

    def notify(self, name: str, args: Sequence[Any]) -> None:
        """Send a call of an extension whose answer nobody needs."""
        raise NotImplementedError

    def end_references(self) -> None:
        """Take note that what we hold of the peer is gone."""
        self._epoch += 1
        self._imports = WeakValueDictionary()
        self._dropped = []
        self._homes = []

    def give_up_references(self) -> None:
        """Take note that the peer was away for so long that it keeps nothing for us.

        It is not asked before it is back. Should it be the same process then, which noticed later that we were gone,
        all is given back to it.
        """
        held = [(held.id, held.count) for held in list(self._imports.values()) if not held.released_]
        owed = [*self._dropped, *held][:_MAX_DROPPED]
        self.end_references()
        self._dropped = owed

    def note_held(self) -> None:
        """Take note that the connection is lost: what the peer holds of ours until now, another process does not."""
        self._held_before = {export.id: export.count for export in self.exports}

    def end_exports(self) -> None:
        """Free what the peer held of ours before the last loss; what was sent since then stays."""
        held, self._held_before = self._held_before, {}
        for id, count in held.items():
            self.exports.release(id, count, gone=True)

    def settle_homes(self) -> None:
        """Export what came home in calls that waited until it was known what the peer makes of it."""
        homes, self._homes = self._homes, []
        if not self.extended:
            for home in homes:
                self._export_home(home)

    def resolve(self, id: int, user: bytes | None) -> Capability:
        """The capability for a received ext 100.

        Raises:
            RpcError: ``permission_denied`` when the pair names another user than the authenticated sender.
        """
        if user and self.user and user != self.user:
            raise RpcError("permission_denied", "an object may only be passed by the user that has it")
        own = self.exports.get(id)
        if own is not None:
            return own.capability
        capability = self._imports.get(id)
        if capability is None or capability.released_:
            capability = self._imports[id] = RemoteCapability(self, id)
        capability.count += 1
        return capability

    def adopt(self, id: int, count: int) -> RemoteCapability:
        """The capability for an object of the peer's that somebody else received ``count`` times and has disowned."""
        capability = self._imports.get(id)
        if capability is None or capability.released_:
            capability = self._imports[id] = RemoteCapability(self, id)
        capability.count += count
        return capability

    def export(self, obj: Any) -> int:
        """The object id under which the remote peer may call ``obj``, counted once more.

        Raises:
            TypeError: ``obj`` is no capability (msgpack's way to say that it cannot be packed).
        """
        if isinstance(obj, LocalCapability):
            return self.exports.add(obj).id
        if isinstance(obj, RemoteCapability):
            if obj.connection.owner == self.owner:
                if self.extended is None and not self.silent:
                    self._homes.append(obj)
                elif not self.extended:
                    self._export_home(obj)
                return obj.id
            forwarder = Forwarder(obj)
            export = self.exports.add(LocalCapability(forwarder, ("forward", obj.key)))
            if export.capability.target is forwarder:  # and not one from before
                obj.lend()
            return export.id
        if isinstance(obj, LentCapability):
            inner = obj.inner
            if isinstance(inner, RemoteCapability) and inner.connection.owner == self.owner:
                return self.export(inner)
            export = self.exports.add(obj.stand_in)
            if export.count == 1:  # and not one from before
                obj.lender.lent()
            return export.id
        raise TypeError(f"{type(obj).__name__} has no form on the wire")

    def _export_home(self, obj: RemoteCapability) -> None:
        # An original peer takes its own object for ours and calls it back here: pass those calls on.
        self.exports.add(LocalCapability(Forwarder(obj), ("home", obj.key)), id=obj.id)

    def dropped(self, id: int, count: int) -> None:
        """Give ``count`` references back; may be called from the collector, on any thread."""
        # Until it is known whether the peer understands, what is given back is kept.
        if self.lost or self.extended is False or (self.extended is None and len(self._dropped) >= _MAX_DROPPED):
            return
        self._dropped.append((id, count))
        if self.extended and len(self._dropped) == 1:
            try:
                self.loop.call_soon_threadsafe(self.flush_dropped)
            except RuntimeError:
                # The loop is closed: the connection is gone, and with it what we held.
                self._dropped.clear()

    def flush_dropped(self) -> None:
        if self.extended is None:
            return
        released, self._dropped = self._dropped, []
        if self.extended and not self.lost:
            # In parts, as a message has bounds: one that is refused as too large would give nothing back.
            for begin in range(0, len(released), _MAX_DROPPED):
                self.notify(wire.EXT_RELEASE, released[begin : begin + _MAX_DROPPED])


_MAX_DROPPED: Final = 10_000
"""References given back to a peer that nobody knows yet: an original one never says what it is."""
