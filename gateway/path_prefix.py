"""The prefix below which a gateway's paths stand for its clients, such as ``/gw``: its part of a site.

Knows neither who says it nor what stands below it.
"""

from __future__ import annotations

import re
from typing import Final

MAX_PREFIX_CHARS: Final = 200
"""More than any site's path needs; it is repeated in cookies and documents."""

# Segments of RFC 3986's unreserved characters, "@" and escapes. What else a path may hold would end the Path of a
# cookie (";"), begin a query or stand for another path ("." and ".."); an empty segment would make it another site's.
_PREFIX: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~@-]|%[0-9A-Fa-f]{2})+)+", re.ASCII)


def path_prefix(text: str) -> str | None:
    """The prefix that a text says, without a slash at its end; empty for ``/``. None if it is no prefix."""
    prefix = text.removesuffix("/")
    if prefix and (len(prefix) > MAX_PREFIX_CHARS or not _PREFIX.fullmatch(prefix)):
        return None
    return prefix if text else None


def below(prefix: str, path: str) -> str | None:
    """The path below a prefix: ``/api`` of ``/gw/api`` below ``/gw``. None if it does not stand below it."""
    if path.startswith(prefix) and path.startswith("/", len(prefix)):
        return path[len(prefix) :]
    return None
