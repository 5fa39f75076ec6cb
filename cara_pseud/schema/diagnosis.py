"""What the compiler's last words mean: its process's end, as a SchemaError with file, line and one sentence.

Pure: text in, error out. The compiler writes ``file:line: failed: message`` to stderr, counts lines from 0, and stops
at its first error, so there is mostly one.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from cara_pseud.errors import SchemaError
from cara_pseud.schema.decoder import CompiledFile
from cara_pseud.schema.lexer import deepest_line, is_within_statement, line_of

# "what():  " stands before the first line.
_FAILED = re.compile(r"(?:  what\(\):  )?(?P<file>\S+\.capnp):(?P<line>\d+): failed: (?P<reason>.*)")
_UNPLACED = re.compile(r"^(?:  what\(\):  )?\S+\.c\+\+:\d+: failed: (?P<reason>.*)", re.MULTILINE)
_MEMBER = re.compile(r"context: member\.name = (?P<member>\S+)$", re.MULTILINE)
_DUPLICATE_ID = re.compile(r"Duplicate ID @(?P<id>0x[0-9a-f]+)\.")
_STACK_OVERFLOW = frozenset({-signal.SIGSEGV, -signal.SIGBUS})
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class LastWords:
    """How a compiler process ended that did not finish.

    Attributes:
        stderr: all that it wrote there.
        complaint: an exception of its own, or empty.
        exit_status: as subprocess has it: negative for a signal.
        compiling: the name under which the compiler knew the file it was at, or empty.
    """

    stderr: str
    complaint: str
    exit_status: int
    compiling: str


def diagnose(words: LastWords, files: Mapping[str, CompiledFile]) -> SchemaError:
    """Return the error to raise; ``files`` are by the names under which the compiler knew them."""
    found = [match for match in map(_FAILED.match, words.stderr.splitlines()) if match and match["file"] in files]
    # An error within the compiler's attempt to continue; what follows it says why.
    found = [match for match in found if not match["reason"].startswith("Internal compiler bug:")] or found
    if found:
        # An imported file that does not parse is told of each time that something of it is needed.
        reasons = list(dict.fromkeys(_reason(match, files) for match in found))
        members = _MEMBER.findall(words.stderr)
        # Outermost first; names the place more exactly than the line does. What does not parse has no members: then it
        # is the one that needed the file.
        if members and found[0]["reason"] != "Parse error.":
            reasons[0] += f' (in "{members[-1]}")'
        return SchemaError("; ".join(reasons), files[found[0]["file"]].shown_name, int(found[0]["line"]) + 1)
    file = files.get(words.compiling)
    shown_name = None if file is None else file.shown_name
    if words.complaint:
        return SchemaError(words.complaint, shown_name)
    if file is not None and words.exit_status in _STACK_OVERFLOW:
        reason = "the schema is nested so deeply that the compiler ran out of stack"
        return SchemaError(reason, shown_name, deepest_line(file.text))
    unplaced = _UNPLACED.search(words.stderr)
    if unplaced:
        reason = " ".join(unplaced["reason"].split())
        members = _MEMBER.findall(words.stderr)
        if not members:
            return SchemaError(reason, shown_name)
        file, line = _place_of_member(files, members[-1]) or (file, None)
        return SchemaError(f'{reason} (in "{members[-1]}")', None if file is None else file.shown_name, line)
    end = f"signal {-words.exit_status}" if words.exit_status < 0 else f"exit status {words.exit_status}"
    lines = [line.strip() for line in words.stderr.splitlines() if line.strip()]
    return SchemaError(f"the schema compiler failed ({end}): {lines[-1] if lines else 'it said nothing'}", shown_name)


def _place_of_member(files: Mapping[str, CompiledFile], name: str) -> tuple[CompiledFile, int] | None:
    """The file and the line in which the only member of that name is declared."""
    member = re.compile(rf"\b{re.escape(name)}\s*(?:@|:)")
    found = [(file, match.start()) for file in files.values() for match in member.finditer(file.text)]
    return (found[0][0], line_of(found[0][0].text, found[0][1])) if len(found) == 1 else None


def _reason(match: re.Match[str], files: Mapping[str, CompiledFile]) -> str:
    reason, file, line = " ".join(match["reason"].split()), files[match["file"]], int(match["line"])
    if reason == "Parse error.":
        return _parse_error(file.text, line)
    duplicate = _DUPLICATE_ID.fullmatch(reason)
    if duplicate:
        return reason + _other_place(duplicate["id"], file, line, files)
    # An import expression in a message names our copy of the file.
    return re.sub(
        r"/?([\w/]+\.capnp)", lambda name: files[name[1]].shown_name if name[1] in files else name[0], reason
    )


def _parse_error(text: str, line: int) -> str:
    """Say more than "Parse error.", which is all that the compiler does: where, and perhaps what is missing."""
    lines = text.split("\n")
    shown = lines[line].strip() if line < len(lines) else ""
    if not shown:
        return "Parse error: the file ends too early."
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[:_SHOWN_CHARACTERS] + "…"
    start = sum(len(before) + 1 for before in lines[:line])
    hint = '; perhaps a ";" is missing before it' if is_within_statement(text, start) else ""
    return f"Parse error at `{shown}`{hint}."


def _other_place(id: str, file: CompiledFile, line: int, files: Mapping[str, CompiledFile]) -> str:
    """Where else the id stands, which the compiler does not tell."""
    places = []
    for other in files.values():
        for match in re.finditer(id, other.text, re.IGNORECASE):
            place = line_of(other.text, match.start())
            if (other is not file) or place != line + 1:
                places.append(f"{other.shown_name}:{place}")
    if places:
        return f" It is also in {', '.join(places)}."
    return " Two declarations of one scope may have the same name."
