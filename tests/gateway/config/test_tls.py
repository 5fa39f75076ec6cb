from __future__ import annotations

from pathlib import Path

from gateway.config.reading import ConfigReading, FileText
from gateway.config.tls import TlsConfig, read_tls


def opened(path: Path) -> FileText:
    if path.name.startswith("none"):
        raise FileNotFoundError(2, "No such file or directory")
    return FileText(path, "")


def read(table: dict[str, str] | None, **environment: str) -> tuple[TlsConfig | None, list[str]]:
    reading = ConfigReading(Path("/etc"), environment, opened, "CARA_GATEWAY_")
    return read_tls(reading, table, "CARA_GATEWAY_TLS_"), reading.complaints


def test_nothing_said_is_no_tls() -> None:
    assert read(None) == (None, [])


def test_paths_are_relative_to_the_file() -> None:
    config, complaints = read({"certificate": "a.pem", "key": "/run/a.key", "client_ca": "ca.pem"})
    assert complaints == []
    assert config == TlsConfig(Path("/etc/a.pem"), Path("/run/a.key"), Path("/etc/ca.pem"))


def test_variables_beat_the_file() -> None:
    config, _ = read({"certificate": "a.pem", "key": "a.key"}, CARA_GATEWAY_TLS_KEY="b.key")
    assert config == TlsConfig(Path("/etc/a.pem"), Path("/etc/b.key"))


def test_what_is_missing_or_cannot_be_read_is_named() -> None:
    assert read({}) == (None, ["gateway.tls.certificate: is missing", "gateway.tls.key: is missing"])
    complaint = 'gateway.tls.key: "none.key" cannot be read: no such file or directory'
    assert read({"certificate": "a.pem", "key": "none.key"}) == (None, [complaint])
    (unknown,) = read({"certificate": "a.pem", "key": "a.key", "ca": "x"})[1]
    assert unknown.startswith("gateway.tls.ca: unknown key")
