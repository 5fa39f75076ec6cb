"""One principal for one credential, as long as anybody uses it or did lately.

Sessions and sockets hold the object itself and see what a reload changes in it, so there must never be a second one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from gateway.access.principals import Principal

MOST_RECENT: Final = 10_000
"""Who is remembered though nobody uses them: to know them again costs less than to check them again."""

Key = TypeVar("Key", bound=Hashable)
Someone = TypeVar("Someone", bound=Principal)


class Interned(Generic[Key, Someone]):
    """Principals by what they are known by."""

    __slots__ = ("_living", "_most_recent", "_recent")

    def __init__(self, most_recent: int = MOST_RECENT) -> None:
        self._living: WeakValueDictionary[Key, Someone] = WeakValueDictionary()
        self._recent: OrderedDict[Key, Someone] = OrderedDict()
        self._most_recent = most_recent

    def __len__(self) -> int:
        """How many there are."""
        return len(self._living)

    def find(self, key: Key) -> Someone | None:
        """Who that is; None if nobody is known by it."""
        found = self._recent.get(key)
        if found is not None:
            self._recent.move_to_end(key)
            return found
        found = self._living.get(key)
        if found is not None:
            self.keep(key, found)
        return found

    def keep(self, key: Key, principal: Someone) -> None:
        """Remember who is known by that."""
        self._living[key] = principal
        self._recent[key] = principal
        if len(self._recent) > self._most_recent:
            self._recent.popitem(last=False)

    def everybody(self) -> list[tuple[Key, Someone]]:
        """All there are."""
        return list(self._living.items())

    def remove(self, is_gone: Callable[[Key, Someone], bool] = lambda *_: True) -> list[Someone]:
        """Forget those that are gone and mark them as removed; who they were."""
        gone = [(key, principal) for key, principal in self.everybody() if is_gone(key, principal)]
        for key, principal in gone:
            principal.is_removed = True
            self._living.pop(key, None)
            self._recent.pop(key, None)
        return [principal for _, principal in gone]
