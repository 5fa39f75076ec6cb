"""Requests to a running gateway from the command line: the other side of `gateway.http.rest`. Blocks."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError, Status
from gateway.http.gateway_url import GatewayUrl

DEFAULT_TIMEOUT_S: Final = 330.0
"""A little more than the longest deadline of a call."""
CONNECT_TIMEOUT_S: Final = 10.0
"""Longer than three lost packets take."""
MARGIN_S: Final = 5.0
"""How much longer than a call's own deadline its answer is waited for: the gateway says more than a broken wait."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Whom to trust, and who we are.

    Attributes:
        authority: a file of the certificates that are trusted; None = the system's.
        certificate, key: our own.
        insecure: whether anybody is trusted.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False

    @property
    def is_given(self) -> bool:
        """Whether anything is said at all."""
        return self != TlsFiles()

    def settings(self) -> ssl.SSLContext:
        """What they make of a connection.

        Raises:
            ValueError: a file cannot be used; the text names it.
        """
        try:
            made = ssl.create_default_context(cafile=self.authority)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"{self.authority}: {_reason(error)}") from None
        if self.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            try:
                made.load_cert_chain(self.certificate, self.key)
            except (OSError, ssl.SSLError) as error:
                raise ValueError(f"{self.key or self.certificate}: {_reason(error)}") from None
        elif self.key is not None:
            raise ValueError("a key needs its certificate")
        return made


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str
    succeeded: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "succeeded", self.status < 300)

    def json(self) -> Any:
        """Its value.

        Raises:
            GatewayError: INTERNAL, it is no JSON: whoever answers is no gateway.
        """
        try:
            return json.loads(self.text)
        except ValueError:
            raise GatewayError(
                Status.INTERNAL, f"the answer, with status {self.status}, is no JSON; is this a gateway?"
            ) from None


class RestClient:
    """A gateway as the command line sees it; each request has a connection of its own.

    Args:
        headers: of every request.

    Raises:
        ValueError: a file for TLS cannot be used.
    """

    def __init__(
        self,
        url: GatewayUrl,
        headers: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self._connect_timeout_s = connect_timeout_s
        self._tls = (tls or TlsFiles()).settings() if url.is_tls else None

    def request(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Reply:
        """Make a request and read its answer.

        Args:
            path: below the gateway's own place.

        Raises:
            GatewayError: UNAVAILABLE, nobody is there; OUTCOME_UNKNOWN, there was no answer.
            ValueError: a header cannot be sent.
        """
        sent = {"Accept": "application/json", **self._headers, **(headers or {})}
        if body is not None and "content-type" not in {name.lower() for name in sent}:
            sent["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                raise self._unreachable(error) from None
            connection.sock.settimeout(timeout_s)
            try:
                connection.request(verb, self._url.base + path, body, sent)
                answer = connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException) as error:
                detail = f"the connection to {self._url.text} was made, but no answer came: {_reason(error)}"
                raise GatewayError(Status.OUTCOME_UNKNOWN, detail) from None
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        url = self._url
        if url.socket is not None:
            return _UnixConnection(url.socket, self._connect_timeout_s, self._tls)
        if self._tls is not None:
            return http.client.HTTPSConnection(
                url.host, url.port, timeout=self._connect_timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(url.host, url.port, timeout=self._connect_timeout_s)

    def _unreachable(self, error: OSError) -> GatewayError:
        if isinstance(error, ssl.SSLCertVerificationError):
            detail = (
                f"{self._url.text} is not trusted: {error.verify_message}; "
                "--cacert FILE says whom to trust, --insecure trusts anybody"
            )
            return GatewayError(Status.UNAVAILABLE, detail)
        return GatewayError(Status.UNAVAILABLE, f"no gateway answers at {self._url.text}: {_reason(error)}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._tls = tls

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).lower() or type(error).__name__
