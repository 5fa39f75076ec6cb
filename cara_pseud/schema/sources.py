"""The files that belong to a schema: found, read and checked before the compiler sees them.

The compiler takes one file under two paths for two files with one id and ends its process; it also reads whatever the
path leads to. So imports are resolved here, each file is read once, and the compiler gets a private copy in which every
import names the copy. What is said in the end is exactly what was compiled, and any path, link or nesting of
directories is fine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cara_pseud.errors import SchemaError
from cara_pseud.schema.lexer import Import, imports, line_of

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No schema is that long (the longest known ones are below 1 MiB), but a log file named by mistake is."""

STREAM_FILE = "capnp/stream.capnp"  # the compiler itself imports it under this name at `-> stream`


@dataclass
class Source:
    """One file.

    Attributes:
        copy_name: its path within the private copy; also its nodes' display name.
        shown_name: as error messages name it: in the user's words.
        display_name: as the schema's nodes name it: without the directories above the import path, which are nobody's
            business.
        path: where it was read, absolute.
        content: what it said.
        embedded: whether it is data rather than a schema.
        text: the content of a schema as text.
        copy: what the compiler gets: the same with its imports renamed; lines are the same.
    """

    copy_name: str
    shown_name: str
    display_name: str
    path: str
    content: bytes
    embedded: bool
    text: str = ""
    copy: bytes = b""


@dataclass
class Sources:
    """The files of one compilation, in the order in which they should be compiled: imported ones first."""

    import_path: Sequence[tuple[str, str]]
    """Directories for imports that begin with a slash: (as shown, absolute)."""
    _known: dict[tuple[str, bool], Source] = field(default_factory=dict)
    """By real path and whether it is embedded: a schema may be both, and is embedded as it is."""
    _ordered: list[Source] = field(default_factory=list)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._ordered)

    def add_root(self, path: str) -> Source:
        """Read a file that the user asked for, and all that it imports.

        Raises:
            SchemaError: it or an imported one cannot be read or found.
        """
        absolute = os.path.abspath(path)
        within = [os.path.relpath(absolute, directory) for _, directory in self.import_path]
        display_name = next((name for name in within if not name.startswith(os.pardir + os.sep)), None)
        return self._add(path, absolute, display_name or os.path.basename(absolute))

    def _add(self, shown_name: str, path: str, display_name: str) -> Source:
        """Read a file and what it imports, depth first, unless it is known already."""
        waiting: list[tuple[Source, Iterator[Import], list[tuple[Import, str]]]] = []
        source = self._known.get((os.path.realpath(path), False))
        if source is None:
            source = self._read(shown_name, path, display_name, embedded=False)
            waiting.append((source, imports(source.text), []))
        first = source
        while waiting:  # not recursive: a chain of imports may be longer than Python's stack
            source, remaining, renamed = waiting[-1]
            wanted = next(remaining, None)
            if wanted is None:
                source.copy = _with_renamed_imports(source, renamed)
                self._ordered.append(source)
                waiting.pop()
                continue
            shown_name, path, display_name = self._resolve(source, wanted)
            embedded = wanted.keyword == "embed"
            imported = self._known.get((os.path.realpath(path), embedded))
            if imported is None:
                imported = self._read(shown_name, path, display_name, embedded=embedded)
                if not embedded:
                    waiting.append((imported, imports(imported.text), []))
            renamed.append((wanted, imported.copy_name))
        return first

    def _read(self, shown_name: str, path: str, display_name: str, *, embedded: bool) -> Source:
        content = _read_file(shown_name, path)
        number = len(self._known)
        copy_name = f"embedded{number}" if embedded else f"file{number}.capnp"
        if display_name == STREAM_FILE and not embedded and not self._has_stream_file():
            copy_name = STREAM_FILE
        source = Source(copy_name, shown_name, display_name.replace(":", "_"), path, content, embedded)
        self._known[os.path.realpath(path), embedded] = source
        if embedded:
            source.copy = content
            self._ordered.append(source)
        else:
            source.text = _checked_text(shown_name, content)
        return source

    def _resolve(self, source: Source, wanted: Import) -> tuple[str, str, str]:
        """Where an import leads: the shown name, the path and the display name of the file."""
        target, line = wanted.target, line_of(source.text, wanted.start)
        if not target.strip("/") or "\0" in target:
            raise SchemaError(f"{target!r} is no name of a file", source.shown_name, line)
        if not target.startswith("/"):
            path = os.path.normpath(os.path.join(os.path.dirname(source.path), target))
            if os.path.isfile(path):
                shown_name = os.path.normpath(os.path.join(os.path.dirname(source.shown_name), target))
                display_name = os.path.normpath(os.path.join(os.path.dirname(source.display_name), target))
                if display_name.startswith(os.pardir):
                    display_name = os.path.basename(path)
                return shown_name, path, display_name
            raise SchemaError(f'{wanted.keyword} "{target}": there is no such file', source.shown_name, line)
        relative = os.path.normpath(target.lstrip("/"))
        if not relative.startswith(os.pardir):
            for shown_directory, directory in self.import_path:
                path = os.path.join(directory, relative)
                if os.path.isfile(path):
                    return os.path.join(shown_directory, relative), path, relative
        places = ", ".join(shown for shown, _ in self.import_path)
        raise SchemaError(
            f'{wanted.keyword} "{target}": it is in no directory of the import path ({places})', source.shown_name, line
        )

    def add_stream_file(self) -> None:
        """Read /capnp/stream.capnp, which no import names, if it is needed and there."""
        if self._has_stream_file():
            return
        if any(b"stream" in source.content for source in self._ordered):
            for shown_directory, directory in self.import_path:
                path = os.path.join(directory, STREAM_FILE)
                if os.path.isfile(path):
                    self._add(os.path.join(shown_directory, STREAM_FILE), path, STREAM_FILE)
                    return

    def _has_stream_file(self) -> bool:
        return any(source.copy_name == STREAM_FILE for source in self._known.values())

    def write_copies(self, directory: str) -> None:
        """Write what the compiler gets into an empty directory."""
        for source in self._ordered:
            path = Path(directory, source.copy_name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(source.copy)


def search_path(directories: Sequence[str | Path]) -> tuple[tuple[str, str], ...]:
    """Return the directories as (as shown, absolute); missing ones and other names of earlier ones are left out."""
    found: dict[str, tuple[str, str]] = {}
    for directory in directories:
        if os.path.isdir(directory):
            found.setdefault(os.path.realpath(directory), (os.fspath(directory), os.path.abspath(directory)))
    return tuple(found.values())


def _with_renamed_imports(source: Source, renamed: Sequence[tuple[Import, str]]) -> bytes:
    parts, position = [], 0
    for found, copy_name in renamed:
        parts += [source.text[position : found.start], f'"/{copy_name}"']
        position = found.end
    return "".join([*parts, source.text[position:]]).encode()


def _read_file(shown_name: str, path: str) -> bytes:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise SchemaError("is a directory, not a schema file", shown_name)
        if not stat.S_ISREG(mode):  # opening a pipe would wait for a writer
            raise SchemaError("is no regular file", shown_name)
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise SchemaError("no such file", shown_name) from None
    except OSError as error:
        raise SchemaError(f"cannot be read: {error.strerror or error}", shown_name) from None
    if len(content) > MAX_FILE_BYTES:
        raise SchemaError(f"is longer than {MAX_FILE_BYTES} bytes", shown_name)
    return content


def _checked_text(shown_name: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SchemaError(f"is not UTF-8 text: byte 0x{content[error.start]:02x}", shown_name, line) from None
    if "\0" in text:
        raise SchemaError("holds a NUL byte, so it is no schema", shown_name, line_of(text, text.index("\0")))
    if not text.strip("\ufeff \t\r\n\f\v"):
        raise SchemaError("is empty; a schema begins with its id, @0x and 16 hexadecimal digits", shown_name)
    return text
