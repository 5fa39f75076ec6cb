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
    keys that there are.
    """

    __slots__ = ("_principals",)

    def __init__(self, entries: Sequence[KeyEntry] = ()) -> None:
        self._principals: dict[bytes, Principal] = {}
        self.replace(entries)

    def known(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        principal = self._principals.get(digest_of(value))
        if principal is None:
            raise unauthenticated("the key is not known")
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
