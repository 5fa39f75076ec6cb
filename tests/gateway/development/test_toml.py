"""What `--write` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cara_pseud.running import ENDPOINT
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.development.toml import toml_of

OTHER = "tcp://127.0.0.1:5557"


def config(*endpoints: str) -> GatewayConfig:
    return GatewayConfig(services=tuple(
        ServiceConfig(
            name=f"s{index}", schema=Path("/w/a.capnp"), interface="A", endpoints=(endpoint,), peer="server",
            security="noop",
        )
        for index, endpoint in enumerate(endpoints)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("endpoints", "words"),
    [
        ((ENDPOINT,), "Run the service, and then:"),
        ((OTHER, OTHER), f"Run the service with CARA_ENDPOINT={OTHER}, and then:"),
        # Several servers say for themselves where they listen.
        ((OTHER, "tcp://127.0.0.1:5558"), "Run the service, and then:"),
    ],
)
def test_it_says_how_the_service_is_found_where_the_file_has_it(endpoints: tuple[str, ...], words: str) -> None:
    text = toml_of(config(*endpoints), Path("/w"))
    assert words in text.splitlines()[0]
    services = tomllib.loads(text)["services"]
    assert [service["endpoint"] for service in services.values()] == list(endpoints)
