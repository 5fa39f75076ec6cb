"""docs/configuration.md names every key of the configuration, with the default that the code has."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from gateway.config.auth import AUTH_KEYS, AuthConfig
from gateway.config.file import DEFAULT_LISTEN, GATEWAY_KEYS, LIMIT_KEYS, SERVICE_KEYS, GatewayConfig, ServiceConfig
from gateway.config.jwt import DEFAULT_ALGORITHMS, DEFAULT_ROLES_CLAIM, JWT_KEYS
from gateway.config.limits import Limits
from gateway.config.log import LOG_KEYS, LogConfig
from gateway.config.mtls import MTLS_KEYS
from gateway.config.proxy_headers import PROXY_KEYS
from gateway.config.rates import RATES_KEYS, RatesConfig
from gateway.config.rules import RULE_KEYS
from gateway.config.tls import TLS_KEYS
from gateway.config.tracing import TRACING_KEYS, TracingConfig

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "configuration.md").read_text("utf-8")


def documented(heading: str) -> dict[str, str]:
    """Return the section's defaults as they are written, by key."""
    section = PAGE.partition(f"## `[{heading}]`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[a-z0-9_`, ]+`) \| (.*?) ?\| ", section, re.MULTILINE)
    return {key: default.strip() for keys, default in rows for key in re.findall(r"\w+", keys)}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("gateway", GATEWAY_KEYS),
        ("gateway.auth", AUTH_KEYS),
        ("gateway.auth.jwt", JWT_KEYS),
        ("gateway.auth.proxy", PROXY_KEYS),
        ("gateway.auth.mtls", MTLS_KEYS),
        ("gateway.tls", TLS_KEYS),
        ("gateway.log", LOG_KEYS),
        ("gateway.tracing", TRACING_KEYS),
        ("services.NAME", SERVICE_KEYS),
        ("[services.NAME.rules]", RULE_KEYS),
        ("gateway.limits", LIMIT_KEYS),
        ("gateway.rates", RATES_KEYS),
    ],
)
def test_the_page_names_every_key_and_no_other(heading: str, keys: dict[str, object]) -> None:
    assert list(documented(heading)) == list(keys)


def test_the_limits_on_the_page_are_those_in_the_code() -> None:
    written = {key: float(default.replace(",", "")) for key, default in documented("gateway.limits").items()}
    assert written == {bound.name: bound.default for bound in dataclasses.fields(Limits)}


def test_the_defaults_on_the_page_are_those_in_the_code() -> None:
    config = GatewayConfig()
    assert documented("gateway") == {
        "listen": f'`"{DEFAULT_LISTEN.host}:{DEFAULT_LISTEN.port}"`',
        "socket_mode": f"`{config.socket_mode:#o}`",
        "admin": "" if config.admin is None else "?",
        "hosts": "`[]`" if not config.hosts else "",
        "origins": "`[]`" if not config.origins else "",
        "trusted_proxies": "`[]`" if not config.trusted_proxies else "",
        "base_path": f'`"{config.base_path}"`',
        "pages": "" if config.pages is None else "?",
        "import_path": "`[]`" if not config.import_path else "",
        "unknown_fields": f'`"{config.codec.unknown_fields}"`',
        "int64": f'`"{config.codec.int64}"`',
        "data": f'`"{config.codec.data}"`',
        "expose_errors": f"`{str(config.expose_errors).lower()}`",
        "websocket_compression": f"`{str(config.websocket_compression).lower()}`",
        "drain_delay_s": f"`{config.drain_delay_s}`",
        "drain_s": f"`{config.drain_s}`",
    }
    log = LogConfig()
    assert documented("gateway.log") == {"level": f'`"{log.level}"`', "format": f'`"{log.format}"`'}
    tracing = TracingConfig(otlp="http://collector:4318")
    assert documented("gateway.tracing") == {
        "otlp": "required", "sample": f"`{tracing.sample}`", "service_name": f'`"{tracing.service_name}"`',
    }  # fmt: skip
    rates = RatesConfig()
    assert documented("gateway.rates") == {
        "per_principal": "" if rates.per_principal is None else "?",
        "per_address": "" if rates.per_address is None else "?",
        "storage": f'`"{rates.storage}"`',
    }
    assert documented("gateway.auth")["required"] == f"`{str(AuthConfig().required).lower()}`"
    algorithms = ", ".join(f'"{name}"' for name in DEFAULT_ALGORITHMS)
    assert documented("gateway.auth.jwt")["algorithms"] == f"`[{algorithms}]`"
    assert documented("gateway.auth.jwt")["roles_claim"] == f'`"{DEFAULT_ROLES_CLAIM}"`'
    service = ServiceConfig(name="a", schema=Path("a"), interface="A", endpoints=("tcp://127.0.0.1:1",))
    assert documented("services.NAME")["peer"] == f'`"{service.peer}"`'
    assert documented("services.NAME")["security"] == f'`"{service.security}"`'
