"""Whose a JSON Web Token is: signed by the one issuer, for us, and for now (RFC 7519, with the advice of RFC 8725)."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt

from gateway.access.credentials import Credentials
from gateway.access.interned import Interned
from gateway.access.issuer_keys import Fetch, IssuerKeys
from gateway.access.presented import unauthenticated
from gateway.access.principals import Principal
from gateway.config.jwk_set import JwkSet, VerificationKey
from gateway.config.jwt import SECRET_BYTES, JwtConfig
from gateway.errors import GatewayError, Status, quote

LEEWAY_S: Final = 5.0
"""How much the issuer's clock may be before ours, as a token is used at once when it was issued. At its end there is
none: a token that ends early is asked for anew, one that goes on after its end is what its issuer did not want."""
MAX_SUBJECT_CHARS: Final = 256
MAX_ROLES: Final = 1000
MAX_ROLE_CHARS: Final = 256
_TYPES: Final = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")
"""What a token says that it is. Others, such as those of a logout, the same issuer signs for other purposes."""

OnGone = Callable[[list[Principal]], None]


class TokenPrincipal(Principal):
    """Who showed a token.

    Attributes:
        key_digest: of the key with which it is signed.
    """

    __slots__ = ("key_digest",)

    def __init__(self, name: str, roles: frozenset[str], expires_at: float, key_digest: bytes) -> None:
        super().__init__(name, roles, expires_at)
        self.key_digest = key_digest


class WebTokens:
    """See the module. A token is verified once and known again by its digest until it expires.

    Args:
        fetch: gets the issuer's keys, if they are not in the configuration.
        on_gone: is told whose tokens are void, because their key is not the issuer's any more.
        clock: in seconds since 1970.
    """

    def __init__(
        self,
        config: JwtConfig,
        fetch: Fetch | None,
        on_gone: OnGone,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._on_gone = on_gone
        self._clock = clock
        self._holders: Interned[bytes, TokenPrincipal] = Interned()
        self._keys = IssuerKeys(fetch, config.keys, self._keys_changed)
        self._secret = _secret_key(config.secret)
        self._is_closed = False

    def known(self, value: str, credentials: Credentials) -> Principal | None:
        """See `gateway.access.presented.Way`."""
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
        holder = self._holders.find(digest)
        if holder is not None:
            if holder.expires_at <= self._clock():
                raise _expired()
            self._keys.refresh()
            return holder
        algorithm, id = self._header(value)
        key = self._secret if algorithm in SECRET_BYTES else self._keys.key_for(algorithm, id)
        return None if key is None else self._verified(value, digest, algorithm, key)

    async def authenticate(self, value: str, credentials: Credentials) -> Principal:
        """See `gateway.access.presented.Way`."""
        principal = self.known(value, credentials)
        if principal is not None:
            return principal
        algorithm, id = self._header(value)
        key = await self._keys.key_after_fetch(algorithm, id)
        if self._is_closed:
            detail = "the configuration changed while the token was looked at; try again"
            raise GatewayError(Status.UNAVAILABLE, detail, retry_after=1)
        if key is None:
            shown = "without an id" if id is None else quote(id)
            raise _refused(f"the issuer has no key {shown} for {algorithm}")
        principal = self.known(value, credentials)
        if principal is None:
            raise _refused("the issuer's keys change at this moment")
        return principal

    def start(self) -> None:
        """Fetch the issuer's keys before anybody asks."""
        self._keys.refresh()

    def replace(self, config: JwtConfig) -> Sequence[Principal] | None:
        """Go on with another configuration if that differs in the keys of its file alone.

        Returns:
            Those whose key is no more, marked so; None if somebody else has to begin with that configuration.
        """
        if _without_keys(config) != _without_keys(self.config):
            return None
        if config.keys == self.config.keys:
            return ()
        self.config = config
        self._keys = IssuerKeys(None, config.keys)
        return self._without_others(config.keys)

    def close(self) -> list[Principal]:
        """Believe no token any more; whose they were."""
        self._is_closed = True
        self._keys.close()
        return list(self._holders.remove())

    def _keys_changed(self, keys: JwkSet) -> None:
        self._on_gone(self._without_others(keys))

    def _without_others(self, keys: JwkSet) -> list[Principal]:
        """Forget the tokens that are signed with other keys; whose they were."""
        secret = None if self._secret is None else self._secret.digest
        return list(
            self._holders.remove(lambda _, holder: not keys.has(holder.key_digest) and holder.key_digest != secret)
        )

    def _header(self, token: str) -> tuple[str, str | None]:
        """Algorithm and key id, as the token says; the algorithm is one that is configured."""
        if not token.isascii():
            raise _malformed()
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _malformed() from None
        algorithm, type = header.get("alg"), header.get("typ", "JWT")
        if algorithm not in self.config.algorithms:
            permitted = ", ".join(self.config.algorithms)
            raise _refused(f"it is signed with {quote(str(algorithm))}, permitted are {permitted}")
        if not isinstance(type, str) or type.lower() not in _TYPES:
            raise _refused(f"it is of the type {quote(str(type))}, which is not for this")
        return algorithm, header.get("kid")

    def _verified(self, token: str, digest: bytes, algorithm: str, key: VerificationKey) -> TokenPrincipal:
        config = self.config
        try:
            # Times are compared below, by the clock that is ours.
            claims = jwt.decode(
                token, key.key, algorithms=[algorithm], audience=config.audience, issuer=config.issuer, options=_OPTIONS
            )
        except jwt.InvalidSignatureError:
            raise _refused("its signature is wrong") from None
        except jwt.InvalidIssuerError:
            raise _refused(f"it is not of {config.issuer}") from None
        except jwt.InvalidAudienceError:
            raise _refused(f"it is not for {', '.join(config.audience)}") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the claim {error.claim} is missing") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _malformed() from None
        expires_at = self._check_times(claims)
        name = f"jwt:{config.issuer}#{_subject(claims)}"
        holder = TokenPrincipal(name, roles_in(claims, config.roles_claim), expires_at, key.digest)
        self._holders.keep(digest, holder)
        return holder

    def _check_times(self, claims: Mapping[str, Any]) -> float:
        """When it expires."""
        now = self._clock()
        expires_at = _seconds(claims, "exp")
        if expires_at <= now:
            raise _expired()
        for name in ("nbf", "iat"):
            if name in claims and _seconds(claims, name) > now + LEEWAY_S:
                raise _refused("it is not valid yet")
        return expires_at


_OPTIONS: Final[Any] = {
    "require": ["exp", "iss", "aud", "sub"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}


def roles_in(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The roles of a token: a list of texts, or a text with blanks between them; none if the claim is missing.

    Args:
        path: the claim's name, or names of objects in each other with dots between; a name may itself have dots.

    Raises:
        GatewayError: UNAUTHENTICATED, the claim has another form, so that nobody knows what is meant.
    """
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return frozenset()
    roles = value.split() if isinstance(value, str) else value
    if not isinstance(roles, list) or not all(isinstance(role, str) and role for role in roles):
        raise _refused(f"its claim {path} is neither a text nor a list of texts")
    if len(roles) > MAX_ROLES or any(len(role) > MAX_ROLE_CHARS for role in roles):
        raise _refused(f"its claim {path} has over {MAX_ROLES} roles, or one of over {MAX_ROLE_CHARS} characters")
    return frozenset(roles)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject or len(subject) > MAX_SUBJECT_CHARS or not subject.isprintable():
        raise _refused(f"its subject is no printable text of up to {MAX_SUBJECT_CHARS} characters")
    return subject


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    try:
        seconds = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise _refused(f"its claim {name} is no number of seconds")
    return seconds


def _secret_key(secret: bytes | None) -> VerificationKey | None:
    if secret is None:
        return None
    return VerificationKey(None, frozenset(SECRET_BYTES), secret, hashlib.sha256(secret).digest())


def _without_keys(config: JwtConfig) -> tuple[Any, ...]:
    return config.issuer, config.audience, config.algorithms, config.url, config.secret, config.roles_claim


def _refused(reason: str) -> GatewayError:
    return unauthenticated(f"the token is not believed: {reason}")


def _expired() -> GatewayError:
    return unauthenticated("the token has expired")


def _malformed() -> GatewayError:
    return _refused("it is no JSON Web Token")
