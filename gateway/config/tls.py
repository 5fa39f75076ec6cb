"""``[gateway.tls]``: the certificate with which the gateway speaks TLS, and whose certificates of clients it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.config.reading import ConfigReading
from gateway.config.values import TEXT, ValueKind

_TLS: Final = "gateway.tls"

TLS_KEYS: Final[Mapping[str, ValueKind]] = {"certificate": TEXT, "key": TEXT, "client_ca": TEXT}
"""The keys of ``[gateway.tls]``."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """``[gateway.tls]``, all files in PEM.

    Attributes:
        certificate: the gateway's, and behind it those that lead to a known authority.
        key: of the first one, without a password.
        client_ca: authorities whose certificates clients may show; None = nobody is asked for one.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


def read_tls(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> TlsConfig | None:
    """The table, checked; None if nothing is said of it. Whether certificate and key fit is seen when they are loaded.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    given = reading.values(_TLS, table or {}, TLS_KEYS, prefix)
    if table is None and not given:
        return None
    for missing in ("certificate", "key"):
        if missing not in (table or {}) and missing not in given:
            reading.complain(f"{_TLS}.{missing}", "is missing")
    read = {name: reading.file(f"{_TLS}.{name}", value) for name, value in given.items()}
    paths = {name: file.path for name, file in read.items() if file is not None}
    if "certificate" not in paths or "key" not in paths:
        return None  # which was complained of
    return TlsConfig(paths["certificate"], paths["key"], paths.get("client_ca"))
