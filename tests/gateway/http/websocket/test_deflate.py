"""What of permessage-deflate is agreed on, and messages in and out of it (RFC 7692)."""

from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.websocket.deflate import MIN_BYTES, Agreement, Inflation, NoDeflate, TooMuch, agree

TAKEN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

OFFERS: list[tuple[str, str | None]] = [
    ("", None),
    ("permessage-deflate", TAKEN),
    ("permessage-deflate; client_max_window_bits", TAKEN),
    ("permessage-deflate; client_max_window_bits=10", TAKEN),
    ('permessage-deflate; server_max_window_bits="10"', TAKEN + "; server_max_window_bits=10"),
    ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", TAKEN),
    ("x-other, permessage-deflate;server_max_window_bits=12", TAKEN + "; server_max_window_bits=12"),
    ("permessage-deflate; server_max_window_bits=8, permessage-deflate", TAKEN),
    ("permessage-deflate; server_max_window_bits=8", None),
    ("permessage-deflate; server_max_window_bits", None),
    ("permessage-deflate; server_max_window_bits=16", None),
    ("permessage-deflate; client_max_window_bits=07", None),
    ("permessage-deflate; server_no_context_takeover=1", None),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
    ("permessage-deflate; unknown", None),
    ("permessage-bzip2", None),
    (",;=,", None),
]


@pytest.mark.parametrize(("offers", "answer"), OFFERS)
def test_the_first_offer_that_suits_is_taken(offers: str, answer: str | None) -> None:
    agreement = agree(offers)
    assert (None if agreement is None else agreement.header()) == answer


def packed(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@given(st.binary(max_size=3000), st.integers(1, 400))
def test_a_message_is_the_same_however_it_is_cut(data: bytes, size: int) -> None:
    whole = packed(data)
    inflation, out = Inflation(3000), b""
    for at in range(0, len(whole), size):
        out += inflation.take(whole[at : at + size], at + size >= len(whole))
    assert out == data


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_what_is_sent_can_be_read(bits: int) -> None:
    data = os.urandom(1000).hex().encode() * 10
    sent = Agreement(bits).deflated(data)
    assert sent is not None
    assert len(sent) < len(data)
    assert zlib.decompressobj(-bits).decompress(sent + b"\x00\x00\xff\xff") == data


def test_the_example_of_the_standard_is_read() -> None:
    assert Inflation(100).take(bytes.fromhex("f248cdc9c90700"), True) == b"Hello"
    assert Inflation(100).take(bytes.fromhex("f348cdc9c9070000"), True) == b"Hello"


@pytest.mark.parametrize("size", [1001, 100_000, 100_000_000])
def test_no_more_is_unpacked_than_may_be(size: int) -> None:
    bomb = packed(bytes(size), 9)
    with pytest.raises(TooMuch):
        Inflation(1000).take(bomb, True)
    assert Inflation(1000).take(packed(bytes(1000)), True) == bytes(1000)


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x07", bytes.fromhex("f348cdc9c907000000"), b"\x03\x00" * 1000])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(NoDeflate):
        Inflation(1000).take(data, True)


def test_short_messages_and_those_with_handles_are_sent_as_they_are() -> None:
    agreement = Agreement()
    assert agreement.deflated(b"x" * (MIN_BYTES - 1)) is None
    assert agreement.deflated(b"x" * MIN_BYTES) is not None
    assert agreement.deflated(b'{"$handle":"secret"}' + b"x" * MIN_BYTES) is None
    assert agreement.deflated(os.urandom(5000)) is None
