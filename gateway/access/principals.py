"""Who calls: a name that says how it was proven, and roles."""

from __future__ import annotations

import math
from typing import Final


class Principal:
    """Somebody whose credentials were good.

    There is one object for one name and credential as long as anybody uses it: sessions, sockets and calls under way
    have that object and ask it anew, so that what a reload changes here acts at the next call.

    Attributes:
        name: such as ``key:alice``, ``basic:alice``, ``jwt:https://id.example#17``, ``cert:ops.example``,
            ``proxy:alice``. None for a caller without credentials.
        role_names: its roles in order, as services are told them: made once for each change, not for each call.
        expires_at: when the credential ends, in seconds since 1970; infinite if it does not.
        is_removed: whether the configuration knows it no more, so that its sessions end.
    """

    __slots__ = ("__weakref__", "_roles", "expires_at", "is_removed", "name", "role_names")

    def __init__(
        self, name: str | None, roles: frozenset[str] = frozenset(), expires_at: float = math.inf
    ) -> None:
        self.name = name
        self.roles = roles
        self.expires_at = expires_at
        self.is_removed = False

    @property
    def roles(self) -> frozenset[str]:
        """What it has; whoever sets them sets them for the next call of everybody who uses the object."""
        return self._roles

    @roles.setter
    def roles(self, roles: frozenset[str]) -> None:
        self._roles = roles
        self.role_names = tuple(sorted(roles))

    def __repr__(self) -> str:
        return f"Principal({self.name!r}, {sorted(self.roles)})"


ANONYMOUS: Final = Principal(None)
"""Whoever has no credentials, where none are required. It has no roles and never changes."""
