"""The address book: kept in SQLite, returns an object with every person, calls its listeners back at every change."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from weakref import WeakValueDictionary

import cara_pseud
from cara_pseud import RpcError
from cara_pseud.schema.trees import schema_tree
from gateway.demo.people import NameTaken, NoSuchPerson, People, Person

_LOG: Final = logging.getLogger(__name__)

# What a listener answers when it is gone, in contrast to one that failed.
_GONE: Final = ("unavailable", "not_found", "outcome_unknown")
_FIELDS: Final = ("name", "phoneNumber", "email", "tags")


class Listeners:
    """Who wants to know about changes. One that is gone is dropped when that shows."""

    def __init__(self) -> None:
        self._listeners: dict[int, Any] = {}
        self._last = 0
        self._telling: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Any) -> int:
        """Add a listener; the answer is for `remove`."""
        self._last += 1
        self._listeners[self._last] = listener
        return self._last

    def remove(self, number: int) -> None:
        """Call this listener no more; idempotent."""
        self._listeners.pop(number, None)

    def tell(self, person: Any, change: str) -> None:
        """Tell all, without waiting for any."""
        for number, listener in list(self._listeners.items()):
            try:
                # The call is sent here and now, so that each listener hears of changes in order.
                answer = listener.changed(person, change)
            except RpcError as error:
                self._failed(number, error)
                continue
            telling = asyncio.ensure_future(self._told(number, answer))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _told(self, number: int, answer: Any) -> None:
        try:
            await answer
        except RpcError as error:
            self._failed(number, error)
        except Exception:
            _LOG.exception("a listener failed")

    def _failed(self, number: int, error: RpcError) -> None:
        if error.code in _GONE:
            self.remove(number)
        else:
            _LOG.warning("a listener failed: %s", error)


def address_book_service(people: People) -> Any:
    """The interface ``AddressBook`` and an implementation of it."""
    schema = cara_pseud.load(schema_tree() / "addressbook.capnp")
    listeners = Listeners()
    # One person has one updater, so that the same object is sent each time.
    updaters: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def shown(id: int, person: Person) -> Any:
        updater = updaters.get(id)
        if updater is None:
            updater = updaters[id] = Updater(id)
        return schema.Person({**person, "updater": updater})

    def given(person: Any) -> Person:
        return {field: person[field] for field in _FIELDS if field in person}

    class Updater(schema.Person.Updater):  # type: ignore[misc, name-defined]
        def __init__(self, id: int) -> None:
            self._id = id

        def update(self, person: Any) -> Any:
            changes = given(person)
            if changes.get("name") == "":
                raise RpcError("invalid_argument", "a person must have a name")
            try:
                changed = shown(self._id, people.update(self._id, changes))
            except NoSuchPerson:
                raise RpcError("not_found", "this person was deleted") from None
            except NameTaken as error:
                raise RpcError("already_exists", f"there is a person named {error} already") from None
            listeners.tell(changed, "updated")
            return changed

        def delete(self) -> None:
            try:
                person = people.delete(self._id)
            except NoSuchPerson:
                raise RpcError("not_found", "this person was deleted before") from None
            listeners.tell(shown(self._id, person), "deleted")

    class Subscription(schema.AddressBook.Subscription):  # type: ignore[misc, name-defined]
        def __init__(self, number: int) -> None:
            self._number = number

        def cancel(self) -> None:
            listeners.remove(self._number)

        def __released__(self) -> None:
            listeners.remove(self._number)

    class AddressBook(schema.AddressBook):  # type: ignore[misc, name-defined]
        def find(self, name: str) -> Any:
            try:
                return shown(*people.find(name))
            except NoSuchPerson:
                raise RpcError("not_found", f"there is no person named {name}") from None

        def add(self, person: Any) -> Any:
            new = given(person)
            if not new.get("name"):
                raise RpcError("invalid_argument", "a person must have a name")
            try:
                added = shown(*people.add(new))
            except NameTaken:
                raise RpcError("already_exists", f"there is a person named {new['name']} already") from None
            listeners.tell(added, "added")
            return added

        def list(self, prefix: str, limit: int) -> Any:
            return [shown(id, person) for id, person in people.list(prefix, limit)]

        def watch(self, listener: Any) -> Subscription:
            if listener is None:
                raise RpcError("invalid_argument", "there must be a listener")
            return Subscription(listeners.add(listener))

    return schema.AddressBook, AddressBook()
