"""``[gateway.log]``: how much is logged, and how a line looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.reading import ConfigReading
from gateway.config.values import ValueKind, one_of

LOG_KEYS: Final[Mapping[str, ValueKind]] = {
    "level": one_of("info", "warning", "error"),
    "format": one_of("auto", "json", "text"),
}
"""The keys of ``[gateway.log]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """``[gateway.log]``.

    Attributes:
        level: what is less than that is not logged; lines of requests are ``info``.
        format: ``text`` is for people, ``json`` for programs; ``auto`` is the former on a terminal.
    """

    level: str = "info"
    format: str = "auto"


def read_log(reading: ConfigReading, table: Mapping[str, Any], prefix: str) -> LogConfig:
    """The table, checked.

    Args:
        table: empty if it is not in the file.
        prefix: of its keys' variables.
    """
    return LogConfig(**reading.values("gateway.log", table, LOG_KEYS, prefix))
