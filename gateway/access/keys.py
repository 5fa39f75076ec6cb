"""Who has a key: random texts of which the gateway knows the digests alone."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.access.credentials import Credentials
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal
from gateway.config.key_file import KeyEntry, digest_of


class Keys:
    """See the module.

    A key is looked up by its digest, which whoever sends one cannot choose, so how long that takes tells nothing of the
    keys that there are. One that was right is known again by the hash of Python's tables, which has a secret of the
    process's own: a look-up compares texts only where all its 64 bits agree. OpenSSL's digest takes 10 µs in the midst
    of other work, which is a twentieth of a call.
    """

    __slots__ = ("_principals", "_shown")

    def __init__(self, entries: Sequence[KeyEntry] = ()) -> None:
        self._principals: dict[bytes, Principal] = {}
        # Never more than there are keys.
        self._shown: dict[str, Principal] = {}
        self.replace(entries)

    def known(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        principal = self._shown.get(value)
        if principal is None:
            principal = self._principals.get(digest_of(value))
            if principal is None:
                raise unauthenticated("the key is not known")
            self._shown[value] = principal
        return principal

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        return self.known(value, credentials)

    def replace(self, entries: Sequence[KeyEntry]) -> list[Principal]:
        """Have other keys from now on. Who has the same name and key as before stays the same, with its new roles.

        Returns:
            Those whose key is no more; they are marked so.
        """
        gone = self._principals
        self._principals = {}
        self._shown.clear()
        for entry in entries:
            principal = gone.get(entry.digest)
            if principal is not None and principal.name == _name(entry):
                del gone[entry.digest]
                principal.roles = entry.roles
            else:
                principal = Principal(_name(entry), entry.roles)
            self._principals[entry.digest] = principal
        for principal in gone.values():
            principal.is_removed = True
        return list(gone.values())


def _name(entry: KeyEntry) -> str:
    return f"key:{entry.name}"
