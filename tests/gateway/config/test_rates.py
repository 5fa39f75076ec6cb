"""``[gateway.rates]``: what is read, and what is said of mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.config.file import ConfigError, GatewayConfig, load
from gateway.config.rates import Rate, RatesConfig

SERVICE = '[services.a]\nschema = "a.capnp"\ninterface = "A"\nendpoint = "tcp://127.0.0.1:1"\n'


def read(folder: Path, table: str, **environment: str) -> GatewayConfig:
    file = folder / "gateway.toml"
    file.write_text(f"[gateway.rates]\n{table}\n{SERVICE}")
    return load(file, environment)


def complaint(folder: Path, table: str) -> str:
    with pytest.raises(ConfigError) as raised:
        read(folder, table)
    return str(raised.value)


def test_without_the_table_nobody_is_counted(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(SERVICE)
    assert load(tmp_path / "gateway.toml", {}).rates is None
    assert read(tmp_path, "").rates is None


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("200/s", Rate(200, 1)), ("1/second", Rate(1, 1)), ("1_000/m", Rate(1000, 60)), ("5/min", Rate(5, 60)),
        ("30/minutes", Rate(30, 60)), ("50/10s", Rate(50, 10)), ("5/15min", Rate(5, 900)), (" 5/h ", Rate(5, 3600)),
        ("9/hour", Rate(9, 3600)), ("9/d", Rate(9, 86_400)), ("9/day", Rate(9, 86_400)),
    ],
)  # fmt: skip
def test_a_rate_is_calls_and_a_time(tmp_path: Path, text: str, rate: Rate) -> None:
    assert read(tmp_path, f'per_principal = "{text}"').rates == RatesConfig(per_principal=rate)


@pytest.mark.parametrize("value", ['"200"', "200", '"200/x"', '"-1/s"', '"1.5/s"', '"/s"', '"9/s/s"', '"²/s"', "[1]"])
def test_what_is_no_rate_is_refused_with_the_forms(tmp_path: Path, value: str) -> None:
    said = complaint(tmp_path, f"per_address = {value}")
    assert said.startswith('gateway.rates.per_address: expected calls and a time like "200/s"')


@pytest.mark.parametrize("value", ["0/s", "1000001/s", "5/0s", "5/2d", "5/100000s"])
def test_a_rate_out_of_bounds_is_refused_with_the_bounds(tmp_path: Path, value: str) -> None:
    said = complaint(tmp_path, f'per_address = "{value}"')
    assert said == f'gateway.rates.per_address: expected 1 to 1000000 calls in 1 s to 1 day, not "{value}"'


@pytest.mark.parametrize(
    "value", ["redis://127.0.0.1:6379/0", "rediss://:pw@redis.example", "redis+unix:///run/redis.sock"]
)
def test_a_storage_is_a_redis(tmp_path: Path, value: str) -> None:
    config = read(tmp_path, 'per_address = "1/s"', CARA_GATEWAY_RATES_STORAGE=value)
    assert config.rates is not None
    assert (config.rates.storage, config.rates.is_shared) == (value, True)
    assert value not in repr(config)


@pytest.mark.parametrize("value", ["redis", "redis://", "http://:planted@a", "redis://a:planted", "redis+unix://"])
def test_what_is_no_storage_is_refused_without_being_shown(tmp_path: Path, value: str) -> None:
    said = complaint(tmp_path, f'storage = "{value}"\nper_address = "1/s"')
    assert said.startswith('gateway.rates.storage: expected "memory", "redis://HOST:PORT/DB"')
    assert "planted" not in said


def test_a_storage_for_nothing_is_a_mistake(tmp_path: Path) -> None:
    said = complaint(tmp_path, 'storage = "redis://a"')
    assert said == "gateway.rates.storage: counts nothing without per_principal or per_address"


def test_a_redis_without_the_extra_is_refused_with_the_way_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    said = complaint(tmp_path, 'storage = "redis://a"\nper_address = "1/s"')
    assert said == "gateway.rates.storage: Redis needs an extra: pip install 'cara-gateway[redis]'"


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert complaint(tmp_path, 'per_adress = "1/s"') == (
        'gateway.rates.per_adress: unknown key; did you mean "per_address"?'
    )
