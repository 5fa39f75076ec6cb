"""What a socket's close code says of the stream that it carried (PROTOCOL.md, "Limits and close codes")."""

from __future__ import annotations

from typing import Final, NamedTuple

_REFUSED: Final = {4401: "unauthenticated", 4403: "permission_denied"}
_STREAM_ENDED: Final = frozenset({1003, 1007, 1009, 4000, 4002, 4003, 4004})
_REPLACED: Final = 4001


class CloseMeaning(NamedTuple):
    """What is to be done after a socket was closed.

    Attributes:
        refused: the status that it means for this client, which would be refused again; None if it is not.
        ended: whether the stream ended with its socket; else it can be resumed.
        replaced: whether another client goes on with the stream. To ask for it again would take it from that one, which
            would ask for it again.
    """

    refused: str | None
    ended: bool
    replaced: bool


def meaning_of(code: int) -> CloseMeaning:
    """What a close code means."""
    return CloseMeaning(_REFUSED.get(code), code in _STREAM_ENDED, code == _REPLACED)
