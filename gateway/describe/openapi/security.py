"""How callers prove who they are, as an OpenAPI document says it: schemes, and which of them an operation takes.

What a proxy or a plugin of the operator's looks at is nothing that a client could be told here, so it is not declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway import fixed_paths
from gateway.config.auth import AuthConfig
from gateway.describe.openapi.answers import problems
from gateway.json.text import JSON

PUBLIC: Final = (fixed_paths.HEALTH, fixed_paths.READY)
"""Operations of which it does not matter who asks."""
REFUSALS: Final = (401, 429, 503)
"""What is answered where it matters who asks: it is not known, was guessed too often, or cannot be found out."""

KEY: Final = "key"
BEARER: Final = "bearer"
BASIC: Final = "basic"
CERTIFICATE: Final = "certificate"

_SCHEMES: Final[Mapping[str, JSON]] = {
    KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of the gateway's operator."},
    BEARER: {"type": "http", "scheme": "bearer", "description": "A token, or a key of the gateway's operator."},
    BASIC: {"type": "http", "scheme": "basic", "description": "A name and its password."},
    CERTIFICATE: {"type": "mutualTLS", "description": "A certificate of the client."},
}


@dataclass(frozen=True, slots=True)
class Security:
    """What is known of callers.

    Attributes:
        schemes: names of those that a client may use; none if everybody is anonymous, or only others can say.
        is_on: whether anybody is asked who they are.
        is_required: whether everybody is.
    """

    schemes: tuple[str, ...] = ()
    is_on: bool = False
    is_required: bool = False

    def components(self) -> dict[str, JSON]:
        """The schemes, for ``securitySchemes``."""
        return {name: _SCHEMES[name] for name in self.schemes}

    def of(self, own: Sequence[JSON], *, needs_roles: bool = False) -> list[JSON]:
        """What an operation takes.

        Args:
            own: what it takes of sessions; each member is one way.
            needs_roles: whether it is for nobody without credentials.
        """
        if not self.schemes:
            return list(own)
        ways: list[Mapping[str, JSON]] = [dict(way) for way in own if isinstance(way, Mapping)] or [{}]
        known: list[JSON] = [{**way, name: []} for way in ways for name in self.schemes]
        return known if self.is_required or needs_roles else [*[dict(way) for way in ways], *known]

    def secure(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        """Have each operation say how it refuses who is nobody."""
        if not self.is_on:
            return
        for path, operations in paths.items():
            for operation in () if path in PUBLIC else operations.values():
                operation["responses"] = {**problems(REFUSALS), **operation["responses"]}

    def secure_fixed(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        """Have the operations that every gateway has say what they take."""
        for path, operations in paths.items():
            for operation in () if path in PUBLIC else operations.values():
                operation["security"] = self.of(operation["security"])


NO_SECURITY: Final = Security()


def security_of(auth: AuthConfig | None) -> Security:
    """What a configuration lets callers use."""
    if auth is None:
        return NO_SECURITY
    names = []
    if auth.keys is not None:
        names.append(KEY)
    if auth.keys is not None or auth.jwt is not None:
        names.append(BEARER)
    if auth.passwords is not None:
        names.append(BASIC)
    if auth.mtls is not None:
        names.append(CERTIFICATE)
    return Security(tuple(names), True, auth.required)
