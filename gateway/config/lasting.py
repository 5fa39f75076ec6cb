"""Which keys of a configuration hold from the start of the gateway to its end, whatever the file says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gateway.config.exposure import unguarded
from gateway.config.file import ConfigError, GatewayConfig

LASTING: Final = ("listen", "socket_mode", "admin", "tracing")
"""Fields of `GatewayConfig`: sockets are bound once, and who records traces is made once.

Whether they speak TLS lasts as well, but not with what."""


def lasting(before: GatewayConfig, after: GatewayConfig) -> GatewayConfig:
    """The second configuration with what it cannot change as in the first."""
    return replace(after, **{key: getattr(before, key) for key in changed(before, after)})


def check_guard(config: GatewayConfig) -> None:
    """Be sure that it is said who may call, for where the gateway listens, which may not be what its file says.

    Raises:
        ConfigError: it is not, and others than this machine's users can.
    """
    wrong = None if config.auth is not None else unguarded(config.listen, config.hosts, config.trusted_proxies)
    if wrong is not None:
        raise ConfigError(f"gateway.auth: {wrong}")


def changed(before: GatewayConfig, after: GatewayConfig) -> Iterator[str]:
    """Yield those of `LASTING` in which two configurations differ."""
    for key in LASTING:
        if getattr(before, key) != getattr(after, key):
            yield key
    if (before.tls is None) != (after.tls is None):
        yield "tls"
