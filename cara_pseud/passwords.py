"""Passwords of users: how they are set in a file, and checked. `password_entries` knows what a line of it means."""

from __future__ import annotations

import hmac
import os
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from cara_pseud.password_entries import (
    PasswordEntry,
    PasswordFileError,
    entry_of_nobody,
    entry_of_password,
    read_passwords,
)

_SALT_BYTES: Final = 16

Passwords = Mapping[Any, Any] | Callable[[bytes, bytes], bool] | str | Path
"""Passwords by user (str or bytes), a function (user, password) → bool, or a file's path.

Functions and files are asked on threads of their own; see `cara_pseud.login_desk`.
"""


def as_bytes(value: Any) -> bytes:
    """A user, password or identity as bytes; text is encoded as UTF-8.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise TypeError(f"expected text or bytes, not {type(value).__name__}")


def hash_password(password: bytes | str) -> str:
    """The text that stands for a password in a file: ``scrypt$N$r$p$salt$hash``."""
    return entry_of_password(as_bytes(password), secrets.token_bytes(_SALT_BYTES)).text()


def fault_of_user(user: str) -> str | None:
    """Why that cannot be a user of a password file; None if it is fine."""
    if not user or ":" in user or user.startswith("#") or not user.isprintable() or user != user.strip():
        return f"{user!r} cannot be a user: no colon, no # first, no blanks around it, printable only"
    return None


def fault_of_role(role: str) -> str | None:
    """Why that cannot be a role in a password file; None if it is fine."""
    if not role or set(role) & set(":,") or not role.isprintable() or role != role.strip():
        return f"{role!r} cannot be a role: no colon, comma or blanks around it, printable only"
    return None


def set_password(path: Path, user: str, password: bytes | str, roles: Collection[str] | None = None) -> None:
    """Write a user's password into a file, in place of an earlier one; the file is made readable by its owner only.

    Args:
        roles: None = those that the user has.

    Raises:
        PasswordFileError: the user's name or a role cannot stand in the file, or the file has a line of another form.
    """
    if fault := fault_of_user(user) or next(filter(None, map(fault_of_role, roles or ())), None):
        raise PasswordFileError(fault)
    text = path.read_text("utf-8") if path.exists() else ""
    known = read_passwords(path, text).get(user.encode())
    if roles is None:
        roles = () if known is None else known.roles
    kept = [line for line in text.splitlines() if line.partition(":")[0] != user]
    entry = entry_of_password(as_bytes(password), secrets.token_bytes(_SALT_BYTES), frozenset(roles))
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join([*kept, f"{user}:{entry.text()}"]) + "\n")
    new.replace(path)


def checker(passwords: Passwords) -> Callable[[bytes, bytes], bool]:
    """The function (user, password) → bool for passwords in any permitted form.

    Raises:
        PasswordFileError: they are in a file that cannot be used.
        TypeError: they are in no permitted form.
    """
    if isinstance(passwords, str | Path):
        return PasswordFile(Path(passwords))
    if callable(passwords):
        return passwords
    if not isinstance(passwords, Mapping):
        raise TypeError("passwords must be a mapping, a function (user, password), or the path of a password file")

    def check(user: bytes, password: bytes) -> bool:
        # Looked up anew each time: the owner of the mapping may change it.
        found = entry_of(passwords, user)
        expected = None if found is None else as_bytes(found)
        # An unknown user costs the same comparison as a known one.
        return hmac.compare_digest(password, password if expected is None else expected) and expected is not None

    return check


def entry_of(table: Mapping[Any, Any], name: bytes) -> Any:
    """What a table that people wrote, with text or bytes for keys, has under a name; None if nothing."""
    found = table.get(name)
    if found is None:
        # Surrogates are in no key that people wrote.
        found = table.get(name.decode("utf-8", "surrogateescape"))
    return found


class PasswordTable:
    """Checks passwords against entries by user. May be called from any thread."""

    def __init__(self, entries: Mapping[bytes, PasswordEntry]) -> None:
        self._entries = entries
        self._unknown = entry_of_nobody(secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(32))

    def replace(self, entries: Mapping[bytes, PasswordEntry]) -> None:
        """Check against other entries from now on."""
        self._entries = entries

    def entry(self, user: bytes) -> PasswordEntry | None:
        """The user's entry; None if there is no such user.

        Raises:
            PasswordFileError: they are in a file that cannot be used any more.
        """
        return self._entries.get(user)

    def __call__(self, user: bytes, password: bytes) -> bool:
        """Whether it is the user's password; takes about as long for an unknown user.

        Raises:
            PasswordFileError: as above.
        """
        known = self.entry(user)
        return (known or self._unknown).matches(password) and known is not None

    def state(self, user: bytes) -> tuple[bool, bytes]:
        """Whether there is such a user, and bytes that change when the password does.

        Raises:
            PasswordFileError: as above.
        """
        known = self.entry(user)
        return known is not None, (known or self._unknown).state


class PasswordFile(PasswordTable):
    """Checks passwords against a file, which is read again when it changed. May be called from any thread."""

    def __init__(self, path: Path) -> None:
        super().__init__({})
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._refresh()

    def entry(self, user: bytes) -> PasswordEntry | None:
        """See `PasswordTable.entry`."""
        with self._lock:
            self._refresh()
            return super().entry(user)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_ino) != self._seen:
                self.replace(read_passwords(self._path, self._path.read_text("utf-8")))
                self._seen = (status.st_mtime_ns, status.st_ino)
        except (OSError, UnicodeDecodeError) as error:
            raise PasswordFileError(f"{self._path}: {error}") from None
