"""Passwords of users: how they are hashed, kept in a file and checked.

A line of the file is ``user:scrypt$N$r$p$salt$hash`` with salt and hash in base64; blank lines and lines that begin
with ``#`` are skipped. The cost (N=2^15, r=8, p=1: 32 MiB and some 60 ms) follows RFC 7914 and today's advice for
logins.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cara_pseud.errors import Error

_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_MAX_MEMORY: Final = 256 * 2**20
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32

Passwords = Mapping[Any, Any] | Callable[[bytes, bytes], bool] | str | Path
"""Passwords by user (str or bytes), a function (user, password) → bool, or a file's path.

Functions and files are asked on threads of their own; see `cara_pseud.login_desk`.
"""


class PasswordFileError(Error):
    """A password file cannot be read or has a line of another form; the message names file and line."""


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
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(as_bytes(password), salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(digest)}"


def set_password(path: Path, user: str, password: bytes | str) -> None:
    """Write a user's password into a file, in place of an earlier one; the file is made readable by its owner only.

    Raises:
        PasswordFileError: the user's name cannot stand in the file, or the file has a line of another form.
    """
    if not user or ":" in user or user.startswith("#") or not user.isprintable() or user != user.strip():
        raise PasswordFileError(f"{user!r} cannot be a user: no colon, no # first, no blanks around it, printable only")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    _parse(path, lines)
    kept = [line for line in lines if line.partition(":")[0] != user]
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join([*kept, f"{user}:{hash_password(password)}"]) + "\n")
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


class PasswordFile:
    """Checks passwords against a file, which is read again when it changed. May be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._hashes: dict[bytes, tuple[int, int, int, bytes, bytes]] = {}
        self._unknown = (_N, _R, _P, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_HASH_BYTES))
        self._refresh()

    def __call__(self, user: bytes, password: bytes) -> bool:
        """Whether it is the user's password; takes about as long for an unknown user.

        Raises:
            PasswordFileError: the file changed into one that cannot be used.
        """
        known = self._entry(user)
        n, r, p, salt, expected = known or self._unknown
        return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected) and known is not None

    def state(self, user: bytes) -> tuple[bool, bytes]:
        """Whether there is such a user, and bytes that change when the file's entry for it does.

        Raises:
            PasswordFileError: the file changed into one that cannot be used.
        """
        known = self._entry(user)
        return known is not None, repr(known or self._unknown).encode()

    def _entry(self, user: bytes) -> tuple[int, int, int, bytes, bytes] | None:
        with self._lock:
            self._refresh()
            return self._hashes.get(user)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_ino) != self._seen:
                self._hashes = _parse(self._path, self._path.read_text("utf-8").splitlines())
                self._seen = (status.st_mtime_ns, status.st_ino)
        except (OSError, UnicodeDecodeError) as error:
            raise PasswordFileError(f"{self._path}: {error}") from None


def _parse(path: Path, lines: list[str]) -> dict[bytes, tuple[int, int, int, bytes, bytes]]:
    hashes = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, text = line.partition(":")
        try:
            scheme, n, r, p, salt, digest = text.strip().split("$")
            entry = (int(n), int(r), int(p), _bytes(salt), _bytes(digest))
            if scheme != "scrypt" or not user or len(entry[4]) != _HASH_BYTES:
                raise ValueError
            if 128 * entry[0] * entry[1] * entry[2] > _MAX_MEMORY or entry[0] & (entry[0] - 1) or min(entry[:3]) < 1:
                raise ValueError
        except (ValueError, binascii.Error):
            raise PasswordFileError(
                f"{path}:{number}: expected user:scrypt$N$r$p$salt$hash, as `cara-gateway passwd` writes it"
            ) from None
        hashes[user.encode()] = entry
    return hashes


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY + 2**20, dklen=_HASH_BYTES)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
