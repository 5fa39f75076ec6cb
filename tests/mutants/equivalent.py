"""The mutants that are known to change nothing that anybody could notice, each with the reason."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One entry: found again by its file, by where in it, and by the line's text before and after the change."""

    file: str
    where: str
    line: str
    becomes: str
    reason: str

    def fits(self, mutant: Mutant) -> bool:
        return (self.file, self.where, self.line, self.becomes) == (
            mutant.file, mutant.where, mutant.line_before, mutant.line_after,
        )  # fmt: skip


def read(path: Path) -> list[Equivalent]:
    """The entries of a file.

    Raises:
        TypeError: an entry lacks a member or has one that is not known.
        ValueError: an entry gives no reason.
    """
    entries = [Equivalent(**entry) for entry in tomllib.loads(path.read_text("utf-8")).get("mutant", ())]
    for entry in entries:
        if not entry.reason.strip():
            raise ValueError(f"{entry.file}: {entry.line}: an equivalent mutant needs a reason")
    return entries


def is_equivalent(mutant: Mutant, entries: Collection[Equivalent]) -> bool:
    return any(entry.fits(mutant) for entry in entries)
