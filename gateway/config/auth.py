"""``[gateway.auth]``: who may call, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.key_file import KeyEntry, read_keys
from gateway.config.reading import ConfigReading, FileText
from gateway.config.values import FLAG, TEXT, ValueKind

AUTH_KEYS: Final[Mapping[str, ValueKind]] = {
    "required": FLAG,
    "keys": TEXT,
}
"""The keys of ``[gateway.auth]``."""
AUTH_TABLES: Final = ()
"""The tables within it."""
_AUTH: Final = "gateway.auth"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """``[gateway.auth]``.

    Attributes:
        required: whether a caller needs credentials; without any it is anonymous else, and has no roles.
        keys: None if there is no file of keys.
        open_files: files with secrets that others than their owner may read.
    """

    required: bool = True
    keys: tuple[KeyEntry, ...] | None = None
    open_files: tuple[str, ...] = ()


def read_auth(reading: ConfigReading, table: Mapping[str, Any] | None, prefix: str) -> AuthConfig | None:
    """The table, checked; None if nothing is said of it, in the file and in variables.

    Args:
        table: None if it is not in the file.
        prefix: of its keys' variables.
    """
    settings = dict(table or {})
    before = len(reading.complaints)
    given = reading.values(_AUTH, settings, AUTH_KEYS, prefix, tables=AUTH_TABLES)
    if table is None and not given:
        return None
    files: list[FileText] = []
    keys = _keys(reading, given["keys"], files) if "keys" in given else None
    required = given.get("required", True)
    if required and keys is None and len(reading.complaints) == before:
        reading.complain(_AUTH, "nobody could prove who they are: give keys, or required = false")
    return AuthConfig(
        required=required,
        keys=keys,
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
