"""Which of a request's credentials counts: the first there is, and no other. Believes nobody.

The order is the token of a socket's first message, ``Authorization``, ``X-API-Key``, a trusted proxy's header, the
certificate. One that is bad is not the next one's turn: a client that says who it is is never somebody else.
"""

from __future__ import annotations

import enum
from typing import Final, Protocol

from gateway.access.credentials import Credentials
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

MAX_CREDENTIAL_CHARS: Final = 16_384
"""Of a key, token or password: ten times the tokens of well-known issuers."""
AUTHORIZATION: Final = "Authorization"
API_KEY: Final = "X-Api-Key"


class CredentialKind(enum.IntEnum):
    """What somebody shows. Numbers, so that a table of who checks which is a list: that is asked with each request.

    A bearer token with a dot is a JSON Web Token, which has two; keys have none.
    """

    NOTHING = 0
    KEY = 1
    WEB_TOKEN = 2
    PASSWORD = 3
    PROXY = 4
    CERTIFICATE = 5
    OTHER = 6


IN_WORDS: Final = (
    "nothing", "a key", "a JSON Web Token", "a name and password", "what a proxy says", "a certificate",
    "a scheme that is not known",
)  # fmt: skip
"""By kind."""


class Way(Protocol):
    """Who checks one kind of credentials."""

    def known(self, value: str, credentials: Credentials) -> Principal | None:
        """Whose they are, without waiting; None if somebody has to await `authenticate`.

        Args:
            value: what `presented` gave beside the kind.

        Raises:
            GatewayError: UNAUTHENTICATED, nobody's.
        """

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """Whose they are.

        Raises:
            GatewayError: UNAUTHENTICATED, nobody's. RESOURCE_EXHAUSTED or UNAVAILABLE, it cannot be told now.
        """


def unauthenticated(detail: str) -> GatewayError:
    """The error for credentials that are bad or missing."""
    return GatewayError(Status.UNAUTHENTICATED, detail)


def presented(
    credentials: Credentials, proxy_headers: tuple[str, ...] = (), *, certificates: bool = False
) -> tuple[CredentialKind, str]:
    """What counts, and its text: the key, the token, the base64 of Basic, the user's name; "" of a certificate.

    Args:
        proxy_headers: names of headers that trusted proxies send, the user's first; none if no proxy is believed.
        certificates: whether certificates count.

    Raises:
        GatewayError: UNAUTHENTICATED, a header came twice, or is too long.
    """
    if credentials.token is not None:
        return _bearer(credentials.token)
    headers = credentials.headers
    if credentials.repeated:
        _check_repeated(credentials, proxy_headers)
    text = headers.get(AUTHORIZATION)
    if text is not None:
        scheme, _, value = text.partition(" ")
        scheme = scheme.lower()
        if scheme == "bearer":
            return _bearer(value.strip(" "))
        if scheme == "basic":
            return CredentialKind.PASSWORD, _bounded(value.strip(" "))
        return CredentialKind.OTHER, ""
    key = headers.get(API_KEY)
    if key is not None:
        return CredentialKind.KEY, _bounded(key)
    if proxy_headers and credentials.is_proxied:
        user = headers.get(proxy_headers[0])
        # Proxies that always set the header leave it empty for nobody.
        if user:
            return CredentialKind.PROXY, user
    if certificates and credentials.certificate is not None:
        return CredentialKind.CERTIFICATE, ""
    return CredentialKind.NOTHING, ""


def _bearer(token: str) -> tuple[CredentialKind, str]:
    return CredentialKind.WEB_TOKEN if "." in token else CredentialKind.KEY, _bounded(token)


def _bounded(value: str) -> str:
    if len(value) > MAX_CREDENTIAL_CHARS:
        raise unauthenticated(f"the credentials have {len(value)} characters, permitted are {MAX_CREDENTIAL_CHARS}")
    return value


def _check_repeated(credentials: Credentials, proxy_headers: tuple[str, ...]) -> None:
    names = (AUTHORIZATION, API_KEY, *(proxy_headers if credentials.is_proxied else ()))
    for name in names:
        if name in credentials.repeated:
            raise unauthenticated(f"the header {name} came more than once, so that nobody knows which one is meant")
