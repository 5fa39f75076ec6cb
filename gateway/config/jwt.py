"""``[gateway.auth.jwt]``: whose JSON Web Tokens are believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from jwt.algorithms import HMACAlgorithm

from gateway.config.jwk_set import PUBLIC_ALGORITHMS, JwkSet, read_jwk_set
from gateway.config.reading import ConfigReading
from gateway.config.values import NUL, TEXT, ValueKind, shown
from gateway.errors import quote

SECRET_BYTES: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""How long the secret of an algorithm is at least (RFC 7518 section 3.2)."""
DEFAULT_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
DEFAULT_ROLES_CLAIM: Final = "roles"
_JWT: Final = "gateway.auth.jwt"


def _algorithms(value: Any) -> tuple[str, ...]:
    permitted = (*PUBLIC_ALGORITHMS, *SECRET_BYTES)
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of algorithms like {list(DEFAULT_ALGORITHMS)}, not {shown(value)}")
    for name in value:
        if name not in permitted:
            raise ValueError(f"expected some of {', '.join(permitted)}, not {shown(name)}")
    return tuple(value)


def _audience(value: Any) -> tuple[str, ...]:
    audience = [value] if isinstance(value, str) else value
    if not isinstance(audience, list) or not audience or not all(isinstance(name, str) and name for name in audience):
        raise ValueError(f"expected a text or a list of texts, not {shown(value)}")
    return tuple(audience)


def _jwks(value: Any) -> str:
    if not isinstance(value, str) or not value or NUL in value:
        raise ValueError(f"expected a URL or the path of a file, not {shown(value)}")
    if "://" in value:
        try:
            parts = urlsplit(value)
            is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_right = False
        if not is_right:
            raise ValueError(f"expected a URL that begins with https:// or http:// and a host, not {shown(value)}")
        if "@" in parts.netloc:
            raise ValueError("expected a URL without a name and password")
    return value


def _split(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


JWT_KEYS: Final[Mapping[str, ValueKind]] = {
    "issuer": TEXT,
    "audience": ValueKind(_audience, _split),
    "algorithms": ValueKind(_algorithms, _split),
    "jwks": ValueKind(_jwks),
    "secret_env": TEXT,
    "roles_claim": TEXT,
}
"""The keys of ``[gateway.auth.jwt]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtConfig:
    """``[gateway.auth.jwt]``.

    Attributes:
        audience: a token is for one of these.
        algorithms: no others are believed, whatever a token says.
        url: where the issuer's keys are fetched; None if they are in a file, or there is only a secret.
        keys: those of the file.
        secret: of the algorithms that have one; None if there is none.
        roles_claim: the claim that has the roles: its name, or the way to it with dots between.
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    url: str | None = None
    keys: JwkSet = field(default_factory=JwkSet)
    secret: bytes | None = field(default=None, repr=False)
    roles_claim: str = DEFAULT_ROLES_CLAIM


def read_jwt(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> JwtConfig | None:
    """The table, checked; None if nothing is said of it, or with complaints if it cannot be used.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    before = len(reading.complaints)
    given = reading.values(_JWT, table or {}, JWT_KEYS, prefix)
    if table is None and not given:
        return None
    for missing in (name for name in ("issuer", "audience") if name not in given):
        if len(reading.complaints) == before:
            reading.complain(f"{_JWT}.{missing}", "is missing")
    algorithms = given.get("algorithms", DEFAULT_ALGORITHMS)
    secret = _secret(reading, given, algorithms)
    url, keys = _keys(reading, given, algorithms)
    if len(reading.complaints) > before:
        return None
    return JwtConfig(
        issuer=given["issuer"],
        audience=given["audience"],
        algorithms=algorithms,
        url=url,
        keys=keys,
        secret=secret,
        roles_claim=given.get("roles_claim", DEFAULT_ROLES_CLAIM),
    )


def _secret(reading: ConfigReading, given: Mapping[str, Any], algorithms: tuple[str, ...]) -> bytes | None:
    secretive = [name for name in algorithms if name in SECRET_BYTES]
    if "secret_env" not in given:
        if secretive and not reading.is_wrong(f"{_JWT}.secret_env"):
            reading.complain(f"{_JWT}.secret_env", f"is missing, {', '.join(secretive)} need a secret")
        return None
    key = f"{_JWT}.secret_env"
    if not secretive:
        reading.complain(key, f"belongs to {', '.join(SECRET_BYTES)}, but algorithms has none of them")
        return None
    text = reading.variable(key, given["secret_env"])
    if text is None:
        return None
    secret = text.encode("utf-8", "surrogateescape")
    least = max(SECRET_BYTES[name] for name in secretive)
    if len(secret) < least:
        name = quote(given["secret_env"])
        reading.complain(key, f"{name} has {len(secret)} bytes, {', '.join(secretive)} need {least} at least")
        return None
    try:
        # Whatever is published, such as the issuer's public key, is no secret: everybody could sign with it.
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError:
        reading.complain(key, f"{quote(given['secret_env'])} is a public or private key or a certificate, no secret")
        return None
    return secret


def _keys(
    reading: ConfigReading, given: Mapping[str, Any], algorithms: tuple[str, ...]
) -> tuple[str | None, JwkSet]:
    public = [name for name in algorithms if name in PUBLIC_ALGORITHMS]
    source = given.get("jwks")
    if source is None:
        if public and not reading.is_wrong(f"{_JWT}.jwks"):
            reading.complain(f"{_JWT}.jwks", f"is missing, {', '.join(public)} need the issuer's public keys")
        return None, JwkSet()
    if not public:
        reading.complain(f"{_JWT}.jwks", "belongs to algorithms with public keys, but algorithms has none of them")
        return None, JwkSet()
    if "://" in source:
        return source, JwkSet()
    file = reading.file(f"{_JWT}.jwks", source)
    if file is None:
        return None, JwkSet()
    try:
        return None, read_jwk_set(file.text.encode())
    except ValueError as error:
        reading.complain(str(file.path), str(error))
        return None, JwkSet()
