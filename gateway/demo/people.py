"""The people of the address book in SQLite. Knows no RPC; a person is a dict by the names of the schema's fields."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

Person = dict[str, Any]

_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS people (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        phone_number TEXT NOT NULL,
        email TEXT NOT NULL,
        tags TEXT NOT NULL
    )
"""
_SELECT: Final = "SELECT id, name, phone_number, email, tags FROM people"
_SEED: Final[tuple[Person, ...]] = (
    {"name": "Ann", "phoneNumber": "+44 20 7946 0101", "email": "ann@example.org", "tags": ["friend", "chess"]},
    {"name": "Bela", "phoneNumber": "+36 1 555 0102", "email": "bela@example.org", "tags": ["music"]},
    {"name": "Chidi", "phoneNumber": "+234 1 555 0103", "email": "chidi@example.org", "tags": ["work", "chess"]},
)


class NoSuchPerson(LookupError):
    """There is no person of that name or id."""


class NameTaken(ValueError):
    """There is a person of that name already."""


class People:
    """The table of people. An id is never used twice, so it stays the same person through a change of the name."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the database; None is a file that vanishes with the process."""
        # SQLite takes "" for a temporary file that nobody else sees.
        self._database = sqlite3.connect("" if path is None else path, isolation_level=None)
        self._database.execute(_TABLE)
        if self._database.execute("SELECT NOT EXISTS (SELECT 1 FROM people)").fetchone()[0]:
            for person in _SEED:
                self.add(person)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def find(self, name: str) -> tuple[int, Person]:
        """A person's id and fields.

        Raises:
            NoSuchPerson: there is none of that name.
        """
        return self._one("name = ?", name)

    def get(self, id: int) -> Person:
        """A person's fields.

        Raises:
            NoSuchPerson: the person was deleted.
        """
        return self._one("id = ?", id)[1]

    def list(self, prefix: str, limit: int) -> list[tuple[int, Person]]:
        """Ids and fields of those whose names begin with a prefix, by name."""
        query = f"{_SELECT} WHERE substr(name, 1, ?) = ? ORDER BY name LIMIT ?"
        return [_person(row) for row in self._database.execute(query, (len(prefix), prefix, limit))]

    def add(self, person: Mapping[str, Any]) -> tuple[int, Person]:
        """Add a person; fields that are not given are empty.

        Raises:
            NameTaken: the name is in use.
        """
        values = [person["name"], person.get("phoneNumber", ""), person.get("email", ""), _tags(person.get("tags", ()))]
        try:
            self._database.execute("INSERT INTO people (name, phone_number, email, tags) VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            raise NameTaken(person["name"]) from None
        return self.find(person["name"])

    def update(self, id: int, changes: Mapping[str, Any]) -> Person:
        """Replace the given fields.

        Raises:
            NoSuchPerson: the person was deleted.
            NameTaken: the new name is in use.
        """
        person = {**self.get(id), **changes}
        values = [person["name"], person["phoneNumber"], person["email"], _tags(person["tags"]), id]
        try:
            query = "UPDATE people SET name = ?, phone_number = ?, email = ?, tags = ? WHERE id = ?"
            self._database.execute(query, values)
        except sqlite3.IntegrityError:
            raise NameTaken(person["name"]) from None
        return self.get(id)

    def delete(self, id: int) -> Person:
        """Remove a person; the fields as they were.

        Raises:
            NoSuchPerson: the person was deleted before.
        """
        person = self.get(id)
        self._database.execute("DELETE FROM people WHERE id = ?", (id,))
        return person

    def _one(self, condition: str, value: object) -> tuple[int, Person]:
        row = self._database.execute(f"{_SELECT} WHERE {condition}", (value,)).fetchone()
        if row is None:
            raise NoSuchPerson(value)
        return _person(row)


def _person(row: tuple[Any, ...]) -> tuple[int, Person]:
    id, name, phone_number, email, tags = row
    return id, {"name": name, "phoneNumber": phone_number, "email": email, "tags": json.loads(tags)}


def _tags(tags: Any) -> str:
    return json.dumps([str(tag) for tag in tags])
