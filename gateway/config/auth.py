"""``[gateway.auth]``: who may call, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cara_pseud.password_entries import PasswordEntry, PasswordFileError, read_passwords
from gateway.config.jwt import JwtConfig, read_jwt
from gateway.config.key_file import KeyEntry, read_keys
from gateway.config.mtls import MtlsConfig, read_mtls
from gateway.config.proxy_headers import ProxyHeaders, read_proxy
from gateway.config.reading import ConfigReading, FileText
from gateway.config.values import FLAG, TEXT, ValueKind, shown


def _plugin(value: Any) -> str:
    package, _, factory = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not factory.isidentifier() or not all(part.isidentifier() for part in package.split(".")):
        raise ValueError(f'expected "package.module:factory", not {shown(value)}')
    return str(value)


AUTH_KEYS: Final[Mapping[str, ValueKind]] = {
    "required": FLAG,
    "keys": TEXT,
    "passwords": TEXT,
    "plugin": ValueKind(_plugin),
}
"""The keys of ``[gateway.auth]``."""
AUTH_TABLES: Final = ("jwt", "proxy", "mtls")
"""The tables within it."""
_AUTH: Final = "gateway.auth"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """``[gateway.auth]``.

    Attributes:
        required: whether a caller needs credentials; without any it is anonymous else, and has no roles.
        keys: None if there is no file of keys.
        passwords: by user; None if there is no file of passwords.
        plugin: ``package.module:factory`` of somebody else's authenticator.
        open_files: files with secrets that others than their owner may read.
    """

    required: bool = True
    keys: tuple[KeyEntry, ...] | None = None
    passwords: Mapping[bytes, PasswordEntry] | None = field(default=None, repr=False)
    plugin: str | None = None
    jwt: JwtConfig | None = None
    proxy: ProxyHeaders | None = None
    mtls: MtlsConfig | None = None
    open_files: tuple[str, ...] = ()


def read_auth(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> AuthConfig | None:
    """The table, checked; None if nothing is said of it, in the file and in variables.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    settings = dict(table or {})
    before = len(reading.complaints)
    tables = {name: reading.table(f"{_AUTH}.{name}", settings.pop(name)) for name in AUTH_TABLES if name in settings}
    given = reading.values(_AUTH, settings, AUTH_KEYS, prefix, tables=AUTH_TABLES)
    jwt = read_jwt(reading, tables.get("jwt"), prefix + "JWT_")
    proxy = read_proxy(reading, tables.get("proxy"), prefix + "PROXY_")
    mtls = read_mtls(reading, tables.get("mtls"), prefix + "MTLS_")
    if table is None and not given and jwt is None and proxy is None and mtls is None:
        return None
    files: list[FileText] = []
    keys = _keys(reading, given["keys"], files) if "keys" in given else None
    passwords = _passwords(reading, given["passwords"], files) if "passwords" in given else None
    ways = (keys, passwords, given.get("plugin"), jwt, proxy, mtls)
    if given.get("required", True) and all(way is None for way in ways) and len(reading.complaints) == before:
        reading.complain(
            _AUTH,
            "nobody could prove who they are: give keys, passwords, plugin, [gateway.auth.jwt], [gateway.auth.proxy] "
            "or [gateway.auth.mtls], or required = false",
        )
    return AuthConfig(
        required=given.get("required", True),
        keys=keys,
        passwords=passwords,
        plugin=given.get("plugin"),
        jwt=jwt,
        proxy=proxy,
        mtls=mtls,
        open_files=tuple(str(file.path) for file in files if file.is_open_to_others),
    )


def _keys(reading: ConfigReading, name: str, files: list[FileText]) -> tuple[KeyEntry, ...] | None:
    file = reading.file(f"{_AUTH}.keys", name)
    if file is None:
        return None
    files.append(file)
    entries, faults = read_keys(file.text)
    for line, fault in faults:
        reading.complain(f"{file.path}:{line}", fault)
    return entries


def _passwords(reading: ConfigReading, name: str, files: list[FileText]) -> Mapping[bytes, PasswordEntry] | None:
    file = reading.file(f"{_AUTH}.passwords", name)
    if file is None:
        return None
    files.append(file)
    try:
        return read_passwords(file.path, file.text)
    except PasswordFileError as error:
        place, _, reason = str(error).rpartition(": ")
        reading.complain(place, reason)
        return None
