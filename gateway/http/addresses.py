"""Who counts as one client where bounds are per address. The one place that knows it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

_V6_PREFIX = 64
"""One host has at least so much of IPv6 for itself, and may change its address within it as it likes."""


def address_of_socket(address: Any) -> str:
    """The owner of a connection by the address that ``accept`` gave; "" for a Unix socket."""
    return counted(address[0]) if isinstance(address, tuple) and address else ""


@lru_cache(maxsize=4096)
def counted(ip: str) -> str:
    """An IP address as the bounds count it: of IPv6 the network, "" for what is none."""
    try:
        found = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return "" if found.is_unspecified else str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False))
