"""Who shows a certificate, which TLS has verified already: the names that it has, and the roles of these."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.credentials import Certificate, Credentials
from gateway.access.interned import Interned
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal


class Certificates:
    """See the module.

    Args:
        roles: by name. A certificate has those of each of its names.
    """

    __slots__ = ("_owners", "_roles")

    def __init__(self, roles: Mapping[str, frozenset[str]]) -> None:
        self._roles = roles
        self._owners: Interned[Certificate, Principal] = Interned()

    def known(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        certificate = credentials.certificate
        assert certificate is not None  # else this would not be what counts
        owner = self._owners.find(certificate)
        if owner is None:
            owner = Principal(f"cert:{self._name(certificate)}", self._roles_of(certificate))
            self._owners.keep(certificate, owner)
        return owner

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        return self.known(value, credentials)

    def replace(self, roles: Mapping[str, frozenset[str]]) -> None:
        """Give other roles from now on, to those as well that are known already."""
        self._roles = roles
        for certificate, owner in self._owners.everybody():
            owner.roles = self._roles_of(certificate)

    def close(self) -> list[Principal]:
        """Believe no certificate any more; whose they were."""
        return self._owners.remove()

    def _name(self, certificate: Certificate) -> str:
        names = _names(certificate)
        if not names:
            raise unauthenticated("the certificate has no name, neither a CN nor a DNS name")
        return next((name for name in names if name in self._roles), names[0])

    def _roles_of(self, certificate: Certificate) -> frozenset[str]:
        return frozenset().union(*[self._roles.get(name, frozenset()) for name in _names(certificate)])


def _names(certificate: Certificate) -> list[str]:
    return [name for name in (certificate.common_name, *certificate.dns_names) if name]
