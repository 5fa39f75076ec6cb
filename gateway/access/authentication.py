"""Who asks: the one place where credentials become a principal, whichever door they came through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.access.credentials import Credentials
from gateway.access.keys import Keys
from gateway.access.presented import CredentialKind, Way, presented, unauthenticated
from gateway.access.principals import ANONYMOUS, Principal
from gateway.config.auth import AuthConfig

REALM: Final = "cara-gateway"
_BEARER: Final = f'Bearer realm="{REALM}"'

OnRemoved = Callable[[Principal], None]


class Authentication:
    """See the module.

    A door asks `known` first, and awaits `authenticate` only where that gives None: most callers are known at once.

    Attributes:
        is_required: whether everybody needs credentials.
    """

    def __init__(self, config: AuthConfig | None = None) -> None:
        """Know whom a configuration knows; without one everybody is anonymous, whatever they show."""
        self.is_required = False
        self._is_on = False
        self._ways: dict[CredentialKind, Way] = {}
        self._keys = Keys()
        self._on_removed: list[OnRemoved] = []
        self.reload(config)

    def known(self, credentials: Credentials) -> Principal | None:
        """Who asks, as far as that is known without waiting; None if `authenticate` has to be awaited.

        Raises:
            GatewayError: UNAUTHENTICATED, the credentials are bad, or are needed and missing.
        """
        if not self._is_on:
            return ANONYMOUS
        kind, value = presented(credentials)
        way = self._ways.get(kind)
        return self._without_way(kind) if way is None else way.known(value, credentials)

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Who asks.

        Raises:
            GatewayError: UNAUTHENTICATED, as above. RESOURCE_EXHAUSTED, too many were wrong of late, or UNAVAILABLE,
                nobody can tell now.
        """
        if not self._is_on:
            return ANONYMOUS
        kind, value = presented(credentials)
        way = self._ways.get(kind)
        return self._without_way(kind) if way is None else await way.authenticate(value, credentials)

    def _without_way(self, kind: CredentialKind) -> Principal:
        if kind is not CredentialKind.NOTHING:
            raise unauthenticated(f"{kind.value} is no way to prove here who one is")
        if self.is_required:
            raise unauthenticated("this gateway has to know who asks, and the request has no credentials")
        return ANONYMOUS

    def challenge(self, headers: Mapping[str, str]) -> str:
        """The value of ``WWW-Authenticate`` in a refusal.

        Args:
            headers: of the request.
        """
        return _BEARER

    def on_removed(self, callback: OnRemoved) -> None:
        """Have each principal told that the configuration knows no more, when a reload is done."""
        self._on_removed.append(callback)

    def reload(self, config: AuthConfig | None) -> None:
        """Know from now on whom another configuration knows.

        Principals that it knows as well have its roles at once; those that it does not know are marked as removed.
        """
        removed: Sequence[Principal] = self._keys.replace(() if config is None else config.keys or ())
        self._is_on = config is not None
        self.is_required = config is not None and config.required
        self._ways = {}
        if config is not None and config.keys is not None:
            self._ways[CredentialKind.KEY] = self._keys
        for principal in removed:
            for callback in self._on_removed:
                callback(principal)
