"""``[gateway.auth]``: what is read, and what is complained of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.auth import AuthConfig
from gateway.config.file import ConfigError, load
from gateway.config.key_file import KeyEntry, digest_of

SERVICE = """
[services.calculator]
schema = "schemas/calculator.capnp"
interface = "Calculator"
endpoint = "tcp://127.0.0.1:5555"
"""
ALICE = KeyEntry("alice", frozenset({"admin"}), digest_of("hers"))


def read(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> AuthConfig | None:
    path = folder / "gateway.toml"
    path.write_text(text + SERVICE, "utf-8")
    return load(path, environment or {}).auth


def complaints(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, environment)
    return raised.value.complaints


def keys_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys.txt"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_nothing_said_is_no_table(tmp_path: Path) -> None:
    assert read(tmp_path, "") is None
    assert read(tmp_path, "[gateway]\n") is None


def test_keys_are_read_from_their_file_beside_the_configuration(tmp_path: Path) -> None:
    keys_file(tmp_path, f"{ALICE.line()}\n")
    auth = read(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\n')
    assert auth == AuthConfig(required=True, keys=(ALICE,))


def test_variables_are_enough(tmp_path: Path) -> None:
    keys_file(tmp_path, f"{ALICE.line()}\n")
    assert read(tmp_path, "", {"CARA_GATEWAY_AUTH_KEYS": "keys.txt"}) == AuthConfig(keys=(ALICE,))
    assert read(tmp_path, "", {"CARA_GATEWAY_AUTH_REQUIRED": "false"}) == AuthConfig(required=False)


def test_who_requires_credentials_says_which(tmp_path: Path) -> None:
    assert complaints(tmp_path, "[gateway.auth]\n") == (
        "gateway.auth: nobody could prove who they are: give keys, or required = false",
    )
    assert read(tmp_path, "[gateway.auth]\nrequired = false\n") == AuthConfig(required=False)


def test_a_file_of_keys_that_cannot_be_used_is_complained_of_by_line(tmp_path: Path) -> None:
    assert complaints(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\n') == (
        'gateway.auth.keys: "keys.txt" cannot be read: no such file or directory',
    )
    path = keys_file(tmp_path, f"{ALICE.line()}\ncara_secret\n{ALICE.line()}\n")
    assert complaints(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\n') == (
        f"{path}:2: expected name:role,role:sha256$HASH, as `cara-gateway key` writes it",
        f"{path}:3: the name alice stands in line 1 already",
        f"{path}:3: the key of alice stands in line 1 already",
    )


def test_unknown_keys_are_complained_of(tmp_path: Path) -> None:
    assert complaints(tmp_path, "[gateway.auth]\nrequird = false\n")[0] == (
        'gateway.auth.requird: unknown key; did you mean "required"?'
    )
    assert complaints(tmp_path, "[gateway]\nauth = true\n")[0] == "gateway.auth: expected a table, [gateway.auth]"


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_noted(tmp_path: Path, mode: int, is_open: bool) -> None:
    path = keys_file(tmp_path, f"{ALICE.line()}\n", mode)
    auth = read(tmp_path, '[gateway.auth]\nkeys = "keys.txt"\n')
    assert auth is not None
    assert auth.open_files == ((str(path),) if is_open else ())
