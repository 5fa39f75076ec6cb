"""A call over REST from the command line: the other side of `gateway.http.rest`. Blocks."""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from urllib.parse import SplitResult, quote, unquote, urlsplit

from gateway.errors import GatewayError, Status
from gateway.json.text import dump

_UNIX = "http+unix"
_DEFAULT_TIMEOUT_S = 330.0
"""A little more than the longest deadline of a call."""


def call_method(url: str, target: str, params: str, session: str | None, timeout_s: float | None) -> tuple[bool, str]:
    """Call ``service.method`` or ``@handle.method`` at a gateway.

    Returns:
        Whether it succeeded, and the results or the problem object as JSON text.

    Raises:
        ValueError: the URL is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", _UNIX) or not parts.netloc:
        raise ValueError(f"expected http://HOST:PORT or http+unix://PATH, with %2F for a slash, not {url!r}")
    owner, _, method = target.partition(".")
    place = f"handles/{quote(owner[1:], safe='')}" if owner.startswith("@") else quote(owner, safe="")
    headers = {"Content-Type": "application/json"}
    if session is not None:
        headers["Session-Id"] = session
    if timeout_s is not None:
        headers["Request-Timeout"] = str(timeout_s)
    connection = _connection(parts)
    try:
        path = f"{parts.path.rstrip('/')}/api/{place}/{quote(method, safe='')}"
        connection.request("POST", path, params.encode("utf-8", "surrogateescape"), headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        opened = answer.getheader("Session-Id")
        if opened is not None and session is None:
            _end_session(connection, parts.path.rstrip("/"), opened)
        return answer.status < 300, text
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        problem = GatewayError(Status.UNAVAILABLE, f"no gateway answers at {url}: {reason.lower()}")
        return False, dump(problem.problem()).decode()
    finally:
        connection.close()


def _end_session(connection: http.client.HTTPConnection, prefix: str, session: str) -> None:
    """End the session that an answer opened: nobody will ever come back to it."""
    with suppress(OSError, http.client.HTTPException):  # then it ends by itself, later
        connection.request("DELETE", f"{prefix}/api/session", headers={"Session-Id": session})
        connection.getresponse().read()


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    """A connection to where a URL leads.

    Raises:
        ValueError: it leads nowhere.
    """
    if parts.scheme == _UNIX:
        return _UnixConnection(unquote(parts.netloc))
    if not parts.hostname:
        raise ValueError(f"expected http://HOST:PORT, not {parts.geturl()!r}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=_DEFAULT_TIMEOUT_S)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_DEFAULT_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
