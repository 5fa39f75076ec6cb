"""Which part of a file a request asks for (RFC 9110 section 14). Knows no file."""

from __future__ import annotations

import re
from typing import Final

_ONE_RANGE: Final = re.compile(
    r"[ \t]*bytes[ \t]*=[ \t]*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))[ \t]*", re.ASCII | re.IGNORECASE
)


class UnsatisfiableRangeError(ValueError):
    """The range begins behind the end."""


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The part that a ``Range`` field asks for, as its first byte and the one behind its last.

    Several ranges at once, other units and what is no range ask for everything, as the field may be ignored.

    Args:
        text: the field; None if there is none.
        size: of the whole, in bytes.

    Returns:
        None for the whole.

    Raises:
        UnsatisfiableRangeError: nothing of it is there.
    """
    found = None if text is None else _ONE_RANGE.fullmatch(text)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        begin, end = max(0, size - int(suffix)), size
    else:
        begin = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None  # which makes the field no range
    if begin >= end:
        raise UnsatisfiableRangeError(f"there are {size} bytes, so none from {begin} on")
    return begin, end
