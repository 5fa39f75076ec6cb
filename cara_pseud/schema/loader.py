"""Compile schema files: pycapnp's compiler in a child process, plain frozen data here.

pycapnp aborts its process at most schema errors and overflows the stack at deep ones, so this process never imports it.
The child gets a private copy of the files (sources.py) and answers with node messages (decoder.py); if it dies, its
last words become a SchemaError (diagnosis.py).
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from cara_pseud.errors import SchemaError
from cara_pseud.schema import compiled_cache
from cara_pseud.schema.compiled_cache import Compiled
from cara_pseud.schema.compiler import TookTooLong, run_compiler
from cara_pseud.schema.decoder import CompiledFile, decode
from cara_pseud.schema.diagnosis import LastWords, diagnose
from cara_pseud.schema.nodes import Schema
from cara_pseud.schema.omissions import concerns_one_declaration, one_statement_per_line, without_declaration
from cara_pseud.schema.sources import Sources, search_path
from cara_pseud.schema.trees import pycapnp_tree, schema_tree

COMPILE_TIMEOUT_S = 30.0
"""Compiling takes milliseconds; a minute-long one is a machine in trouble or a schema made to hurt."""

_MAX_LEFT_OUT: Final = 32
"""Each declaration that is left out costs a run of the compiler."""

_LOG: Final = logging.getLogger(__name__)


def compile_schema(
    paths: Sequence[str | Path],
    import_path: Sequence[str | Path] = (),
    *,
    timeout_s: float = COMPILE_TIMEOUT_S,
    cached: bool = True,
) -> Schema:
    """Compile schema files into one schema. Blocks, for about 0.2 s the first time; may be called from any thread.

    Args:
        paths: the files; each becomes a root of the schema, in this order.
        import_path: directories in which ``import "/…"`` looks first; after them it looks in the files' own
            directories, in the ``schemas/`` tree and in pycapnp's. Imports without a slash are relative to the
            importing file.
        timeout_s: how long the compiler may take.
        cached: whether what the compiler gave for the same files before, in whatever process, will do.

    Raises:
        SchemaError: a file cannot be read, found or compiled.
    """
    names = [os.fspath(path) for path in _sequence(paths)]
    if not names:
        raise SchemaError("no schema file given")
    for name in names:
        if "\0" in name:
            raise SchemaError("a path holds a NUL character", repr(name))
    try:
        sources = _sources(names, import_path)
        roots = [sources.add_root(name) for name in names]
        sources.add_stream_file()
    except OSError as error:  # the current directory is gone, for example
        raise SchemaError(f"cannot be read: {error}", names[0]) from None
    files = {
        source.copy_name: CompiledFile(
            source.display_name, source.shown_name, source.path, source.readable_text,
            source.copy.decode(errors="replace"),
        )
        for source in sources
        if not source.embedded
    }
    folder = compiled_cache.cache_folder() if cached else None
    compiled, key = None, ""
    if folder is not None:
        places = [directory for _, directory in sources.import_path]
        key = compiled_cache.key_of(sources, places, pycapnp_tree())
        compiled = compiled_cache.load(folder, key)
    if compiled is None:
        compiled = _compiled(sources, files, timeout_s)
        if folder is not None:
            compiled_cache.store(folder, key, compiled)
    for reason, name, line in compiled.left_out:
        told = SchemaError(reason, files[name].shown_name if name in files else None, line)
        _LOG.warning("%s; left out, as nothing that was asked for needs it", str(told).rstrip("."))
    return decode(compiled.messages, files, [root.copy_name for root in roots])


def schema_files(path: str | Path, import_path: Sequence[str | Path] = ()) -> list[Path]:
    """Return a schema file and all that it imports or embeds, without compiling; as far as they can be read and found.

    Args:
        path, import_path: as `compile_schema` takes them.
    """
    name = os.fspath(path)
    try:
        sources = _sources([name], import_path)
    except (OSError, ValueError):  # the current directory is gone, or there is a NUL in a path
        return [Path(name)]
    with suppress(OSError, ValueError, SchemaError):
        sources.add_root(name)
        sources.add_stream_file()
    return [Path(found) for found in dict.fromkeys((os.path.abspath(name), *sources.paths))]


def _sources(names: Sequence[str], import_path: Sequence[str | Path]) -> Sources:
    directories: list[str | Path | None] = [*_sequence(import_path)]
    directories += [os.path.dirname(name) or os.curdir for name in names]
    directories += [schema_tree(), pycapnp_tree()]
    return Sources(search_path([directory for directory in directories if directory is not None]))


def _sequence(paths: Sequence[str | Path] | str | Path) -> Sequence[str | Path]:
    # A str is a sequence of strings to the type checker, but never what is meant.
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def _compiled(sources: Sources, files: Mapping[str, CompiledFile], timeout_s: float) -> Compiled:
    """Return what the compiler gives, without what does not compile and the roots do not need."""
    until = time.monotonic() + timeout_s
    left_out: list[SchemaError] = []
    lines: dict[str, list[int]] = {}
    imported = {source.copy_name: source for source in sources.imported}
    given = dict(files)
    while True:
        try:
            answer = _run_compiler(sources, max(until - time.monotonic(), 0.001))
        except TookTooLong as late:
            file = files[late.compiling].shown_name if late.compiling in files else None
            raise SchemaError(f"compiling took longer than {timeout_s:g} s", file) from None
        if isinstance(answer, list):
            names = {file.shown_name: name for name, file in files.items()}
            return Compiled(answer, [(error.reason, names.get(error.file or "", ""), error.line) for error in left_out])
        error = diagnose(answer, given)
        place = next((name for name, file in files.items() if file.shown_name == error.file), "")
        compiled_line = error.line or 1
        if place in lines:
            error = SchemaError(error.reason, error.file, lines[place][compiled_line - 1])
        is_of_one_declaration = concerns_one_declaration(error.reason)
        error = sources.missing(error.reason) or error
        # The roots come first: if one of them was being compiled, it needs what is wrong. If something is left out by
        # now it has been compiled with that once; so there may only be a name for it, which nobody uses.
        is_root = answer.compiling not in imported
        source = next((source for source in sources if source.copy_name == place and not source.embedded), None)
        if source is None or (is_root and not left_out):
            raise left_out[0] if is_root and left_out else error
        if not is_root and (place not in imported or len(left_out) >= _MAX_LEFT_OUT):
            raise error
        if not is_root and not is_of_one_declaration:
            sources.leave_out(source, error)
            left_out.append(error)
            continue
        text = source.copy.decode(errors="surrogateescape")
        if place not in lines:
            # The compiler names only lines, and a line may hold several declarations.
            text, lines[place] = one_statement_per_line(text)
        else:
            text, before = without_declaration(text, compiled_line, only_names=is_root), text
            if text == before:
                raise left_out[0] if is_root else error
            left_out += [] if is_root else [error]
        given[place] = replace(files[place], text=text)
        source.copy = text.encode(errors="surrogateescape")


def _run_compiler(sources: Sources, timeout_s: float) -> list[bytes] | LastWords:
    """Return one message per node, or the compiler's last words."""
    try:
        with tempfile.TemporaryDirectory(prefix="cara-schema-") as directory:
            sources.write_copies(directory)
            files = [source.copy_name for source in (*sources.roots, *sources.imported)]
            return run_compiler(directory, files, timeout_s)
    except OSError as error:
        raise SchemaError(f"the schema cannot be given to the compiler: {error}") from None
