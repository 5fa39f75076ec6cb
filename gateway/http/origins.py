"""Which names the gateway answers to, and which pages may use it. Closed to other pages by default.

Without the first rule a page of another site could read answers by pointing its own name at our address (DNS
rebinding); without the second it could send requests, and open WebSockets, in its visitor's name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from gateway.errors import GatewayError, Status, quote

_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginPolicy:
    """Decides by a request's ``Host``, ``Origin`` and ``Sec-Fetch-Site``.

    Args:
        listen_host: the address that the gateway is bound to.
        hosts: further names, without ports.
        origins: origins of other pages that may use the gateway, as browsers write them.
    """

    def __init__(self, listen_host: str, hosts: Collection[str], origins: Collection[str]) -> None:
        own = f"[{listen_host}]" if ":" in listen_host else listen_host
        self._hosts = frozenset({*_LOCAL, own.lower(), *(host.lower() for host in hosts)})
        self._origins = frozenset(origin.lower() for origin in origins)

    def check_host(self, host: str) -> None:
        """Refuse a request that was meant for somebody else.

        Raises:
            GatewayError: MISDIRECTED.
        """
        if host in self._hosts or _without_port(host) in self._hosts:
            return
        detail = f"this gateway does not answer to the name {quote(host)}; see hosts in its configuration"
        raise GatewayError(Status.MISDIRECTED, detail)

    def check_origin(self, method: str, upgrades: bool, host: str, headers: Mapping[str, str]) -> None:
        """Refuse what a page of another site started.

        Raises:
            GatewayError: PERMISSION_DENIED.
        """
        if method in _SAFE_METHODS and not upgrades:
            return
        origin = headers.get("Origin")
        if origin is not None:
            self.check_page(origin, host)
        elif headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise GatewayError(Status.PERMISSION_DENIED, "pages of other sites may not use this gateway")

    def permits_sessions(self, host: str, headers: Mapping[str, str]) -> bool:
        """Whether a request that reads may open a session: not if a page of another site had it made.

        Such a request passes otherwise, as its page cannot read the answer; but it would cost us a session each time.
        """
        origin = headers.get("Origin")
        if origin is not None:
            return self.permits(origin, host)
        return headers.get("Sec-Fetch-Site") not in ("cross-site", "same-site")

    def check_page(self, origin: str, host: str) -> None:
        """Refuse pages of an origin that is neither our own nor configured.

        Raises:
            GatewayError: PERMISSION_DENIED.
        """
        if not self.permits(origin, host):
            detail = f"pages of {quote(origin)} may not use this gateway; see origins in its configuration"
            raise GatewayError(Status.PERMISSION_DENIED, detail)

    def permits(self, origin: str, host: str) -> bool:
        """Whether pages of an origin may use the gateway that was addressed as ``host``."""
        origin, host = origin.lower(), host.lower()
        return origin in (f"http://{host}", f"https://{host}") or origin in self._origins

    def is_configured(self, origin: str) -> bool:
        """Whether the origin is another one than our own that is permitted."""
        return origin.lower() in self._origins


def _without_port(host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    name = host.partition(":")[0]
    return name.removesuffix(".")
