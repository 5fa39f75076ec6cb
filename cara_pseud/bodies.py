"""How much is in a msgpack body, told before any object is made of it. Values in, values out.

A body of a few megabytes can hold millions of values: to make them stalls everybody else for seconds. A value takes
at least one byte and a capability at least three, so small bodies need no look. Of others the tokens are counted by
regular expressions, which pass over a hundred at a time; only where that leaves open how many of them are keys are
they walked one by one, which takes ten times as long. Neither makes anything, and both end at the bound. Broken
bodies are refused by who reads them.
"""

from __future__ import annotations

import re
from typing import Final

from cara_pseud.errors import TooLarge

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


def _sized_tokens() -> bytes:
    """A regular expression for one token whose first byte says how long it is, and that is no extension."""
    by_size: dict[int, list[int]] = {}
    for first, (follows, _, counts, extension) in enumerate(_TOKENS):
        if not counts and not extension and first != _NEVER_USED:
            by_size.setdefault(follows, []).append(first)
    # The most frequent ones first: one byte, then numbers and short texts.
    return b"|".join(
        b"[%s].{%d}" % (re.escape(bytes(by_size[follows])), follows) for follows in sorted(by_size, key=_is_rare)
    )


def _is_rare(follows: int) -> tuple[bool, int]:
    return follows not in (0, 1, 2, 4, 8), follows


_CHUNK: Final = 128
_NEVER_USED: Final = 0xC1
_sized = re.compile(_sized_tokens(), re.DOTALL)
_many_sized = re.compile(b"(?:%s){0,%d}+" % (_sized_tokens(), _CHUNK), re.DOTALL)


def check(body: bytes, max_values: int, max_capabilities: int) -> None:
    """See that a body is within bounds.

    Raises:
        TooLarge: it holds more values (elements and members, keys not counted, and itself) or capabilities.
    """
    size = len(body)
    is_small = size <= max_values and (
        size <= 3 * max_capabilities or sum(map(body.count, _CAPABILITY_TYPES)) <= max_capabilities
    )
    if is_small:
        return
    tokens = _count(body, max_values, max_capabilities)
    # At most every second token is a key.
    if tokens > 2 * max_values:
        raise _too_many_values(max_values)
    if tokens > max_values:
        _walk(body, max_values, max_capabilities)


def _count(body: bytes, max_values: int, max_capabilities: int) -> int:
    """The tokens of a body, keys too; not many more than can be permitted, and up to where it is no msgpack."""
    size, most = len(body), 2 * max_values
    place = tokens = announced = capabilities = 0
    while place < size and tokens <= most:
        end = _many_sized.match(body, place).end()  # type: ignore[union-attr]
        if end > place:
            # If it could go on, the chunk is a whole one.
            whole = end < size and _sized.match(body, end) is not None
            tokens += _CHUNK if whole else _sized.subn(b"", body[place:end])[1]
            place = end
            continue
        follows, _, counts, extension = _TOKENS[body[place]]
        if not counts and not extension:
            break
        length = int.from_bytes(body[place + 1 : place + 1 + follows], "big") if counts else 0
        place += 1 + follows + (length + extension if counts == 1 else 0)
        tokens += 1
        capabilities += extension
        if counts > 1:
            announced += length
        if capabilities > max_capabilities:
            raise _too_many_capabilities(max_capabilities)
        # An array of a billion holds too much before its first element, and would take its place before it is made.
        if announced > max_values:
            raise _too_many_values(max_values)
    return tokens


def _too_many_values(permitted: int) -> TooLarge:
    return TooLarge(f"the message holds more than {permitted} values, the most permitted")


def _too_many_capabilities(permitted: int) -> TooLarge:
    return TooLarge(f"the message holds more than {permitted} capabilities, the most permitted")


def _walk(body: bytes, max_values: int, max_capabilities: int) -> None:
    """Count values, keys told apart, one by one."""
    tokens, plain = _TOKENS, _PLAIN
    size = len(body)
    place, left, values, capabilities, keys = 0, 1, 0, 0, 0
    while left and place < size:
        token = tokens[body[place]]
        place += 1
        left -= 1
        values += 1
        if token is not plain:
            follows, holds, counts, extension = token
            if counts:
                length = int.from_bytes(body[place : place + follows], "big")
                place += follows
                if counts == 1:
                    place += length + extension
                elif counts == 2:
                    left += length
                else:
                    left += 2 * length
                    keys += length
            else:
                place += follows
                left += holds
                if holds and body[place - 1] < 0x90:
                    keys += holds >> 1
            if extension:
                capabilities += 1
                if capabilities > max_capabilities:
                    raise _too_many_capabilities(max_capabilities)
        elif left and place < size and tokens[body[place]] is plain:
            # Long runs of small integers, nulls or empty maps are passed at once.
            run = min(_plain_run.match(body, place).end() - place, left)  # type: ignore[union-attr]
            place += run
            left -= run
            values += run
        # Everything that is announced is counted.
        if values + left - keys > max_values:
            raise _too_many_values(max_values)
