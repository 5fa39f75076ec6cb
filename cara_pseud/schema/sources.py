"""The files that belong to a schema: found, read and checked before the compiler sees them.

The compiler takes one file under two paths for two files with one id and ends its process; it also reads whatever the
path leads to. So imports are resolved here, each file is read once, and the compiler gets a private copy in which every
import names the copy. What is said in the end is exactly what was compiled, and any path, link or nesting of
directories is fine.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cara_pseud.errors import SchemaError
from cara_pseud.schema.lexer import Import, has_streaming, imports, line_of, outside_comments

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No schema is that long (the longest known ones are below 1 MiB), but a log file named by mistake is."""

_UNDECODED = re.compile("[\udc80-\udcff]")  # how Python writes a byte that is no UTF-8
_MISSING = "no-such-file-"  # and a number: what the compiler is told to import for a file that is not there
_MISSING_NUMBER = re.compile(rf"/{_MISSING}(\d+)")
_NUL = re.compile("\0")

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
        text: the content of a schema as text; bytes of comments that are no UTF-8 are lone surrogates in it.
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

    @property
    def readable_text(self) -> str:
        """The text as it can be shown and sent: what is no UTF-8 is a replacement character."""
        return _UNDECODED.sub("\ufffd", self.text)


@dataclass
class Sources:
    """The files of one compilation, in the order in which they should be compiled: imported ones first."""

    import_path: Sequence[tuple[str, str]]
    """Directories for imports that begin with a slash: (as shown, absolute)."""
    _known: dict[tuple[str, bool], Source] = field(default_factory=dict)
    """By real path and whether it is embedded: a schema may be both, and is embedded as it is."""
    _ordered: list[Source] = field(default_factory=list)
    _roots: list[Source] = field(default_factory=list)
    _missing: list[SchemaError] = field(default_factory=list)

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
        root = self._add(path, absolute, display_name or os.path.basename(absolute))
        if root not in self._roots:
            self._roots.append(root)
        return root

    @property
    def roots(self) -> Sequence[Source]:
        """The files that were asked for, each once."""
        return self._roots

    @property
    def paths(self) -> list[str]:
        """Where the files are that were read, embedded ones too; also what was read before an error."""
        return [source.path for source in self._known.values()]

    @property
    def imported(self) -> list[Source]:
        """The other schemas, importing ones before imported ones."""
        return [source for source in reversed(self._ordered) if not source.embedded and source not in self._roots]

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
            try:
                shown_name, path, display_name = self._resolve(source, wanted)
            except SchemaError as error:
                if source is first:
                    raise
                # Perhaps nobody needs what needs it; the compiler will know.
                renamed.append((wanted, f"{_MISSING}{len(self._missing)}"))
                self._missing.append(error)
                continue
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
        # By the file, not by the name that it is imported under: it can have only one copy.
        if not embedded and self._stream_file is not None and os.path.realpath(path) == self._stream_file[2]:
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
        if _UNDECODED.search(target):
            raise SchemaError(f"{target!a} is not UTF-8 text", source.shown_name, line)
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

    @cached_property
    def _stream_file(self) -> tuple[str, str, str] | None:
        """What /capnp/stream.capnp is: as shown, its path, and its real path."""
        for shown_directory, directory in self.import_path:
            path = os.path.join(directory, STREAM_FILE)
            if os.path.isfile(path):
                return os.path.join(shown_directory, STREAM_FILE), path, os.path.realpath(path)
        return None

    def leave_out(self, source: Source, error: SchemaError) -> None:
        """Do without an imported file: whatever needs it is told that error, as of a file that is not there."""
        name = f"{_MISSING}{len(self._missing)}"
        self._missing.append(error)
        self._ordered.remove(source)
        for other in self._ordered:
            if not other.embedded:
                other.copy = other.copy.replace(f'"/{source.copy_name}"'.encode(), f'"/{name}"'.encode())

    def missing(self, reason: str) -> SchemaError | None:
        """The error to raise for a file that is not there, by what the compiler says; None for other errors."""
        found = _MISSING_NUMBER.search(reason)
        return self._missing[int(found[1])] if found else None

    def add_stream_file(self) -> None:
        """Read /capnp/stream.capnp, which no import names, if a method streams and it is there.

        It is not read for nothing: it brings a c++.capnp, and a schema may have its own copy of that.
        """
        if self._stream_file is not None and any(has_streaming(source.text) for source in self._ordered):
            self._add(*self._stream_file[:2], STREAM_FILE)

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
    return "".join([*parts, source.text[position:]]).encode(errors="surrogateescape")


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
    # In comments the compiler takes whatever it finds, so old files in Latin-1 are schemas, too.
    text = content.decode(errors="surrogateescape")
    position = outside_comments(text, _UNDECODED)
    if position is not None:
        byte = ord(text[position]) & 0xFF
        raise SchemaError(f"is not UTF-8 text: byte 0x{byte:02x}", shown_name, line_of(text, position))
    position = outside_comments(text, _NUL)
    if position is not None:
        raise SchemaError("holds a NUL byte, so it is no schema", shown_name, line_of(text, position))
    if not text.strip("\ufeff \t\r\n\f\v"):
        raise SchemaError("is empty; a schema begins with its id, @0x and 16 hexadecimal digits", shown_name)
    return text
