"""``[gateway.auth]``: what is read, and what is complained of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cara_pseud.passwords import set_password
from gateway.config.auth import AuthConfig
from gateway.config.file import ConfigError, load
from gateway.config.key_file import KeyEntry, digest_of
from gateway.config.mtls import MtlsConfig
from gateway.config.proxy_headers import ProxyHeaders

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
        "gateway.auth: nobody could prove who they are: give keys, passwords, plugin, [gateway.auth.jwt], "
        "[gateway.auth.proxy] or [gateway.auth.mtls], or required = false",
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


def test_passwords_are_read_with_their_roles(tmp_path: Path) -> None:
    file = tmp_path / "passwd.txt"
    set_password(file, "bob", "his", ["staff", "admin"])
    set_password(file, "carol", "hers")
    auth = read(tmp_path, '[gateway.auth]\npasswords = "passwd.txt"\n')
    assert auth is not None
    assert auth.passwords is not None
    roles = {user: entry.roles for user, entry in auth.passwords.items()}
    assert roles == {b"bob": {"staff", "admin"}, b"carol": set()}
    assert auth.passwords[b"bob"].matches(b"his")
    assert "scrypt" not in repr(auth)
    assert str(auth.passwords[b"bob"].salt) not in repr(auth)


def test_a_file_of_passwords_that_cannot_be_used_is_complained_of_by_line(tmp_path: Path) -> None:
    file = tmp_path / "passwd.txt"
    file.write_text("# ours\nbob:secret\n")
    (said,) = complaints(tmp_path, '[gateway.auth]\npasswords = "passwd.txt"\n')
    assert said.startswith(f"{file}:2: expected user:scrypt$N$r$p$salt$hash")
    assert "secret" not in said


def test_proxies_say_who_users_are_in_headers_by_their_canonical_names(tmp_path: Path) -> None:
    text = '[gateway]\ntrusted_proxies = ["10.0.0.0/8"]\n[gateway.auth.proxy]\nuser_header = "x-forwarded-USER"\n'
    auth = read(tmp_path, text)
    assert auth is not None
    assert auth.proxy == ProxyHeaders("X-Forwarded-User")
    auth = read(tmp_path, text + 'roles_header = "X-Groups"\n')
    assert auth is not None
    assert auth.proxy == ProxyHeaders("X-Forwarded-User", "X-Groups")
    assert auth.proxy.names == ("X-Forwarded-User", "X-Groups")


def test_nobody_is_believed_about_users_who_is_no_trusted_proxy(tmp_path: Path) -> None:
    assert complaints(tmp_path, '[gateway.auth.proxy]\nuser_header = "X-Forwarded-User"\n') == (
        "gateway.auth.proxy: is believed from trusted_proxies only, and there are none",
    )


PROXY = "[gateway.auth.proxy]\n"
MTLS = "[gateway.auth.mtls]\n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (PROXY + 'roles_header = "X-Groups"\n', "proxy.user_header: is missing"),
        (PROXY + 'user_header = "X Y"\n', "proxy.user_header: expected the name of a header"),
        (PROXY + 'user_header = "X_User"\n', "proxy.user_header: expected the name of a header"),
        (PROXY + 'user_header = "authorization"\n', "proxy.user_header: the header Authorization is for something el"),
        (PROXY + 'user_header = "X-A"\nroles_header = "x-a"\n', "proxy.roles_header: is the same as user_header"),
        (MTLS + 'roles = ["a"]\n', "mtls.roles: expected a table like"),
        (MTLS + 'roles = { a = "b" }\n', "mtls.roles: expected a list of roles for each"),
        ('[gateway.auth]\nplugin = "nowhere"\n', 'plugin: expected "package.module:factory", not "nowhere"'),
        ('[gateway.auth]\nplugin = "a.b:c d"\n', 'plugin: expected "package.module:factory"'),
        ('[gateway.auth]\nplugin = "a/b:c"\n', 'plugin: expected "package.module:factory"'),
    ],
)
def test_what_cannot_be_used_is_complained_of(tmp_path: Path, table: str, said: str) -> None:
    first = complaints(tmp_path, '[gateway]\ntrusted_proxies = ["10.0.0.0/8"]\n' + table)[0]
    assert first.startswith(f"gateway.auth.{said}")


@pytest.fixture
def tls(tmp_path: Path) -> str:
    """A table with an authority of clients. Whether the files hold certificates is nobody's business here."""
    for name in ("certificate", "key", "client_ca"):
        (tmp_path / f"{name}.pem").write_text("-")
    return '[gateway.tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\nclient_ca = "client_ca.pem"\n'


def test_certificates_have_roles_by_their_names(tmp_path: Path, tls: str) -> None:
    expected = MtlsConfig({"ops.example": frozenset({"admin"}), "job": frozenset()})
    auth = read(tmp_path, tls + '[gateway.auth.mtls]\nroles = { "ops.example" = ["admin"], job = [] }\n')
    assert auth is not None
    assert auth.mtls == expected
    variable = '{ "ops.example" = ["admin"], job = [] }'
    auth = read(tmp_path, tls, {"CARA_GATEWAY_AUTH_MTLS_ROLES": variable})
    assert auth is not None
    assert auth.mtls == expected
    assert complaints(tmp_path, tls, {"CARA_GATEWAY_AUTH_MTLS_ROLES": "ops"})[0].startswith(
        'CARA_GATEWAY_AUTH_MTLS_ROLES: expected a table like { "ops.example" = ["admin"] }, not "ops"'
    )


def test_certificates_count_only_if_it_is_said_whose(tmp_path: Path, tls: str) -> None:
    said = ("gateway.auth.mtls: needs [gateway.tls] client_ca, which says whose certificates count",)
    assert complaints(tmp_path, "[gateway.auth.mtls]\n") == said
    assert complaints(tmp_path, tls.replace('client_ca = "client_ca.pem"\n', "") + "[gateway.auth.mtls]\n") == said
