"""What a Python program says when it fails, in one line with the place in its author's own code."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

_FRAME: Final = re.compile(r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+)')
_IN_GROUP: Final = re.compile(r"^ *\| ?")
"""How the lines of an exception within a group begin."""
_ERROR: Final = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")
_PLACED: Final = re.compile(r"^[^\s:]+\.\w+:\d+: ")
_FOREIGN: Final = ("site-packages", "dist-packages", "lib-dynload")
_MAX_CHARS: Final = 500


def fault_of(said: str, folder: PurePath) -> str:
    """The last error in what a program wrote: ``service.py:3: SyntaxError: invalid syntax``.

    Args:
        said: the end of what it wrote.
        folder: where the author's own files are; they are named from there.

    Returns:
        Empty if there is no error in it.
    """
    lines = [_IN_GROUP.sub("", line) for line in said.splitlines()]
    frames = [(place, found) for place, line in enumerate(lines) if (found := _FRAME.match(line))]
    if not frames:
        return ""
    last, _ = frames[-1]
    error = next((found for line in lines[last + 1 :] if (found := _ERROR.match(line))), None)
    if error is None:
        return ""
    name, text = error["name"].rpartition(".")[2], error["text"] or ""
    if _PLACED.match(text):
        return text[:_MAX_CHARS]  # of a schema, whose compiler names the place
    begin = max((place for place, line in enumerate(lines[:last]) if line.startswith("Traceback ")), default=0)
    own = [found for place, found in frames if place >= begin and _is_own(found["file"], folder)]
    frame = own[-1] if own else frames[-1][1]
    return f"{_named(frame['file'], folder)}:{frame['line']}: {name}{': ' if text else ''}{text}"[:_MAX_CHARS]


def _is_own(file: str, folder: PurePath) -> bool:
    path = PurePath(file)
    return (not path.is_absolute() or path.is_relative_to(folder)) and not set(_FOREIGN) & set(path.parts)


def _named(file: str, folder: PurePath) -> str:
    path = PurePath(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
