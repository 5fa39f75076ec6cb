"""A mutant: a source text with one place changed, so that line numbers remain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: the source, relative to the checkout.
        where: the function or class that it is in, as `Transport.send`; empty for the module itself.
        line: the first changed line, from 1 on.
        statement: first and last line of the statement that it is in; of a compound one, those of its head.
        start, end: the place in the text, in characters; `old` stands there.
        line_before, line_after: the changed line without its indentation, before and after.
    """

    file: str
    where: str
    line: int
    statement: tuple[int, int]
    start: int
    end: int
    old: str
    new: str
    line_before: str
    line_after: str

    def apply(self, source: str) -> str:
        """The changed source.

        Raises:
            ValueError: it is not the source that the mutant was made of.
        """
        if source[self.start : self.end] != self.old:
            raise ValueError(f"{self.file}:{self.line}: expected {self.old!r}, found {source[self.start : self.end]!r}")
        return source[: self.start] + self.new + source[self.end :]

    @property
    def room(self) -> str:
        """The folder of the file."""
        return self.file.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.line_before} → {self.line_after}"


def mutant(
    file: str, source: str, where: str, statement: tuple[int, int], start: int, end: int, new: str
) -> Mutant:
    """Make one that puts `new` in the place from `start` to `end`; line breaks that were there are put behind it."""
    old = source[start:end]
    new += "\n" * (old.count("\n") - new.count("\n"))
    first, last = source.rfind("\n", 0, start) + 1, source.find("\n", start)
    last = len(source) if last < 0 else last
    changed = source[:start] + new + source[end:]
    last_changed = changed.find("\n", start)
    last_changed = len(changed) if last_changed < 0 else last_changed
    return Mutant(
        file=file,
        where=where,
        line=source.count("\n", 0, start) + 1,
        statement=statement,
        start=start,
        end=end,
        old=old,
        new=new,
        line_before=source[first:last].strip(),
        line_after=changed[first:last_changed].strip(),
    )
