"""The file of keys: a line ``name:role,role:sha256$HEX`` for each, blank lines and lines that begin with ``#`` aside.

A key has 192 random bits. So a plain SHA-256 is right: to slow down guesses, as for passwords, protects what people
think up; here there is nothing to guess, and each request is to be checked in microseconds. Nobody who reads the file
has a key. Text in and text out; opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

KEY_BYTES: Final = 24
"""Random ones, of a key. So many make 32 characters without a rest."""
KEY_PREFIX: Final = "cara_"
"""How keys begin, so that programs that look for leaked secrets find them."""
MAX_NAME_CHARS: Final = 128
"""Of a name and of a role; they stand in logs and metrics."""

_SCHEME: Final = "sha256$"
_HASH: Final = re.compile(r"sha256\$([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One line.

    Attributes:
        digest: of the key, as `digest_of` makes it.
    """

    name: str
    roles: frozenset[str]
    digest: bytes = field(repr=False)

    def line(self) -> str:
        """How it stands in the file."""
        return f"{self.name}:{','.join(sorted(self.roles))}:{_SCHEME}{self.digest.hex()}"


def key_of(random: bytes) -> str:
    """The key that is made of KEY_BYTES random bytes. It has no dot, which tells it from a JSON Web Token."""
    return KEY_PREFIX + base64.urlsafe_b64encode(random).decode()


def digest_of(key: str) -> bytes:
    """By what a key is known: 32 bytes, which nobody can choose a key for."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def fault_of_name(name: str) -> str | None:
    """Why somebody cannot have that name in a file of keys; None if it is fine."""
    if not name or name != name.strip() or not name.isprintable() or name.startswith("#") or set(name) & set(":,"):
        return "a name must be printable, without colon and comma, without # first and blanks around it"
    return f"a name may have {MAX_NAME_CHARS} characters" if len(name) > MAX_NAME_CHARS else None


def fault_of_role(role: str) -> str | None:
    """Why that cannot be a role; None if it is fine."""
    if not role or role != role.strip() or not role.isprintable() or set(role) & set(":,"):
        return "a role must be printable, without colon and comma, without blanks around it"
    return f"a role may have {MAX_NAME_CHARS} characters" if len(role) > MAX_NAME_CHARS else None


def roles_of(text: str) -> frozenset[str]:
    """Roles that are separated by commas.

    Raises:
        ValueError: one is none.
    """
    roles = [part.strip() for part in text.split(",")] if text.strip() else []
    for role in roles:
        if fault := fault_of_role(role):
            raise ValueError(fault)
    return frozenset(roles)


def read_keys(text: str) -> tuple[tuple[KeyEntry, ...], tuple[tuple[int, str], ...]]:
    """The entries of a file, and what is wrong with it by line.

    What stands in a wrong line is not told: it may be a key.
    """
    entries: list[KeyEntry] = []
    faults: list[tuple[int, str]] = []
    lines: dict[str | bytes, int] = {}
    for number, line in _lines(text):
        entry = _entry(line)
        if isinstance(entry, str):
            faults.append((number, entry))
            continue
        for part, word in ((entry.name, f"the name {entry.name}"), (entry.digest, f"the key of {entry.name}")):
            first = lines.setdefault(part, number)
            if first != number:
                faults.append((number, f"{word} stands in line {first} already"))
        entries.append(entry)
    return tuple(entries), tuple(faults)


def with_entry(text: str, entry: KeyEntry) -> str:
    """The file's text with an entry in the place of the one that has its name, or behind the others."""
    lines = text.splitlines()
    numbers = [number for number, line in _lines(text) if line.partition(":")[0].strip() == entry.name]
    if numbers:
        lines[numbers[0] - 1] = entry.line()
        return "\n".join(line for number, line in enumerate(lines, 1) if number not in numbers[1:]) + "\n"
    return "\n".join([*lines, entry.line()]) + "\n"


def names_in(entries: Iterable[KeyEntry]) -> frozenset[str]:
    """Who has a key."""
    return frozenset(entry.name for entry in entries)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _entry(line: str) -> KeyEntry | str:
    parts = [part.strip() for part in line.split(":")]
    matched = _HASH.fullmatch(parts[-1])
    if len(parts) != 3 or matched is None:
        return "expected name:role,role:sha256$HASH, as `cara-gateway key` writes it"
    if fault := fault_of_name(parts[0]):
        return fault
    try:
        return KeyEntry(parts[0], roles_of(parts[1]), bytes.fromhex(matched[1]))
    except ValueError as error:
        return str(error)
