"""``[gateway.auth.proxy]``: in which headers trusted proxies say who a user is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.reading import ConfigReading
from gateway.config.values import ValueKind, shown

_PROXY: Final = "gateway.auth.proxy"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,64}")
"""RFC 9110 section 5.1. An underscore is left out: some proxies let a client's ``X_User`` pass for their own."""
_OTHERS: Final = ("Authorization", "X-Api-Key", "Cookie", "Host", "Origin")


def _header(value: Any) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(f'expected the name of a header like "X-Forwarded-User", not {shown(value)}')
    name = "-".join(word.capitalize() for word in value.split("-"))
    if name in _OTHERS:
        raise ValueError(f"the header {name} is for something else")
    return name


PROXY_KEYS: Final[Mapping[str, ValueKind]] = {"user_header": ValueKind(_header), "roles_header": ValueKind(_header)}
"""The keys of ``[gateway.auth.proxy]``."""


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """``[gateway.auth.proxy]``; names as in ``Session-Id``.

    Attributes:
        user: the user's name.
        roles: groups with commas between; None if they have no roles.
    """

    user: str
    roles: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The user's, and the roles' if there is one."""
        return (self.user,) if self.roles is None else (self.user, self.roles)


def read_proxy(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> ProxyHeaders | None:
    """The table, checked; None if nothing is said of it, or with complaints if it cannot be used.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    before = len(reading.complaints)
    given = reading.values(_PROXY, table or {}, PROXY_KEYS, prefix)
    if table is None and not given:
        return None
    if "user_header" not in given:
        if len(reading.complaints) == before:
            reading.complain(f"{_PROXY}.user_header", "is missing")
        return None
    if given["user_header"] == given.get("roles_header"):
        reading.complain(f"{_PROXY}.roles_header", "is the same as user_header")
        return None
    return ProxyHeaders(given["user_header"], given.get("roles_header"))
