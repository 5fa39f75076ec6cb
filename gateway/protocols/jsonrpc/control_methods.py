"""The ``rpc.*`` methods as an OpenRPC document has them; what is read of them is in `control` beside it."""

from __future__ import annotations

from typing import Any, Final

from gateway.json.text import JSON

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_ID: Final = {"type": ["string", "integer"]}
_NOTHING: Final = {"type": "object", "maxProperties": 0}
_OBJECT: Final = {"type": "object"}


def control_methods() -> list[JSON]:
    """Their method objects."""
    return [
        _method("rpc.hello", "Begin a stream or go on with one; the first message of a WebSocket.", {
            "protocol": (True, {"const": 1}), "session": (False, _TEXT), "stream": (False, _TEXT),
            "received": (False, _WHOLE), "unbox": (False, {"type": "boolean"}),
        }, _OBJECT),
        _method("rpc.ack", "Confirm messages; over a WebSocket only.", {"received": (True, _WHOLE)}, None),
        _method("rpc.release", "Give references to an object back.", {
            "handle": (True, _TEXT), "count": (False, {"type": "integer", "minimum": 1, "default": 1}),
        }, _NOTHING),
        _method("rpc.cancel", "Give a call up.", {"id": (True, _ID)}, _NOTHING),
        _method("rpc.describe", "What a service, an interface or an object can do.", {
            "service": (False, _TEXT), "interface": (False, _TEXT), "handle": (False, _TEXT),
        }, _OBJECT),
        _method("rpc.cast", "Take an object for what else it is: a handle of it with another interface.", {
            "handle": (True, {"anyOf": [_TEXT, _OBJECT]}), "interface": (True, _TEXT),
        }, {"$ref": "#/components/schemas/Handle"}),
        _method("rpc.ping", "Show that both sides are there.", {}, _NOTHING),
        _method("rpc.discover", "This document.", {}, _OBJECT),
    ]  # fmt: skip


def _method(name: str, summary: str, params: dict[str, tuple[bool, Any]], result: Any) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "name": name,
        "summary": summary,
        "tags": [{"name": "gateway"}],
        "paramStructure": "by-name",
        "params": [{"name": word, "required": needed, "schema": shape} for word, (needed, shape) in params.items()],
    }
    return told if result is None else {**told, "result": {"name": "result", "schema": result}}
