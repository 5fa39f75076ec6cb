"""Whom a trusted proxy says that it knows: a header with the user's name, and one with groups."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.access.credentials import Credentials
from gateway.access.interned import Interned
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal
from gateway.config.proxy_headers import ProxyHeaders

MAX_NAME_CHARS: Final = 256
MAX_GROUPS: Final = 1000
_KNOWN_LISTS: Final = 1024
"""Lists of groups that are not read twice: of so many users at a time."""


class ProxiedUsers:
    """See the module. What the proxy said last of a user's groups holds for all that the user has open."""

    __slots__ = ("_groups", "_users", "headers")

    def __init__(self, headers: ProxyHeaders) -> None:
        self.headers = headers
        self._users: Interned[str, Principal] = Interned()
        self._groups = lru_cache(_KNOWN_LISTS)(_groups_of)

    def known(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        roles: frozenset[str] = frozenset()
        if self.headers.roles is not None:
            roles = self._groups(credentials.headers.get(self.headers.roles, ""))
        principal = self._users.find(value)
        if principal is None:
            principal = Principal(f"proxy:{_user(value)}", roles)
            self._users.keep(value, principal)
        elif principal.roles is not roles and principal.roles != roles:
            principal.roles = roles
        return principal

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        return self.known(value, credentials)

    def close(self) -> list[Principal]:
        """Believe no proxy any more; whom it named."""
        return self._users.remove()


def _user(value: str) -> str:
    name = _text(value)
    # A list would be of two proxies, or of a client and a proxy.
    if "," in name or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        raise unauthenticated(f"a proxy names one user, in up to {MAX_NAME_CHARS} printable characters without a comma")
    return name


def _groups_of(value: str) -> frozenset[str]:
    groups = [group for group in (part.strip() for part in _text(value).split(",")) if group]
    if len(groups) > MAX_GROUPS or any(len(group) > MAX_NAME_CHARS or not group.isprintable() for group in groups):
        raise unauthenticated(f"a proxy names up to {MAX_GROUPS} groups of up to {MAX_NAME_CHARS} printable characters")
    return frozenset(groups)


def _text(value: str) -> str:
    """A header, which is read byte by byte, as the UTF-8 that it is."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise unauthenticated("what a proxy says of a user must be UTF-8") from None
