"""Which names the gateway answers to, and which pages may use it. Closed to other pages by default.

Without the first rule a page of another site could read answers by pointing its own name at our address (DNS
rebinding); without the second it could send requests, and open WebSockets, in its visitor's name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from gateway.errors import GatewayError, Status, quote
from gateway.host_names import host_name, host_pattern, is_address, matches

_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_SITES: Final = ("cross-site", "same-site")
"""What ``Sec-Fetch-Site`` says of pages that are not ours; those of the same site may be anybody's, too."""
_FOREIGN: Final = "pages of other sites may not use this gateway"
_MAX_HOST_CHARS: Final = 300
"""More than a name of a host can have (253, RFC 1035 section 2.3.4) with a port."""
_REMEMBERED_HOSTS: Final = 256
"""So many texts of ``Host`` are remembered with the answer; few gateways have more names."""


class OriginPolicy:
    """Decides by a request's ``Host``, ``Origin`` and ``Sec-Fetch-Site``.

    Args:
        listen_host: the address that the gateway is bound to; None if it has none.
        hosts: further names and patterns of names; see `gateway.host_names.host_pattern`.
        origins: origins of other pages that may use the gateway, as browsers write them; None: no others ever may.
    """

    def __init__(self, listen_host: str | None, hosts: Collection[str], origins: Collection[str] | None) -> None:
        own = () if listen_host is None else (listen_host,)
        self._hosts = frozenset(host_pattern(host) for host in (*_LOCAL, *own, *hosts))
        self._origins = frozenset(origin.lower() for origin in origins or ())
        self._may_have_others = origins is not None
        self._what = "gateway; see origins in its configuration" if self._may_have_others else "listener"
        self._is_ours = lru_cache(_REMEMBERED_HOSTS)(self._is_one_of_ours)

    def _is_one_of_ours(self, host: str) -> bool:
        name = host_name(host)
        return any(matches(pattern, name) for pattern in self._hosts)

    def check_host(self, host: str, *, any_address: bool = False) -> None:
        """Refuse a request that was meant for somebody else.

        Args:
            any_address: whether every address is ours. None can be rebound; but whoever asks by one may as well be told
                that it asked the wrong gateway, so this is for probes, which know nothing else.

        Raises:
            GatewayError: MISDIRECTED.
        """
        if (len(host) <= _MAX_HOST_CHARS and self._is_ours(host)) or (any_address and is_address(host_name(host))):
            return
        detail = f"this gateway does not answer to the name {quote(host)}; see hosts in its configuration"
        raise GatewayError(Status.MISDIRECTED, detail)

    def check_origin(
        self, method: str, upgrades: bool, host: str, headers: Mapping[str, str], *, any_port: bool = False
    ) -> None:
        """Refuse what a page of another site started.

        Args:
            any_port: see `permits`.

        Raises:
            GatewayError: PERMISSION_DENIED.
        """
        if method in _SAFE_METHODS and not upgrades:
            return
        origin = headers.get("Origin")
        if origin is not None:
            self.check_page(origin, host, any_port=any_port)
        elif headers.get("Sec-Fetch-Site") in _OTHER_SITES:
            raise GatewayError(Status.PERMISSION_DENIED, _FOREIGN)

    def check_reader(self, host: str, headers: Mapping[str, str], *, any_port: bool = False) -> None:
        """Refuse what a page of another site had a browser read, with whatever that knows of its user.

        Only pages of configured origins may, which say so; an image or a link says no origin.

        Raises:
            GatewayError: PERMISSION_DENIED.
        """
        origin = headers.get("Origin")
        if origin is not None:
            self.check_page(origin, host, any_port=any_port)
        elif headers.get("Sec-Fetch-Site") in _OTHER_SITES:
            raise GatewayError(Status.PERMISSION_DENIED, _FOREIGN)

    def permits_sessions(self, host: str, headers: Mapping[str, str], *, any_port: bool = False) -> bool:
        """Whether a request that reads may open a session: not if a page of another site had it made.

        Such a request passes otherwise, as its page cannot read the answer; but it would cost us a session each time.
        """
        origin = headers.get("Origin")
        if origin is not None:
            return self.permits(origin, host, any_port=any_port)
        return headers.get("Sec-Fetch-Site") not in _OTHER_SITES

    def check_page(self, origin: str, host: str, *, any_port: bool = False) -> None:
        """Refuse pages of an origin that is neither our own nor configured.

        Raises:
            GatewayError: PERMISSION_DENIED.
        """
        if not self.permits(origin, host, any_port=any_port):
            detail = f"pages of {quote(origin)} may not use this {self._what}"
            if self._may_have_others and not any_port and self.permits(origin, host, any_port=True):
                detail += ", or trusted_proxies if a proxy of its own dropped the port"
            raise GatewayError(Status.PERMISSION_DENIED, detail)

    def permits(self, origin: str, host: str, *, any_port: bool = False) -> bool:
        """Whether pages of an origin may use the gateway that was addressed as ``host``.

        Args:
            any_port: whether pages of that host at any port are our own, for hosts that come from proxies: those drop
                the port (nginx's ``$host``), or say their own where a firewall or a container has another outside.
        """
        return origin.lower() in self._origins or self.is_own(origin, host, any_port=any_port)

    def is_own(self, origin: str, host: str, *, any_port: bool = False) -> bool:
        """Whether an origin is that of our own pages; as `permits`, but for the configured ones."""
        origin, host = origin.lower(), host.lower()
        if origin in (f"http://{host}", f"https://{host}"):
            return True
        scheme, _, page_host = origin.partition("://")
        return any_port and scheme in ("http", "https") and host_name(page_host) == host_name(host) != ""

    def is_configured(self, origin: str) -> bool:
        """Whether the origin is another one than our own that is permitted."""
        return origin.lower() in self._origins

