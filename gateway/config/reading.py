"""One pass over the tables of a configuration and its environment: values are read by their kinds, complaints gathered.

What tables there are and what keys they have is each table's own module's business. Opens nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.config.values import ValueKind
from gateway.errors import nearest, quote

# What Kubernetes sets in every container beside a Service named cara-gateway.
_KUBERNETES: Final = re.compile(r"CARA_GATEWAY_(?:SERVICE_(?:HOST|PORT\w*)|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)")
_FOR_OTHERS: Final = 0o077
"""The permission bits of those who are not a file's owner."""


@dataclass(frozen=True, slots=True)
class FileText:
    """What a file holds that the configuration names.

    Attributes:
        mode: its permission bits.
    """

    path: Path
    text: str = field(repr=False)
    mode: int = 0o600

    @property
    def is_open_to_others(self) -> bool:
        """Whether somebody else than its owner may read or write it."""
        return self.mode & _FOR_OTHERS != 0


OpenFile = Callable[[Path], FileText]
"""Reads a file as UTF-8 text; raises OSError or UnicodeDecodeError."""


class ConfigReading:
    """See the module.

    Args:
        folder: where relative paths begin.
        prefix: how variables of the environment begin that are meant.
        known: variables that are no key of the file.

    Attributes:
        complaints: one line each, ``key: message`` or ``file:line: message``.
        files: those that keys named, whether or not they could be read.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], open_file: OpenFile, prefix: str, known: Iterable[str] = ()
    ) -> None:
        self.folder = folder
        self.environment = environment
        self.complaints: list[str] = []
        self.files: list[Path] = []
        self._open_file = open_file
        self._prefix = prefix
        self._variables = set(known)

    def values(
        self,
        key: str,
        settings: Mapping[str, Any],
        kinds: Mapping[str, ValueKind],
        prefix: str,
        flags: Mapping[str, str] | None = None,
        tables: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Read the keys of a table from flags, environment and file, in this order.

        Args:
            key: the table's, as a message names it.
            settings: what the file has under it.
            prefix: of its keys' variables.
            flags: texts by key.
            tables: keys under which it has tables of their own, which are nothing here.
        """
        self.known_keys(key + ".", settings, kinds, extra=tables)
        values = {}
        for name, kind in kinds.items():
            variable = prefix + name.upper()
            self._variables.add(variable)
            try:
                if flags and name in flags:
                    place = f"--{name.replace('_', '-')}"
                    values[name] = kind.read(kind.parse(flags[name]))
                elif self.environment.get(variable):
                    place = variable
                    values[name] = kind.read(kind.parse(self.environment[variable]))
                elif name in settings:
                    place = f"{key}.{name}"
                    values[name] = kind.read(settings[name])
            except ValueError as error:
                self.complain(place, str(error))
        return values

    def table(self, key: str, value: Any) -> dict[str, Any]:
        """A table of the file; empty with a complaint if it is none."""
        if isinstance(value, dict):
            return dict(value)
        self.complain(key, f"expected a table, [{key}]")
        return {}

    def known_keys(self, key: str, settings: Iterable[str], known: Iterable[str], extra: Sequence[str] = ()) -> None:
        """Complain of keys that nobody knows."""
        names = [*known, *extra]
        for name in settings:
            if name not in names:
                self.complain(key + name, f"unknown key{nearest(name, names)}")

    def known_variables(self) -> None:
        """Complain of variables that no table asked for; called when all have."""
        for name in self.environment:
            if name.startswith(self._prefix) and name not in self._variables and not _KUBERNETES.fullmatch(name):
                self.complain(name, f"no key has this variable{nearest(name, self._variables)}")

    def file(self, key: str, name: str) -> FileText | None:
        """A file that a key names; None with a complaint if it cannot be read."""
        self.files.append(self.folder / name)
        try:
            return self._open_file(self.folder / name)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
            self.complain(key, f"{quote(name)} cannot be read: {reason.lower()}")
            return None

    def variable(self, key: str, name: str) -> str | None:
        """What the variable that a key names is set to; None with a complaint if it is not."""
        self._variables.add(name)
        value = self.environment.get(name)
        if not value:
            self.complain(key, f"the environment variable {quote(name)} is not set")
            return None
        return value

    def is_wrong(self, key: str) -> bool:
        """Whether something is complained of already that the key has: it is not missing then."""
        return any(line.startswith(f"{key}:") for line in self.complaints)

    def complain(self, key: str, message: str) -> None:
        """Note what is wrong with a key or at a place."""
        self.complaints.append(f"{key}: {message}")
