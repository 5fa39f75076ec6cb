"""What an operator is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.auth import AuthConfig
from gateway.config.exposure import exposures
from gateway.config.file import ConfigError, GatewayConfig, load
from gateway.config.jwt import JwtConfig
from gateway.config.values import Listen, UnixListen

NAMED = ("gw.example.org",)
OPEN = AuthConfig(required=False)


def issuer(url: str) -> JwtConfig:
    return JwtConfig(issuer="https://id.example", audience=("cara",), url=url)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (GatewayConfig(auth=OPEN), []),
        (GatewayConfig(auth=AuthConfig(keys=()), listen=Listen("0.0.0.0", 80), hosts=NAMED), []),
        (
            GatewayConfig(auth=OPEN, listen=Listen("0.0.0.0", 80), hosts=NAMED),
            ["[gateway.auth] has required = false, and others than this machine's users reach the gateway (listen"],
        ),
        (GatewayConfig(auth=AuthConfig(open_files=("/etc/keys.txt",))), ["/etc/keys.txt may be read or written by"]),
        (GatewayConfig(auth=AuthConfig(jwt=issuer("https://id.example/keys"))), []),
        (GatewayConfig(auth=AuthConfig(jwt=issuer("http://[::1]:80/keys"))), []),
        (GatewayConfig(auth=AuthConfig(jwt=issuer("http://id.example/keys"))), ["jwks = http://id.example/keys is"]),
        (GatewayConfig(), []),
        (GatewayConfig(listen=Listen("localhost", 1)), []),
        (GatewayConfig(listen=Listen("127.0.0.2", 1)), []),
        (GatewayConfig(listen=Listen("::1", 1)), []),
        (GatewayConfig(listen=UnixListen(Path("/run/gateway.sock"))), []),
        (GatewayConfig(listen=Listen("0.0.0.0", 80), hosts=NAMED), []),
        (GatewayConfig(trusted_proxies=("10.0.0.0/8", "unix:")), []),
        (GatewayConfig(listen=Listen("0.0.0.0", 80)), ["it listens at 0.0.0.0:80 for other machines, but hosts"]),
        (GatewayConfig(listen=Listen("::", 80)), ["it listens at [::]:80"]),
        (GatewayConfig(listen=Listen("gw.example.org", 80)), ["it listens at gw.example.org:80"]),
        (GatewayConfig(admin=Listen("::1", 9090)), []),
        (GatewayConfig(admin=UnixListen(Path("/run/admin.sock"))), []),
        (GatewayConfig(admin=Listen("10.0.0.1", 9090)), ["admin is at 10.0.0.1:9090 for other machines"]),
        (GatewayConfig(hosts=("*",)), ['hosts = ["*"] answers to every name']),
        (GatewayConfig(trusted_proxies=("fd00::/8", "0.0.0.0/0")), ["trusted_proxies has fd00::/8, 0.0.0.0/0"]),
        (GatewayConfig(trusted_proxies=("0.0.0.0/1", "128.0.0.0/1")), ["trusted_proxies has 0.0.0.0/1, 128.0.0.0/1"]),
        (GatewayConfig(trusted_proxies=("0.0.0.0/1", "8000::/1")), []),
        (GatewayConfig(trusted_proxies=("::/0",)), ["trusted_proxies has ::/0"]),
    ],
)  # fmt: skip
def test_what_is_open_to_more_than_it_seems_is_said(config: GatewayConfig, words: list[str]) -> None:
    said = list(exposures(config.listen, config.hosts, config.trusted_proxies, config.auth, config.admin))
    assert len(said) == len(words)
    assert all(sentence.startswith(word) for sentence, word in zip(said, words, strict=True))


SERVICE = '[services.a]\nschema = "a.capnp"\ninterface = "A"\nendpoint = "tcp://127.0.0.1:1"\n'


@pytest.mark.parametrize(
    ("settings", "flags", "named"),
    [
        ('listen = "0.0.0.0:80"\n', {}, "listen = 0.0.0.0:80"),
        ('listen = "[::]:80"\n', {}, "listen = [::]:80"),
        ('listen = "192.0.2.1:80"\n', {}, "listen = 192.0.2.1:80"),
        ('listen = "gw.example.org:80"\n', {}, "listen = gw.example.org:80"),
        ('listen = "unix:/run/gateway.sock"\n', {}, "listen = unix:/run/gateway.sock"),
        ("", {"listen": "0.0.0.0:80"}, "listen = 0.0.0.0:80"),
        ('trusted_proxies = ["127.0.0.1"]\n', {}, "trusted_proxies has 127.0.0.1/32"),
        ('trusted_proxies = ["unix:"]\n', {}, "trusted_proxies has unix:"),
        ('hosts = ["gw.example.org"]\n', {}, "hosts has gw.example.org"),
    ],
)
def test_whom_others_reach_says_who_may_call(
    tmp_path: Path, settings: str, flags: dict[str, str], named: str
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f"[gateway]\n{settings}{SERVICE}")
    with pytest.raises(ConfigError) as raised:
        load(path, {}, flags)
    assert raised.value.complaints == (
        f"gateway.auth: is missing, and others than this machine's users reach the gateway ({named}): say who may "
        "call, or that everybody may, by required = false",
    )
    path.write_text(f"[gateway]\n{settings}[gateway.auth]\nrequired = false\n{SERVICE}")
    assert load(path, {}, flags).auth == OPEN


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "127.9.9.9:80", "localhost:80", "[::1]:80", "80"])
def test_on_this_machine_alone_nobody_has_to_be_named(tmp_path: Path, listen: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nlisten = "{listen}"\n{SERVICE}')
    assert load(path, {}).auth is None
