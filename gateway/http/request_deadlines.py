"""Which connections owe a request, and since when. Knows no clock and no socket."""

from __future__ import annotations

from collections.abc import Hashable


class RequestDeadlines:
    """Connections from which a request's head, or then its body, has not come yet.

    Args:
        patience_s: how long each of the two may take.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        # In the order of their times, as every new time is put at the end.
        self._since: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def expect(self, connection: Hashable, now: float) -> None:
        """Begin to wait for a connection's next head or body."""
        self._since.pop(connection, None)
        self._since[connection] = now

    def arrived(self, connection: Hashable) -> None:
        """Wait no more: the request is complete, or the connection closed."""
        self._since.pop(connection, None)

    def overdue(self, now: float) -> list[Hashable]:
        """The connections that owe something for too long; they are forgotten."""
        found = []
        for connection, since in self._since.items():
            if now - since < self._patience_s:
                break
            found.append(connection)
        for connection in found:
            del self._since[connection]
        return found
