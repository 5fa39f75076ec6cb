"""Where a running gateway is, as a person writes it: ``HOST:PORT``, a URL, or ``unix:/path`` of a socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_FORMS: Final = "HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:/PATH"
_UNIX: Final = "unix:"
_UNIX_URL: Final = "http+unix://"
"""As the gateway prints it: the path's slashes are escaped, and a path of HTTP may follow."""


@dataclass(frozen=True, slots=True)
class GatewayUrl:
    """A gateway's place.

    Attributes:
        base: the path below which the gateway is, without a slash at its end; mostly empty.
        socket: the path of a unix socket; None for TCP.
    """

    text: str
    is_tls: bool
    host: str
    port: int
    base: str = ""
    socket: str | None = None


def read_url(text: str, *, tls: bool = False) -> GatewayUrl:
    """Read what somebody wrote.

    Args:
        tls: whether TLS is meant where the text does not say.

    Raises:
        ValueError: it is none of the forms, which the text names.
    """
    if text.startswith(_UNIX_URL):
        socket, _, base = text.removeprefix(_UNIX_URL).partition("/")
        if not socket:
            raise ValueError(f"expected http+unix://PATH, with %2F for a slash, not {text!r}")
        return GatewayUrl(text, tls, "localhost", 0, f"/{base}".rstrip("/"), unquote(socket))
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or path.startswith("//"):
            raise ValueError(f"expected {_FORMS}, not {text!r}")
        return GatewayUrl(text, tls, "localhost", 0, socket=path)
    whole = text if "://" in text else f"{'https' if tls else 'http'}://{text}"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:
        raise ValueError(f"expected {_FORMS}, not {text!r}") from None
    # A word without a port may be anything, such as a file's name that stands in the wrong place.
    is_bare = "://" not in text and port is None
    has_more = parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or is_bare or has_more:
        raise ValueError(f"expected {_FORMS}, not {text!r}")
    if tls and parts.scheme == "http":
        raise ValueError(f"options for TLS go with https://, not with {text!r}")
    return GatewayUrl(
        text, parts.scheme == "https", parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/")
    )
