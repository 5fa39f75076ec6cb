"""A turn's messages in one: what goes together, what goes alone, and what is no batch."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cara_pseud import batches, wire
from cara_pseud.errors import ProtocolError


def uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def unpacked(posts: list[tuple[batches.Message, int]]) -> list[batches.Message]:
    messages: list[batches.Message] = []
    for (id, kind, body), _ in posts:
        messages += batches.parse(body) if kind == wire.BATCH else [(id, kind, body)]
    return messages


MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 2**100).map(uid),
        st.sampled_from([wire.OK, wire.WORK, wire.ERROR, wire.UNAUTHORIZED, wire.AUTHENTICATED]),
        st.one_of(st.binary(max_size=50), st.integers(20_000, 70_000).map(bytes)),
    ),
    max_size=300,
)


@given(MESSAGES)
def test_order_is_kept_and_nothing_is_lost(messages: list[batches.Message]) -> None:
    posts = list(batches.together(messages))
    assert unpacked(posts) == messages
    assert sum(count for _, count in posts) == len(messages)


@given(MESSAGES)
def test_batches_keep_their_bounds(messages: list[batches.Message]) -> None:
    for (_, kind, body), count in batches.together(messages):
        if kind == wire.BATCH:
            assert 2 <= count <= 256
            assert len(body) <= 65536


def test_the_bytes_of_a_batch() -> None:
    ((message, count),) = batches.together([(uid(1), wire.WORK, b"ab"), (uid(2), wire.OK, b"")])
    inner = "93c410" + uid(1).hex() + "c40103" + "c4026162", "93c410" + uid(2).hex() + "c40101" + "c400"
    assert (message, count) == ((b"", b"\x21", bytes.fromhex("92" + "".join(inner))), 2)


def test_one_message_goes_in_frames_of_its_own() -> None:
    message = (uid(1), wire.WORK, b"x")
    assert list(batches.together([message])) == [(message, 1)]


def test_a_large_message_goes_alone_in_its_place() -> None:
    messages = [(uid(n), wire.WORK, bytes(70_000) if n == 2 else b"x") for n in range(5)]
    assert [count for _, count in batches.together(messages)] == [2, 1, 2]


GOOD = [uid(1), wire.WORK, b"x"]


@pytest.mark.parametrize(
    "batch",
    [
        5, None, "text", b"bin", {}, [5], [[]], [GOOD[:2]], [[*GOOD, 1]], [{}], [{1: 2}],
        [[b"short", wire.WORK, b""]], [[uid(1).hex()[:16], wire.WORK, b""]], [[uid(1), "\x03", b""]],
        [[uid(1), wire.BATCH, b""]], [[uid(1), wire.HELLO, b""]], [[uid(1), b"", b""]], [[uid(1), b"\x03\x03", b""]],
        [[uid(1), wire.WORK, "text"]], [[uid(1), wire.WORK, None]], [[uid(1), None, b""]], [[uid(1), {}, b""]],
        [[uid(1), [], b""]], [GOOD, [uid(1), 3, b""]], [GOOD] * 257, [[uid(1), msgpack.ExtType(1, b""), b""]],
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_whole(batch: Any) -> None:
    with pytest.raises(ProtocolError):
        batches.parse(msgpack.packb(batch))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\x90\x00"])
def test_what_is_no_msgpack_is_no_batch(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        batches.parse(body)


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(body: bytes) -> None:
    try:
        for id, kind, content in batches.parse(body):
            assert (len(id), len(kind), type(content)) == (16, 1, bytes)
    except ProtocolError:
        pass
