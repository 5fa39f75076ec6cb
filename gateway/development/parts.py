"""The files that a service, its schema and its pages consist of, and which of the three have changed."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from cara_pseud.schema.loader import schema_files
from gateway.development.imported_files import ImportedFiles
from gateway.watched_files import Stamp, stamps

MAX_FILES: Final = 3_000
"""So many files are looked at ten times a second, in as many folders; one with more is no service's own."""
_OTHERS: Final = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


class Part(enum.Enum):
    """What a file is for."""

    CODE = "code"
    SCHEMA = "schema"
    PAGES = "pages"


@dataclass(slots=True)
class ServiceFiles:
    """Where the files are.

    Attributes:
        script: absolute.
        pages: the folder of the pages, which need not be there.
        loaded: what the running service has told that it consists of, beyond what its source says.
    """

    script: Path
    schema: Path
    import_path: Sequence[Path]
    pages: Path
    loaded: Sequence[Path] = ()
    _imported: ImportedFiles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._imported = ImportedFiles(self.script)

    def found(self) -> dict[Path, Part | None]:
        """The files that there are now. Python files that the service does not import are for nothing (None)."""
        files: dict[Path, Part | None] = dict.fromkeys(_below(self.script.parent, ".py"))
        files |= dict.fromkeys(_below(self.pages, ""), Part.PAGES)
        files |= dict.fromkeys(self._imported.found(self.loaded), Part.CODE)
        files |= dict.fromkeys(schema_files(self.schema, self.import_path), Part.SCHEMA)
        return files

    def watched(self) -> list[Path]:
        """The files, and the folders in which there may soon be others."""
        files = self.found()
        folders = {path.parent for path, part in files.items() if part is not Part.PAGES}
        folders |= {self.script.parent, self.schema.parent, *_folders(self.pages), *_folders(self.script.parent)}
        return [*files, *sorted(folders)]

    def state(self) -> dict[Path, tuple[Part | None, Stamp]]:
        """What tells one state of the files from another."""
        files = self.found()
        return {path: (files[path], stamp) for path, stamp in stamps(files).items()}


State = Mapping[Path, tuple[Part | None, Stamp]]


def changed(before: State, after: State) -> set[Part]:
    """Which parts differ: what a file is for now counts, and what one was for that has gone."""
    none = (None, None)
    differ = [path for path in before.keys() | after.keys() if before.get(path, none)[1] != after.get(path, none)[1]]
    return {part for path in differ if (part := (after.get(path) or before[path])[0]) is not None}


def _below(folder: Path, suffix: str) -> Iterator[Path]:
    number = 0
    for place, _, names in _walk(folder):
        for name in sorted(names):
            if name.endswith(suffix) and not name.startswith("."):
                number += 1
                if number > MAX_FILES:
                    return
                yield Path(place, name)


def _folders(folder: Path) -> Iterator[Path]:
    for place, _, _ in _walk(folder):
        yield Path(place)


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for place, folders, names in islice(os.walk(folder), MAX_FILES):
        folders[:] = [
            name for name in folders
            if not name.startswith(".") and name not in _OTHERS
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
        ]  # fmt: skip
        yield place, folders, names
