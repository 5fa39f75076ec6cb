"""What a service tells of itself, and what a gateway needs to be told to serve it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.routes import RESERVED_SERVICE_NAMES, SERVICE_NAME

USER: Final = "gateway"
PASSWORD: Final = "any"  # noqa: S105 (of a login that is believed whatever it is)
_MAX_INTERFACES: Final = 100
_ANYWHERE: Final = re.compile(r"^tcp://(?:0\.0\.0\.0|\*|\[::\])(?=:)")
_NAME: Final = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_SECURITY: Final = {"noop_auth_backend": "noop", "trusted_peer": "plain"}
"""Of a server's plugins those that let in everybody, and what a gateway calls them."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One server of a service.

    Attributes:
        endpoint: where this machine reaches it.
        security: the name of its plugin.
        interfaces: by their names in the schema.
        files: from which the service has loaded modules that are its own.
    """

    endpoint: str
    peer: str
    security: str
    interfaces: tuple[str, ...]
    files: tuple[Path, ...] = ()

    @property
    def gateway_security(self) -> str | None:
        """How a gateway gets in; None if it needs secrets."""
        return _SECURITY.get(self.security)


def read_announcement(data: bytes) -> Announcement | None:
    """What `cara_pseud.announcing` wrote; None if it is none of that."""
    try:
        told = json.loads(data)
        endpoint, peer, security = (told[key] for key in ("endpoint", "peer", "security"))
        interfaces, files = told["interfaces"], told["files"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(interfaces, list) or not isinstance(files, list) or len(interfaces) > _MAX_INTERFACES:
        return None
    if not all(isinstance(text, str) for text in (endpoint, peer, security, *interfaces, *files)):
        return None
    if not all(_NAME.fullmatch(name) for name in interfaces):
        return None
    endpoint = _ANYWHERE.sub("tcp://127.0.0.1", endpoint)
    return Announcement(endpoint, peer, security, tuple(interfaces), tuple(Path(file) for file in files))


def named(interfaces: Iterable[str]) -> dict[str, str]:
    """Names of services by the interfaces that they have: ``addressbook`` for ``AddressBook``."""
    names: dict[str, str] = {}
    for interface in interfaces:
        name = interface.rpartition(".")[2].lower().lstrip("_")[:50]
        if name in RESERVED_SERVICE_NAMES or not SERVICE_NAME.fullmatch(name):
            name = f"service_{name}"
        taken, number = set(names.values()), 2
        free = name
        while free in taken:
            free, number = f"{name}{number}", number + 1
        names[interface] = free
    return names
