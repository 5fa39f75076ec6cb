"""``[gateway.log]``: what is read, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.file import ConfigError, load
from gateway.config.log import LogConfig

SERVICE = '[services.a]\nschema = "a.capnp"\ninterface = "A"\nendpoint = "tcp://127.0.0.1:1"\n'


def read(folder: Path, text: str, **environment: str) -> LogConfig:
    file = folder / "gateway.toml"
    file.write_text(text + SERVICE)
    return load(file, environment).log


def test_the_table_and_variables_say_how_much_is_logged_and_how(tmp_path: Path) -> None:
    assert read(tmp_path, "") == LogConfig(level="info", format="auto")
    table = '[gateway.log]\nlevel = "warning"\nformat = "text"\n'
    assert read(tmp_path, table) == LogConfig(level="warning", format="text")
    assert read(tmp_path, table, CARA_GATEWAY_LOG_FORMAT="json") == LogConfig(level="warning", format="json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('level = "debug"', 'gateway.log.level: expected "info", "warning" or "error", not "debug"'),
        ("level = []", 'gateway.log.level: expected "info", "warning" or "error", not []'),
        ('format = "xml"', 'gateway.log.format: expected "auto", "json" or "text", not "xml"'),
        ('levels = "info"', 'gateway.log.levels: unknown key; did you mean "level"?'),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, f"[gateway.log]\n{text}\n")
    assert raised.value.complaints == (said,)
