"""``[gateway.tracing]``: where spans are sent, how many, and under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config.reading import ConfigReading
from gateway.config.values import FRACTION, TEXT, ValueKind, shown

DEFAULT_PATH: Final = "/v1/traces"
"""Where a collector takes spans over HTTP, if the address says no path (OpenTelemetry Protocol, OTLP/HTTP)."""
_TRACING: Final = "gateway.tracing"
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def _collector(value: Any) -> str:
    expected = 'expected an address like "http://collector:4318"'
    if not isinstance(value, str):
        raise ValueError(f"{expected}, not {shown(value)}")
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not value.isprintable() or " " in value:
        raise ValueError(f"{expected}, of http or https")
    if "@" in parts.netloc or parts.query or parts.fragment:
        # It stands in logs and in errors, where no secret may.
        raise ValueError(f"{expected}, without a name, a password, a query or a fragment")
    return value if parts.path not in ("", "/") else value.rstrip("/") + DEFAULT_PATH


TRACING_KEYS: Final[Mapping[str, ValueKind]] = {
    "otlp": ValueKind(_collector),
    "sample": FRACTION,
    "service_name": TEXT,
}
"""The keys of ``[gateway.tracing]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingConfig:
    """``[gateway.tracing]``.

    Attributes:
        otlp: the collector's address, with the path.
        sample: which part of the traces that begin here is recorded; of others the caller has decided.
        service_name: who the gateway is in a trace.
    """

    otlp: str
    sample: float = 1.0
    service_name: str = "cara-gateway"


def read_tracing(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> TracingConfig | None:
    """The table, checked; None if nothing is said of it, in the file and in variables.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    before = len(reading.complaints)
    given = reading.values(_TRACING, dict(table or {}), TRACING_KEYS, prefix)
    if (table is None and not given) or len(reading.complaints) > before:
        return None
    if "otlp" not in given:
        reading.complain(f"{_TRACING}.otlp", 'is missing: the address of a collector, like "http://collector:4318"')
        return None
    if not all(map(_is_installed, _NEEDED)):
        reading.complain(_TRACING, 'needs what is not installed: pip install "cara-gateway[tracing]"')
        return None
    return TracingConfig(**given)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False
