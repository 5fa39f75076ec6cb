"""What a client is asked: the requests to its objects, their keys, and which of them wait for an answer."""

from __future__ import annotations

from collections.abc import KeysView

from gateway.errors import GatewayError, Status
from gateway.json.text import JSON, dump, dump_marked
from gateway.protocols.jsonrpc import messages


class ClientRequests:
    """The requests to one client.

    Attributes:
        made: how many there were; the keys go on from there.
    """

    __slots__ = ("_max_bytes", "_waiting", "made")

    def __init__(self, max_bytes: int, made: int = 0) -> None:
        self.made = made
        self._max_bytes = max_bytes
        # With their places among the messages sent; 0 where nobody counts.
        self._waiting: dict[str, int] = {}

    @property
    def keys(self) -> KeysView[str]:
        """Those that wait for an answer."""
        return self._waiting.keys()

    def write(
        self, name: str, method: str, params: list[JSON], traceparent: str | None = None, *, marked: bool = False
    ) -> tuple[str, bytes]:
        """The next request, to the client's object ``name``: its key and its text. Waits only after `sent`.

        Args:
            traceparent: the trace that it belongs to.
            marked: whether the client reads without a schema, as of `dump_marked`.

        Raises:
            GatewayError: TOO_LARGE or INTERNAL, the parameters cannot be sent; there is no such request.
        """
        key = f"{messages.OUR_IDS}{self.made + 1}"
        data = (dump_marked if marked else dump)(messages.request(key, f"!{name}.{method}", params, traceparent))
        check_size(data, self._max_bytes, "the call")
        self.made += 1
        return key, data

    def sent(self, key: str, number: int) -> None:
        """Note that a request was sent, as the message of that number."""
        self._waiting[key] = number

    def end(self, key: str) -> int | None:
        """Note that nobody waits for a request any more: its number, or None if nobody did."""
        return self._waiting.pop(key, None)


def check_size(data: bytes, limit: int, what: str) -> None:
    """Be sure that a text may be sent.

    Raises:
        GatewayError: TOO_LARGE.
    """
    if len(data) > limit:
        raise GatewayError(Status.TOO_LARGE, f"{what} has {len(data)} bytes, more than the {limit} of one message")
