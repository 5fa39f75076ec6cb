"""WebSocket frames (RFC 6455), the server's side, from bytes and to bytes. No sockets.

Whole chunks are parsed at once: an await per frame would cost more than the frame. Extensions are not offered, so every
reserved bit is an error. Which messages are welcome is said here too: text only, up to a size.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final, TypeAlias

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
BAD_UTF8: Final = 1007
TOO_BIG: Final = 1009

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_MAX_CONTROL_BYTES: Final = 125
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""The codes below 3000 that may be sent: RFC 6455 section 7.4 and IANA's registry."""


@dataclass(frozen=True, slots=True)
class Message:
    """A whole text message, as valid UTF-8."""

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
    """The other side broke the rules; ``code`` is what to close with. The last event there is."""

    code: int
    reason: str


Event: TypeAlias = Message | Ping | Pong | Closed | Fault


class _Refused(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason)


class FrameReader:
    """Makes events of what arrives.

    Attributes:
        closing: set by the owner once it has sent a close frame: from then on only the answer to that counts.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._fragments: bytearray | None = None
        self._skip = 0
        self.closing = False

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; what they complete. After a `Fault` the owner closes; what comes then is skipped if it can be."""
        events: list[Event] = []
        try:
            self._feed(data, events)
        except _Refused as refused:
            events.append(refused.fault)
        return events

    def _feed(self, data: bytes, events: list[Event]) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        size = len(buffer)
        if self._skip:
            at = min(self._skip, size)
            self._skip -= at
        try:
            while size - at >= 2:
                first, second = buffer[at], buffer[at + 1]
                length = second & 0x7F
                payload_at = at + 6
                if length == 126:
                    payload_at = at + 8
                    if size < payload_at:
                        return
                    length = buffer[at + 2] << 8 | buffer[at + 3]
                elif length == 127:
                    payload_at = at + 14
                    if size < payload_at:
                        return
                    length = int.from_bytes(buffer[at + 2 : at + 10], "big")
                end = payload_at + length
                if not self._accept(first, second, length):
                    self._skip = max(end - size, 0)
                    at = min(end, size)
                    continue
                if size < end:
                    return
                payload = _unmasked(buffer[payload_at:end], buffer[payload_at - 4 : payload_at])
                at = end
                event = self._frame(first, payload)
                if event is not None:
                    events.append(event)
        finally:
            del buffer[:at]

    def _accept(self, first: int, second: int, length: int) -> bool:
        """Check a frame's header; False if its payload is to be skipped."""
        opcode = first & 0x0F
        if self.closing and opcode != _CLOSE:
            return False
        if first & 0x70:
            raise _Refused(PROTOCOL_ERROR, "a reserved bit is set")
        if not second & _MASKED:
            raise _Refused(PROTOCOL_ERROR, "a frame is not masked")
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise _Refused(PROTOCOL_ERROR, f"there is no frame type {opcode}")
            if length > _MAX_CONTROL_BYTES or not first & _FINAL:
                raise _Refused(PROTOCOL_ERROR, "a control frame is longer than 125 bytes or fragmented")
            return True
        if opcode == _BINARY:
            raise _Refused(UNSUPPORTED, "only text messages are understood")
        if opcode not in (_TEXT, _CONTINUATION):
            raise _Refused(PROTOCOL_ERROR, f"there is no frame type {opcode}")
        if (opcode == _CONTINUATION) != (self._fragments is not None):
            raise _Refused(PROTOCOL_ERROR, "a fragment is out of order")
        total = length + (0 if self._fragments is None else len(self._fragments))
        if total > self._max_message_bytes:
            raise _Refused(TOO_BIG, f"a message may have at most {self._max_message_bytes} bytes")
        return True

    def _frame(self, first: int, payload: bytes) -> Event | None:
        opcode = first & 0x0F
        if opcode == _TEXT:
            if first & _FINAL:
                return _text(payload)
            self._fragments = bytearray(payload)
            return None
        if opcode == _CONTINUATION:
            assert self._fragments is not None
            self._fragments += payload
            if not first & _FINAL:
                return None
            whole, self._fragments = bytes(self._fragments), None
            return _text(whole)
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong()
        return _closed(payload)


def _unmasked(payload: bytearray, mask: bytearray) -> bytes:
    size = len(payload)
    # One exclusive-or of two long integers is the fastest way without C.
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


def _text(data: bytes) -> Message:
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise _Refused(BAD_UTF8, "a message is not valid UTF-8") from None
    return Message(data)


def _closed(payload: bytes) -> Closed:
    if not payload:
        return Closed(None)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
        raise _Refused(PROTOCOL_ERROR, "a close frame has no valid code")
    try:
        payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise _Refused(BAD_UTF8, "the reason for closing is not valid UTF-8") from None
    return Closed(code)


def text_header(size: int) -> bytes:
    """The header of a text message of that many bytes."""
    if size < 126:
        return bytes((_FINAL | _TEXT, size))
    if size < 65536:
        return bytes((_FINAL | _TEXT, 126, size >> 8, size & 0xFF))
    return bytes((_FINAL | _TEXT, 127)) + size.to_bytes(8, "big")


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
