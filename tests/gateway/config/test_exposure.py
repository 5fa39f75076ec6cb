"""What an operator is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.exposure import exposures
from gateway.config.file import GatewayConfig
from gateway.config.values import Listen, UnixListen

NAMED = ("gw.example.org",)


@pytest.mark.parametrize(
    ("config", "words"),
    [
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
    said = list(exposures(config.listen, config.hosts, config.trusted_proxies, config.admin))
    assert len(said) == len(words)
    assert all(sentence.startswith(word) for sentence, word in zip(said, words, strict=True))
