"""Bodies that cost whoever reads them more than they cost to send."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgpack

MILLION = 1_000_000
SIZE = 8 * MILLION


def array_head(length: int) -> bytes:
    return b"\xdd" + length.to_bytes(4, "big")


def map_head(length: int) -> bytes:
    return b"\xdf" + length.to_bytes(4, "big")


def _maps_with_keys(keys: Iterator[bytes] | list[bytes]) -> bytes:
    entries = [key + b"\x00" for key in keys]
    return map_head(len(entries)) + b"".join(entries)


# -1 and -2 have the same hash, so all tuples of a length that consist of them have.
_EQUAL_HASHES = [msgpack.packb(numbers) for numbers in product((-1, -2), repeat=14)]

VALUES = {
    "tuples of one hash as keys": _maps_with_keys(_EQUAL_HASHES),
    "tuples as keys": _maps_with_keys([b"\x92\x01\x02"]),
    "maps as keys": _maps_with_keys([b"\x80"]),
    "floats as keys": _maps_with_keys([msgpack.packb(float(number)) for number in range(10_000)]),
    "a float as the only key": _maps_with_keys([msgpack.packb(1.5)]),
    "nil as a key": _maps_with_keys([b"\xc0"]),
    "a bool as a key": _maps_with_keys([b"\xc3"]),
    "an object as a key": _maps_with_keys([msgpack.packb(msgpack.ExtType(100, b"\x07"))]),
    "8 MB of empty maps": array_head(SIZE) + b"\x80" * SIZE,
    "8 MB of empty arrays": array_head(SIZE) + b"\x90" * SIZE,
    "8 MB of arrays of one": array_head(SIZE // 2) + b"\x91\x00" * (SIZE // 2),
    "8 MB of maps of one": array_head(SIZE // 3) + b"\x81\x00\x00" * (SIZE // 3),
    "arrays in arrays": b"\x91" * SIZE + b"\x00",
    "maps in maps": b"\x81\x00" * (SIZE // 2) + b"\x00",
    "arrays of 65,535 that end at once": b"\xdc\xff\xff" * (SIZE // 3),
    "an array of four billion": array_head(2**32 - 1) + b"\x00" * SIZE,
    "a map of four billion": map_head(2**32 - 1) + b"\x00" * SIZE,
    "empty texts": array_head(SIZE) + b"\xa0" * SIZE,
    "a million objects": array_head(MILLION) + msgpack.packb(msgpack.ExtType(100, b"\x07")) * MILLION,
    "a million objects with ids of their own": array_head(MILLION)
    + b"".join(b"\xc7\x05\x64\xce" + number.to_bytes(4, "big") for number in range(MILLION)),
}
"""msgpack that stands for one value, by what it is."""


def as_call(value: bytes, name: str = "swallow") -> bytes:
    """The body of a call with that argument."""
    return b"\x93" + msgpack.packb(name) + b"\x91" + value + b"\x80"
