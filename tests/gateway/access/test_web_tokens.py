"""Whose a token is, and every way in which one is none of ours."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from gateway.access.credentials import Credentials
from gateway.access.principals import Principal
from gateway.access.web_tokens import LEEWAY_S, WebTokens, roles_in
from gateway.config.jwk_set import read_jwk_set
from gateway.config.jwt import JwtConfig
from gateway.errors import GatewayError, Status
from tests.issuer import AUDIENCE, ISSUER, NOW, claims, jwks, public_jwk, token

NOBODY = Credentials({})
SECRET = b"s" * 64
KEYS = read_jwk_set(jwks(public_jwk("RSA", kid="k0"), public_jwk("EC", kid="k1"), public_jwk("OKP", kid="k2")))


def config(**changes: Any) -> JwtConfig:
    return JwtConfig(**{"issuer": ISSUER, "audience": (AUDIENCE,), "keys": KEYS, **changes})


def tokens(settings: JwtConfig | None = None, now: Callable[[], float] = lambda: NOW) -> WebTokens:
    return WebTokens(settings or config(), None, lambda gone: None, now)


def refusal(text: str, settings: JwtConfig | None = None) -> str:
    """What a token is refused with, at once or after the issuer's keys were looked at."""
    own = tokens(settings)

    async def ask() -> Principal:
        return own.known(text, NOBODY) or await own.authenticate(text, NOBODY)

    with pytest.raises(GatewayError) as raised:
        asyncio.run(ask())
    assert raised.value.status is Status.UNAUTHENTICATED
    return raised.value.detail.removeprefix("the token is not believed: ")


@pytest.mark.parametrize(("kind", "id"), [("RSA", "k0"), ("EC", "k1"), ("OKP", "k2")])
def test_a_good_token_is_its_issuer_s_and_subject_s(kind: str, id: str) -> None:
    holder = tokens().known(token(kind=kind, headers={"kid": id}), NOBODY)
    assert holder is not None
    assert (holder.name, holder.roles) == (f"jwt:{ISSUER}#17", {"staff"})
    assert holder.expires_at == NOW + 300


def test_one_audience_of_several_is_enough() -> None:
    assert tokens(config(audience=("a", "b"))).known(token(claims(aud=["x", "b"])), NOBODY) is not None


def test_a_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own, text, decoded = tokens(), token(), 0
    real = jwt.decode

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal decoded
        decoded += 1
        return real(*arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    first = own.known(text, NOBODY)
    assert first is not None
    assert own.known(text, NOBODY) is first
    assert asyncio.run(own.authenticate(text, NOBODY)) is first
    assert decoded == 1


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def none_token(algorithm: str) -> str:
    return f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': 'k0'})}.{segment(claims())}."


def forged() -> str:
    """The claims of a good one changed, its signature kept."""
    head, _, signature = token().split(".")
    return f"{head}.{segment(claims(roles=['admin']))}.{signature}"


def signed_with_the_public_key(key: bytes) -> str:
    """What a verifier that takes the algorithm of the token would check with the RSA key as HMAC secret."""
    body = f"{segment({'alg': 'HS256', 'kid': 'k0'})}.{segment(claims())}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body.encode(), key)
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


PUBLIC_PEM = json.dumps(public_jwk("RSA", kid="k0")).encode()

ATTACKS: list[tuple[str, str]] = [
    ("a.b.c", "it is no JSON Web Token"),
    (".", "it is no JSON Web Token"),
    ("..", "it is no JSON Web Token"),
    (f"{token()}.x", "it is no JSON Web Token"),
    (token() + "é", "it is no JSON Web Token"),
    ("\ud800.", "it is no JSON Web Token"),
    (f"{segment([])}.{segment(claims())}.AAAA", "it is no JSON Web Token"),
    (f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.e30.AAAA", "it is no JSON Web Token"),
    (token(headers={"kid": "k0", "crit": ["exp2"], "exp2": 1}), "it is no JSON Web Token"),
    (forged(), "its signature is wrong"),
    (token()[:-6] + "AAAAAA", "its signature is wrong"),
    (token(number=1), "its signature is wrong"),
    (none_token("none"), 'it is signed with "none", permitted are RS256, ES256, EdDSA'),
    (none_token("NONE"), 'it is signed with "NONE", permitted are'),
    (none_token(""), 'it is signed with "", permitted are'),
    (none_token("RS256"), "its signature is wrong"),
    (signed_with_the_public_key(PUBLIC_PEM), 'it is signed with "HS256", permitted are RS256, ES256, EdDSA'),
    (token(algorithm="RS512"), 'it is signed with "RS512", permitted are'),
    (token(kind="EC"), 'the issuer has no key "k0" for ES256'),
    (token(headers={"kid": "k9"}), 'the issuer has no key "k9" for RS256'),
    (token(headers={"kid": "../../../../etc/passwd"}), 'the issuer has no key "../../../../etc/passwd" for RS256'),
    (token(headers={"kid": "k0' OR '1'='1"}), "the issuer has no key \"k0' OR '1'='1\" for RS256"),
    (token(headers={"typ": "logout+jwt"}), 'it is of the type "logout+jwt", which is not for this'),
    (token(headers={"typ": "dpop+jwt"}), 'it is of the type "dpop+jwt"'),
    (token(claims(iss="https://id.example.evil")), f"it is not of {ISSUER}"),
    (token(claims(iss=[ISSUER])), f"it is not of {ISSUER}"),
    (token(claims(aud="others")), "it is not for cara"),
    (token(claims(aud=["others"])), "it is not for cara"),
    (token(claims(aud={"cara": 1})), "it is not for cara"),
    (token(claims(aud=[])), "the claim aud is missing"),
    (token(claims(sub=None)), "the claim sub is missing"),
    (token(claims(exp=None)), "the claim exp is missing"),
    (token(claims(iss=None)), "the claim iss is missing"),
    (token(claims(aud=None)), "the claim aud is missing"),
    (token(claims(sub="")), "its subject is no printable text"),
    (token(claims(sub="a\nb")), "its subject is no printable text"),
    (token(claims(sub="a" * 257)), "its subject is no printable text"),
    (token(claims(exp=NOW)), "the token has expired"),
    (token(claims(exp=NOW - 300)), "the token has expired"),
    (token(claims(exp=0)), "the token has expired"),
    (token(claims(exp=True)), "its claim exp is no number of seconds"),
    (token(claims(exp=float("inf"))), "its claim exp is no number of seconds"),
    (token(claims(exp=10**400)), "its claim exp is no number of seconds"),
    (token(claims(nbf=NOW + LEEWAY_S + 1)), "it is not valid yet"),
    (token(claims(iat=NOW + LEEWAY_S + 1)), "it is not valid yet"),
    (token(claims(nbf="soon")), "its claim nbf is no number of seconds"),
    (token(claims(roles=17)), "its claim roles is neither a text nor a list of texts"),
    (token(claims(roles=["a", 1])), "its claim roles is neither a text nor a list of texts"),
    (token(claims(roles={"admin": True})), "its claim roles is neither a text nor a list of texts"),
    (token(claims(roles=["a"] * 1001)), "its claim roles has over 1000 roles"),
    (token(claims(roles=["a" * 257])), "its claim roles has over 1000 roles, or one of over 256 characters"),
]


@pytest.mark.parametrize(("text", "detail"), ATTACKS)
def test_a_bad_token_is_refused_and_the_next_good_one_is_not(text: str, detail: str) -> None:
    assert refusal(text).startswith(detail)
    own = tokens()
    with pytest.raises(GatewayError):
        asyncio.run(own.authenticate(text, NOBODY))
    assert own.known(token(), NOBODY) is not None


def test_a_key_of_the_token_s_own_is_not_looked_at() -> None:
    for header in ("jwk", "jku", "x5u", "x5c"):
        value = public_jwk("RSA", 1) if header == "jwk" else "https://evil.example/jwks.json"
        assert refusal(token(number=1, headers={header: value})) == "its signature is wrong"


def test_a_token_whose_time_comes_within_the_leeway_is_good() -> None:
    for soon in ({"nbf": NOW + LEEWAY_S}, {"iat": NOW + LEEWAY_S}, {"exp": NOW + 0.5}, {"exp": int(NOW) + 1}):
        assert tokens().known(token(claims(**soon)), NOBODY) is not None


def test_a_token_that_was_good_is_refused_from_its_end_on() -> None:
    now = NOW
    own, text = tokens(now=lambda: now), token()
    assert own.known(text, NOBODY) is not None
    now = NOW + 299.9
    assert own.known(text, NOBODY) is not None
    now = NOW + 300
    with pytest.raises(GatewayError, match="the token has expired"):
        own.known(text, NOBODY)


def test_secrets_and_public_keys_do_not_stand_for_each_other() -> None:
    both = config(algorithms=("RS256", "HS256"), secret=SECRET)
    own = tokens(both)
    assert own.known(token(), NOBODY) is not None
    # The header's key id means nothing where there is one secret.
    assert own.known(token(key=SECRET, algorithm="HS256", headers={"kid": "../x"}), NOBODY) is not None
    assert refusal(signed_with_the_public_key(PUBLIC_PEM), both) == "its signature is wrong"
    assert refusal(token(key=b"t" * 64, algorithm="HS256"), both) == "its signature is wrong"
    assert refusal(token(key=SECRET, algorithm="HS512"), both).startswith('it is signed with "HS512"')


@pytest.mark.parametrize(
    ("told", "path", "roles"),
    [
        ({}, "roles", set()),
        ({"roles": None}, "roles", set()),
        ({"roles": ["a", "b c"]}, "roles", {"a", "b c"}),
        ({"roles": "a b"}, "roles", {"a", "b"}),
        ({"roles": ""}, "roles", set()),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://cara.example/roles": ["a"]}, "https://cara.example/roles", {"a"}),
        ({"realm_access": ["a"]}, "realm_access.roles", set()),
        ({"a": {"b": {"c": "x"}}}, "a.b.c", {"x"}),
    ],
)
def test_roles_are_a_list_or_a_text_wherever_they_stand(told: dict[str, Any], path: str, roles: set[str]) -> None:
    assert roles_in(told, path) == roles


def test_who_is_signed_for_by_a_key_that_is_gone_is_removed() -> None:
    own = tokens()
    first = own.known(token(), NOBODY)
    text = token(kind="EC", headers={"kid": "k1"})
    second = own.known(text, NOBODY)
    assert first is not None
    assert second is not None
    fewer = read_jwk_set(jwks(public_jwk("EC", kid="k1"), public_jwk("RSA", 1, kid="k0")))
    assert own.replace(config(keys=fewer)) == [first]
    assert (first.is_removed, second.is_removed) == (True, False)
    assert own.known(text, NOBODY) is second
    with pytest.raises(GatewayError, match="its signature is wrong"):
        own.known(token(), NOBODY)


def test_a_secret_outlives_changed_public_keys() -> None:
    settings = {"algorithms": ("RS256", "HS256"), "secret": SECRET}
    own, text = tokens(config(**settings)), token(key=SECRET, algorithm="HS256")
    holder = own.known(text, NOBODY)
    assert own.replace(config(**settings, keys=read_jwk_set(jwks(public_jwk("RSA", 1, kid="k0"))))) == []
    assert own.known(text, NOBODY) is holder


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://other.example"}, {"audience": ("other",)}, {"algorithms": ("RS256",)},
        {"roles_claim": "groups"}, {"url": "https://id.example/jwks.json"},
    ],
)  # fmt: skip
def test_other_settings_are_somebody_else_s_to_begin_with(change: dict[str, Any]) -> None:
    own = tokens()
    holder = own.known(token(), NOBODY)
    assert holder is not None
    assert own.replace(config(**change)) is None
    assert not holder.is_removed
    assert own.close() == [holder]
    assert holder.is_removed


def test_a_token_that_waits_for_keys_while_others_take_over_is_looked_at_anew() -> None:
    async def test() -> None:
        let_go = asyncio.Event()

        async def fetch() -> bytes:
            await let_go.wait()
            return jwks(public_jwk("RSA", kid="k0"))

        own = WebTokens(config(url="https://id.example/jwks.json", keys=read_jwk_set(jwks(public_jwk("EC")))), fetch,
                        lambda gone: None, lambda: NOW)  # fmt: skip
        waiting = asyncio.create_task(own.authenticate(token(), NOBODY))
        await asyncio.sleep(0)
        let_go.set()
        await asyncio.sleep(0)
        own.close()
        with pytest.raises(GatewayError) as raised:
            await waiting
        assert raised.value.status is Status.UNAVAILABLE

    asyncio.run(asyncio.wait_for(test(), 10))
