"""Tables of a configuration, read without any file: who beats whom, and what is complained of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config.reading import ConfigReading, FileText
from gateway.config.values import COUNT, FLAG, TEXT

KINDS = {"name": TEXT, "count": COUNT, "open": FLAG}
FOLDER = Path("/etc/gateway")


def open_file(path: Path) -> FileText:
    if path.name == "missing":
        raise FileNotFoundError(2, "No such file or directory")
    return FileText(path, path.read_text("utf-8") if path.name == "binary" else "text", 0o640)


def reading(environment: Mapping[str, str] | None = None) -> ConfigReading:
    return ConfigReading(FOLDER, environment or {}, open_file, "GW_", ["GW_CONFIG"])


def test_flags_beat_variables_and_those_beat_the_file() -> None:
    read = reading({"GW_COUNT": "2", "GW_NAME": "of the environment"})
    settings = {"name": "of the file", "count": 1, "open": True}
    assert read.values("gateway", settings, KINDS, "GW_", {"name": "of the flags"}) == {
        "name": "of the flags", "count": 2, "open": True,
    }  # fmt: skip
    assert read.complaints == []


def test_a_bad_value_is_named_by_where_it_stands() -> None:
    read = reading({"GW_COUNT": "none"})
    read.values("gateway", {"name": 1, "opem": True, "limits": {}}, KINDS, "GW_", {"open": "perhaps"}, ["limits"])
    assert read.complaints == [
        "gateway.opem: unknown key; did you mean \"open\"?",
        "gateway.name: expected a text, not 1",
        "GW_COUNT: expected a whole number from 1 on, not \"none\"",
        "--open: expected true or false, not \"perhaps\"",
    ]


def test_what_is_no_table_is_complained_of() -> None:
    read = reading()
    assert read.table("gateway.auth", {"a": 1}) == {"a": 1}
    assert read.table("gateway.auth", "yes") == {}
    assert read.complaints == ["gateway.auth: expected a table, [gateway.auth]"]


def test_variables_that_no_table_asked_for_are_unknown() -> None:
    environment = {"GW_CONFIG": "a", "GW_NAME": "b", "GW_SECRET": "c", "GW_NAMF": "d", "OTHER": "e"}
    read = reading(environment)
    read.values("gateway", {}, KINDS, "GW_")
    assert read.variable("gateway.secret_env", "GW_SECRET") == "c"
    read.known_variables()
    assert read.complaints == ['GW_NAMF: no key has this variable; did you mean "GW_NAME"?']


def test_a_variable_that_is_not_set_is_complained_of_by_the_key_that_names_it() -> None:
    read = reading({"EMPTY": ""})
    assert read.variable("gateway.secret_env", "EMPTY") is None
    assert read.complaints == ['gateway.secret_env: the environment variable "EMPTY" is not set']


def test_files_are_found_from_the_configuration_s_folder() -> None:
    read = reading()
    file = read.file("gateway.auth.keys", "keys.txt")
    assert file is not None
    assert (file.path, file.text, file.is_open_to_others) == (FOLDER / "keys.txt", "text", True)
    assert not FileText(FOLDER, "", 0o600).is_open_to_others
    assert "text" not in repr(file)


def test_a_file_that_cannot_be_read_is_complained_of(tmp_path: Path) -> None:
    read = reading()
    assert read.file("gateway.auth.keys", "missing") is None
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert read.file("gateway.auth.passwords", str(tmp_path / "binary")) is None
    first, second = read.complaints
    assert first == 'gateway.auth.keys: "missing" cannot be read: no such file or directory'
    assert second.endswith("cannot be read: not utf-8 text")
