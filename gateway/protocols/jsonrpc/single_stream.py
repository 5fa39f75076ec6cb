"""A stream of one text, which nobody comes back to: what one HTTP request brings. Otherwise a plain stream."""

from __future__ import annotations

from gateway.config.limits import Limits
from gateway.errors import GatewayError
from gateway.protocols.jsonrpc.control import OF_SOCKETS, Control, read_control
from gateway.protocols.jsonrpc.events import Event
from gateway.protocols.jsonrpc.messages import Request
from gateway.protocols.jsonrpc.stream import Stream


def _read_control(message: Request) -> Control | None:
    return read_control(message, OF_SOCKETS)


class SingleStream(Stream):
    """See the module. There is no hello, and nothing to confirm.

    Attributes:
        is_unreadable: whether the text was no JSON.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__("", limits, read_control=_read_control)
        self.is_unreadable = False

    @property
    def owes_answers(self) -> bool:
        """Whether calls are in flight that the client wants answered."""
        return any(not call.notification for call in self._calls.values())

    def is_notification(self, call: int) -> bool:
        """Whether nobody waits for the answer of a call, or not any more."""
        record = self._calls.get(call)
        return record is None or record.notification

    def _unreadable(self, error: GatewayError) -> list[Event]:
        self.is_unreadable = True
        return super()._unreadable(error)
