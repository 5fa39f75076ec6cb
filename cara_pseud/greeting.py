"""The greeting: the first thing that two peers of cara_pseud say to each other, and what it tells. No I/O.

The connecting side calls ``cara:hello`` with ``{"version": 2, "incarnation": …}`` as soon as it is connected, and the
answer has the same of the other side. A peer that knows no such method is an original one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cara_pseud import wire

ORIGINAL: Final = 0
"""The version of a peer that does not know the greeting; 1 and 2 are ours."""
SILENCE_S: Final = 2.0
"""How long calls wait for the answer; then those that mean the same without their options go bare."""
_MAX_PATIENCE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a peer said of itself.

    Attributes:
        version: the smaller one of both sides' versions.
        incarnation: 16 random bytes that its process made for this peer; None from version 1 and original peers.
        callback_timeout_s: how long calls of its objects may take unless they say otherwise; None: no word of it.
        pipelines: whether calls of it may name objects in answers that have not come.
    """

    version: int
    incarnation: bytes | None = None
    callback_timeout_s: float | None = None
    pipelines: bool = False


def written(incarnation: bytes, version: int = wire.EXTENSION_VERSION, patience_s: float | None = None) -> Mapping[
    str, Any
]:
    """What is sent, as the argument and as the answer of ``cara:hello``."""
    said: dict[str, Any] = {"version": version}
    if version >= 2:
        said["incarnation"] = incarnation
        if patience_s is not None:
            said["callback_timeout_s"] = patience_s
        said["pipelines"] = True
    return said


def read(said: Any) -> Greeting:
    """What a peer said. Whatever makes no sense is left out, and a peer that says no version is an original one."""
    if type(said) is not dict:
        return Greeting(ORIGINAL)
    version, incarnation, patience_s = said.get("version"), said.get("incarnation"), said.get("callback_timeout_s")
    if type(version) is not int or version < 1:
        return Greeting(ORIGINAL)
    if version < 2 or type(incarnation) is not bytes or len(incarnation) != wire.INCARNATION_BYTES:
        # Without an incarnation it is no whole version 2, and what it sends is held to be of version 1.
        return Greeting(1)
    if not isinstance(patience_s, int | float) or not patience_s > 0:
        patience_s = None
    patience_s = None if patience_s is None else min(patience_s, _MAX_PATIENCE_S)
    return Greeting(min(version, wire.EXTENSION_VERSION), incarnation, patience_s, said.get("pipelines") is True)
