"""How messages of JSON-RPC 2.0 are written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from cara_pseud.errors import RpcError

JSON: TypeAlias = Any
"""What JSON has: None, bool, int, float, str, list and dict with text as keys."""


def text_of(members: Mapping[str, JSON]) -> bytes:
    """The UTF-8 text of a message, without those members that are None, but for ``id`` and ``result``.

    Raises:
        RpcError: ``invalid_argument``: there is something that JSON cannot say.
    """
    message = {
        "jsonrpc": "2.0",
        **{name: value for name, value in members.items() if value is not None or name in ("id", "result")},
    }
    try:
        return orjson.dumps(message)
    except (TypeError, RecursionError) as error:
        raise RpcError("invalid_argument", f"a value cannot be written as JSON: {error}") from None


def parsed(text: str | bytes) -> JSON:
    """Read a text.

    Raises:
        ValueError: it is no JSON.
    """
    return orjson.loads(text)
