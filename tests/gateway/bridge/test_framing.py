"""Messages in a stream, in pieces of any size."""

from __future__ import annotations

import struct

import pytest

from gateway.bridge.framing import Framing, framed
from gateway.bridge.pointers import Malformed

ONE = framed(b"A" * 16)
TWO = struct.pack("<IIII", 1, 1, 2, 0) + b"B" * 8 + b"C" * 16
THREE = struct.pack("<IIII", 2, 0, 1, 0) + b"D" * 8
EMPTY = struct.pack("<II", 0, 0)
STREAM = ONE + TWO + EMPTY + THREE + ONE
EXPECTED = [[b"A" * 16], [b"B" * 8, b"C" * 16], [b""], [b"", b"D" * 8, b""], [b"A" * 16]]


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 16, 40, 1000])
def test_messages_in_pieces_of_any_size(size: int) -> None:
    framing = Framing(1000)
    pieces = [STREAM[begin : begin + size] for begin in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in framing.take(piece)] == EXPECTED


@pytest.mark.parametrize(
    "head",
    [struct.pack("<II", 0, 1000), struct.pack("<II", 2**32 - 1, 0), struct.pack("<II", 512, 0), b"GET / HTTP/1.1\r\n"],
    ids=["too large", "all segments", "one segment too many", "HTTP"],
)
def test_what_is_no_message_is_refused_before_it_is_there(head: bytes) -> None:
    with pytest.raises(Malformed):
        list(Framing(1000).take(head))
