"""What a file of passwords says: a hash and roles by user.

A line of the file is ``user:scrypt$N$r$p$salt$hash`` with salt and hash in base64, and behind a second colon the user's
roles with commas between, which a gateway asks for; blank lines and lines that begin with ``#`` are skipped. The cost
(N=2^15, r=8, p=1: 32 MiB and some 60 ms) follows RFC 7914 and today's advice for logins. Text in, entries out; opens
nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cara_pseud.errors import Error

_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_MAX_MEMORY: Final = 256 * 2**20
_HASH_BYTES: Final = 32


class PasswordFileError(Error):
    """A password file cannot be read or has a line of another form; the message names file and line."""


@dataclass(frozen=True, slots=True)
class PasswordEntry:
    """What a line of a file says of a user: how the password is hashed, and the roles."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()

    def matches(self, password: bytes) -> bool:
        """Whether that is the password; takes as long as the cost is high."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.n, self.r, self.p), self.digest)

    def text(self) -> str:
        """How it stands behind the user's name and a colon."""
        roles = f":{','.join(sorted(self.roles))}" if self.roles else ""
        return f"scrypt${self.n}${self.r}${self.p}${_text(self.salt)}${_text(self.digest)}{roles}"

    @property
    def state(self) -> bytes:
        """Bytes that change when the password does."""
        return repr((self.n, self.r, self.p, self.salt, self.digest)).encode()


def entry_of_password(password: bytes, salt: bytes, roles: frozenset[str] = frozenset()) -> PasswordEntry:
    """The entry of a password, at the cost of today.

    Args:
        salt: random bytes.
    """
    return PasswordEntry(_N, _R, _P, salt, _scrypt(password, salt, _N, _R, _P), roles)


def entry_of_nobody(salt: bytes, digest: bytes) -> PasswordEntry:
    """An entry whose check takes as long as any other's, and that nobody's password matches.

    Args:
        salt, digest: random bytes.
    """
    return PasswordEntry(_N, _R, _P, salt, digest[:_HASH_BYTES])


def read_passwords(path: Path, text: str) -> dict[bytes, PasswordEntry]:
    """The entries of a file by user, of its text.

    Raises:
        PasswordFileError: a line has another form, or a user's stands there twice.
    """
    entries: dict[bytes, PasswordEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, rest = line.partition(":")
        hashed, _, roles = rest.partition(":")
        try:
            scheme, n, r, p, salt, digest = hashed.strip().split("$")
            named = frozenset(role.strip() for role in roles.split(",")) if roles.strip() else frozenset()
            entry = PasswordEntry(int(n), int(r), int(p), _bytes(salt), _bytes(digest), named)
            if scheme != "scrypt" or not user or len(entry.digest) != _HASH_BYTES or "" in named or ":" in roles:
                raise ValueError
            costs = (entry.n, entry.r, entry.p)
            if 128 * entry.n * entry.r * entry.p > _MAX_MEMORY or entry.n & (entry.n - 1) or min(costs) < 1:
                raise ValueError
        except (ValueError, binascii.Error):
            raise PasswordFileError(
                f"{path}:{number}: expected user:scrypt$N$r$p$salt$hash or user:scrypt$…:role,role, as "
                "`cara-gateway passwd` writes it"
            ) from None
        if user.encode() in entries:
            raise PasswordFileError(f"{path}:{number}: the user {user} stands in a line above already")
        entries[user.encode()] = entry
    return entries


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY + 2**20, dklen=_HASH_BYTES)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
