"""The cookie of sessions: its name, and the attributes without which a browser would not forget it."""

from __future__ import annotations

from typing import Final, TypedDict

from gateway.http.proxies import Downstream

_HOST_PREFIX: Final = "__Host-"
_SECURE_PREFIX: Final = "__Secure-"


class CookieAttributes(TypedDict):
    """As `gateway.http.exchange.Exchange.set_cookie` takes them."""

    path: str
    httponly: bool
    samesite: str
    secure: bool


def cookie_name(name: str, downstream: Downstream) -> str:
    """The name that a client knows it by. With TLS one that no other host and no page without TLS can set."""
    if downstream.scheme != "https":
        return name
    # The better prefix is for cookies of a whole site only (RFC 6265bis section 4.1.3).
    return (_SECURE_PREFIX if downstream.prefix else _HOST_PREFIX) + name


def cookie_attributes(downstream: Downstream) -> CookieAttributes:
    """How far it goes. Another gateway may have another prefix of the same site."""
    return {
        "path": downstream.prefix or "/",
        "httponly": True,
        "samesite": "Strict",
        "secure": downstream.scheme == "https",
    }
