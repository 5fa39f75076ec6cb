"""Telling whoever started this process what it serves, and where: a datagram to the socket that CARA_ANNOUNCE names.

That is how `cara-gateway dev` finds a service. Without the variable nothing happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from typing import Final, Protocol

VARIABLE: Final = "CARA_ANNOUNCE"


class Announced(Protocol):
    """What is told of a server."""

    @property
    def endpoint(self) -> str: ...
    @property
    def user_id(self) -> bytes | str: ...
    @property
    def security_plugin(self) -> str: ...
    @property
    def served(self) -> Mapping[str, str]: ...


def announce(server: Announced) -> None:
    """Say where a server is and which interfaces it serves now; each time all of it."""
    place = os.environ.get(VARIABLE)
    if not place or not server.endpoint:
        return
    user_id = server.user_id
    told = {
        "endpoint": server.endpoint,
        "peer": user_id if isinstance(user_id, str) else user_id.decode("utf-8", "backslashreplace"),
        "security": server.security_plugin,
        "interfaces": sorted(set(server.served.values())),
    }
    # Whoever asked may have gone, and a service is none the worse for it.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.sendto(json.dumps(told).encode(), place)
