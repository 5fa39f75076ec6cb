"""``[gateway.rates]``: how many calls a caller may make in which time, and where that is counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config.reading import ConfigReading
from gateway.config.values import ValueKind, shown

_RATES: Final = "gateway.rates"
MEMORY: Final = "memory"
MAX_CALLS: Final = 1_000_000
MAX_PERIOD_S: Final = 86_400
_UNITS_S: Final = {
    "s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400,
}  # fmt: skip
_RATE: Final = re.compile(r"([0-9][0-9_]{0,10})/([0-9]{0,6})([a-z]+?)s?", re.ASCII)
_STORAGES: Final = ("redis", "rediss", "redis+unix")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in a period. As many may come at once, and one more each time its share of the period is over."""

    calls: int
    period_s: int

    def __str__(self) -> str:
        return f"{self.calls} in {self.period_s} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesConfig:
    """What ``[gateway.rates]`` says. The storage is left out of its repr, as there may be a password in it.

    Attributes:
        per_principal: of each caller with a name; None: they are not counted.
        per_address: of each address from which callers without a name come.
        storage: `MEMORY`, or the URL of a Redis that several gateways share.
    """

    per_principal: Rate | None = None
    per_address: Rate | None = None
    storage: str = field(default=MEMORY, repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether other gateways count in the same place."""
        return self.storage != MEMORY


def _rate(value: Any) -> Rate:
    matched = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit_s = None if matched is None else _UNITS_S.get(matched[3])
    if matched is None or unit_s is None:
        raise ValueError(f'expected calls and a time like "200/s", "1000/m", "50/10s", "5000/h", not {shown(value)}')
    rate = Rate(int(matched[1]), int(matched[2] or 1) * unit_s)
    if not 1 <= rate.calls <= MAX_CALLS or not 1 <= rate.period_s <= MAX_PERIOD_S:
        raise ValueError(f"expected 1 to {MAX_CALLS} calls in 1 s to 1 day, not {shown(value)}")
    return rate


def _storage(value: Any) -> str:
    expected = 'expected "memory", "redis://HOST:PORT/DB", "rediss://…" or "redis+unix:///PATH"'
    if value == MEMORY:
        return MEMORY
    # What is wrong is not shown, as there may be a password in it.
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(expected)
    try:
        parts = urlsplit(value)
        is_complete = bool(parts.path if parts.scheme == "redis+unix" else parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete or parts.scheme not in _STORAGES:
        raise ValueError(expected)
    return value


RATES_KEYS: Final[Mapping[str, ValueKind]] = {
    "per_principal": ValueKind(_rate),
    "per_address": ValueKind(_rate),
    "storage": ValueKind(_storage),
}
"""The keys of ``[gateway.rates]``."""


def read_rates(
    reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str, *, has_redis: bool
) -> RatesConfig | None:
    """The table, checked; None if nobody is counted.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
        has_redis: whether what Redis needs is installed.
    """
    rates = RatesConfig(**reading.values(_RATES, table or {}, RATES_KEYS, prefix))
    if rates.is_shared and not has_redis:
        reading.complain(f"{_RATES}.storage", "Redis needs an extra: pip install 'cara-gateway[redis]'")
    if rates.per_principal is not None or rates.per_address is not None:
        return rates
    if rates.is_shared:
        reading.complain(f"{_RATES}.storage", "counts nothing without per_principal or per_address")
    return None
