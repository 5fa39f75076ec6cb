"""The states of a stream; `gateway.protocols.jsonrpc.stream` shows how they follow each other."""

from __future__ import annotations

import enum


class StreamState(enum.Enum):
    """Where a stream is."""

    FRESH = "fresh"
    GREETING = "greeting"
    PLAIN = "plain"
    COUNTED = "counted"
    CLOSED = "closed"
