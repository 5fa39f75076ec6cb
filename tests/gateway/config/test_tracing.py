"""``[gateway.tracing]``: what is read, and what is complained of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.config import tracing
from gateway.config.file import ConfigError, load
from gateway.config.tracing import TracingConfig

SERVICE = """
[services.calculator]
schema = "schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:5555"
"""


def read(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> TracingConfig | None:
    path = folder / "gateway.toml"
    path.write_text(text + SERVICE, "utf-8")
    return load(path, environment or {}).tracing


def complaints(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, environment)
    return raised.value.complaints


def test_nothing_is_traced_unless_it_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, "") is None


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/v1/traces", "https://collector/v1/traces"),
        ("http://[::1]:4318/elsewhere/v1/traces", "http://[::1]:4318/elsewhere/v1/traces"),
    ],
)
def test_the_path_may_be_left_out(tmp_path: Path, address: str, meant: str) -> None:
    assert read(tmp_path, f'[gateway.tracing]\notlp = "{address}"') == TracingConfig(otlp=meant)


def test_all_of_it_may_stand_in_variables(tmp_path: Path) -> None:
    environment = {
        "CARA_GATEWAY_TRACING_OTLP": "http://collector",
        "CARA_GATEWAY_TRACING_SAMPLE": "0.25",
        "CARA_GATEWAY_TRACING_SERVICE_NAME": "edge",
    }
    expected = TracingConfig(otlp="http://collector/v1/traces", sample=0.25, service_name="edge")
    assert read(tmp_path, "", environment) == expected


@pytest.mark.parametrize(
    "address",
    ["collector:4318", "grpc://collector:4317", "http://", "http://a b", "http://collector:99999", "http:\\na"],
)
def test_an_address_is_one_of_http(tmp_path: Path, address: str) -> None:
    (complaint,) = complaints(tmp_path, f'[gateway.tracing]\notlp = "{address}"')
    expected = 'gateway.tracing.otlp: expected an address like "http://collector:4318", of http or https'
    assert complaint == expected


@pytest.mark.parametrize("address", ["http://ann:topsecret@collector", "http://collector/?token=topsecret"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    (complaint,) = complaints(tmp_path, f'[gateway.tracing]\notlp = "{address}"')
    assert complaint.startswith("gateway.tracing.otlp: ")
    assert "topsecret" not in complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sample = 0.5", 'gateway.tracing.otlp: is missing: the address of a collector, like "http://collector:4318"'),
        ('otlp = "http://a"\nsample = 1.5', "gateway.tracing.sample: expected a number from 0 to 1, not 1.5"),
        ('otlp = "http://a"\nsample = true', "gateway.tracing.sample: expected a number from 0 to 1, not True"),
        ('otlp = "http://a"\nsampel = 1', 'gateway.tracing.sampel: unknown key; did you mean "sample"?'),
        ("otlp = 4318", 'gateway.tracing.otlp: expected an address like "http://collector:4318", not 4318'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaints(tmp_path, f"[gateway.tracing]\n{text}") == (complaint,)


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(tracing, "find_spec", find_spec)
    expected = 'gateway.tracing: needs what is not installed: pip install "cara-gateway[tracing]"'
    assert complaints(tmp_path, '[gateway.tracing]\notlp = "http://a"') == (expected,)
