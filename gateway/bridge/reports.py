"""What a bridge and the gateway that started it say to each other beside calls.

On its standard output a bridge says that its loop goes round, by an empty line, and what is wrong with its service, by
a line with a text in JSON; an empty text when nothing is.
"""

from __future__ import annotations

import json
from typing import Final

SIGN_OF_LIFE: Final = "$alive"
"""What a bridge is called by that is to ask its service for an answer; no method of a schema has such a name."""
BEAT: Final = b"\n"
_MAX_CHARS: Final = 300


def report_of(trouble: str) -> bytes:
    """A line that says what is wrong with the service."""
    return json.dumps(trouble[:_MAX_CHARS]).encode() + b"\n"


def read_report(line: bytes) -> str | None:
    """What is wrong with the service; None if the line is a beat, or no line of a bridge's."""
    if line == BEAT:
        return None
    try:
        trouble = json.loads(line)
    except ValueError:
        return None
    return trouble if isinstance(trouble, str) else None
