"""``[gateway.auth.jwt]``: what is read, and that nothing is believed which anybody could have signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.file import ConfigError, load
from gateway.config.jwk_set import read_jwk_set
from gateway.config.jwt import JwtConfig
from tests.issuer import jwks, public_jwk

SERVICE = """
[services.calculator]
schema = "schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:5555"
"""
WHO = '[gateway.auth.jwt]\nissuer = "https://id.example"\naudience = "cara"\n'
SECRET = "s" * 64


def read(folder: Path, text: str, **environment: str) -> JwtConfig | None:
    path = folder / "gateway.toml"
    path.write_text(text + SERVICE, "utf-8")
    auth = load(path, environment).auth
    return None if auth is None else auth.jwt


def complaints(folder: Path, text: str, **environment: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, **environment)
    return raised.value.complaints


def test_an_issuer_with_a_url_is_read(tmp_path: Path) -> None:
    jwt = read(tmp_path, WHO + 'jwks = "https://id.example/jwks.json"\n')
    assert jwt == JwtConfig(
        issuer="https://id.example",
        audience=("cara",),
        algorithms=("RS256", "ES256", "EdDSA"),
        url="https://id.example/jwks.json",
        roles_claim="roles",
    )


def test_keys_may_be_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    data = jwks(public_jwk("RSA", kid="a"))
    (tmp_path / "jwks.json").write_bytes(data)
    jwt = read(tmp_path, WHO + 'jwks = "jwks.json"\nalgorithms = ["RS256"]\nroles_claim = "realm_access.roles"\n')
    assert jwt is not None
    assert (jwt.url, jwt.keys, jwt.algorithms) == (None, read_jwk_set(data), ("RS256",))
    assert jwt.roles_claim == "realm_access.roles"


def test_variables_are_enough(tmp_path: Path) -> None:
    jwt = read(
        tmp_path, "",
        CARA_GATEWAY_AUTH_JWT_ISSUER="https://id.example", CARA_GATEWAY_AUTH_JWT_AUDIENCE="cara, other",
        CARA_GATEWAY_AUTH_JWT_JWKS="https://id.example/jwks.json", CARA_GATEWAY_AUTH_JWT_ALGORITHMS="RS256,PS256",
    )  # fmt: skip
    assert jwt is not None
    assert (jwt.audience, jwt.algorithms) == (("cara", "other"), ("RS256", "PS256"))


def test_a_secret_comes_from_a_variable_and_is_not_shown(tmp_path: Path) -> None:
    text = WHO + 'algorithms = ["HS256"]\nsecret_env = "CARA_GATEWAY_TOKEN_SECRET"\n'
    jwt = read(tmp_path, text, CARA_GATEWAY_TOKEN_SECRET=SECRET)
    assert jwt is not None
    assert (jwt.secret, jwt.url) == (SECRET.encode(), None)
    assert SECRET not in repr(jwt)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('jwks = "https://a/b"\nalgorithms = ["none"]\n', "algorithms: expected some of RS256,"),
        ('jwks = "https://a/b"\nalgorithms = []\n', "algorithms: expected a list of algorithms"),
        ('jwks = "https://a/b"\nalgorithms = "RS256"\n', "algorithms: expected a list of algorithms"),
        ('jwks = "https://a/b"\nalgorithms = ["RS256", "HS256"]\n', "secret_env: is missing, HS256 need a secret"),
        ("", "jwks: is missing, RS256, ES256, EdDSA need the issuer's public keys"),
        ('jwks = "ftp://a/b"\n', "jwks: expected a URL that begins with https:// or http:// and a host"),
        ('jwks = "https://"\n', "jwks: expected a URL that begins with https://"),
        ('jwks = "https://a:b@c/d"\n', "jwks: expected a URL without a name and password"),
        ('jwks = "https://a:99999/d"\n', "jwks: expected a URL that begins with https://"),
        ('jwks = "nowhere.json"\n', 'jwks: "nowhere.json" cannot be read: no such file or directory'),
        ('jwks = "https://a/b"\nsecret_env = "SECRET"\n', "secret_env: belongs to HS256, HS384, HS512, but"),
        ('algorithms = ["HS256"]\nsecret_env = "NOT_SET"\n', 'secret_env: the environment variable "NOT_SET" is not'),
        ('algorithms = ["HS256"]\nsecret_env = "SHORT"\n', 'secret_env: "SHORT" has 31 bytes, HS256 need 32 at least'),
        ('algorithms = ["HS512"]\nsecret_env = "LONG"\n', 'secret_env: "LONG" has 32 bytes, HS512 need 64 at least'),
        ('algorithms = ["HS256"]\nsecret_env = "PEM"\n', 'secret_env: "PEM" is a public or private key or a certif'),
        ('algorithms = ["HS256"]\nsecret_env = "JWK"\n', 'secret_env: "JWK" is a public or private key or a certif'),
        ('algorithms = ["HS256"]\nsecret_env = "LONG"\njwks = "https://a/b"\n', "jwks: belongs to algorithms with"),
        ('jwks = "https://a/b"\nissuers = "x"\n', 'issuers: unknown key; did you mean "issuer"?'),
    ],
)
def test_what_cannot_be_used_is_complained_of(tmp_path: Path, more: str, said: str) -> None:
    lines = complaints(
        tmp_path, WHO + more, SHORT="s" * 31, LONG="s" * 32,
        PEM="-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n",
        JWK=jwks(public_jwk("RSA")).decode(),
    )  # fmt: skip
    assert any(line.startswith(f"gateway.auth.jwt.{said}") for line in lines), lines
    assert not any("s" * 20 in line or "MIIB" in line for line in lines)


@pytest.mark.parametrize("missing", ["issuer", "audience"])
def test_a_token_of_anybody_or_for_anybody_is_not_believed(tmp_path: Path, missing: str) -> None:
    text = "\n".join(line for line in WHO.splitlines() if not line.startswith(missing))
    assert complaints(tmp_path, text + '\njwks = "https://a/b"\n') == (f"gateway.auth.jwt.{missing}: is missing",)
    empty = WHO.replace('"cara"', '""').replace('"https://id.example"', '""') + 'jwks = "https://a/b"\n'
    assert len(complaints(tmp_path, empty)) == 2


def test_a_file_that_is_no_key_set_is_complained_of_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("{}")
    assert complaints(tmp_path, WHO + 'jwks = "jwks.json"\n') == (
        f'{tmp_path / "jwks.json"}: it is no JSON Web Key Set, which is an object with a list "keys"',
    )
