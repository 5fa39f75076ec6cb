"""WebSocket frames (RFC 6455), the server's side, from bytes and to bytes. No sockets.

Whole chunks are parsed at once: an await per frame would cost more than the frame. What has come of a frame is looked
at before the rest is there, so that a fault is found at its first byte and a long message is kept once. Of extensions
there is only `gateway.http.websocket.deflate`, if it was agreed on; every other reserved bit is an error. Which
messages are welcome is said here too: text, up to a size.

    header ── long payload ──► payload ── all of it ──► header        header ── whole frame ──► header
       │                          └──── a fault inside it ──────┐
       └── a fault that leaves the frame's end known ───────────┴──► skipping ── its end ──► header
       └── a fault that does not ──► lost, for good
"""

from __future__ import annotations

import base64
import codecs
import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from gateway.http.websocket.deflate import Inflation, NoDeflate, TooMuch
from gateway.protocols.close_codes import BAD_UTF8, PROTOCOL_ERROR, TOO_BIG, UNSUPPORTED

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_PACKED: Final = 0x40
_MASKED: Final = 0x80
_WHOLE_TEXT: Final = _FINAL | _TEXT
_MAX_CONTROL_BYTES: Final = 125
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""The codes below 3000 that may be sent: RFC 6455 section 7.4 and IANA's registry."""

_Utf8Decoder: Final = codecs.getincrementaldecoder("utf-8")


class TextMessage(NamedTuple):  # a tuple costs half as much to make as a frozen dataclass, once per message
    """A whole text message, as valid UTF-8."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """A whole binary message; only of a reader that takes them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong of the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A sign of life."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The other side closes; the code is None if it gave none."""

    code: int | None


@dataclass(frozen=True, slots=True)
class Fault:
    """The other side broke the rules; ``code`` is what to close with.

    After one of `PROTOCOL_ERROR` nothing more is understood, as where the next frame begins is not known.

    Attributes:
        in_close: whether it is in a close frame, so that there is no answer to wait for.
    """

    code: int
    reason: str
    in_close: bool = False


FrameEvent: TypeAlias = TextMessage | Binary | Ping | Pong | Closed | Fault


class _Refused(Exception):
    def __init__(self, code: int, reason: str, in_close: bool = False) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason, in_close)


class FrameReader:
    """Makes events of what arrives.

    Args:
        takes_binary: whether binary messages are as welcome as text.
        inflates: whether messages may be compressed.

    Attributes:
        closing: set by the owner once it has sent a close frame: from then on only the answer to that counts.
    """

    def __init__(self, max_message_bytes: int, *, takes_binary: bool = False, inflates: bool = False) -> None:
        self._max_message_bytes = max_message_bytes
        self._inflates = inflates
        self._takes_binary = takes_binary
        self._rest = b""
        # The frame whose payload is incomplete: its first byte, its mask as it goes on, and the bytes that lack.
        self._first = 0
        self._mask = b""
        self._left = 0
        self._skipping = False
        self._lost = False
        self._control = b""
        # The message that is incomplete.
        self._message: bytearray | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._inflation: Inflation | None = None
        self._packed_bytes = 0
        self.closing = False

    @property
    def partial(self) -> bytearray | None:
        """What has come of a message that is not whole yet."""
        return self._message

    def feed(self, data: bytes) -> list[FrameEvent]:
        """Take bytes; what they complete. After a `Fault` the owner closes and feeds on, to see the answer to that."""
        events: list[FrameEvent] = []
        if self._lost:
            return events
        if self._rest:
            data = self._rest + data
            self._rest = b""
        try:
            self._feed(data, events)
        except _Refused as refused:
            events.append(refused.fault)
            self._skipping = True
            self._message = self._decoder = self._inflation = None
            if refused.fault.code == PROTOCOL_ERROR:
                self._lost = True
                self._rest, self._left = b"", 0
        return events

    def _feed(self, data: bytes, events: list[FrameEvent]) -> None:
        at, size = 0, len(data)
        try:
            if self._left:
                at = min(self._left, size)
                self._go_on(data[:at], events)
            while size - at >= 2:
                first, second = data[at], data[at + 1]
                length = second & 0x7F
                payload_at = at + 6
                # Most frames are whole, short, masked texts. Nothing of them is left to be checked but the text.
                is_plain = first == _WHOLE_TEXT and second >= _MASKED and self._message is None and not self.closing
                if not is_plain:
                    self._check(first, second)
                if length >= 126:
                    payload_at = at + (8 if length == 126 else 14)
                    if size < payload_at - 4:
                        return
                    length = _long_length(data[at + 2 : payload_at - 4])
                end = payload_at + length
                if is_plain and end <= size and length <= self._max_message_bytes:
                    at = end
                    events.append(_text(_unmasked(data[payload_at - 4 : payload_at], data[payload_at:end])))
                    continue
                if size < payload_at:
                    return
                self._skipping = self.closing and first & 0x0F != _CLOSE
                self._first, self._mask, self._left = first, data[payload_at - 4 : payload_at], length
                at = payload_at
                if not self._skipping:
                    self._begin(first, length)
                part = data[at : at + length]
                at += len(part)
                self._go_on(part, events)
        finally:
            self._rest = data[at:]

    def _check(self, first: int, second: int) -> None:
        """Judge a frame by its first two bytes."""
        opcode = first & 0x0F
        if self.closing and opcode != _CLOSE:
            return
        if first & _RESERVED and not (
            self._inflates and first & _RESERVED == _PACKED and opcode in (_TEXT, _BINARY)
        ):
            raise _Refused(PROTOCOL_ERROR, "a reserved bit is set")
        if not second & _MASKED:
            raise _Refused(PROTOCOL_ERROR, "a frame is not masked")
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise _Refused(PROTOCOL_ERROR, f"there is no frame type {opcode}")
            if second & 0x7F > _MAX_CONTROL_BYTES or not first & _FINAL:
                raise _Refused(PROTOCOL_ERROR, "a control frame is longer than 125 bytes or fragmented")
        elif opcode > _BINARY:
            raise _Refused(PROTOCOL_ERROR, f"there is no frame type {opcode}")
        elif (opcode == _CONTINUATION) != (self._message is not None):
            raise _Refused(PROTOCOL_ERROR, "a fragment is out of order")

    def _begin(self, first: int, length: int) -> None:
        """Take note of a frame whose whole header is there."""
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            return
        if opcode == _BINARY and not self._takes_binary:
            raise _Refused(UNSUPPORTED, "only text messages are understood")
        if opcode != _CONTINUATION:
            self._message = bytearray()
            self._decoder = _Utf8Decoder() if opcode == _TEXT else None
            self._inflation = Inflation(self._max_message_bytes) if first & _PACKED else None
            self._packed_bytes = 0
        assert self._message is not None
        if self._inflation is None:
            size, bound = len(self._message), self._max_message_bytes
        else:
            # What cannot be compressed grows a little by the attempt; how much it really is, is counted when unpacked.
            size, bound = self._packed_bytes, self._max_message_bytes + (self._max_message_bytes >> 3) + 64
            self._packed_bytes += length
        if size + length > bound:
            raise self._too_big()

    def _too_big(self) -> _Refused:
        return _Refused(TOO_BIG, f"a message may have at most {self._max_message_bytes} bytes")

    def _go_on(self, part: bytes, events: list[FrameEvent]) -> None:
        """Take the next bytes of a payload, perhaps its last."""
        self._left -= len(part)
        if self._skipping:
            return
        size = len(part)
        plain = _unmasked(self._mask, part)
        if turned := size & 3:
            self._mask = self._mask[turned:] + self._mask[:turned]
        if self._first & 0x0F >= _CLOSE:
            self._control += plain
            if not self._left:
                payload, self._control = self._control, b""
                events.append(_control(self._first & 0x0F, payload))
            return
        message, decoder = self._message, self._decoder
        assert message is not None
        is_last = not self._left and bool(self._first & _FINAL)
        if self._inflation is not None:
            try:
                plain = self._inflation.take(plain, is_last)
            except TooMuch:
                raise self._too_big() from None
            except NoDeflate as error:
                raise _Refused(BAD_UTF8, str(error)) from None
        if decoder is not None:
            try:
                decoder.decode(plain, is_last)
            except UnicodeDecodeError:
                raise _Refused(BAD_UTF8, "a message is not valid UTF-8") from None
        message += plain
        if is_last:
            events.append(Binary(bytes(message)) if decoder is None else TextMessage(bytes(message)))
            self._message = self._decoder = self._inflation = None


def _long_length(data: bytes) -> int:
    length = int.from_bytes(data, "big")
    if length < 126 or (len(data) == 8 and length < 65536) or length >= 2**63:
        raise _Refused(PROTOCOL_ERROR, "a length is not written in its shortest form")
    return length


def unmask(mask: bytes, data: bytes) -> bytes:
    """Take the mask of four bytes off, which is also how one is put on."""
    size = len(data)
    # One exclusive-or of two long integers is the fastest way without C.
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


try:
    # Tornado's own, in C. It may be missing where Tornado was built without a compiler.
    from tornado.speedups import websocket_mask as _unmasked
except ImportError:
    _unmasked = unmask


def _text(data: bytes) -> TextMessage:
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise _Refused(BAD_UTF8, "a message is not valid UTF-8") from None
    return tuple.__new__(TextMessage, (data,))


def _control(opcode: int, payload: bytes) -> FrameEvent:
    if opcode == _PING:
        return Ping(payload)
    if opcode == _PONG:
        return Pong()
    return _closed(payload)


def _closed(payload: bytes) -> Closed:
    if not payload:
        return Closed(None)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
        raise _Refused(PROTOCOL_ERROR, "a close frame has no valid code", in_close=True)
    try:
        payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise _Refused(BAD_UTF8, "the reason for closing is not valid UTF-8", in_close=True) from None
    return Closed(code)


_SHORT_TEXT: Final = tuple(bytes((_FINAL | _TEXT, size)) for size in range(126))


def text_header(size: int, packed: bool = False) -> bytes:
    """The header of a text message of that many bytes, which are perhaps compressed."""
    if size < 126 and not packed:
        return _SHORT_TEXT[size]
    return _header(_FINAL | _PACKED | _TEXT if packed else _FINAL | _TEXT, size)


def binary_header(size: int) -> bytes:
    """The header of a binary message of that many bytes."""
    return _header(_FINAL | _BINARY, size)


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126, size >> 8, size & 0xFF))
    return bytes((first, 127)) + size.to_bytes(8, "big")


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A close frame; a reason that is too long for one is cut."""
    payload = b"" if code is None else code.to_bytes(2, "big") + _cut(reason, _MAX_CONTROL_BYTES - 2)
    return bytes((_FINAL | _CLOSE, len(payload))) + payload


def ping_frame() -> bytes:
    """A ping without payload."""
    return bytes((_FINAL | _PING, 0))


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return bytes((_FINAL | _PONG, len(payload))) + payload


def accept_value(key: str) -> str:
    """The value of ``Sec-WebSocket-Accept`` for a client's key."""
    # SHA-1 is what RFC 6455 asks for, as a checksum and not as a protection.
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _cut(text: str, size: int) -> bytes:
    return text.encode("utf-8")[:size].decode("utf-8", "ignore").encode("utf-8")
