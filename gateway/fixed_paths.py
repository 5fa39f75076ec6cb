"""The fixed paths of the gateway, in the one place where they are written. ``{…}`` stands for one segment of a path."""

from __future__ import annotations

from typing import Final

WEBSOCKET: Final = "/ws"
HEALTH: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"
OPENAPI: Final = "/openapi.json"
RPC: Final = "/rpc"
OPENRPC: Final = "/openrpc.json"
TYPES: Final = "/types/{service}.d.ts"
SCHEMA: Final = "/schema/{service}"

API: Final = "/api"
SERVICE: Final = "/api/{service}"
METHOD: Final = "/api/{service}/{method}"
SESSION: Final = "/api/session"
EVENTS: Final = "/api/events"
CALLBACK: Final = "/api/callbacks/{id}"
HANDLE: Final = "/api/handles/{handle}"
HANDLE_METHOD: Final = "/api/handles/{handle}/{method}"
OBJECT_METHOD: Final = "/api/handles/{handle}/{service}/{interface}/{method}"
"""The same call by somebody who says as what the object is taken; so each method of each interface has a path."""


def filled(path: str, **segments: str) -> str:
    """A path with its segments put in; they are not escaped."""
    return path.format(**segments)
