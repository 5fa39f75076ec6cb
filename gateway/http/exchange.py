"""One request and its answer, as headers and bytes (RFC 9110 sections 6.4, 8.6 and 15). Knows no site and no policy."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from tornado.iostream import IOStream

from gateway.describe.documents import JSON_TYPE
from gateway.errors import phrase
from gateway.http.request_head import HttpRequest

SERVER: Final = "cara-gateway"
POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""What an answer may do that a browser shows as a page: nothing, it is no page."""
_POLICY_LINE: Final = f"Content-Security-Policy: {POLICY}\r\n"


class Exchange:
    """See the module.

    Attributes:
        request: what is answered.
        sent: its headers; names as in ``Session-Id``.
        request_id: of this request, in its answer, its log line and its calls.
    """

    request_id: str = ""
    _status = 200
    _reason = "OK"
    _finished = False
    _is_streaming = False
    _is_chunked = False
    _body_bytes = 0
    _has_policy = True

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.sent: Mapping[str, str] = request.headers
        self._headers = {"Content-Type": JSON_TYPE}
        self._cookies: list[str] = []
        self._parts: list[bytes] = []

    def on_finish(self) -> None:
        """The answer is complete."""

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Have the answer another status than 200."""
        self._status = status
        self._reason = phrase(status) if reason is None else reason

    def set_header(self, name: str, value: str) -> None:
        """Have the answer a header, in place of one of that name."""
        self._headers[name] = value

    def add_header(self, name: str, value: str) -> None:
        """Add to the list that a header of the answer is."""
        known = self._headers.get(name)
        self._headers[name] = value if known is None else f"{known}, {value}"

    def get_cookie(self, name: str) -> str | None:
        """The value of a cookie; None if the client sent none of that name."""
        found = re.search(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=([^;]*)", self.sent.get("Cookie", ""))
        return None if found is None else found[1].strip()

    def set_cookie(
        self, name: str, value: str, *, path: str, httponly: bool, samesite: str, secure: bool = False, more: str = ""
    ) -> None:
        """Have the client keep a cookie."""
        marks = ("; HttpOnly" if httponly else "") + ("; Secure" if secure else "")
        self._cookies.append(f"{name}={value}{more}; Path={path}; SameSite={samesite}{marks}")

    def clear_cookie(self, name: str, *, path: str, httponly: bool, samesite: str, secure: bool = False) -> None:
        """Have the client forget a cookie, which has to be named with its attributes."""
        past = "; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
        self.set_cookie(name, '""', path=path, httponly=httponly, samesite=samesite, secure=secure, more=past)

    def finish(self, data: bytes = b"") -> None:
        """Send the answer, or what is missing of it."""
        self._finished = True
        request, connection = self.request, self.request.connection
        if self._is_streaming:
            self._parts.append(data)
            self._send_parts()
            if self._is_chunked:
                connection.write(b"0\r\n\r\n")
        else:
            if self._parts:
                data = b"".join([*self._parts, data])
            # Compared as a number, since most answers are none of the two.
            has_body = self._status != 204 and self._status != 304
            head = self._head(f"Content-Length: {len(data)}\r\n" if has_body else "")
            if has_body and request.method != "HEAD":
                self._body_bytes = len(data)
                connection.write(head + data)
            else:
                connection.write(head)
        self.on_finish()
        connection.finished()

    def without_policy(self) -> None:
        """Have browsers show the answer as it is: it is a page of somebody who says himself what it may do."""
        self._has_policy = False

    def write(self, data: bytes) -> None:
        """Have a part of the answer sent with the next `flush`."""
        self._parts.append(data)

    def flush(self) -> Awaitable[None]:
        """Send what was written, in an answer whose length is not known, or set as its Content-Length.

        Returns:
            Whether all is with the kernel; fails with `tornado.iostream.StreamClosedError` when the client has left.
        """
        request = self.request
        if not self._is_streaming:
            self._is_streaming = True
            is_long_unknown = "Content-Length" not in self._headers
            self._is_chunked = is_long_unknown and request.minor > 0 and request.method != "HEAD"
            if is_long_unknown and request.minor == 0:
                # Only the end of the connection tells it where the answer ends.
                request.keeps_alive = False
            request.connection.write(self._head("Transfer-Encoding: chunked\r\n" if self._is_chunked else ""))
        return self._send_parts()

    def _send_parts(self) -> Awaitable[None]:
        data, self._parts = b"".join(self._parts), []
        if self.request.method == "HEAD":
            data = b""
        self._body_bytes += len(data)
        if data and self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        sent: Awaitable[None] = self.request.connection.write(data)
        return sent

    def _head(self, framing: str) -> bytes:
        request, headers = self.request, self._headers
        if self._status == 204 or self._status == 304:
            headers.pop("Content-Type", None)
        lines = [
            f"HTTP/1.1 {self._status} {self._reason}\r\nServer: {SERVER}\r\nDate: {_date(int(time.time()))}\r\n"
            f"X-Request-Id: {self.request_id}\r\nX-Content-Type-Options: nosniff\r\n{framing}"
        ]
        if self._has_policy and "Content-Security-Policy" not in headers:
            lines.append(_POLICY_LINE)
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if self._cookies:
            lines += [f"Set-Cookie: {cookie}\r\n" for cookie in self._cookies]
        if not request.keeps_alive:
            lines.append("Connection: close\r\n")
        elif request.minor == 0:
            lines.append("Connection: keep-alive\r\n")
        lines.append("\r\n")
        return "".join(lines).encode()

    def detach(self) -> tuple[IOStream, bytes]:
        """Take the connection away from HTTP, with what was read of it and is no part of the request.

        Raises:
            GatewayError: FAILED_PRECONDITION, others of its requests were sent together with this one.
        """
        detached: tuple[IOStream, bytes] = self.request.connection.detach()
        self._finished = True
        return detached

    def start_anew(self) -> None:
        """Forget what the answer was to be, apart from its id."""
        self._headers, self._cookies, self._parts = {}, [], []
        self._has_policy = True


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    # Making the text costs as much as reading the JSON of a call.
    return formatdate(second, usegmt=True)
