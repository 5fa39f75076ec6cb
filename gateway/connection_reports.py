"""What the log is told of the connections to services."""

from __future__ import annotations

import logging
from typing import Final

from gateway.upstream.base import EndpointConnection

_LOG: Final = logging.getLogger(__name__)


class ConnectionReports:
    """Logs what becomes of a connection to a service: a warning for each new reason why it cannot be used."""

    def __init__(self, name: str, connection: EndpointConnection, *, is_only: bool) -> None:
        self._name = name
        self._shown = name if is_only else f"{name} at {connection.endpoint}"
        self._connection = connection
        self._said: str | None = None
        connection.on_state(self._look)
        connection.on_trouble(self._look)

    def _look(self, _: str) -> None:
        connection = self._connection
        trouble = connection.trouble
        # While it connects nothing is wrong yet.
        if connection.stopped or connection.state == "connecting" or trouble == self._said:
            return
        self._said = trouble
        if trouble:
            _LOG.warning("service %s at %s cannot be used: %s", self._name, connection.endpoint, trouble)
        else:
            _LOG.info("service %s is up", self._shown)
