"""How the bytes of an answer travel: their entity tag, and whether they are compressed (RFC 9110 §8.8.3, §12.5.3)."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from typing import Final

MIN_COMPRESSED_BYTES: Final = 1024
"""A shorter answer fits into the packet that its headers need anyway."""
# The level at which JSON stops getting much smaller; a mebibyte takes some ten milliseconds.
_LEVEL: Final = 3


def entity_tag(data: bytes) -> str:
    """The tag of an answer; a weak one, as the same answer may travel compressed or not."""
    return f'W/"{blake2b(data, digest_size=12).hexdigest()}"'


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` field permits gzip; ``*`` counts, and ``q=0`` forbids."""
    accepted = False
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return not _is_zero(parameters)
        if coding.strip() == "*":
            accepted = not _is_zero(parameters)
    return accepted


def _is_zero(parameters: str) -> bool:
    name, _, value = parameters.replace(" ", "").partition("=")
    return name == "q" and bool(value) and not value.strip("0.")


def compress(data: bytes) -> bytes:
    """Gzip bytes, without a time in their header."""
    return gzip.compress(data, _LEVEL, mtime=0)
