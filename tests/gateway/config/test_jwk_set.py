"""Key sets: which keys are used for what, and that one which says something else of itself is not used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.config.jwk_set import MAX_KEYS, MAX_SET_BYTES, read_jwk_set
from tests.issuer import jwks, private_key, public_jwk


def test_keys_are_found_by_their_id_and_what_they_are_for() -> None:
    keys = read_jwk_set(jwks(public_jwk("RSA", kid="a"), public_jwk("EC", kid="b"), public_jwk("OKP", kid="c")))
    assert keys.left_out == ()
    for algorithm, id in (("RS256", "a"), ("PS512", "a"), ("ES256", "b"), ("EdDSA", "c")):
        found = keys.key_for(algorithm, id)
        assert found is not None
        assert found.id == id
    others = (("ES256", "a"), ("RS256", "b"), ("ES384", "b"), ("HS256", "a"), ("none", "a"), ("RS256", "x"))
    for algorithm, id in others:
        assert keys.key_for(algorithm, id) is None


def test_a_token_without_a_key_id_is_of_the_only_key_that_fits() -> None:
    assert read_jwk_set(jwks(public_jwk("RSA", kid="a"), public_jwk("EC"))).key_for("RS256", None) is not None
    both = read_jwk_set(jwks(public_jwk("RSA", kid="a"), public_jwk("RSA", 1, kid="b")))
    assert both.key_for("RS256", None) is None
    # A key without an id is not the one that a token names.
    assert read_jwk_set(jwks(public_jwk("RSA"))).key_for("RS256", "a") is None


def test_two_keys_with_one_id_are_told_apart_by_what_they_are_for_or_not_at_all() -> None:
    keys = read_jwk_set(jwks(public_jwk("RSA", kid="a"), public_jwk("EC", kid="a"), public_jwk("EC", 1, kid="a")))
    assert keys.key_for("RS256", "a") is not None
    assert keys.key_for("ES256", "a") is None


def test_a_key_is_for_the_algorithm_that_it_names_only() -> None:
    keys = read_jwk_set(jwks(public_jwk("RSA", kid="a", alg="RS256", use="sig", key_ops=["verify"])))
    assert keys.key_for("RS256", "a") is not None
    assert keys.key_for("RS512", "a") is None


BAD_KEYS: list[tuple[Any, str]] = [
    (public_jwk("RSA", alg="ES256"), 'says that it is for "ES256", which is none of RS256'),
    (public_jwk("RSA", alg="HS256"), 'says that it is for "HS256"'),
    (public_jwk("RSA", alg="none"), 'says that it is for "none"'),
    (public_jwk("RSA", alg=["RS256"]), "says that it is for"),
    (public_jwk("RSA", use="enc"), 'is for another use than "sig"'),
    (public_jwk("RSA", key_ops=["sign"]), 'is for other operations than "verify"'),
    (public_jwk("RSA", key_ops="verify"), 'is for other operations than "verify"'),
    (public_jwk("RSA", kty="EC"), 'has a type or curve that is not used here: "EC"'),
    (public_jwk("RSA", kty="oct"), 'has a type or curve that is not used here: "oct"'),
    (public_jwk("RSA", kty=None), 'has a type or curve that is not used here: "None"'),
    (public_jwk("EC", crv="P-384"), "is no key of the type EC"),
    (public_jwk("EC", crv=None), 'has a type or curve that is not used here: "EC"'),
    (public_jwk("OKP", crv="X25519"), 'has a type or curve that is not used here: "OKP X25519"'),
    (public_jwk("EC", x="AAAA"), "is no key of the type EC"),
    (public_jwk("RSA", n=None), "is no key of the type RSA"),
    (public_jwk("RSA", n=17), "is no key of the type RSA"),
    (public_jwk("RSA1024"), "has 1024 bits, permitted are 2048 to 8192"),
    (public_jwk("RSA", n="A" * 2000), "is no key of the type RSA"),
    (public_jwk("RSA", n="_" * 1400), "has 8400 bits, permitted are 2048 to 8192"),
    (public_jwk("RSA", e="________"), "has too large an exponent"),
    (public_jwk("RSA", d="AQAB"), "is a private key"),
    ({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, 'has a type or curve that is not used here: "oct"'),
    ("a", "is no object"),
    (None, "is no object"),
]


@pytest.mark.parametrize(("key", "reason"), BAD_KEYS)
def test_a_key_that_does_not_fit_is_left_out_and_the_others_are_used(key: Any, reason: str) -> None:
    keys = read_jwk_set(jwks(key, public_jwk("EC", kid="good")))
    (said,) = keys.left_out
    assert said.startswith(f"keys[0]: {reason}")
    assert [each.id for each in keys.keys] == ["good"]
    with pytest.raises(ValueError, match="no key of it can be used: keys"):
        read_jwk_set(jwks(key))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is no JSON"),
        (b"<html>", "it is no JSON"),
        (b"\xff\xfe\x00", "it is no JSON"),
        (b"[" * 200_000, "it is no JSON"),
        (b"[]", "it is no JSON Web Key Set"),
        (b'{"keys": {}}', "it is no JSON Web Key Set"),
        (b'{"keys": []}', "no key of it can be used: it is empty"),
        (b" " * (MAX_SET_BYTES + 1), "it has more than 262144 bytes"),
        (json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(), "it has 101 keys, permitted are 100"),
    ],
)
def test_what_is_no_key_set_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_jwk_set(data)


def test_a_key_is_known_again_in_another_set() -> None:
    old, new = public_jwk("RSA", kid="a"), public_jwk("RSA", 1, kid="a")
    first = read_jwk_set(jwks(old))
    assert read_jwk_set(jwks(public_jwk("EC"), dict(reversed(old.items())))).has(first.keys[0].digest)
    assert not read_jwk_set(jwks(new)).has(first.keys[0].digest)
    assert first == read_jwk_set(jwks(old)) != read_jwk_set(jwks(new))


def test_a_repr_shows_no_key() -> None:
    shown = repr(read_jwk_set(jwks(public_jwk("RSA", kid="a"))))
    assert str(private_key("RSA").public_key().public_numbers().n)[:10] not in shown
    assert "kid" not in shown
