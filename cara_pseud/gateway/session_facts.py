"""What a session of a gateway tells of itself, whether its calls are awaited or wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cara_pseud.gateway.connection import GatewayConnection
from cara_pseud.gateway.greeting import Resumption


class SessionFacts:
    """Those of one connection."""

    def __init__(self, connection: GatewayConnection) -> None:
        """Wrap a connection."""
        self._connection = connection

    @property
    def state(self) -> str:
        """``open``, ``reconnecting`` or ``closed``; before the first of them ``connecting``."""
        state = self._connection.state
        return "connecting" if state is None else state.value

    @property
    def limits(self) -> Mapping[str, Any]:
        """What the gateway allows, such as ``max_message_bytes``."""
        return dict(self._connection.session.limits)

    @property
    def session(self) -> str | None:
        """The secret id of the session, for REST calls in it (header ``Session-Id``)."""
        return self._connection.session.id

    @property
    def resumption(self) -> Resumption | None:
        """What another process needs to go on with this stream, as plain data: ``connect(url, resume=…)``."""
        return self._connection.session.resumption
