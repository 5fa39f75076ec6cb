"""Messages of Cap'n Proto in a stream of bytes: where one ends and the next begins. No I/O, no schema.

A message begins with the number of its segments less one and the size of each in words, all of 32 bits, filled up to
whole words (https://capnproto.org/encoding.html#serialization-over-a-stream).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from gateway.bridge.pointers import Malformed

HEAD: Final = struct.Struct("<II")
"""Of a message of one segment: 0, and the segment's words."""

MAX_SEGMENTS: Final = 512
"""As many as the C++ implementation takes."""


class Framing:
    """Takes bytes as they come, and gives whole messages.

    Args:
        max_bytes: of one message.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._needed = 8

    def take(self, received: bytes) -> Iterator[list[bytes]]:
        """The segments of each message that is complete now.

        Raises:
            Malformed: there is no message, or too large a one; nothing that follows is of use.
        """
        if self._kept:
            self._kept += received
            if len(self._kept) < self._needed:
                return
            received, self._kept = bytes(self._kept), bytearray()
        place, end = 0, len(received)
        while end - place >= 8:
            last, first_words = HEAD.unpack_from(received, place)
            if last:
                start, sizes = self._sizes(received, place, last)
            else:
                start, sizes = place + 8, (8 * first_words,)
            total = start - place + sum(sizes)
            if total > self._max_bytes:
                raise Malformed(f"a message takes {total} bytes, at most {self._max_bytes} are permitted")
            if end - place < total:
                self._needed = total
                break
            segments = []
            for size in sizes:
                segments.append(received[start : start + size])
                start += size
            place += total
            yield segments
        else:
            self._needed = 8
        self._kept += received[place:]

    def _sizes(self, received: bytes, place: int, last: int) -> tuple[int, tuple[int, ...]]:
        """Where the segments of a message begin, and their bytes; as far as these have come."""
        if last >= MAX_SEGMENTS:
            raise Malformed(f"a message has {last + 1} segments, at most {MAX_SEGMENTS} are permitted")
        start = place + (4 * (last + 2) + 7) // 8 * 8
        if len(received) < start:
            return start, ()
        return start, tuple(8 * words for words in struct.unpack_from(f"<{last + 1}I", received, place + 4))


def framed(segment: bytes | bytearray) -> bytes:
    """A message of one segment as it stands in a stream."""
    return HEAD.pack(0, len(segment) >> 3) + segment
