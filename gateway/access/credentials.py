"""What a client says of who it is, as a door found it, before anybody believes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.access.principals import Principal


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the verified certificate of a TLS client says.

    Attributes:
        common_name: the CN of its subject; "" if there is none.
        dns_names: of its subjectAltName.
    """

    common_name: str
    dns_names: tuple[str, ...] = ()


@dataclass(slots=True)  # to make a frozen one takes 3 µs, and one is made for each request
class Credentials:
    """Of one request, or of one ``rpc.hello``. Secrets are left out of its repr.

    Attributes:
        headers: the request's, names as in ``Session-Id``; fields that came several times are joined by ``, ``.
        repeated: the names of those that came several times.
        address: the client's, behind trusted proxies.
        is_proxied: whether the peer is a trusted proxy, so that its headers about users are believed.
        certificate: None if the client showed none.
        token: of ``rpc.hello``; if it is there, nothing else counts.
    """

    headers: Mapping[str, str] = field(repr=False)
    address: str = ""
    is_proxied: bool = False
    certificate: Certificate | None = None
    token: str | None = field(default=None, repr=False)
    repeated: Collection[str] = ()


class Authenticator(Protocol):
    """One way to prove who one is. What ``plugin`` names gives one, too."""

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Who asks; None if the credentials have nothing of this kind.

        Raises:
            GatewayError: UNAUTHENTICATED, there is something of this kind, and it is bad.
        """
