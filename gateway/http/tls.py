"""TLS at the gateway's own socket: what handshakes are made with, and the streams behind them."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from typing import Any, Final

from tornado.iostream import SSLIOStream

from gateway.access.credentials import Certificate
from gateway.config.file import ConfigError
from gateway.config.tls import TlsConfig
from gateway.http.hangups import Hangups
from gateway.http.metered_stream import MeteredStream

_LEFT_BYTES: Final = 65_536
_NO_TLS: Final = (
    b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"this port speaks TLS: its address begins with '
    b'https:// or wss://","code":"invalid_argument"}'
)
_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_NO_TLS), _NO_TLS)
)
"""To who speaks HTTP here, as text that everybody can read."""


class Tls:
    """What handshakes are made with from now on; those that were made stay as they are."""

    def __init__(self, config: TlsConfig) -> None:
        """Load the files.

        Raises:
            ConfigError: they cannot be used.
        """
        self._context = _context(config)

    def adopt(self, other: Tls) -> None:
        """Use what another one has loaded."""
        self._context = other._context

    def stream(self, connection: socket.socket, hangups: Hangups, read_bytes: int) -> TlsStream:
        """Begin a handshake on a connection that was just accepted.

        Raises:
            OSError: the other side has left.
        """
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return TlsStream(wrapped, hangups, read_chunk_size=read_bytes)


def _context(config: TlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # OpenSSL would ask the terminal for the password of a key that has one.
        context.load_cert_chain(config.certificate, config.key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(f"gateway.tls.certificate: {_reason(config, error)}") from None
    if config.client_ca is not None:
        try:
            context.load_verify_locations(config.client_ca)
        except (OSError, ValueError) as error:
            text = f"{config.client_ca} has no certificates in PEM: {_words(error)}"
            raise ConfigError(f"gateway.tls.client_ca: {text}") from None
        # Who shows none may still show something else; whether it must is for [gateway.auth] to say.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _reason(config: TlsConfig, error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {config.key} is not that of {config.certificate}"
    files = f"{config.certificate} and {config.key}"
    return f"{files} are no certificate and key in PEM without a password: {_words(error)}"


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").lower().replace("_", " ")
    return (error.strerror or "unreadable").lower() if isinstance(error, OSError) else "unreadable"


class TlsStream(MeteredStream, SSLIOStream):
    """A `MeteredStream` over TLS; what is counted are the bytes inside."""

    scheme = "https"

    @property
    def certificate(self) -> Certificate | None:
        """What the client has shown and the handshake has verified."""
        shown: dict[str, Any] | None = self.socket.getpeercert()
        if not shown:
            return None
        subject = [pair for relative in shown.get("subject", ()) for pair in relative]
        names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
        return Certificate(next((value for kind, value in subject if kind == "commonName"), ""), tuple(names))

    def end_writing(self) -> None:
        """See `MeteredStream`; TLS has a word for it, without which the other side would take it for a cut."""
        with suppress(OSError, ValueError):
            self.socket.unwrap()
        super().end_writing()

    def close(self, exc_info: Any = False) -> None:
        """See `tornado.iostream.BaseIOStream`."""
        if isinstance(exc_info, ssl.SSLError) and exc_info.reason == "HTTP_REQUEST" and not self.closed():
            self._tell_that_it_is_tls()
        super().close(exc_info)

    def close_fd(self) -> None:
        """See `tornado.iostream.BaseIOStream`."""
        with suppress(OSError, ValueError):
            self.socket.unwrap()
        super().close_fd()

    def _tell_that_it_is_tls(self) -> None:
        descriptor = self.socket.fileno()
        with suppress(OSError):
            os.write(descriptor, _ANSWER)
            # What is left unread would break the connection off, and the answer with it.
            os.read(descriptor, _LEFT_BYTES)
