"""What RFC 6455 says of frames, as a table of dialogues: what a client sends, and what it must be answered.

Written from sections 5 to 7, with the sizes and the ways of cutting that the Autobahn test suite found telling. A
dialogue is for a server that echoes messages. Masks are chosen by the length, so that every one is another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL: Final = 0x80


@dataclass(frozen=True)
class Dialogue:
    """One connection.

    Attributes:
        sent: what is written, piece by piece; between pieces the server has time to act.
        answered: the frames that must come back, (opcode, payload), without the close frame.
        code: what the server closes with, before everything was sent if it is a fault; None: it leaves the closing to
            the client, which does so with 1000.
    """

    name: str
    sent: Sequence[bytes]
    answered: Sequence[tuple[int, bytes]] = ()
    code: int | None = None


def frame(first: int, payload: bytes = b"", *, length: int | None = None, masked: bool = True) -> bytes:
    """A client's frame. ``first`` is its first byte; ``length`` is what it says if that is not the truth."""
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        header = bytes((first, bit | size))
    elif size < 65536:
        header = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not masked:
        return header + payload
    mask = (size * 2654435761 % 2**32).to_bytes(4, "big")
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return header + mask + plain.to_bytes(len(payload), "big")


def text(payload: bytes) -> bytes:
    return frame(FINAL | TEXT, payload)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(FINAL | CLOSE, code.to_bytes(2, "big") + reason)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def fragments(payload: bytes, size: int, opcode: int = TEXT) -> list[bytes]:
    parts = pieces(payload, size)
    last = len(parts) - 1
    return [
        frame((FINAL if number == last else 0) | (opcode if number == 0 else CONTINUATION), part)
        for number, part in enumerate(parts)
    ]


SIZES: Final = (0, 1, 125, 126, 127, 128, 65535, 65536)
VALID_CLOSE: Final = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
INVALID_CLOSE: Final = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
GREEK: Final = "κόσμε".encode()
VALID_UTF8: Final = (
    b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd",
    b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", GREEK, "aä€😀".encode(),
)  # fmt: skip
INVALID_UTF8: Final = (
    b"\x80", b"\xbf", b"\xfe", b"\xff", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xc3(", b"\xe2\x82(", b"\xf0\x90\x8c(", b"\xe2(\xa1",
)  # fmt: skip
CUT_OFF: Final = (b"\xc2", b"\xe0\xa0", b"\xef", b"\xf0\x90\x80", b"\xf4\x8f", b"\xce\xba\xe1\xbd")


def dialogues() -> Iterator[Dialogue]:
    """All of them."""
    yield from _sizes()
    yield from _pings()
    yield from _headers()
    yield from _fragments()
    yield from _utf8()
    yield from _closing()


def _sizes() -> Iterator[Dialogue]:
    for size in SIZES:
        payload = (b"*0123456789" * (size // 11 + 1))[:size]
        for opcode, name in ((TEXT, "text"), (BINARY, "binary")):
            whole = frame(FINAL | opcode, payload)
            yield Dialogue(f"{name} of {size} bytes", [whole], [(opcode, payload)])
            yield Dialogue(f"{name} of {size} bytes, chopped", pieces(whole, max(size // 7, 1)), [(opcode, payload)])
    many = [(TEXT, b"%d" % number) for number in range(200)]
    yield Dialogue("many messages in one write", [b"".join(text(payload) for _, payload in many)], many)
    whole = b"".join(text(payload) for _, payload in many[:20])
    yield Dialogue("many messages byte by byte", pieces(whole, 1), many[:20])
    large = b"x" * 900_000
    yield Dialogue("a large message in large pieces", pieces(text(large), 50_000), [(TEXT, large)])


def _pings() -> Iterator[Dialogue]:
    for size in (0, 1, 124, 125):
        payload = bytes(range(256))[255 - size : 255]
        yield Dialogue(f"ping of {size} bytes", [frame(FINAL | PING, payload)], [(PONG, payload)])
    yield Dialogue("ping byte by byte", pieces(frame(FINAL | PING, b"hello"), 1), [(PONG, b"hello")])
    ten = [(PONG, b"%d" % number) for number in range(10)]
    yield Dialogue("ten pings", [b"".join(frame(FINAL | PING, payload) for _, payload in ten)], ten)
    yield Dialogue("ping of 126 bytes", [frame(FINAL | PING, b"x" * 126)], code=1002)
    yield Dialogue("pong of 126 bytes", [frame(FINAL | PONG, b"x" * 126)], code=1002)
    yield Dialogue("pongs that nobody asked for", [frame(FINAL | PONG), frame(FINAL | PONG, b"x"), text(b"x")], [
        (TEXT, b"x")
    ])  # fmt: skip
    yield Dialogue("ping in parts", [frame(PING, b"x")], code=1002)
    yield Dialogue("pong in parts", [frame(PONG, b"x")], code=1002)


def _headers() -> Iterator[Dialogue]:
    for bits in range(1, 8):
        for opcode in (TEXT, PING, CLOSE):
            yield Dialogue(f"reserved bits {bits} of opcode {opcode}", [frame(FINAL | bits << 4 | opcode)], code=1002)
        yield Dialogue(
            f"reserved bits {bits} behind a good message",
            [text(b"good") + frame(FINAL | bits << 4 | TEXT, b"bad") + text(b"late")],
            [(TEXT, b"good")],
            1002,
        )
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Dialogue(f"reserved opcode {opcode}", [frame(FINAL | opcode)], code=1002)
        yield Dialogue(f"reserved opcode {opcode} with payload", [frame(FINAL | opcode, b"x" * 200)], code=1002)
    for first in (FINAL | TEXT, FINAL | PING, TEXT, FINAL | CLOSE):
        yield Dialogue(f"no mask, {first:#x}", [frame(first, b"hello", masked=False)], code=1002)
    yield Dialogue("length 5 in two bytes", [b"\x81\xfe\x00\x05" + bytes(4) + b"hello"], code=1002)
    yield Dialogue("length 5 in eight bytes", [b"\x81\xff" + (5).to_bytes(8, "big") + bytes(4) + b"hello"], code=1002)
    yield Dialogue("length with its highest bit set", [b"\x81\xff\x80" + bytes(7) + bytes(4)], code=1002)


def _fragments() -> Iterator[Dialogue]:
    for size in (1, 2, 1000):
        payload = b"0123456789" * 50
        for opcode in (TEXT, BINARY):
            sent = fragments(payload, size, opcode)
            yield Dialogue(f"opcode {opcode} in fragments of {size}", [b"".join(sent)], [(opcode, payload)])
    yield Dialogue("fragments, each in a write", fragments(b"fragment", 3), [(TEXT, b"fragment")])
    yield Dialogue("empty fragments", [frame(TEXT), frame(CONTINUATION), frame(FINAL)], [(TEXT, b"")])
    yield Dialogue("empty fragments around one", [frame(TEXT), frame(CONTINUATION, b"x"), frame(FINAL)], [(TEXT, b"x")])
    first, last = fragments(b"fragment", 4)
    pong = (PONG, b"now")
    yield Dialogue("ping among fragments", [first + frame(FINAL | PING, b"now") + last], [pong, (TEXT, b"fragment")])
    yield Dialogue("ping before the last", [first, frame(FINAL | PING, b"now"), last], [pong, (TEXT, b"fragment")])
    yield Dialogue("pong among fragments", [first, frame(FINAL | PONG, b"x"), last], [(TEXT, b"fragment")])
    yield Dialogue("close among fragments", [first, close(1000)], code=1000)
    yield Dialogue("a continuation of nothing", [frame(FINAL, b"x")], code=1002)
    yield Dialogue("a continuation of nothing, in parts", [frame(CONTINUATION, b"x")], code=1002)
    yield Dialogue("a continuation behind a whole message", [text(b"x") + frame(FINAL, b"y")], [(TEXT, b"x")], 1002)
    yield Dialogue("a message within a message", [first + text(b"x")], code=1002)
    yield Dialogue("a binary message within a text", [first + frame(FINAL | BINARY, b"x")], code=1002)
    yield Dialogue("two messages in fragments", [b"".join((first, last) * 2)], [(TEXT, b"fragment")] * 2)


def _utf8() -> Iterator[Dialogue]:
    for sequence in VALID_UTF8:
        for payload in (sequence, b"a" + sequence + b"z"):
            yield Dialogue(f"text {payload!r}", [text(payload)], [(TEXT, payload)])
            yield Dialogue(f"text {payload!r}, byte by byte", pieces(text(payload), 1), [(TEXT, payload)])
            yield Dialogue(f"text {payload!r}, in fragments", fragments(payload, 1), [(TEXT, payload)])
    for sequence in INVALID_UTF8:
        for payload in (sequence, GREEK + sequence, sequence + GREEK, b"a" * 200 + sequence + b"z" * 200):
            yield Dialogue(f"bad text {payload[-20:]!r}", [text(payload)], code=1007)
            yield Dialogue(f"bad text {payload[-20:]!r}, in fragments", [b"".join(fragments(payload, 1))], code=1007)
            yield Dialogue(f"{payload[-20:]!r} as binary", [frame(FINAL | BINARY, payload)], [(BINARY, payload)])
        # The fault is found where it is: what would follow never comes.
        yield Dialogue(f"{sequence!r} fails in its fragment", [frame(TEXT, GREEK + sequence)], code=1007)
        begun = frame(FINAL | TEXT, GREEK + sequence, length=5000)
        yield Dialogue(f"{sequence!r} fails within its frame", [begun], code=1007)
        yield Dialogue(f"{sequence!r} fails within its frame, byte by byte", pieces(begun, 1), code=1007)
    for sequence in CUT_OFF:
        yield Dialogue(f"text that ends in {sequence!r}", [text(b"a" + sequence)], code=1007)
        last = frame(FINAL | CONTINUATION, sequence)
        yield Dialogue(f"text whose last fragment ends in {sequence!r}", [frame(TEXT, b"a") + last], code=1007)
        yield Dialogue(f"close with the reason {sequence!r}", [close(1000, sequence)], code=1007)
    whole = "aä€😀".encode()
    for cut in range(1, len(whole)):
        sent = [frame(TEXT, whole[:cut]), frame(FINAL | PING, b"x"), frame(FINAL | CONTINUATION, whole[cut:])]
        yield Dialogue(f"a character cut at {cut} by a ping", sent, [(PONG, b"x"), (TEXT, whole)])


def _closing() -> Iterator[Dialogue]:
    for code in VALID_CLOSE:
        yield Dialogue(f"close with {code}", [close(code)], code=code)
    for code in INVALID_CLOSE:
        yield Dialogue(f"close with {code}, which may not be", [close(code)], code=1002)
        yield Dialogue(f"close with {code} and a reason, which may not be", [close(code, b"why")], code=1002)
    yield Dialogue("close with nothing", [frame(FINAL | CLOSE)], code=1005)
    yield Dialogue("close with one byte", [frame(FINAL | CLOSE, b"\x03")], code=1002)
    yield Dialogue("close with the longest reason", [close(1000, b"x" * 123)], code=1000)
    yield Dialogue("close that is too long", [close(1000, b"x" * 124)], code=1002)
    yield Dialogue("close in parts", [frame(CLOSE, b"\x03\xe8")], code=1002)
    yield Dialogue("close with a reason that is no text", [close(1000, b"\xff")], code=1007)
    yield Dialogue("close with a reason in Greek", [close(1000, GREEK)], code=1000)
    yield Dialogue("close byte by byte", pieces(close(1001, b"bye"), 1), code=1001)
    yield Dialogue("nothing is answered behind a close", [close(1000) + text(b"x") + frame(FINAL | PING)], code=1000)
    yield Dialogue("a message, then a close", [text(b"x") + close(1000)], [(TEXT, b"x")], 1000)
    yield Dialogue("two closes", [close(1001) + close(1000)], code=1001)
