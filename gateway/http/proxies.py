"""How a client reached the gateway: its address, and the scheme, host and prefix that it used, through proxies or not.

What a request says of them is believed only if it comes from a trusted proxy, and then as follows.

- ``X-Forwarded-For``, ``-Proto`` and ``-Host`` count if one of them is there, and otherwise ``Forwarded`` (RFC 7239).
  If a request has both, ``Forwarded`` is not looked at: nearly all proxies set the former, and those hand on the latter
  as their clients send it.
- Each proxy adds to the right of a list. The client is the rightmost address that is no trusted proxy; what stands left
  of it was sent by the client and is not looked at. If one that is looked at is malformed, or says that it is unknown,
  the client's address is the peer's.
- Of the other lists that element counts that stands where the client does, or the first of a shorter one.
- ``X-Forwarded-Prefix`` is the whole prefix that proxies have taken away, and beats the configured one. ``Forwarded``
  has no word for it.
- A value that is malformed is taken as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

from gateway.path_prefix import path_prefix

UNIX: Final = "unix:"
"""The address of whoever is at the other end of a unix socket: it has none."""

_FOR, _PROTO, _HOST, _PREFIX = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix"
_FORWARDED: Final = "Forwarded"
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_HOST_FORM: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII)
_ADDRESS_FORM: Final = re.compile(r"([0-9.]{7,15})(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?", re.ASCII)
# RFC 7239 section 4 wants quotes around a port's colon; senders forget them.
_PAIR_FORM: Final = re.compile(r"([A-Za-z]{1,20})=(?:\"([^\"\\]*)\"|([^\s\"\\]+))", re.ASCII)
MAX_HOPS: Final = 32
"""So many elements of a list are looked at: no request passes more proxies, and a client's own list may be long."""
_KNOWN_ADDRESSES: Final = 1024
"""So many addresses are remembered, and whether they are trusted: each request names its client's and its proxy's."""
_MAX_ADDRESS_CHARS: Final = 64
"""More than an address of IPv6 in brackets with a port (53)."""


class Downstream(NamedTuple):
    """How a client reached the gateway.

    Attributes:
        address: the client's, without a port; `UNIX` if it has none.
        scheme: ``http`` or ``https``.
        host: the name that it used, with a port if it named one.
        prefix: of paths as it sees them, such as ``/gw``, or empty.
        is_proxied: whether a trusted proxy stands between.
    """

    address: str
    scheme: str
    host: str
    prefix: str
    is_proxied: bool


class Proxies:
    """The proxies that are believed, and the prefix that they serve the gateway under.

    Args:
        trusted: addresses and networks, such as ``10.0.0.0/8``; `UNIX` is whoever may connect to a unix socket.
        base_path: the prefix when no proxy names one, as `path_prefix` gives it.
    """

    def __init__(self, trusted: Collection[str] = (), base_path: str = "") -> None:
        self._any = bool(trusted)
        self._unix = UNIX in trusted
        self._networks = [ip_network(text) for text in trusted if text != UNIX]
        self.base_path = base_path
        self.trusts = lru_cache(_KNOWN_ADDRESSES)(self._trusts)

    def _trusts(self, address: str) -> bool:
        """Whether what an address says of others is believed."""
        if address == UNIX:
            return self._unix
        try:
            parsed = _unmapped(ip_address(address))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def downstream(self, peer: str, scheme: str, host: str, headers: Mapping[str, str]) -> Downstream:
        """Find out how a client reached the gateway.

        Args:
            peer: the address at the other end of the connection, or `UNIX`.
            scheme: of the connection.
            host: as the request says it.
            headers: whose names have no case; values of one that came several times are joined with commas.
        """
        if not self._any or not self.trusts(peer):
            return Downstream(peer, scheme, host, self.base_path, False)
        if _FOR in headers or _PROTO in headers or _HOST in headers:
            address, depth = self._client(peer, _list_of(headers, _FOR), _address)
            told_scheme = _nth(_list_of(headers, _PROTO), depth)
            told_host = _nth(_list_of(headers, _HOST), depth)
        elif _FORWARDED in headers:
            elements = _list_of(headers, _FORWARDED)
            address, depth = self._client(peer, elements, lambda text: _address(_pairs(text).get("for", "")))
            chosen = _pairs(_nth(elements, depth))
            told_scheme, told_host = chosen.get("proto", ""), chosen.get("host", "")
        else:
            address, depth, told_scheme, told_host = peer, 1, "", ""
        prefix = path_prefix(_nth(_list_of(headers, _PREFIX), depth))
        return Downstream(
            address,
            _SCHEMES.get(told_scheme.lower(), scheme),
            told_host if _HOST_FORM.fullmatch(told_host) else host,
            self.base_path if prefix is None else prefix,
            True,
        )

    def _client(self, peer: str, elements: list[str], read: Callable[[str], str | None]) -> tuple[str, int]:
        """The client's address, and how many elements from the right it stands, 1 if it is in no list.

        Args:
            read: gives the address that an element names; None if it names none.
        """
        address, depth = peer, 0
        for text in reversed(elements):
            found = read(text)
            if found is None:
                return peer, max(depth, 1)
            address, depth = found, depth + 1
            if not self.trusts(found):
                break
        return address, max(depth, 1)


def _list_of(headers: Mapping[str, str], name: str) -> list[str]:
    """The last elements of a list; empty ones do not count (RFC 9110 section 5.6.1)."""
    if name not in headers:
        return []
    if "," not in (text := headers[name]):
        return [text] if text else []
    # A comma within quotes would be misunderstood, but no proxy's own element has one, and a client's open quote must
    # not swallow what a proxy added behind it.
    parts = [part.strip() for part in text.rsplit(",", MAX_HOPS)]
    return [part for part in parts[-MAX_HOPS:] if part]


def _nth(values: list[str], depth: int) -> str:
    """The element that stands so far from the right, or the first of fewer; empty if there is none."""
    return values[-min(depth, len(values))] if values else ""


def _pairs(text: str) -> dict[str, str]:
    """The pairs of an element of ``Forwarded`` by their names in lower case; empty if it is malformed."""
    pairs: dict[str, str] = {}
    for part in text.split(";"):
        matched = _PAIR_FORM.fullmatch(part.strip())
        if matched is None or matched[1].lower() in pairs:
            return {}
        pairs[matched[1].lower()] = matched[2] if matched[3] is None else matched[3]
    return pairs


def _address(text: str) -> str | None:
    """An address in the form in which addresses are compared and logged, without its port; None if it is none."""
    return _parsed_address(text) if len(text) <= _MAX_ADDRESS_CHARS else None


@lru_cache(_KNOWN_ADDRESSES)
def _parsed_address(text: str) -> str | None:
    if text == UNIX:  # what nginx says of a client on a unix socket
        return UNIX
    matched = _ADDRESS_FORM.fullmatch(text)
    bare = text if matched is None else matched[1] or matched[2]
    if "%" in bare:
        return None
    try:
        return str(_unmapped(ip_address(bare)))
    except ValueError:
        return None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address as such, also where a socket for both kinds writes it as one of IPv6."""
    return getattr(address, "ipv4_mapped", None) or address
