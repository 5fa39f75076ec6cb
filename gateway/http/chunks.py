"""A body that comes in chunks (RFC 9112 section 7.1): what came of it in, what it holds out. Knows no socket."""

from __future__ import annotations

import enum
import re
import sys
from typing import Final

from gateway.http.request_head import HEADER_LINES, bad_request

MAX_LINE_BYTES: Final = 256
"""Of a chunk's size with its extensions, which mean nothing to anybody here."""
MAX_TRAILER_BYTES: Final = 8192
"""Of the headers behind the last chunk, which are checked and forgotten."""
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_SHORT_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")


class _Next(enum.Enum):
    SIZE = enum.auto()
    CONTENT = enum.auto()
    END_OF_CONTENT = enum.auto()
    TRAILERS = enum.auto()
    NOTHING = enum.auto()


class ChunkReader:
    """One body.

    Attributes:
        rest: what came behind the body, when it `has_ended`.
        has_more: whether `take` left something of what came for the next time.
    """

    def __init__(self) -> None:
        self._next = _Next.SIZE
        self._left = 0
        self._waiting = b""
        self._trailer_bytes = 0
        self.rest = b""
        self.has_more = False

    @property
    def has_ended(self) -> bool:
        """Whether the body is complete."""
        return self._next is _Next.NOTHING

    def take(self, data: bytes, most: int = sys.maxsize) -> bytes:
        """Take what came next; gives what of the body is in it.

        Args:
            most: so many chunks are read, and the rest the next time.

        Raises:
            HeadError: these are no chunks.
        """
        if self._waiting:
            data, self._waiting = self._waiting + data, b""
        self.has_more = False
        found: list[bytes] = []
        at, end = 0, len(data)
        while self._next is not _Next.NOTHING:
            if self._next is _Next.CONTENT:
                piece = data[at : at + self._left]
                if piece:
                    found.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._next = _Next.END_OF_CONTENT
            elif self._next is _Next.END_OF_CONTENT:
                mark = data[at : at + 2]
                if mark != b"\r\n"[: len(mark)]:
                    raise bad_request("a chunk is longer than its size says, or does not end with CR LF")
                if len(mark) < 2:
                    self._waiting = mark
                    break
                at = self._whole_chunks(data, at + 2, found, most)
                self._next = _Next.SIZE
                if len(found) >= most and at < end:
                    self._waiting, self.has_more = data[at:], True
                    break
            else:
                at = self._line(data, at)
                if at > end:
                    break
        else:
            self.rest = data[at:]
        return found[0] if len(found) == 1 else b"".join(found)

    @staticmethod
    def _whole_chunks(data: bytes, at: int, found: list[bytes], most: int) -> int:
        """Read chunks as long as each is there as a whole and not more are found; gives where that ends.

        Nothing here that the careful way would not do; but a body may be a hundred thousand chunks.
        """
        while len(found) < most and (size := _SHORT_SIZE.match(data, at)) is not None:
            begin = size.end()
            end = begin + int(size[1], 16)
            if end == begin or data[end : end + 2] != b"\r\n":
                break
            found.append(data[begin:end])
            at = end + 2
        return at

    def _line(self, data: bytes, at: int) -> int:
        """Read a line; gives where the next one begins, or more than there is when it has not come."""
        end = data.find(b"\n", at)
        line = data[at:] if end < 0 else data[at : end + 1]
        limit = MAX_LINE_BYTES if self._next is _Next.SIZE else MAX_TRAILER_BYTES - self._trailer_bytes
        if len(line) > limit:
            what = "the size of a chunk" if self._next is _Next.SIZE else "what follows the last chunk"
            raise bad_request(f"{what} takes more than {limit} bytes")
        if end < 0:
            self._waiting = line
            return len(data) + 1
        if not line.endswith(b"\r\n"):
            raise bad_request("lines between chunks must end with CR LF")
        if self._next is _Next.SIZE:
            self._size(line[:-2])
        elif line == b"\r\n":
            self._next = _Next.NOTHING
        elif not HEADER_LINES.fullmatch(line.decode("latin-1")):
            raise bad_request("what follows the last chunk must be headers")
        else:
            self._trailer_bytes += len(line)
        return end + 1

    def _size(self, text: bytes) -> None:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise bad_request("the size of a chunk must be a number in hexadecimal digits")
        self._left = int(match[1], 16)
        self._next = _Next.CONTENT if self._left else _Next.TRAILERS
