"""How many values are in a JSON text or value: told as cheaply as it can be, for what is too much is not read.

Parsing is bounded by the bytes of a text; what costs is to build and convert what it says. So most texts are let
through by their length, most of the rest by how often three characters occur in them, and only of what is left the
parsed value is looked at, up to the bound.
"""

from __future__ import annotations

from gateway.errors import GatewayError, Status
from gateway.json.text import JSON


def may_exceed(data: bytes, most: int) -> bool:
    """Whether a text may hold more elements and members than that; where it may not, none was looked at."""
    # Each takes a byte at least, and another one that separates it from the next or ends what it is in.
    if len(data) <= 2 * most:
        return False
    # An array or object that is not empty has one more than commas. Those in texts are counted too.
    return data.count(b",") + data.count(b"[") + data.count(b"{") > most


def exceeds(obj: JSON, most: int) -> bool:
    """Whether a value holds more elements and members than that, at all levels together."""
    left = most
    containers = [obj] if type(obj) is dict or type(obj) is list else []
    while containers:
        container = containers.pop()
        left -= len(container)
        if left < 0:
            return True
        for value in container.values() if type(container) is dict else container:
            if type(value) is list or type(value) is dict:
                containers.append(value)
    return False


def too_many(most: int) -> GatewayError:
    """The error of a value that holds more."""
    return GatewayError(Status.TOO_LARGE, f"more than {most} values (elements and members) are in one message")


def check_values(data: bytes, obj: JSON, most: int, what: str) -> None:
    """Be sure that a value, whose text that is, may be sent.

    Args:
        what: what the value is, as the beginning of a sentence.

    Raises:
        GatewayError: TOO_LARGE, it has more elements and members.
    """
    if may_exceed(data, most) and exceeds(obj, most):
        raise GatewayError(Status.TOO_LARGE, f"{what} has more than {most} values (elements and members)")
