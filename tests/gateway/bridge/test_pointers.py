"""Messages that nobody honest writes: each is refused, and none costs more than it is long."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from gateway.bridge.pointers import MAX_UNITS, Copy, Malformed, ReceivedMessage, segment_of


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *(value & 2**64 - 1 for value in values))


def struct_pointer(offset: int, data: int, pointers: int) -> int:
    return (offset << 2) & 0xFFFFFFFF | data << 32 | pointers << 48


def list_pointer(offset: int, size: int, count: int) -> int:
    return (offset << 2 | 1) & 0xFFFFFFFF | size << 32 | count << 35


def far(segment: int, word: int, *, double: bool = False) -> int:
    return 2 | (4 if double else 0) | word << 3 | segment << 32


def text_of(*segments: bytes) -> str:
    message = ReceivedMessage(segments)
    return message.text(segments[0], 0, message.root())


HELLO = b"hello\0\0\0"


def test_a_text_in_the_same_segment() -> None:
    assert text_of(words(list_pointer(0, 2, 6)) + HELLO) == "hello"


def test_a_text_in_another_segment() -> None:
    assert text_of(words(far(1, 0)), words(list_pointer(0, 2, 6)) + HELLO) == "hello"


def test_a_text_whose_pointer_is_in_a_third_segment() -> None:
    assert text_of(words(far(1, 0, double=True)), words(far(2, 1), list_pointer(0, 2, 6)), words(0) + HELLO) == "hello"


def test_a_pointer_may_lead_backwards() -> None:
    segment = HELLO + words(list_pointer(-2, 2, 6))
    assert ReceivedMessage([segment]).text(segment, 8, list_pointer(-2, 2, 6) & 2**64 - 1) == "hello"


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([b""], "it is empty"),
        ([words(list_pointer(0, 2, 600)) + HELLO], "outside of its segment"),
        ([words(list_pointer(-5, 2, 6)) + HELLO], "outside of its segment"),
        ([words(list_pointer(0, 2, 5)) + HELLO], "has no end"),
        ([words(list_pointer(0, 3, 2)) + HELLO], "another list"),
        ([words(struct_pointer(0, 1, 0)) + HELLO], "where a list must be"),
        ([words(3 | 1 << 32)], "where a list must be"),
        ([words(list_pointer(0, 2, 3)) + b"\xff\xfe\0\0\0\0\0\0"], "not UTF-8"),
        ([words(far(7, 0))], "no segment 7"),
        ([words(far(1, 5)), words(0)], "out of its segment"),
        ([words(far(1, 0)), words(far(0, 0))], "leads to another one"),
        ([words(far(1, 0, double=True)), words(0, 0)], "landing pad"),
        ([words(far(1, 0, double=True)), words(far(0, 0, double=True), list_pointer(0, 2, 6))], "landing pad"),
    ],
)
def test_what_is_no_text_is_refused(segments: list[bytes], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        text_of(*segments)


def test_a_small_message_that_stands_for_an_endless_one() -> None:
    """Lists of pointers to one and the same list of pointers, and so on: 2^60 texts in a few hundred bytes."""

    def read(message: ReceivedMessage, place: int, pointer: int) -> int:
        segment, start, _, count = message.list(message.segments[0], place, pointer)
        message.spend(1 + count)
        return sum(
            read(message, at, struct.unpack_from("<Q", segment, at)[0]) for at in range(start, start + 8 * count, 8)
        )

    segment = words(list_pointer(0, 6, 2))
    for _ in range(60):
        segment += words(list_pointer(1, 6, 2), list_pointer(0, 6, 2))
    segment += words(list_pointer(0, 6, 0), list_pointer(0, 6, 0))
    message = ReceivedMessage([segment], 10_000)
    with pytest.raises(Malformed, match="more values than are read"):
        read(message, 0, message.root())
    assert message.left <= 0


@pytest.mark.parametrize(
    "pointer",
    [list_pointer(0, 7, 0), list_pointer(0, 0, 2**29 - 1), list_pointer(0, 7, 1)],
    ids=["structs", "voids", "structs and a word"],
)
def test_elements_without_size_are_counted(pointer: int) -> None:
    segment = words(pointer, (2**29 - 1) << 2, 0)
    message = ReceivedMessage([segment])

    def read() -> None:
        place = message.list(segment, 0, pointer)
        if place[2] == 7:
            message.structs(*place)
        else:
            message.spend(place[3])

    with pytest.raises(Malformed):
        read()


def test_what_is_copied_is_one_segment_without_objects() -> None:
    inner = words(far(1, 0), 3 | 0 << 32)
    segment = words(struct_pointer(0, 1, 2), 42) + inner
    message = ReceivedMessage([segment, words(list_pointer(0, 2, 6)) + HELLO])
    copied = segment_of(lambda copy: copy.put(0, segment, 0, message.root()), message)
    again = ReceivedMessage([copied])
    found, data, size, pointers, count = again.struct(copied, 0, again.root())
    assert (size, count, found[data : data + 8]) == (8, 2, words(42))
    assert again.text(found, pointers, again.pointer(found, pointers, count, 0)) == "hello"
    assert again.pointer(found, pointers, count, 1) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: words(struct_pointer(-1, 0, 1)),  # itself
        lambda: words(7),
        lambda: words(list_pointer(-1, 6, 1)),
        lambda: words(list_pointer(0, 7, 2), struct_pointer(500, 1, 1), 0, 0),
    ],
)
def test_what_cannot_be_copied_is_refused(make: Callable[[], bytes]) -> None:
    message = ReceivedMessage([make()])
    with pytest.raises(Malformed):
        segment_of(lambda copy: copy.put(0, message.segments[0], 0, message.root()), message)


def test_the_bound_is_that_of_a_message() -> None:
    message = ReceivedMessage([b""])
    message.spend(MAX_UNITS)
    with pytest.raises(Malformed):
        message.spend(1)
    assert Copy(message).segment == bytearray(8)
