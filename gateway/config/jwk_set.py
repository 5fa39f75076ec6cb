"""The public keys of an issuer of tokens, as a JSON Web Key Set (RFC 7517). Text in, keys out; fetches nothing.

A key that does not fit what it is to be used for is left out, so that one of a kind that nobody knows yet does not make
the others useless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from gateway.errors import quote

MAX_SET_BYTES: Final = 262_144
"""Of a set; those of well-known issuers have some kilobytes."""
MAX_KEYS: Final = 100
"""Of a set; issuers that rotate have three or four."""
MIN_RSA_BITS: Final = 2048
"""RFC 7518 section 3.3."""
MAX_RSA_BITS: Final = 8192
"""Larger ones make each check slow."""
_MAX_RSA_EXPONENT: Final = 2**32

_KEY_TYPES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    **{f"{family}{bits}": ("RSA", ()) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "ES256K": ("EC", ("secp256k1",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
"""By algorithm: the key's type, and its curves."""

PUBLIC_ALGORITHMS: Final = tuple(_KEY_TYPES)
"""Algorithms for which an issuer publishes keys. Those with a secret are none: what is published is no secret."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key of an issuer.

    Attributes:
        id: its ``kid``; None if it has none.
        algorithms: what it may be used for.
        key: as PyJWT takes it.
        digest: of what it is, so that it is known again in another set.
    """

    id: str | None
    algorithms: frozenset[str]
    key: Any = field(repr=False, compare=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class JwkSet:
    """The keys of an issuer at one time.

    Attributes:
        left_out: why others were left out, a sentence each.
    """

    keys: tuple[VerificationKey, ...] = ()
    left_out: tuple[str, ...] = ()

    def key_for(self, algorithm: str, id: str | None) -> VerificationKey | None:
        """The key with which a token says that it is signed.

        Args:
            id: the token's ``kid``, which is compared and nothing else. Without one there is no choice: a key is taken
                only if no other would do.
        """
        fitting = [key for key in self.keys if algorithm in key.algorithms and (id is None or key.id == id)]
        return fitting[0] if len(fitting) == 1 else None

    def has(self, digest: bytes) -> bool:
        """Whether a key is in it."""
        return any(key.digest == digest for key in self.keys)


def read_jwk_set(data: bytes) -> JwkSet:
    """Read a set.

    Raises:
        ValueError: it is none, or none of its keys can be used; the text says why.
    """
    if len(data) > MAX_SET_BYTES:
        raise ValueError(f"it has more than {MAX_SET_BYTES} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('it is no JSON Web Key Set, which is an object with a list "keys"')
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it has {len(entries)} keys, permitted are {MAX_KEYS}")
    keys, left_out = [], []
    for number, entry in enumerate(entries):
        try:
            keys.append(_key(entry))
        except ValueError as error:
            left_out.append(f"keys[{number}]: {error}")
    if not keys:
        raise ValueError("no key of it can be used: " + ("; ".join(left_out[:3]) or "it is empty"))
    return JwkSet(tuple(keys), tuple(left_out))


def _key(entry: Any) -> VerificationKey:
    if not isinstance(entry, dict):
        raise ValueError("is no object")
    if "d" in entry:
        raise ValueError("is a private key, which nobody but its owner should have")
    algorithms = _algorithms(entry)
    try:
        key = jwt.PyJWK(entry, algorithm=algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        # PyJWT's own words repeat the key.
        raise ValueError(f"is no key of the type {entry['kty']}") from None
    if entry["kty"] == "RSA":
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise ValueError(f"has {key.key_size} bits, permitted are {MIN_RSA_BITS} to {MAX_RSA_BITS}")
        if key.public_numbers().e > _MAX_RSA_EXPONENT:
            raise ValueError("has too large an exponent")
    id = entry.get("kid")
    known = {name: value for name, value in entry.items() if isinstance(value, str)}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).digest()
    return VerificationKey(id if isinstance(id, str) else None, frozenset(algorithms), key, digest)


def _algorithms(entry: Mapping[str, Any]) -> Sequence[str]:
    """What a key may be used for, as all that it says of itself permits (RFC 7517 section 4)."""
    if "use" in entry and entry["use"] != "sig":
        raise ValueError('is for another use than "sig"')
    operations = entry.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise ValueError('is for other operations than "verify"')
    kind, curve = entry.get("kty"), entry.get("crv")
    fitting = [name for name, (type, curves) in _KEY_TYPES.items() if kind == type and (not curves or curve in curves)]
    if not fitting:
        shown = f"{kind} {curve}" if curve else str(kind)
        raise ValueError(f"has a type or curve that is not used here: {quote(shown)}")
    said = entry.get("alg")
    if said is None:
        return fitting
    if said not in fitting:
        raise ValueError(f"says that it is for {quote(str(said))}, which is none of {', '.join(fitting)}")
    return [said]
