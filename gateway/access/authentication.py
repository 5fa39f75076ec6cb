"""Who asks: the one place where credentials become a principal, whichever door they came through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

from cara_pseud.logins import Verdict
from cara_pseud.password_entries import PasswordEntry
from gateway.access.certificates import Certificates
from gateway.access.credentials import Authenticator, Credentials
from gateway.access.gatekeeper import NOT_SHOWN
from gateway.access.issuer_keys import Fetch
from gateway.access.keys import Keys
from gateway.access.passwords import PasswordLogins
from gateway.access.plugin import ForeignAuthenticator
from gateway.access.presented import AUTHORIZATION, IN_WORDS, CredentialKind, Way, presented, unauthenticated
from gateway.access.principals import ANONYMOUS, Principal
from gateway.access.proxied_users import ProxiedUsers
from gateway.access.refusals import Refusals
from gateway.access.web_tokens import WebTokens
from gateway.config.auth import AuthConfig
from gateway.config.jwt import JwtConfig
from gateway.config.proxy_headers import ProxyHeaders
from gateway.errors import GatewayError, Status

REALM: Final = "cara-gateway"
_BEARER: Final = f'Bearer realm="{REALM}"'
_BASIC: Final = f'Basic realm="{REALM}", charset="UTF-8"'
_BAD_TOKEN: Final = f'{_BEARER}, error="invalid_token"'
"""To whoever has shown a token (RFC 6750 section 3.1); to others nothing is said of one (section 3)."""

FAILURE_KINDS: Final[Mapping[CredentialKind | None, str]] = MappingProxyType({
    CredentialKind.KEY: "key",
    CredentialKind.WEB_TOKEN: "jwt",
    CredentialKind.PASSWORD: "basic",
    CredentialKind.PROXY: "proxy",
    CredentialKind.CERTIFICATE: "cert",
    CredentialKind.OTHER: "other",
    CredentialKind.NOTHING: "none",
    None: "unclear",
})  # fmt: skip
"""What metrics call the credentials that were refused; *unclear* where nobody can tell which of several counts."""

OnRemoved = Callable[[Principal], None]


class Outside(Protocol):
    """What the world does for authentication."""

    def fetch(self, url: str) -> Awaitable[bytes]:
        """Get the text at a URL.

        Raises:
            ValueError: there is none that could be used; the text says why.
        """

    def set_passwords(self, entries: Mapping[bytes, PasswordEntry]) -> None:
        """Check passwords against these from now on; by user."""

    def check_password(self, address: bytes, user: bytes, password: bytes, answer: Callable[[Verdict], None]) -> None:
        """Have a password checked; the verdict is told on whatever thread."""

    def plugin(self, name: str) -> Authenticator:
        """What the factory ``package.module:factory`` gives.

        Raises:
            ConfigError: it gives none.
        """

    def close(self) -> None:
        """Give up what is under way."""


class Authentication:
    """See the module.

    A door asks `known` first, and awaits `authenticate` only where that gives None: most callers are known at once.

    Args:
        config: whom it knows; without one everybody is anonymous, whatever they show.
        outside: None if the configuration has nothing but keys.

    Raises:
        ConfigError: the plugin cannot be used.

    Attributes:
        is_required: whether everybody needs credentials.
        failures: credentials that were refused, by `FAILURE_KINDS`.
    """

    def __init__(self, config: AuthConfig | None = None, outside: Outside | None = None) -> None:
        self.is_required = False
        self.failures = Refusals()
        self._outside = outside
        self._on_removed: list[OnRemoved] = []
        self._config: AuthConfig | None = None
        self._keys = Keys()
        self._passwords: PasswordLogins | None = None
        self._tokens: WebTokens | None = None
        self._proxied: ProxiedUsers | None = None
        self._certificates: Certificates | None = None
        self._plugin: ForeignAuthenticator | None = None
        self._ways: list[Way | None] = [None for _ in CredentialKind]
        self._proxy_headers: tuple[str, ...] = ()
        self.reload(config)

    @property
    def is_on(self) -> bool:
        """See `gateway.access.gatekeeper.Gatekeeper`."""
        return self._config is not None

    def known(self, credentials: Credentials) -> Principal | None:
        """See `gateway.access.gatekeeper.Gatekeeper`."""
        if self._config is None:
            return ANONYMOUS
        kind = None
        try:
            kind, value = presented(credentials, self._proxy_headers, certificates=self._certificates is not None)
            way = self._ways[kind]
            if way is not None:
                return way.known(value, credentials)
            return None if self._plugin is not None else self._without_way(kind)
        except GatewayError as error:
            self._count(kind, error)
            raise

    async def authenticate(self, credentials: Credentials) -> Principal:
        """See `gateway.access.gatekeeper.Gatekeeper`."""
        if self._config is None:
            return ANONYMOUS
        kind = None
        try:
            kind, value = presented(credentials, self._proxy_headers, certificates=self._certificates is not None)
            way = self._ways[kind]
            if way is not None:
                return await way.authenticate(value, credentials)
            if self._plugin is not None:
                principal = await self._plugin.authenticate(credentials)
                if principal is not None:
                    return principal
            return self._without_way(kind)
        except GatewayError as error:
            self._count(kind, error)
            raise

    def _count(self, kind: CredentialKind | None, error: GatewayError) -> None:
        # Who shows nothing may be known by a cookie.
        if error.status is Status.UNAUTHENTICATED and error.reason != NOT_SHOWN:
            self.failures.count(FAILURE_KINDS[kind])

    def challenge(self, headers: Mapping[str, str]) -> str:
        """The value of ``WWW-Authenticate`` in a refusal: Basic only to browsers that should ask their users, and to
        programs, which ask nobody; wget and ``curl --anyauth`` show a password only to who wants one.

        Args:
            headers: of the request.
        """
        is_token_refused = headers.get(AUTHORIZATION, "").partition(" ")[0].lower() == "bearer"
        asks_user = self._passwords is not None and _is_navigation(headers)
        challenges = [_BAD_TOKEN] if is_token_refused else [] if asks_user else [_BEARER]
        if asks_user or (self._passwords is not None and _is_program(headers)):
            challenges.append(_BASIC)
        return ", ".join(challenges)

    def on_removed(self, callback: OnRemoved) -> None:
        """Have each principal told that is known no more, when a reload is done or an issuer has withdrawn a key."""
        self._on_removed.append(callback)

    def reload(self, config: AuthConfig | None) -> None:
        """Know from now on whom another configuration knows.

        Principals that it knows as well have its roles at once; those that it does not know are marked as removed.

        Raises:
            ConfigError: its plugin cannot be used; nothing has changed.
        """
        # What can go wrong comes first.
        plugin = self._new_plugin(config)
        told = config or AuthConfig(required=False)
        removed: list[Principal] = []
        if plugin is not self._plugin and self._plugin is not None:
            removed += self._plugin.close()
        self._plugin = plugin
        removed += self._keys.replace(told.keys or ())
        removed += self._reload_passwords(told.passwords)
        removed += self._reload_tokens(told.jwt)
        removed += self._reload_proxied(told.proxy)
        removed += self._reload_certificates(None if told.mtls is None else told.mtls.roles)
        self._config = config
        self.is_required = told.required
        self._ways[CredentialKind.KEY] = None if told.keys is None else self._keys
        self._ways[CredentialKind.PASSWORD] = self._passwords
        self._ways[CredentialKind.WEB_TOKEN] = self._tokens
        self._ways[CredentialKind.PROXY] = self._proxied
        self._ways[CredentialKind.CERTIFICATE] = self._certificates
        self._tell_removed(removed)

    def start(self) -> None:
        """Prepare for callers, so that the first one waits for nothing."""
        if self._tokens is not None:
            self._tokens.start()

    def close(self) -> None:
        """Give up what is under way. Nobody is told to be removed."""
        if self._tokens is not None:
            self._tokens.close()
        if self._plugin is not None:
            self._plugin.close()
        if self._outside is not None:
            self._outside.close()

    def _without_way(self, kind: CredentialKind) -> Principal:
        if kind is not CredentialKind.NOTHING:
            raise unauthenticated(f"{IN_WORDS[kind]} is no way to prove here who one is")
        if self.is_required:
            detail = "this gateway has to know who asks, and the request has no credentials"
            raise GatewayError(Status.UNAUTHENTICATED, detail, reason=NOT_SHOWN)
        return ANONYMOUS

    def _new_plugin(self, config: AuthConfig | None) -> ForeignAuthenticator | None:
        name = None if config is None else config.plugin
        if name is None or (self._plugin is not None and self._plugin.name == name):
            return None if name is None else self._plugin
        return ForeignAuthenticator(self._world.plugin(name), name)

    def _reload_passwords(self, entries: Mapping[bytes, PasswordEntry] | None) -> Sequence[Principal]:
        if entries is None:
            removed = [] if self._passwords is None else self._passwords.replace({})
            self._passwords = None
            return removed
        self._world.set_passwords(entries)
        if self._passwords is not None:
            return self._passwords.replace(entries)
        self._passwords = PasswordLogins(entries, self._world.check_password)
        return ()

    def _reload_tokens(self, config: JwtConfig | None) -> Sequence[Principal]:
        old = self._tokens
        if old is not None and config is not None:
            removed = old.replace(config)
            if removed is not None:
                return removed
        fetch: Fetch | None = None
        if config is not None and config.url is not None:
            fetch = partial(self._world.fetch, config.url)
        self._tokens = None if config is None else WebTokens(config, fetch, self._tell_removed)
        return () if old is None else old.close()

    def _reload_proxied(self, headers: ProxyHeaders | None) -> Sequence[Principal]:
        old = self._proxied
        if old is not None and headers == old.headers:
            return ()
        self._proxied = None if headers is None else ProxiedUsers(headers)
        self._proxy_headers = () if headers is None else headers.names
        return () if old is None else old.close()

    def _reload_certificates(self, roles: Mapping[str, frozenset[str]] | None) -> Sequence[Principal]:
        old = self._certificates
        if old is not None and roles is not None:
            old.replace(roles)
            return ()
        self._certificates = None if roles is None else Certificates(roles)
        return () if old is None else old.close()

    @property
    def _world(self) -> Outside:
        assert self._outside is not None  # else there would be nothing but keys
        return self._outside

    def _tell_removed(self, principals: Sequence[Principal]) -> None:
        for principal in principals:
            for callback in self._on_removed:
                callback(principal)


def _is_program(headers: Mapping[str, str]) -> bool:
    """Whether a request is no browser's, as it says itself: all of these have called themselves Mozilla ever since."""
    agent = headers.get("User-Agent", "")
    return "Sec-Fetch-Mode" not in headers and agent != "" and not agent.startswith("Mozilla/")


def _is_navigation(headers: Mapping[str, str]) -> bool:
    """Whether a browser shows the answer as a page. Over plain HTTP browsers say so to loopback only; there a script
    tells itself by what it takes, which is anything unless it says otherwise."""
    mode = headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in headers.get("Accept", "").lower()
