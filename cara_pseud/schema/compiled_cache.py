"""Compiled schemas between starts: what the compiler made of these very files is not asked of it again.

A folder of files, one for each compilation, named by a hash of all that goes into it. What is in them decides what a
program believes of its peers, so only a folder that is ours alone is used: it belongs to this user and nobody else may
look into it. Everything else about it is no error, for without it the compiler is asked: a folder that cannot be
written, an entry that is damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cara_pseud.schema.sources import Sources

VARIABLE: Final = "CARA_CACHE_DIR"
"""Names the folder; set to nothing, there is none."""
MAX_ENTRIES: Final = 500
"""Beyond it the oldest go; a schema with all that it imports takes a few hundred kilobytes."""

_MAGIC: Final = b"cara_pseud compiled schema 1\n"
_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".schema"
_OURS_ALONE: Final = 0o700


@dataclass(frozen=True)
class Compiled:
    """What the compiler gave.

    Attributes:
        messages: one per node.
        left_out: the reasons why something in imported files was left out, each with the file's copy name and its line.
    """

    messages: Sequence[bytes]
    left_out: Sequence[tuple[str, str, int | None]] = ()


def cache_folder() -> str | None:
    """The folder that the environment names, or that is usual; None if there is to be none."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return named or None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "cara_pseud") if os.path.isabs(home) else None


def key_of(sources: Sources, import_path: Iterable[str], pycapnp: Path | None) -> str:
    """The name of what compiling these files gives.

    Args:
        import_path: the directories in which imports were looked up.
        pycapnp: the directory from which pycapnp is imported.
    """
    digest = hashlib.sha256(_MAGIC)
    for part in (_version(pycapnp), "\0".join(import_path), *_parts(sources)):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _parts(sources: Sources) -> Iterator[str | bytes]:
    yield "\0".join(root.copy_name for root in sources.roots)
    for source in sources:
        yield source.copy_name
        yield source.copy


def _version(pycapnp: Path | None) -> bytes:
    # Neither is it imported, which must never happen here, nor its metadata parsed, which takes longer than all else.
    with suppress(OSError):
        if pycapnp is not None:
            return (pycapnp / "capnp" / "version.py").read_bytes()
    return b"?"


def load(folder: str, key: str) -> Compiled | None:
    """What was kept under a key; None if there is nothing that can be relied on."""
    try:
        with _opened(folder) as directory:
            descriptor = os.open(key + _SUFFIX, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            with open(descriptor, "rb") as file:
                if not _is_ours(os.fstat(descriptor)):
                    return None
                data = file.read()
            with suppress(OSError):
                os.utime(key + _SUFFIX, dir_fd=directory)  # the oldest go first
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    body = data[start:]
    if not data.startswith(_MAGIC) or hashlib.sha256(key.encode() + body).digest() != data[len(_MAGIC) : start]:
        return None
    left_out, *messages = _frames(body)
    return Compiled(messages, [tuple(each) for each in json.loads(left_out)])


def store(folder: str, key: str, compiled: Compiled) -> None:
    """Keep what the compiler gave, if the folder can be written; made if it is not there."""
    parts = [json.dumps(compiled.left_out).encode(), *compiled.messages]
    body = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    data = _MAGIC + hashlib.sha256(key.encode() + body).digest() + body
    with suppress(OSError):
        os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(folder, _OURS_ALONE)
        with _opened(folder) as directory:
            # Written beside it and then put in its place, so that nobody reads half of it.
            name = f".{key}.{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                with open(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
                    file.write(data)
                os.replace(name, key + _SUFFIX, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)
                raise
            _remove_oldest(directory)


def _remove_oldest(directory: int) -> None:
    names = os.listdir(directory)
    if len(names) <= MAX_ENTRIES:
        return
    ages = []
    for name in names:
        with suppress(OSError):  # another process was faster
            ages.append((os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns, name))
    for _, name in sorted(ages)[: len(names) - MAX_ENTRIES]:
        if name.endswith(_SUFFIX) or name.startswith("."):
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    """The folder as a descriptor, so that what was looked at is what is used; raises OSError if it is not ours."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not _is_ours(status) or stat.S_IMODE(status.st_mode) != _OURS_ALONE:
            raise PermissionError(f"{folder} is not this user's alone")
        yield descriptor
    finally:
        os.close(descriptor)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid()


def _frames(body: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(body):
        start = position + 4
        position = start + int.from_bytes(body[position:start], "little")
        yield body[start:position]
