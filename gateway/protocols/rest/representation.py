"""How the bytes of an answer travel: their entity tag, and whether they are compressed (RFC 9110 §8.8.3, §12.5.3)."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

MIN_COMPRESSED_BYTES: Final = 1024
"""A shorter answer fits into the packet that its headers need anyway."""
# The level at which JSON stops getting much smaller; a mebibyte takes some ten milliseconds.
_LEVEL: Final = 3


def entity_tag(data: bytes | Iterable[bytes], *, strong: bool = False) -> str:
    """The tag of an answer, whole or in pieces.

    Args:
        strong: whether it always travels as it is. Otherwise it may be compressed, so that the tag is a weak one.
    """
    digest = blake2b(digest_size=12)
    for piece in (data,) if isinstance(data, bytes) else data:
        digest.update(piece)
    return f'{"" if strong else "W/"}"{digest.hexdigest()}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether a client that sends this ``If-None-Match`` has the answer of a tag (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    # Compared weakly, as that field is; none of our tags holds a comma.
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag.removeprefix("W/") in known or known == ["*"]


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
