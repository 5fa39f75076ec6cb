"""Compression of WebSocket messages (RFC 7692, permessage-deflate): what is agreed, and messages in and out of it.

Both sides begin anew with every message. That costs some of the compression, but a connection then keeps nothing for
it: with its windows kept, each would hold 300 KB for as long as it is open.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

from gateway.reference_form import HANDLE_AS_TEXT

MIN_BYTES: Final = 1024
"""A shorter message fits into one packet as it is."""
_LEVEL: Final = 3
_NAME: Final = "permessage-deflate"
_TAIL: Final = b"\x00\x00\xff\xff"
"""The end of an empty block, which every message has and none is sent with (section 7.2.1)."""
_BITS: Final = re.compile(r"[89]|1[0-5]")


class TooMuch(Exception):
    """A message is longer than it may be."""


class NoDeflate(Exception):
    """Bytes are not what the extension makes of a message."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides have agreed on.

    Attributes:
        window_bits: of what we send, 9 to 15.
    """

    window_bits: int = 15

    def header(self) -> str:
        """The value of ``Sec-WebSocket-Extensions`` that answers the offer."""
        bits = "" if self.window_bits == 15 else f"; server_max_window_bits={self.window_bits}"
        return f"{_NAME}; server_no_context_takeover; client_no_context_takeover{bits}"

    def deflated(self, data: bytes) -> bytes | None:
        """A message compressed; None where that is no use, or would tell of a handle by its length.

        What a caller chose and a handle may stand in one message; who sees only lengths could try handles out.
        """
        if len(data) < MIN_BYTES or HANDLE_AS_TEXT in data:
            return None
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -self.window_bits)
        packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        return packed[: -len(_TAIL)] if len(packed) < len(data) else None


def agree(offers: str) -> Agreement | None:
    """The first of a client's offers, as in ``Sec-WebSocket-Extensions``, that we take; None if there is none."""
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == _NAME:
            agreement = _agree_on(parameters)
            if agreement is not None:
                return agreement
    return None


def _agree_on(parameters: list[str]) -> Agreement | None:
    bits, seen = 15, set()
    for parameter in parameters:
        name, equals, value = (part.strip() for part in parameter.partition("="))
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if name in seen:
            return None
        seen.add(name)
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if equals:
                return None
        elif name == "client_max_window_bits":
            if equals and not _BITS.fullmatch(value):
                return None
        elif name == "server_max_window_bits" and _BITS.fullmatch(value) and value != "8":
            bits = int(value)  # zlib makes no raw stream of a window of 256 bytes
        else:
            return None
    return Agreement(bits)


class Inflation:
    """One compressed message, as it comes."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._unpacker = zlib.decompressobj(-15)

    def take(self, data: bytes, is_last: bool) -> bytes:
        """The next part of the message. No more than may be is ever unpacked.

        Raises:
            TooMuch: the message is longer than it may be.
            NoDeflate: it cannot be unpacked.
        """
        out = self._unpack(data)
        if is_last and not self._unpacker.eof:
            out += self._unpack(_TAIL)
        return out

    def _unpack(self, data: bytes) -> bytes:
        unpacker = self._unpacker
        try:
            out = unpacker.decompress(data, self._left + 1)
        except zlib.error as error:
            raise NoDeflate(f"a message cannot be decompressed: {error}") from None
        if len(out) > self._left:
            raise TooMuch
        self._left -= len(out)
        # A message may end with a final block, which an empty byte makes whole (section 7.2.3.5); nothing follows it.
        if unpacker.unused_data not in (b"", b"\x00"):
            raise NoDeflate("a message goes on behind its last compressed block")
        return out
