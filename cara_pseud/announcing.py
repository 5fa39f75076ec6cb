"""Telling whoever started this process what it serves, and where: a datagram to the socket that CARA_ANNOUNCE names.

That is how `cara-gateway dev` finds a service. Without the variable nothing happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from typing import Final, Protocol

VARIABLE: Final = "CARA_ANNOUNCE"
_MAX_FILES: Final = 300
_IS_OTHERS: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]")


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
        "files": _own_files(),
    }
    # Whoever asked may have gone, and a service is none the worse for it.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.sendto(json.dumps(told).encode(), place)


def _own_files() -> list[str]:
    """The files beside and below the script from which this process has loaded modules; packages are others'."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        return []
    folder = os.path.dirname(os.path.abspath(script)) + os.sep
    loaded = [str(getattr(module, "__file__", None)) for module in list(sys.modules.values())]
    own = {path for path in loaded if path.startswith(folder) and path.endswith(".py") and not _IS_OTHERS.search(path)}
    return sorted(own)[:_MAX_FILES]
