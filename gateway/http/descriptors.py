"""How many files the process may open, and what of it is left for connections."""

from __future__ import annotations

import resource
from typing import Final

LEAST: Final = 16
"""With fewer connections nobody could be served at all; then the reserve has to do with less."""


def most_connections(wanted: int, reserved: int) -> int:
    """How many connections there may be.

    Args:
        wanted: how many there may be if descriptors permit.
        reserved: how many descriptors are for other things.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(LEAST, soft - reserved))


def permit_descriptors(wanted: int) -> None:
    """Permit the process so many descriptors, or as many as its hard limit permits; never fewer than before.

    The soft limit is 1,024 in many places only because `select` can take no more, which nothing here calls.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
