"""A message with a value that JSON's grammar permits and nobody can take: what is left of it, and why it is refused."""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError
from gateway.json.grammar import fault_in, whole_characters
from gateway.json.text import JSON

_WITH_PATHS: Final = ("params", "result")
"""What the path of an error begins at."""


def without_faults(obj: JSON, max_depth: int) -> tuple[JSON, GatewayError | None]:
    """A message without those members that have a fault, and the first of these; None if it can be taken as it is.

    What a client says of a failure is for people, and is taken with what can be read of it.
    """
    if type(obj) is not dict:
        return obj, None
    sound: dict[str, JSON] = {}
    first: GatewayError | None = None
    for name, value in obj.items():
        fault = fault_in(value, max_depth)
        if fault is None and name == whole_characters(name):
            sound[name] = value
            continue
        if fault is not None and name == "error":
            sound[name] = _readable(value)
            continue
        if name in ("id", "result"):
            sound[name] = None  # it is no notification for that, and still an answer
        if fault is None:
            fault = fault_in({name: None}, max_depth)
            assert fault is not None  # its name is not whole
        elif name not in _WITH_PATHS:
            fault = GatewayError.bad_request(f"{name}{fault.detail.removeprefix('$')}")
        first = first or fault
    return sound, first


def _readable(error: JSON) -> JSON:
    if type(error) is not dict:
        return None
    message, extra = error.get("message"), error.get("data")
    word = extra.get("code") if type(extra) is dict else None
    return {
        "code": error.get("code"),
        "message": whole_characters(message) if type(message) is str else None,
        "data": {"code": word},
    }
