"""The files that a service, its schema and its pages consist of, and which of the three have changed."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from cara_pseud.schema.loader import schema_files
from gateway.watched_files import Stamp, stamps

MAX_FILES: Final = 3_000
"""So many files are looked at ten times a second, in as many folders; one with more is no service's own."""
_TESTS: Final = re.compile(r"test_.*|.*_test\.py|conftest\.py")
"""Beside a service, and no part of it."""
_OTHERS: Final = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


class Part(enum.Enum):
    """What a file is for."""

    CODE = "code"
    SCHEMA = "schema"
    PAGES = "pages"


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """Where the files are.

    Attributes:
        pages: the folder of the pages, which need not be there.
    """

    script: Path
    schema: Path
    import_path: Sequence[Path]
    pages: Path

    def found(self) -> dict[Path, Part]:
        """The files that there are now."""
        files = dict.fromkeys(_below(self.pages, ""), Part.PAGES)
        code = (path for path in _below(self.script.parent, ".py", self.pages) if not _TESTS.fullmatch(path.name))
        files |= dict.fromkeys(code, Part.CODE)
        files[self.script] = Part.CODE
        files |= dict.fromkeys(schema_files(self.schema, self.import_path), Part.SCHEMA)
        return files

    def watched(self) -> list[Path]:
        """The files, and the folders in which there may soon be others."""
        files = self.found()
        folders = {path.parent for path, part in files.items() if part is not Part.PAGES}
        folders |= {self.script.parent, self.schema.parent, *_folders(self.pages), *_folders(self.script.parent)}
        return [*files, *sorted(folders)]

    def state(self) -> dict[Path, tuple[Part, Stamp]]:
        """What tells one state of the files from another."""
        files = self.found()
        return {path: (files[path], stamp) for path, stamp in stamps(files).items()}


State = Mapping[Path, tuple[Part, Stamp]]


def changed(before: State, after: State) -> set[Part]:
    """Which parts differ."""
    paths = before.keys() | after.keys()
    return {
        (after.get(path) or before[path])[0] for path in paths if before.get(path) != after.get(path)
    }  # fmt: skip


def _below(folder: Path, suffix: str, beside: Path | None = None) -> Iterator[Path]:
    number = 0
    for place, _, names in _walk(folder, beside):
        for name in sorted(names):
            if name.endswith(suffix) and not name.startswith("."):
                number += 1
                if number > MAX_FILES:
                    return
                yield Path(place, name)


def _folders(folder: Path) -> Iterator[Path]:
    for place, _, _ in _walk(folder, None):
        yield Path(place)


def _walk(folder: Path, beside: Path | None) -> Iterator[tuple[str, list[str], list[str]]]:
    for place, folders, names in islice(os.walk(folder), MAX_FILES):
        folders[:] = [
            name for name in folders
            if not name.startswith(".") and name not in _OTHERS and Path(place, name) != beside
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
        ]  # fmt: skip
        yield place, folders, names
