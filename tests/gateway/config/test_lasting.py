from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from gateway.config.auth import AuthConfig
from gateway.config.file import ConfigError, GatewayConfig
from gateway.config.lasting import LASTING, changed, check_guard, lasting
from gateway.config.tls import TlsConfig
from gateway.config.values import Listen, UnixListen

BEFORE = GatewayConfig(listen=Listen("127.0.0.1", 8080), hosts=("a",))
AFTER = GatewayConfig(listen=UnixListen(Path("/run/socket")), hosts=("b",))


def test_what_lasts_is_a_part_of_the_configuration() -> None:
    assert set(LASTING) <= {field.name for field in fields(GatewayConfig)}


def test_what_has_changed_and_cannot_is_named() -> None:
    assert list(changed(BEFORE, AFTER)) == ["listen"]
    assert list(changed(BEFORE, BEFORE)) == []


def test_what_lasts_stays_and_the_rest_is_new() -> None:
    kept = lasting(BEFORE, AFTER)
    assert (kept.listen, kept.hosts) == (BEFORE.listen, ("b",))


def test_who_may_call_has_to_be_said_for_where_it_listens() -> None:
    others = GatewayConfig(listen=Listen("0.0.0.0", 80))
    with pytest.raises(ConfigError, match=r"^gateway\.auth: is missing"):
        check_guard(others)
    check_guard(GatewayConfig(listen=Listen("127.0.0.1", 80)))
    check_guard(replace(others, auth=AuthConfig(required=False)))


def test_tls_cannot_come_or_go_but_its_files_can_change() -> None:
    first, second = (TlsConfig(Path(name), Path(name)) for name in ("a", "b"))
    plain, tls = GatewayConfig(), GatewayConfig(tls=first)
    assert list(changed(plain, tls)) == ["tls"]
    assert lasting(tls, plain).tls == first
    assert list(changed(tls, GatewayConfig(tls=second))) == []
    assert lasting(tls, GatewayConfig(tls=second)).tls == second
