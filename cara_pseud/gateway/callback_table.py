"""The objects of this process that the gateway may call, by the names that they were sent under. Pure bookkeeping.

It knows when an entry may be forgotten, not how it is called. An entry lives from the first call that carries it until
the gateway says that it is released. One object keeps one name, so that a service can tell that it got the same twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any


class Entry:
    """One object.

    Attributes:
        target: what is called.
        passes: calls that have carried the name, ever.
        unanswered: calls that carry it and have no answer yet.
        held: whether the gateway has it, as far as answers tell.
        kept: objects that live as long as it does.
    """

    __slots__ = ("held", "kept", "key", "passes", "target", "unanswered")

    def __init__(self, key: Hashable, target: Any) -> None:
        self.key = key
        self.target = target
        self.passes = self.unanswered = 0
        self.held = False
        self.kept: list[object] = []


class CallbackTable:
    """The objects of one client."""

    def __init__(self, prefix: str, forgotten: Callable[[Any], None]) -> None:
        """Begin with none.

        Args:
            prefix: of names, which no other client of the same stream has.
            forgotten: told of a target that the gateway will not call any more.
        """
        self._prefix = prefix
        self._forgotten = forgotten
        self._entries: dict[str, Entry] = {}
        self._names: dict[Hashable, str] = {}
        self._last_number = 0

    def name(self, key: Hashable, make: Callable[[], Any]) -> str:
        """The name of what has that key; what is new is made. The entry is kept only once `carry` was called for it."""
        name = self._names.get(key)
        if name is None:
            self._last_number += 1
            name = self._names[key] = f"{self._prefix}c{self._last_number}"
            self._entries[name] = Entry(key, make())
        return name

    def target(self, name: str) -> Any:
        """What is called by that name; None if there is nothing."""
        entry = self._entries.get(name)
        return None if entry is None else entry.target

    def keep(self, names: Iterable[str], objects: Iterable[object]) -> None:
        """Keep objects as long as the gateway has one of these.

        An object that came for a callback, such as a subscription, ends the callback with it when it is released, and
        nobody else may hold it.
        """
        for _, entry in self._of(names):
            entry.kept.extend(objects)

    def carry(self, names: Iterable[str]) -> None:
        """Note that a message with these names was made."""
        for _, entry in self._of(names):
            entry.passes += 1
            entry.unanswered += 1

    def settle(self, names: Iterable[str], accepted: bool) -> None:
        """Note that a message with these names was answered or will never be sent; the gateway may have taken them."""
        for name, entry in self._of(names):
            entry.unanswered -= 1
            entry.held = entry.held or accepted
            self._forget_idle(name, entry)

    def released(self, name: str) -> None:
        """Note that the gateway let go.

        When a later call carries the name again and has no answer yet, the gateway may have sent this before it saw
        that call, so the entry stays: rather a rare entry too many than a listener that falls silent.
        """
        entry = self._entries.get(name)
        if entry is None:
            return
        if entry.passes == 1 or entry.unanswered == 0:
            self._forget(name, entry)
        else:
            entry.held = False

    def session_lost(self) -> None:
        """Forget what the gateway held; names in calls that were not sent yet stay."""
        for name, entry in list(self._entries.items()):
            entry.held = False
            entry.passes = entry.unanswered
            self._forget_idle(name, entry)

    def _of(self, names: Iterable[str]) -> Iterator[tuple[str, Entry]]:
        for name in names:
            entry = self._entries.get(name)
            if entry is not None:
                yield name, entry

    def _forget_idle(self, name: str, entry: Entry) -> None:
        if not entry.held and entry.unanswered == 0:
            self._forget(name, entry)

    def _forget(self, name: str, entry: Entry) -> None:
        del self._entries[name], self._names[entry.key]
        self._forgotten(entry.target)
