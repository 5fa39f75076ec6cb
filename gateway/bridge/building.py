"""Building messages of one segment in Cap'n Proto's own encoding: what pointers are made of. Knows no schema.

What is built is a bytearray that grows: what a pointer leads to comes after it. Places are in bytes from its beginning.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from gateway.bridge.pointers import BIT, BYTE, COMPOSITE, LIST_POINTER, OTHER_POINTER, POINTER, WORD

EMPTY_STRUCT: Final = 0xFFFFFFFC
"""The pointer to a struct without sections."""
_PADS: Final = tuple(bytes(-size % 8) for size in range(8))
_ENDS: Final = tuple(bytes(8 - size) for size in range(8))
"""What follows so many bytes beyond whole words of a text: its end, and zeros."""


def put_text(b: bytearray, place: int, text: str) -> None:
    """Write a Text and the pointer to it. Raises AttributeError or UnicodeEncodeError for what is none."""
    octets = text.encode()
    size, start = len(octets), len(b)
    b += octets
    b += _ENDS[size & 7]
    WORD.pack_into(b, place, (start - place - 8) >> 1 | _BYTES | (size + 1) << 35)


def put_data(b: bytearray, place: int, octets: bytes) -> None:
    """Write a Data and the pointer to it. Raises TypeError for what is none."""
    if not isinstance(octets, bytes | bytearray | memoryview):
        raise TypeError(octets)
    size, start = len(octets), len(b)
    b += octets
    b += _PADS[size & 7]
    WORD.pack_into(b, place, (start - place - 8) >> 1 | _BYTES | size << 35)


def put_struct(b: bytearray, place: int, words: int, sizes: int) -> int:
    """Make room for a struct and write the pointer to it; where it is.

    Args:
        words: of both sections.
        sizes: see `gateway.bridge.layouts.StructPlaces.sizes`.
    """
    start = len(b)
    if words:
        b += bytes(8 * words)
        WORD.pack_into(b, place, (start - place - 8) >> 1 | sizes << 32)
    else:
        WORD.pack_into(b, place, EMPTY_STRUCT)
    return start


def put_structs(b: bytearray, place: int, count: int, words: int, sizes: int) -> int:
    """Make room for a list of structs and write the pointer to it; where the first one is."""
    start = len(b)
    b += WORD.pack(count << 2 | sizes << 32)
    b += bytes(8 * words * count)
    WORD.pack_into(b, place, (start - place - 8) >> 1 | LIST_POINTER | COMPOSITE << 32 | words * count << 35)
    return start + 8


def put_pointers(b: bytearray, place: int, count: int) -> int:
    """Make room for a list of pointers and write the pointer to it; where the first one is."""
    return _put_list(b, place, POINTER, count, bytes(8 * count))


def put_numbers(b: bytearray, place: int, values: Sequence[Any], format: str, size: int) -> None:
    """Write a list of numbers. Raises struct.error for what is none, or out of range.

    Args:
        size: of the elements, as a list's pointer has it.
    """
    _put_list(b, place, size, len(values), struct.pack(f"<{len(values)}{format}", *values))


def put_bits(b: bytearray, place: int, values: Sequence[bool]) -> None:
    """Write a list of Bools. Raises KeyError or TypeError for what is none."""
    number = 0
    for index, value in enumerate(values):
        if BITS[value]:
            number |= 1 << index
    _put_list(b, place, BIT, len(values), number.to_bytes((len(values) + 7) // 8, "little"))


def put_voids(b: bytearray, place: int, count: int) -> None:
    """Write a list of nothing."""
    _put_list(b, place, 0, count, b"")


def put_object(b: bytearray, place: int, number: int) -> None:
    """Write a pointer to an object of the message's table."""
    WORD.pack_into(b, place, OTHER_POINTER | number << 32)


def _put_list(b: bytearray, place: int, size: int, count: int, content: bytes) -> int:
    start = len(b)
    b += content
    b += _PADS[len(content) & 7]
    WORD.pack_into(b, place, (start - place - 8) >> 1 | LIST_POINTER | size << 32 | count << 35)
    return start


BITS: Final = {True: 1, False: 0}
_BYTES: Final = LIST_POINTER | BYTE << 32
