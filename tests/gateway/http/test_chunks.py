"""Bodies in chunks, however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.chunks import MAX_LINE_BYTES, MAX_TRAILER_BYTES, ChunkReader
from gateway.http.request_head import HeadError


def read(*parts: bytes) -> tuple[bytes, bool, bytes]:
    reader = ChunkReader()
    body = b"".join(reader.take(part) for part in parts)
    return body, reader.has_ended, reader.rest


@pytest.mark.parametrize(
    ("data", "body", "rest"),
    [
        (b"0\r\n\r\n", b"", b""),
        (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", b"GET"),
        (b"2\r\nhe\r\n3\r\nllo\r\n000\r\n\r\n", b"hello", b""),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, b""),
        (b'5;a=b;c="d"\r\nhello\r\n0 ;x\r\n\r\n', b"hello", b""),
        (b"2\r\n\r\n\r\n0\r\nX: 1\r\nY:\r\n\r\n\r\n", b"\r\n", b"\r\n"),
    ],
)
def test_a_body_is_what_its_chunks_hold(data: bytes, body: bytes, rest: bytes) -> None:
    assert read(data) == (body, True, rest)
    assert read(*[data[at : at + 1] for at in range(len(data) - len(rest))]) == (body, True, b"")


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 200)))
def test_it_does_not_matter_where_a_body_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    parts = [data[begin:end] for begin, end in itertools.pairwise(places)]
    assert read(*parts) == (b"".join(chunks), True, b"")


@pytest.mark.parametrize("sizes", [[3] * 10, [0] * 10, [3, 0, 3, 0, 0]])
@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_so_many_chunks_are_read_at_once(sizes: list[int], most: int) -> None:
    # Those with extensions are read with more care, and count as well.
    sent = [b"1" + b";x=y"[: 2 * size] + b"\r\n%d\r\n" % (number % 10) for number, size in enumerate(sizes)]
    reader = ChunkReader()
    pieces = [reader.take(b"".join(sent) + b"0\r\n\r\nGET", most)]
    while reader.has_more:
        assert not reader.has_ended
        pieces.append(reader.take(b"", most))
    assert (b"".join(pieces), reader.rest) == (bytes(48 + number for number in range(len(sizes))), b"GET")
    assert [len(piece) for piece in pieces[:-1]] == [most] * (len(sizes) // most)
    assert reader.has_ended


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\r\n", "hexadecimal"),
        (b" 5\r\n", "hexadecimal"),
        (b"5 \r\n", "hexadecimal"),
        (b"+5\r\n", "hexadecimal"),
        (b"-5\r\n", "hexadecimal"),
        (b"0x5\r\n", "hexadecimal"),
        (b"5_0\r\n", "hexadecimal"),
        (b"g\r\n", "hexadecimal"),
        (b"5,5\r\n", "hexadecimal"),
        (b"1" * 16 + b"\r\n", "hexadecimal"),
        (b"5;\x00\r\n", "hexadecimal"),
        (b"5;a\rb\r\n", "hexadecimal"),
        (b"5\n", "CR LF"),
        (b"5;a\n", "CR LF"),
        (b"5\r\nhelloX", "longer than its size"),
        (b"5\r\nhello\n", "longer than its size"),
        (b"5\r\nhello\rX", "longer than its size"),
        (b"0\r\nX\r\n", "must be headers"),
        (b"0\r\nX : 1\r\n", "must be headers"),
        (b"0\r\n X: 1\r\n", "must be headers"),
        (b"0\r\nX: 1\n", "CR LF"),
        (b"0\r\n\n", "CR LF"),
    ],
)
def test_what_are_no_chunks_is_said(data: bytes, says: str) -> None:
    with pytest.raises(HeadError, match=says) as caught:
        read(data)
    assert caught.value.http == 400


@pytest.mark.parametrize(
    ("begin", "line", "limit"),
    [(b"", b"5;%b\r\n", MAX_LINE_BYTES), (b"0\r\n", b"X:%b\r\n", MAX_TRAILER_BYTES)],
)
def test_what_means_nothing_has_a_bound(begin: bytes, line: bytes, limit: int) -> None:
    most = limit - len(line % b"")
    read(begin, line % (b"a" * most))
    for parts in ([begin, line % (b"a" * (most + 1))], [begin, line.partition(b"%")[0], b"a" * limit]):
        with pytest.raises(HeadError, match=f"more than {limit} bytes"):
            read(*parts)


def test_trailers_are_bounded_together() -> None:
    reader = ChunkReader()
    reader.take(b"0\r\n")
    for _ in range(MAX_TRAILER_BYTES // 100):
        reader.take(b"X: %b\r\n" % (b"a" * 95))
    with pytest.raises(HeadError, match="what follows the last chunk"):
        reader.take(b"X: %b\r\n" % (b"a" * 95))
