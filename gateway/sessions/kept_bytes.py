"""How much is kept for all clients together that have not read it or not confirmed it yet."""

from __future__ import annotations

from typing import Final

_ALWAYS_BYTES: Final = 65_536
"""A client that keeps up has no more waiting, as it confirms sooner: it does not pay for those that do not."""


class KeptBytes:
    """The sum over all clients; each adds and takes off what it keeps.

    Attributes:
        total: bytes.
        limit: how many there may be.
    """

    __slots__ = ("limit", "total")

    def __init__(self, limit: int) -> None:
        self.total = 0
        self.limit = limit

    def has_room(self, kept_bytes: int, size: int) -> bool:
        """Whether a client for which so many bytes are kept may have so many more.

        Where there is no room, who keeps next to nothing still gets its answers.
        """
        return self.total + size <= self.limit or kept_bytes <= _ALWAYS_BYTES
