"""What peers may call of ours: the tables of exports, one for each holder. No I/O.

What is exported belongs to a *holder*: the authenticated user's process, else the connection. Ids are 64 random bits,
valid for their holder only, so that a guessed or overheard id opens nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from typing import Final

from cara_pseud.capabilities import Target
from cara_pseud.errors import ResourceExhausted, RpcError
from cara_pseud.local import LocalCapability
from cara_pseud.logged_failures import log_failure

_LOG: Final = logging.getLogger(__name__)


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
            capability.taken()
        export.count += 1
        self.journal.append(export.id)
        return export

    def get(self, id: int) -> Export | None:
        """The export of that id, this holder's or another one's of the same user, or None."""
        export = self._by_id.get(id)
        return self.quota.by_id.get(id) if export is None else export

    def id_of(self, key: Hashable) -> int | None:
        """The id under which this holder has an object; None if it has it not."""
        export = self._by_key.get(key)
        return None if export is None else export.id

    def target(self, id: int) -> Target:
        """The object of that id.

        Raises:
            RpcError: ``not_found``, without a hint whether another holder has such an object.
        """
        export = self.get(id)
        if export is None:
            raise RpcError("not_found", "there is no such object, or it was released")
        return export.capability.target

    def release(self, id: int, count: int, *, gone: bool = False) -> None:
        """Take ``count`` references back; the object is freed at zero. Unknown ids are forgotten quietly.

        ``gone`` is whether the holder is gone that had them.
        """
        export = self._by_id.get(id)
        if export is None:
            return
        export.count -= count
        if export.count <= 0:
            self._free(export, gone=gone)

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
            self._free(export, gone=True)

    def _free(self, export: Export, *, gone: bool) -> None:
        del self._by_id[export.id]
        if self._by_key.get(export.key) is export:
            del self._by_key[export.key]
        self.quota.used -= 1
        if self.quota.by_id.get(export.id) is export:
            del self.quota.by_id[export.id]
        try:
            export.capability.left(gone=gone)
        except BaseException as error:
            # Whatever it is, the others are to be freed as well: perhaps nobody comes by here again.
            target = export.capability.target
            name = getattr(target, "interface_name", type(target).__name__)
            log_failure(_LOG, logging.ERROR, error, "an object failed when it was let go: %s", name)
