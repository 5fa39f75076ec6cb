"""Compile schema files: pycapnp's compiler in a child process, plain frozen data here.

pycapnp aborts its process at most schema errors and overflows the stack at deep ones, so this process never imports it.
The child gets a private copy of the files (sources.py) and answers with node messages (decoder.py); if it dies, its
last words become a SchemaError (diagnosis.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cara_pseud.errors import SchemaError
from cara_pseud.schema.decoder import CompiledFile, decode
from cara_pseud.schema.diagnosis import LastWords, diagnose
from cara_pseud.schema.nodes import Schema
from cara_pseud.schema.sources import Sources, search_path
from cara_pseud.schema.trees import pycapnp_tree, schema_tree

COMPILE_TIMEOUT_S = 30.0
"""Compiling takes milliseconds; a minute-long one is a machine in trouble or a schema made to hurt."""

_CHILD = Path(__file__).with_name("compiler_process.py")


def compile_schema(
    paths: Sequence[str | Path], import_path: Sequence[str | Path] = (), *, timeout_s: float = COMPILE_TIMEOUT_S
) -> Schema:
    """Compile schema files into one schema. Blocks, for about 0.2 s; may be called from any thread.

    Args:
        paths: the files; each becomes a root of the schema, in this order.
        import_path: directories in which ``import "/…"`` looks first; after them it looks in the files' own
            directories, in the ``schemas/`` tree and in pycapnp's. Imports without a slash are relative to the
            importing file.
        timeout_s: how long the compiler may take.

    Raises:
        SchemaError: a file cannot be read, found or compiled.
    """
    names = [os.fspath(path) for path in _sequence(paths)]
    if not names:
        raise SchemaError("no schema file given")
    for name in names:
        if "\0" in name:
            raise SchemaError("a path holds a NUL character", repr(name))
    directories: list[str | Path | None] = [*_sequence(import_path)]
    directories += [os.path.dirname(name) or os.curdir for name in names]
    directories += [schema_tree(), pycapnp_tree()]
    try:
        sources = Sources(search_path([directory for directory in directories if directory is not None]))
        roots = [sources.add_root(name) for name in names]
        sources.add_stream_file()
    except OSError as error:  # the current directory is gone, for example
        raise SchemaError(f"cannot be read: {error}", names[0]) from None
    files = {
        source.copy_name: CompiledFile(source.display_name, source.shown_name, source.path, source.text)
        for source in sources
    }
    return decode(_run_compiler(sources, files, timeout_s), files, [root.copy_name for root in roots])


def _sequence(paths: Sequence[str | Path] | str | Path) -> Sequence[str | Path]:
    # A str is a sequence of strings to the type checker, but never what is meant.
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def _run_compiler(sources: Sources, files: Mapping[str, CompiledFile], timeout_s: float) -> list[bytes]:
    """Return one message per node, or raise what the compiler said."""
    if not sys.executable:
        raise SchemaError("the schema compiler needs a Python executable, and sys.executable is empty")
    try:
        with tempfile.TemporaryDirectory(prefix="cara-schema-") as directory:
            sources.write_copies(directory)
            request = {
                "root": directory,
                "files": [source.copy_name for source in sources if not source.embedded],
                "sys_path": _module_path(),
            }
            child = subprocess.run(  # noqa: S603 - our own interpreter and script, and no shell
                [sys.executable, "-I", str(_CHILD)],
                input=json.dumps(request).encode(),
                capture_output=True,
                cwd=directory,  # ours may be gone, which the compiler does not bear
                timeout=timeout_s,
                check=False,
            )
    except subprocess.TimeoutExpired as expired:
        culprit = _read_frames(expired.stdout or b"").compiling
        file = files[culprit].shown_name if culprit in files else None
        raise SchemaError(f"compiling took longer than {timeout_s:g} s", file) from None
    except OSError as error:
        raise SchemaError(f"the schema compiler cannot be started: {error}") from None
    answer = _read_frames(child.stdout)
    # Not the exit status: a process that ignores SIGCHLD does not get to know its children's.
    if answer.finished:
        return answer.messages
    stderr = child.stderr.decode(errors="replace")
    raise diagnose(LastWords(stderr, answer.complaint, child.returncode, answer.compiling), files)


def _module_path() -> list[str]:
    """Where the child may find pycapnp, however it was installed."""
    entries = [os.fsdecode(path) for path in sys.path]
    try:
        return [os.path.abspath(path) for path in entries]
    except FileNotFoundError:  # the current directory is gone
        return [path for path in entries if os.path.isabs(path)]


@dataclass
class _Answer:
    messages: list[bytes] = field(default_factory=list)
    compiling: str = ""
    complaint: str = ""
    finished: bool = False


def _read_frames(output: bytes) -> _Answer:
    """What the child answered, as far as it got; the frames are described in compiler_process.py."""
    answer = _Answer()
    position = 0
    while position + 5 <= len(output):
        start = position + 5
        end = start + int.from_bytes(output[position + 1 : start], "little")
        kind, payload = output[position : position + 1], output[start:end]
        if end > len(output):
            break
        if kind == b"N":
            answer.messages.append(payload)
        elif kind == b"F":
            answer.compiling = payload.decode()
        elif kind == b"E":
            answer.complaint = payload.decode(errors="replace")
        elif kind == b".":
            answer.finished = True
        position = end
    return answer
