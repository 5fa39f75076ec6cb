"""What the head of a request says (RFC 9112): bytes in, a `HttpRequest` or the reason against it out.

As strict as the RFC permits, since two readers of one connection that disagree about where a request ends can be made
to take a part of one for another (request smuggling). Knows no socket and no handler.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from gateway.errors import GatewayError, Status, phrase, quote

CHUNKED: Final = -1
"""The length of a body that comes in chunks."""
WHOLE_SERVER: Final = "*"
"""The path of a request that is about no resource."""
MAX_LENGTH_DIGITS: Final = 18
"""More digits of a Content-Length are not read as a number; such a body is too large in any case."""
ENDLESS: Final = 10**MAX_LENGTH_DIGITS

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE: Final = re.compile(rf"({_WORD}+) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])")
# The possessive quantifiers keep the time linear in whatever is wrong.
HEADER_LINES: Final = re.compile(rf"(?:{_WORD}++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+")
_HEADER_LINE: Final = re.compile(rf"{_WORD}++:[\t\x20-\x7e\x80-\xff]*+")
_TOKENS: Final = re.compile(rf"{_WORD}+")
_ABSOLUTE: Final = re.compile(r"https?://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)
# The name of a host may be anything that RFC 3986 permits but a comma, by which several fields are joined.
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]*(?:%25[\w.~%-]+)?\]|[\w.~!$&'()*+;=%-]*)(?::[0-9]*)?", re.ASCII)
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FIRST_BYTES: Final = re.compile(rb"\r|[!#$%&'*+\-.^_`|~0-9A-Za-z]")
_BLANKS: Final = " \t"
_MAX_KNOWN_CHARS: Final = 64


class HeadError(GatewayError):
    """A request of which it is not known where it ends, so that its connection is closed with the answer.

    Attributes:
        http: the answer's HTTP status; that of ``status`` where nothing else is said.
    """

    def __init__(self, status: Status, detail: str, http: int | None = None) -> None:
        super().__init__(status, detail)
        self.http = status.http if http is None else http

    def problem(self) -> dict[str, Any]:
        return {**super().problem(), "title": phrase(self.http), "status": self.http}


def bad_request(detail: str) -> HeadError:
    """What is no request."""
    return HeadError(Status.INVALID_ARGUMENT, detail)


def too_large_head(detail: str) -> HeadError:
    """A head that is larger than permitted (RFC 6585 section 5)."""
    return HeadError(Status.TOO_LARGE, detail, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


class HttpRequest:
    """One request.

    Attributes:
        method: as it was sent; methods have upper and lower case.
        path: of the target, its escapes as they came; WHOLE_SERVER, or ``""`` for a tunnel.
        query: what stands behind the target's question mark, as it came.
        headers: names as in ``Session-Id``; fields that come several times are joined by ``, ``.
        repeated: the names of those that came several times.
        host: whom the client wants to talk to, with the port if it named one.
        minor: of the version: HTTP/1.0 or HTTP/1.1.
        length: of the body, in bytes, or CHUNKED.
        waits: whether the client sends the body only when it is told to.
        keeps_alive: whether the connection goes on behind the answer.
        body: the whole body, when it has come.
        connection: what it came over, set by that.
        sender: who sent it, where that was found out before its body was there; not set otherwise.
        remote_ip, protocol: the client's address, and ``http`` or ``https``.
        began_s: when the head was there, by the clock `time.perf_counter`.
    """

    __slots__ = (
        "began_s", "body", "connection", "headers", "host", "keeps_alive", "length", "method", "minor", "path",
        "protocol", "query", "remote_ip", "repeated", "sender", "waits",
    )  # fmt: skip

    connection: Any
    sender: Any

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], host: str, minor: int) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.repeated: Collection[str] = ()
        self.host = host
        self.minor = minor
        self.length = 0
        self.waits = False
        self.keeps_alive = minor > 0
        self.body = b""
        self.remote_ip = ""
        self.protocol = "http"
        self.began_s = 0.0


def early_fault(data: bytes | bytearray) -> HeadError | None:
    """What is wrong already with the beginning of a head, of which nothing better can come."""
    if data and not _FIRST_BYTES.match(data):
        detail = "this port speaks HTTP, and not TLS" if data[0] == 0x16 else "a request begins with its method"
        return bad_request(detail)
    return bad_request("lines of the head must end with CR LF") if _BARE_LF.search(data) else None


def parse_head(data: bytes, max_lines: int) -> HttpRequest:
    """Read a head, from the request line to its last line's end, without the empty line behind.

    Raises:
        HeadError: it is none that can be served.
    """
    text = data.decode("latin-1")
    line, _, rest = text.partition("\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _bad_request_line(line)
    method, target, major, minor = match.groups()
    if major != "1":
        detail = f"the version is HTTP/{major}.{minor}, permitted are HTTP/1.1 and HTTP/1.0"
        raise HeadError(Status.UNIMPLEMENTED, detail, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    headers, repeated = _headers(rest, max_lines)
    host = headers.get("Host")
    if host is None:
        if minor != "0":
            raise bad_request("the header Host is missing")
        # HTTP/1.0 does not need it; such a client asked whom it connected to.
        host = "127.0.0.1"
    elif not _HOST.fullmatch(host):
        raise bad_request(f"the header Host must be one name, with a port or without, not {quote(host)}")
    if target[0] == "/":
        path, _, query = target.partition("?")
    else:
        path, query, host = _other_target(method, target, host)
    if "#" in target:
        raise bad_request("the target has a fragment, which is the client's own matter")
    if not target.isascii():
        try:
            path, query = path.encode("latin-1").decode(), query.encode("latin-1").decode()
        except UnicodeDecodeError:
            raise bad_request("the target is neither percent-encoded nor UTF-8") from None
    request = HttpRequest(method, path, query, headers, host, 0 if minor == "0" else 1)
    request.repeated = repeated
    if "Content-Length" in headers or "Transfer-Encoding" in headers:
        request.length = _body_length(request)
        request.waits = request.minor > 0 and headers.get("Expect", "").lower() == "100-continue"
    connection = headers.get("Connection")
    if connection is not None:
        options = [option.strip(_BLANKS) for option in connection.lower().split(",")]
        request.keeps_alive = "close" not in options and (request.minor > 0 or "keep-alive" in options)
    return request


def _bad_request_line(line: str) -> HeadError:
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not _TOKENS.fullmatch(method):
        return bad_request(f"the method {quote(method)} is no token")
    if not version.startswith("HTTP/"):
        return bad_request(f"the request line must end with HTTP/1.1, not {quote(version)}")
    return bad_request(f"the request line has single spaces around its target, which is not {quote(target)}")


def _headers(text: str, max_lines: int) -> tuple[dict[str, str], Collection[str]]:
    """The headers, and the names of those that came several times."""
    if not HEADER_LINES.fullmatch(text):
        raise _bad_header(text)
    lines = text.split("\r\n")
    if len(lines) - 1 > max_lines:
        raise too_large_head(f"the head has {len(lines) - 1} headers, at most {max_lines} are permitted")
    headers: dict[str, str] = {}
    repeated: Collection[str] = ()
    lines.pop()
    for line in lines:
        name, _, value = line.partition(":")
        name = _known_name(name) if len(name) <= _MAX_KNOWN_CHARS else _name(name)
        value = value.strip(_BLANKS)
        if name in headers:
            headers[name] += ("; " if name == "Cookie" else ", ") + value
            repeated = {*repeated, name}
        else:
            headers[name] = value
    return headers, repeated


def _name(name: str) -> str:
    return "-".join([word.capitalize() for word in name.split("-")])


_known_name: Final = lru_cache(maxsize=512)(_name)


def _bad_header(text: str) -> HeadError:
    line = next((line for line in text.split("\r\n") if not _HEADER_LINE.fullmatch(line)), "")
    if line[:1] in (" ", "\t"):
        return bad_request("a header may not be continued on a line that begins with a blank")
    name, colon, _ = line.partition(":")
    if not colon:
        return bad_request(f"a line of the head has no colon: {quote(line)}")
    if not _TOKENS.fullmatch(name):
        return bad_request(f"the name of a header is {quote(name)}; permitted are letters, digits and !#$%&'*+-.^_`|~")
    return bad_request(f"the header {quote(name)} has a control character in its value")


def _other_target(method: str, target: str, host: str) -> tuple[str, str, str]:
    """Path, query and host of a target that is no path (RFC 9112 section 3.2).

    Raises:
        HeadError: it is none of the forms that there are.
    """
    if method == "CONNECT":
        return "", "", host
    if target == WHOLE_SERVER:
        if method != "OPTIONS":
            raise bad_request(f"the target * is for OPTIONS only, not for {_shown(method)}")
        return target, "", host
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise bad_request(f"the target must be a path or an http URL, not {quote(target)}")
    # A proxy's client says here whom it means, and what its Host says does not count (RFC 9112 section 3.2.2).
    authority, path, query = match.groups()
    if not authority or not _HOST.fullmatch(authority):
        raise bad_request(f"the URL must name a host and nobody's password, not {quote(authority)}")
    if path is None:
        path = WHOLE_SERVER if method == "OPTIONS" and query is None else "/"
    return path, query or "", authority


def _shown(method: str) -> str:
    return method if len(method) <= 20 else quote(method)


def _body_length(request: HttpRequest) -> int:
    """How long the body is (RFC 9112 section 6.3).

    Raises:
        HeadError: nobody knows.
    """
    headers = request.headers
    coding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if coding is not None:
        if length is not None:
            raise bad_request("a request has either Content-Length or Transfer-Encoding, not both")
        if request.minor == 0:
            raise bad_request("HTTP/1.0 has no Transfer-Encoding")
        codings = [name.strip(_BLANKS).lower() for name in coding.split(",")]
        if codings == ["chunked"]:
            return CHUNKED
        if set(codings) <= {"chunked", ""}:
            raise bad_request("Transfer-Encoding must be chunked, once")
        raise HeadError(Status.UNIMPLEMENTED, f"the only Transfer-Encoding is chunked, not {quote(coding)}")
    assert length is not None
    # Python's own reading of numbers takes signs, blanks, underscores and other digits.
    if not length.isascii() or not length.isdigit():
        raise bad_request(f"Content-Length must be one number in decimal digits, not {quote(length)}")
    return int(length) if len(length) <= MAX_LENGTH_DIGITS else ENDLESS
