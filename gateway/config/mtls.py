"""``[gateway.auth.mtls]``: which roles clients have by their certificates."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.config.reading import ConfigReading
from gateway.config.values import ValueKind, shown

_MTLS: Final = "gateway.auth.mtls"


def _roles_by_name(value: Any) -> dict[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise ValueError(f'expected a table like {{ "ops.example" = ["admin"] }}, not {shown(value)}')
    found = {}
    for name, roles in value.items():
        if not name or not isinstance(roles, list) or not all(isinstance(role, str) and role for role in roles):
            raise ValueError(f"expected a list of roles for each name, not {shown(roles)} for {shown(name)}")
        found[name] = frozenset(roles)
    return found


def _parse(text: str) -> Any:
    """The text of a variable: a table as it would stand in the file."""
    try:
        return tomllib.loads(f"roles = {text}\n")["roles"]
    except tomllib.TOMLDecodeError:
        return text


MTLS_KEYS: Final[Mapping[str, ValueKind]] = {"roles": ValueKind(_roles_by_name, _parse)}
"""The keys of ``[gateway.auth.mtls]``."""


@dataclass(frozen=True, slots=True)
class MtlsConfig:
    """``[gateway.auth.mtls]``.

    Attributes:
        roles: by a certificate's CN or one of its DNS names. Who has another certificate has no roles.
    """

    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_mtls(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> MtlsConfig | None:
    """The table, checked; None if nothing is said of it.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    given = reading.values(_MTLS, table or {}, MTLS_KEYS, prefix)
    if table is None and not given:
        return None
    return MtlsConfig(given.get("roles", {}))
