"""What a session has: handles, streams, and counts of what is under way. Plain state; its life is ended elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.handles import Handle, Handles


class Session:
    """One session: it owns handles, and its streams share their bounds.

    Attributes:
        id: its secret name.
        handles: what its clients hold of services.
        streams: its conversations by their ids.
        calls_in_flight: calls begun and not ended, of all streams and of REST.
        callbacks: objects of its clients that services hold.
    """

    def __init__(self, id: str, limits: Limits, new_token: Callable[[], str]) -> None:
        self.id = id
        self.handles = Handles(limits.max_handles_per_session, new_token)
        self.streams: dict[str, Stream] = {}
        self.calls_in_flight = 0
        self.callbacks = 0
        self._limits = limits

    def open_stream(self, stream_id: str) -> Stream:
        """Begin a new conversation; see `add_stream`."""
        stream = Stream(stream_id, self._limits)
        self.add_stream(stream)
        return stream

    def add_stream(self, stream: Stream) -> None:
        """Take a conversation in that began before its session was known.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, the session has as many streams as may be.
        """
        if len(self.streams) >= self._limits.max_streams_per_session:
            raise GatewayError(Status.RESOURCE_EXHAUSTED, f"the session has {len(self.streams)} streams already")
        self.streams[stream.id] = stream

    def close_stream(self, stream_id: str) -> list[Handle]:
        """End a conversation; the handles that ended with it."""
        self.streams.pop(stream_id, None)
        return self.handles.drop_holder(stream_id)

    def check_calls(self) -> None:
        """Be sure that one more call may begin.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, as many calls as may be are under way.
        """
        if self.calls_in_flight >= self._limits.max_calls_per_session:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"{self.calls_in_flight} calls of the session are under way already"
            )

    def begin_callback(self) -> None:
        """Count an object of a client that is passed to a service.

        Raises:
            GatewayError: RESOURCE_EXHAUSTED, services hold as many as may be.
        """
        if self.callbacks >= self._limits.max_callbacks_per_session:
            raise GatewayError(
                Status.RESOURCE_EXHAUSTED, f"services hold {self.callbacks} callbacks of the session already"
            )
        self.callbacks += 1

    def end_callback(self, count: int = 1) -> None:
        """Count objects that services let go."""
        self.callbacks -= count
