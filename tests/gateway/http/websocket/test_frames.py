"""WebSocket frames, as bytes in and events out (RFC 6455)."""

from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.websocket.frames import (
    BAD_UTF8,
    PROTOCOL_ERROR,
    TOO_BIG,
    UNSUPPORTED,
    Binary,
    Closed,
    Fault,
    FrameEvent,
    FrameReader,
    Ping,
    Pong,
    TextMessage,
    accept_value,
    binary_header,
    close_frame,
    ping_frame,
    pong_frame,
    text_header,
    unmask,
)

LIMIT = 1000
MASK = b"\x01\x02\x03\x04"


def frame(first: int, payload: bytes = b"", mask: bytes = MASK) -> bytes:
    size = len(payload)
    if size < 126:
        header = bytes((first, 0x80 | size))
    elif size < 65536:
        header = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return header + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def text(payload: bytes) -> bytes:
    return frame(0x81, payload)


def read(data: bytes, limit: int = LIMIT) -> list[FrameEvent]:
    return FrameReader(limit).feed(data)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 65535, 65536, 70001])
def test_a_text_message_of_any_size_is_unmasked(size: int) -> None:
    payload = (b"0123456789" * (size // 10 + 1))[:size]
    assert read(text(payload), 100_000) == [TextMessage(payload)]


def test_many_frames_of_one_chunk_come_in_order() -> None:
    assert read(text(b"a") + frame(0x89, b"!") + text(b"b") + frame(0x8A)) == [
        TextMessage(b"a"),
        Ping(b"!"),
        TextMessage(b"b"),
        Pong(),
    ]


def test_a_chunk_may_end_anywhere() -> None:
    whole = text(b"first") + text(b"x" * 200) + frame(0x88, b"\x03\xe8")
    for cut in range(1, len(whole)):
        reader = FrameReader(LIMIT)
        assert reader.feed(whole[:cut]) + reader.feed(whole[cut:]) == [
            TextMessage(b"first"),
            TextMessage(b"x" * 200),
            Closed(1000),
        ]
    reader = FrameReader(LIMIT)
    events = [event for byte in whole for event in reader.feed(bytes((byte,)))]
    assert len(events) == 3


def test_fragments_become_one_message_also_around_a_ping() -> None:
    data = frame(0x01, "ä".encode()[:1]) + frame(0x89) + frame(0x00, "ä".encode()[1:]) + frame(0x80, b"!")
    assert read(data) == [Ping(b""), TextMessage("ä!".encode())]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x82, b"x"), UNSUPPORTED),
        (text(b"\xff"), BAD_UTF8),
        (text(b"\xed\xa0\x80"), BAD_UTF8),
        (text(b"x" * (LIMIT + 1)), TOO_BIG),
        (frame(0x01, b"x" * LIMIT) + frame(0x80, b"x"), TOO_BIG),
        (b"\x81\xff\x7f" + b"\xff" * 7, TOO_BIG),
        (b"\x81\x01x", PROTOCOL_ERROR),
        (frame(0xC1, b"x"), PROTOCOL_ERROR),
        (frame(0x83, b"x"), PROTOCOL_ERROR),
        (frame(0x8B), PROTOCOL_ERROR),
        (frame(0x09), PROTOCOL_ERROR),
        (frame(0x89, b"x" * 126), PROTOCOL_ERROR),
        (frame(0x80, b"x"), PROTOCOL_ERROR),
        (frame(0x01, b"x") + text(b"y"), PROTOCOL_ERROR),
        (frame(0x88, b"\x03"), PROTOCOL_ERROR),
        (frame(0x88, b"\x03\xe8\xff"), BAD_UTF8),
        *[
            (frame(0x88, code.to_bytes(2, "big")), PROTOCOL_ERROR)
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
        ],
    ],
)
def test_what_breaks_the_rules_ends_with_a_code(data: bytes, code: int) -> None:
    # A header of 14 bytes is waited for before its length is believed.
    (event,) = read(data + bytes(4))
    assert isinstance(event, Fault)
    assert event.code == code


def test_bad_utf8_is_found_before_its_frame_is_whole() -> None:
    reader = FrameReader(LIMIT)
    whole = text(b"good" * 10 + b"\xed\xa0\x80" + b"x" * 200)
    assert reader.feed(whole[:48]) == []
    (fault,) = reader.feed(whole[48:52])
    assert fault == Fault(BAD_UTF8, "a message is not valid UTF-8")
    reader.closing = True
    assert reader.feed(whole[52:] + frame(0x88, b"\x03\xef")) == [Closed(1007)]


def test_binary_messages_are_for_readers_that_take_them() -> None:
    reader = FrameReader(LIMIT, takes_binary=True)
    assert reader.feed(frame(0x82, b"\xff\x00") + frame(0x02, b"a") + frame(0x80, b"b")) == [
        Binary(b"\xff\x00"),
        Binary(b"ab"),
    ]


def test_after_a_broken_frame_nothing_is_understood() -> None:
    reader = FrameReader(LIMIT)
    (fault,) = reader.feed(frame(0x83, b"x") + text(b"more"))
    assert isinstance(fault, Fault)
    assert reader.feed(text(b"more") * 1000 + frame(0x88)) == []


@pytest.mark.parametrize(
    "header", [b"\x81\xfe\x00\x7d", b"\x81\xff" + (65535).to_bytes(8, "big"), b"\x81\xff\x80" + bytes(7)]
)
def test_a_length_is_written_in_its_shortest_form(header: bytes) -> None:
    (fault,) = read(header + bytes(200), 100_000)
    assert fault == Fault(PROTOCOL_ERROR, "a length is not written in its shortest form")


def test_what_came_before_a_fault_is_not_lost() -> None:
    events = read(text(b"good") + frame(0x82, b"bad"))
    assert events[0] == TextMessage(b"good")
    assert isinstance(events[1], Fault)


def test_too_long_a_message_is_refused_by_its_header_alone() -> None:
    (event,) = read(text(b"x" * 100_000)[:14])
    assert event == Fault(TOO_BIG, "a message may have at most 1000 bytes")


@pytest.mark.parametrize("cut", [LIMIT, LIMIT - 1, 1])
def test_a_message_may_be_as_long_as_the_limit_in_one_frame_or_more(cut: int) -> None:
    assert read(text(b"x" * LIMIT)) == [TextMessage(b"x" * LIMIT)]
    assert read(frame(0x01, b"x" * cut) + frame(0x80, b"x" * (LIMIT - cut))) == [TextMessage(b"x" * LIMIT)]
    (fault,) = read(frame(0x01, b"x" * cut) + frame(0x80, b"x" * (LIMIT - cut + 1)))
    assert fault == Fault(TOO_BIG, "a message may have at most 1000 bytes")


def test_a_control_frame_may_have_125_bytes_and_come_in_parts() -> None:
    whole = frame(0x89, b"p" * 125)
    assert read(whole) == [Ping(b"p" * 125)]
    reader = FrameReader(LIMIT)
    assert reader.feed(whole[:50]) == []
    assert reader.feed(whole[50:] + frame(0x89, b"q")) == [Ping(b"p" * 125), Ping(b"q")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(0xA1, b"x"), "a reserved bit is set"),
        (frame(0x91, b"x"), "a reserved bit is set"),
        (b"\x81\x05hello", "a frame is not masked"),
        (frame(0x8B), "there is no frame type 11"),
        (frame(0x83), "there is no frame type 3"),
        (frame(0x09), "a control frame is longer than 125 bytes or fragmented"),
        (frame(0x8A, b"x" * 126), "a control frame is longer than 125 bytes or fragmented"),
        (frame(0x80), "a fragment is out of order"),
        (frame(0x01) + frame(0x81), "a fragment is out of order"),
        (frame(0x88, b"x"), "a close frame has no valid code"),
    ],
)
def test_the_reason_of_a_fault_says_which_rule_was_broken(data: bytes, reason: str) -> None:
    (event,) = read(data + bytes(4))
    assert isinstance(event, Fault)
    assert (event.code, event.reason) == (PROTOCOL_ERROR, reason)


def test_only_a_fault_of_a_close_frame_is_in_it() -> None:
    for data in (frame(0x80), frame(0x82), text(b"\xff"), text(b"x" * (LIMIT + 1)), frame(0x83)):
        (event,) = read(data)
        assert isinstance(event, Fault)
        assert not event.in_close


def packed(data: bytes) -> bytes:
    """A message compressed as RFC 7692 says."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def unpacks(data: bytes, limit: int = LIMIT) -> list[FrameEvent]:
    return FrameReader(limit, inflates=True, takes_binary=True).feed(data)


def test_compressed_messages_are_for_readers_that_agreed_on_them() -> None:
    data = packed(b"hello")
    assert unpacks(frame(0xC1, data) + frame(0xC2, data) + text(b"plain")) == [
        TextMessage(b"hello"),
        Binary(b"hello"),
        TextMessage(b"plain"),
    ]
    assert read(frame(0xC1, data)) == [Fault(PROTOCOL_ERROR, "a reserved bit is set")]


def test_a_compressed_message_may_come_in_fragments_and_these_in_parts() -> None:
    data = packed("ä".encode() * 300)
    whole = frame(0x41, data[:5]) + frame(0x89, b"!") + frame(0x00, data[5:6]) + frame(0x80, data[6:])
    assert unpacks(whole) == [Ping(b"!"), TextMessage("ä".encode() * 300)]
    reader = FrameReader(LIMIT, inflates=True)
    assert [event for byte in whole for event in reader.feed(bytes((byte,)))] == unpacks(whole)


@pytest.mark.parametrize("first", [0xC9, 0xC8, 0xE1, 0xD1])
def test_only_whole_messages_are_marked_as_compressed(first: int) -> None:
    assert unpacks(frame(first)) == [Fault(PROTOCOL_ERROR, "a reserved bit is set")]
    later = FrameReader(LIMIT, inflates=True)
    assert later.feed(frame(0x41, packed(b"x")) + frame(0xC0)) == [Fault(PROTOCOL_ERROR, "a reserved bit is set")]


def test_a_compressed_message_is_bounded_before_and_after_it_is_unpacked() -> None:
    assert unpacks(frame(0xC1, packed(b"x" * LIMIT))) == [TextMessage(b"x" * LIMIT)]
    assert unpacks(frame(0xC1, packed(b"x" * (LIMIT + 1)))) == [Fault(TOO_BIG, "a message may have at most 1000 bytes")]
    # An eighth more and 64 bytes are let in, as what cannot be compressed grows by the attempt.
    most = LIMIT + LIMIT // 8 + 64
    assert unpacks(frame(0x41, b"x" * (most + 1))[:8]) == [Fault(TOO_BIG, "a message may have at most 1000 bytes")]
    assert unpacks(frame(0x41, b"x" * most)[:8]) == []
    begun = FrameReader(LIMIT, inflates=True)
    assert begun.feed(frame(0x41, packed(b"x")) + frame(0x00, b"x" * most)[:8]) == [
        Fault(TOO_BIG, "a message may have at most 1000 bytes")
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (packed(b"\xff"), "a message is not valid UTF-8"),
        (packed("ä".encode()[:1]), "a message is not valid UTF-8"),
        (b"\x03\x00\x00more", "a message goes on behind its last compressed block"),
    ],
)
def test_what_a_compressed_message_holds_is_checked(payload: bytes, reason: str) -> None:
    assert unpacks(frame(0xC1, payload)) == [Fault(BAD_UTF8, reason)]


def test_after_a_fault_the_rest_is_skipped_up_to_the_close_frame() -> None:
    reader = FrameReader(LIMIT)
    whole = text(b"x" * 100_000) + text(b"ignored") + frame(0x89, b"ignored") + frame(0x88, b"\x03\xf1")
    (fault,) = reader.feed(whole[:5000])
    assert isinstance(fault, Fault)
    reader.closing = True
    assert reader.feed(whole[5000:90_000]) == []
    assert reader.feed(whole[90_000:]) == [Closed(1009)]


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 4999])
def test_a_close_frame_has_a_code(code: int) -> None:
    assert read(frame(0x88, code.to_bytes(2, "big") + b"why")) == [Closed(code)]


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=10))
def test_any_bytes_give_the_same_events_however_they_are_cut(data: bytes, sizes: list[int]) -> None:
    expected = read(data)
    reader, events, at = FrameReader(LIMIT), [], 0
    for size in [*sizes, len(data)]:
        events += reader.feed(data[at : at + size])
        at += size
        if events and isinstance(events[-1], Fault):
            break
    assert events == expected


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xec", b"\x03\xe8\xff"])
def test_a_fault_of_a_close_frame_says_that_no_other_will_come(payload: bytes) -> None:
    (fault,) = read(frame(0x88, payload))
    assert isinstance(fault, Fault)
    assert fault.in_close


def test_a_close_frame_may_be_empty() -> None:
    assert read(frame(0x88)) == [Closed(None)]


def test_what_is_sent_is_a_frame() -> None:
    assert text_header(5) == b"\x81\x05"
    assert text_header(125) == b"\x81\x7d"
    assert text_header(5, packed=True) == b"\xc1\x05"
    assert text_header(125, packed=True) == b"\xc1\x7d"
    assert text_header(300, packed=True) == b"\xc1\x7e\x01\x2c"
    assert text_header(65535) == b"\x81\x7e\xff\xff"
    assert binary_header(5) == b"\x82\x05"
    assert binary_header(0x1234) == b"\x82\x7e\x12\x34"
    assert text_header(126) == b"\x81\x7e\x00\x7e"
    assert text_header(65536) == b"\x81\x7f" + (65536).to_bytes(8, "big")
    assert close_frame(4000, "bad") == b"\x88\x05\x0f\xa0bad"
    assert close_frame(None) == b"\x88\x00"
    assert ping_frame() == b"\x89\x00"
    assert pong_frame(b"hi") == b"\x8a\x02hi"


def test_a_long_reason_is_cut_between_characters() -> None:
    assert close_frame(1000, "ä" * 100) == b"\x88\x7c\x03\xe8" + "ä".encode() * 61
    assert close_frame(1000, "x" * 200) == b"\x88\x7d\x03\xe8" + b"x" * 123


def test_the_accept_value_is_that_of_the_rfc() -> None:
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_unmasking_is_exclusive_or(mask: bytes, data: bytes) -> None:
    expected = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
    assert unmask(mask, data) == expected


def test_a_megabyte_is_unmasked() -> None:
    payload = os.urandom(500_000).hex().encode()
    mask = os.urandom(4)
    reader = FrameReader(len(payload))
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(mask * (len(payload) // 4), "little")
    data = b"\x81\xff" + len(payload).to_bytes(8, "big") + mask + masked.to_bytes(len(payload), "little")
    assert reader.feed(data) == [TextMessage(payload)]
