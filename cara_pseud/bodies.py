"""How much is in a msgpack body, told before any object is made of it. Values in, values out.

A body of a few megabytes can hold millions of values: to make them stalls everybody else for seconds. A value takes at
least one byte and a capability at least three, so small bodies need no look; others are walked token by token, which
makes nothing and ends at the bound. Broken bodies are not refused here but by who reads them.
"""

from __future__ import annotations

import re
from typing import Final

from cara_pseud.errors import TooLarge

_MAX_DEPTH: Final = 1024
"""What msgpack reads at most; whoever reads a deeper body refuses it where it gets too deep."""
_CAPABILITY_TYPES: Final = (b"\x64", b"\x65")


def _token(first: int) -> tuple[int, int, int, int]:
    """How a token goes on that begins with this byte: see `_TOKENS`."""
    if first < 0x80 or first >= 0xE0:
        return (0, 0, 0, 0)
    if first < 0x90:
        return (0, 2 * (first & 15), 0, 0)
    if first < 0xA0:
        return (0, first & 15, 0, 0)
    if first < 0xC0:
        return (first & 31, 0, 0, 0)
    sized = {
        0xC4: (1, 0, 1, 0), 0xC5: (2, 0, 1, 0), 0xC6: (4, 0, 1, 0),
        0xC7: (1, 0, 1, 1), 0xC8: (2, 0, 1, 1), 0xC9: (4, 0, 1, 1),
        0xD9: (1, 0, 1, 0), 0xDA: (2, 0, 1, 0), 0xDB: (4, 0, 1, 0),
        0xDC: (2, 0, 2, 0), 0xDD: (4, 0, 2, 0), 0xDE: (2, 0, 3, 0), 0xDF: (4, 0, 3, 0),
    }  # fmt: skip
    if first in sized:
        return sized[first]
    fixed = {
        0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    }  # fmt: skip
    if first in fixed:
        return (fixed[first], 0, 0, 0)
    extensions = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
    if first in extensions:
        return (1 + extensions[first], 0, 0, 1)
    return (0, 0, 0, 0)


_PLAIN: Final = (0, 0, 0, 0)
_TOKENS: Final = tuple(_PLAIN if _token(first) == _PLAIN else _token(first) for first in range(256))
"""By a token's first byte: (bytes that follow, values that follow, what a length says, 1 for an extension).

Where a length says something the first number is the length's own size; what it counts is 1 bytes, 2 values, 3 pairs.
"""
_plain_run: Final = re.compile(b"[%s]+" % re.escape(bytes(first for first in range(256) if _TOKENS[first] is _PLAIN)))


def check(body: bytes, max_values: int, max_capabilities: int) -> None:
    """See that a body is within bounds.

    Raises:
        TooLarge: it holds more values (elements and members, keys not counted, and itself) or capabilities.
    """
    size = len(body)
    is_small = size <= max_values and (
        size <= 3 * max_capabilities or sum(map(body.count, _CAPABILITY_TYPES)) <= max_capabilities
    )
    if not is_small:
        _walk(body, max_values, max_capabilities)


def _walk(body: bytes, max_values: int, max_capabilities: int) -> None:
    tokens, plain = _TOKENS, _PLAIN
    size = len(body)
    place, left, values, capabilities, keys = 0, 1, 0, 0, 0
    # How many are left in the innermost array or map, and in those around it.
    level, around = 1, []
    while left and place < size:
        token = tokens[body[place]]
        place += 1
        left -= 1
        level -= 1
        values += 1
        if token is not plain:
            follows, holds, counts, extension = token
            if counts:
                length = int.from_bytes(body[place : place + follows], "big")
                place += follows
                if counts == 1:
                    place += length + extension
                elif counts == 2:
                    holds = length
                else:
                    holds = 2 * length
                    keys += length
            else:
                place += follows
                if holds and body[place - 1] < 0x90:
                    keys += holds >> 1
            if holds:
                left += holds
                around.append(level)
                level = holds
                if len(around) > _MAX_DEPTH:
                    return
            if extension:
                capabilities += 1
                if capabilities > max_capabilities:
                    raise TooLarge(f"the message holds more than {max_capabilities} capabilities, the most permitted")
        elif level and place < size and tokens[body[place]] is plain:
            # Long runs of small integers, nulls or empty maps are passed at once.
            run = min(_plain_run.match(body, place).end() - place, level)  # type: ignore[union-attr]
            place += run
            left -= run
            level -= run
            values += run
        while not level and around:
            level = around.pop()
        # Everything that is announced is counted: an array of a billion holds too much before its first element.
        if values + left - keys > max_values:
            raise TooLarge(f"the message holds more than {max_values} values, the most permitted")
