"""Bodies are measured before anything is made of them, and the figure is the exact one."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cara_pseud import bodies
from cara_pseud.errors import TooLarge

EXT = msgpack.ExtType

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False),
    st.text(max_size=40), st.binary(max_size=300),
    st.builds(EXT, st.just(100), st.sampled_from([bytes(n) for n in (1, 2, 3, 4, 8, 16, 20, 300)])),
)
KEYS = st.one_of(st.integers(0, 2**20), st.text(max_size=3), st.binary(max_size=3))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(KEYS, inner, max_size=20), max_leaves=60
)


def values_in(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(values_in, value.values()))
    return 1 + sum(map(values_in, value)) if isinstance(value, list) else 1


def capabilities_in(value: Any) -> int:
    if isinstance(value, EXT):
        return 1
    if isinstance(value, dict):
        return sum(map(capabilities_in, value.values()))
    return sum(map(capabilities_in, value)) if isinstance(value, list) else 0


@given(VALUES)
def test_the_bound_on_values_is_exact(value: Any) -> None:
    body = msgpack.packb(value)
    bodies.check(body, values_in(value), 10_000)
    with pytest.raises(TooLarge, match=f"more than {values_in(value) - 1} values"):
        bodies.check(body, values_in(value) - 1, 10_000)


@given(st.lists(VALUES, max_size=8))
def test_the_bound_on_capabilities_is_exact(value: list[Any]) -> None:
    body, count = msgpack.packb(value), capabilities_in(value)
    bodies.check(body, 10_000, count)
    if count:
        with pytest.raises(TooLarge, match=f"more than {count - 1} capabilities"):
            bodies.check(body, 10_000, count - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd\x00\x7a\x12\x00" + b"\x80" * 8_000_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff" + b"\x00" * 2_000_000,
        b"\x9f" + (b"\xdd\x00\x07\xa1\x20" + b"\xc0" * 500_000) * 15,
        b"\x92" * 2_000_001,
    ],
)
def test_what_is_announced_counts_before_it_is_read(body: bytes) -> None:
    with pytest.raises(TooLarge):
        bodies.check(body.ljust(1_000_001, b"\0"), 1_000_000, 10_000)


@pytest.mark.parametrize("body", [b"", b"\xc1" * 50, b"\xda\xff\xff", b"\xdb\xff\xff\xff\xff" + b"x" * 9, b"\xd8" * 40])
def test_broken_bodies_are_left_to_who_reads_them(body: bytes) -> None:
    bodies.check(body, 100, 100)
    bodies.check(body, 60, 60)
