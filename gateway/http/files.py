"""A file as an answer: its type, its tag, parts of it (RFC 9110 §8.8, §13, §14). Which file is others' business."""

from __future__ import annotations

import asyncio
import os
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from mimetypes import MimeTypes
from pathlib import Path
from typing import Final

from tornado.iostream import StreamClosedError

from gateway.errors import NOTHING, GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.http.byte_ranges import UnsatisfiableRangeError, byte_range
from gateway.http.request_head import HeadError
from gateway.protocols.rest.representation import entity_tag, is_known

_TYPES: Final = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gz": "application/gzip",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".otf": "font/otf",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
"""The system's table is missing in small containers, and browsers refuse modules and styles of another type."""
_OTHER_TYPES: Final = MimeTypes()
"""Python's own table, which is the same everywhere."""
_PIECE_BYTES: Final = 65_536
_QUICKLY_TAGGED_BYTES: Final = 4 * 1024 * 1024
"""What is longer is read for its tag in a thread; this takes a few milliseconds, once."""


def media_type_of(path: Path) -> str:
    """The type of a file, by its name alone."""
    suffix = path.suffix.lower()
    known = _TYPES.get(suffix)
    if known is not None:
        return known
    guessed, encoding = _OTHER_TYPES.guess_type(path.name)
    # Compressed as it lies there, it is not what it would be otherwise.
    return guessed if guessed is not None and encoding is None else "application/octet-stream"


class FileHandler(BaseHandler):
    """Sends the file that `found` names. What is not there is 404, whatever the method."""

    is_public = True
    may_be_stray = True
    _size = 0

    def check_existence(self) -> None:
        self._file = self.found()

    def found(self) -> Path:
        """The file that is asked for.

        Raises:
            GatewayError: NOT_FOUND.
        """
        raise nothing()

    def file_headers(self, path: Path) -> None:
        """Add headers to the file's answer; nothing here."""

    def text_of(self, path: Path, data: bytes) -> bytes:
        """What is sent for a short file; here what is in it."""
        return data

    async def get(self) -> None:
        path = self._file
        found = path.stat()
        self._size = found.st_size
        self.set_header("Content-Type", media_type_of(path))
        self.file_headers(path)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Last-Modified", changed := formatdate(found.st_mtime, usegmt=True))
        if found.st_size <= _PIECE_BYTES:
            data = self.text_of(path, path.read_bytes())
            self._size = len(data)
            tag = entity_tag(data, strong=True)
        elif found.st_size <= _QUICKLY_TAGGED_BYTES:
            tag = _tag(path, found.st_mtime_ns, found.st_size)
        else:
            tag = await asyncio.to_thread(_tag, path, found.st_mtime_ns, found.st_size)
        self.set_header("ETag", tag)
        if self._is_known(tag, found.st_mtime):
            self.set_status(304)
            return
        begin, end = self._part(tag, changed)
        if found.st_size <= _PIECE_BYTES:
            self.finish(data[begin:end])
        else:
            await self._send_pieces(path, found, begin, end)

    head = get

    def _is_known(self, tag: str, changed_s: float) -> bool:
        if "If-None-Match" in self.sent:
            return is_known(tag, self.sent["If-None-Match"])
        since = self.sent.get("If-Modified-Since")
        if since is None:
            return False
        try:
            return int(changed_s) <= parsedate_to_datetime(since).timestamp()
        except (ValueError, OverflowError):
            return False  # as RFC 9110 section 13.1.3 says of what is no date

    def _part(self, tag: str, changed: str) -> tuple[int, int]:
        """The part to be sent, as `byte_ranges.byte_range`; sets what the answer says of it.

        Raises:
            GatewayError: there is no such part.
        """
        wished = self.sent.get("Range") if self.request.method == "GET" else None
        # A client that has a part of what the file was before wants all of what it is now.
        if self.sent.get("If-Range", tag) not in (tag, changed):
            wished = None
        try:
            part = byte_range(wished, self._size)
        except UnsatisfiableRangeError as error:
            raise HeadError(Status.OUT_OF_RANGE, str(error), HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) from None
        if part is None:
            return 0, self._size
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{self._size}")
        return part

    def error_headers(self, error: GatewayError) -> None:
        if isinstance(error, HeadError) and error.http == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.set_header("Content-Range", f"bytes */{self._size}")

    async def _send_pieces(self, path: Path, first: os.stat_result, at: int, end: int) -> None:
        """Send a part of a long file. No more of it is in memory than its client reads, nor is it open meanwhile.

        Raises:
            OSError: the file was changed meanwhile, so that the pieces would not fit together.
        """
        self.set_header("Content-Length", str(end - at))
        while at < end:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_ino, found.st_mtime_ns, found.st_size) != (first.st_ino, first.st_mtime_ns, first.st_size):
                    raise OSError("the file was changed while it was sent")
                file.seek(at)
                piece = file.read(min(_PIECE_BYTES, end - at))
            at += len(piece)
            self.write(piece)
            try:
                await self.flush()
            except StreamClosedError:
                return
            if self.request.method == "HEAD":
                return


@lru_cache(maxsize=256)
def _tag(path: Path, changed_ns: int, size: int) -> str:
    # Of what is in it: files of two releases may have one time and one size.
    with path.open("rb") as file:
        return entity_tag(iter(lambda: file.read(_PIECE_BYTES), b""), strong=True)


def nothing() -> GatewayError:
    """The error for a path at which nothing is."""
    return GatewayError(Status.NOT_FOUND, NOTHING)
