"""The report: a table for people, in docs/security.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.attacks.arena import MEGABYTE, Outcome
from tests.attacks.attack import Attack

BEGIN: Final = "<!-- The table is written by `make attacks`. -->\n"
END: Final = "<!-- The end of the table. -->\n"
HEADINGS: Final = ("what a client does", "clients", "what bounds it", "p99 of a good client", "memory after")


def table(outcomes: Sequence[Outcome]) -> str:
    """A table for each kind of attack."""
    text, kind = "", ""
    for outcome in outcomes:
        if outcome.attack.kind != kind:
            kind = outcome.attack.kind
            text += f"\n### {kind}\n\n| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}\n"
        text += f"| {' | '.join(cells(outcome))} |\n"
    return text


def cells(outcome: Outcome) -> tuple[str, ...]:
    one = outcome.attack
    memory = f"{outcome.bytes_after / outcome.bytes_before * 100 - 100:+.0f} %"
    return one.name, str(one.clients), one.bound, f"{outcome.p99_s * 1e3:.0f} ms", memory


def line(outcome: Outcome, faults: Sequence[str]) -> str:
    """A line for whoever waits."""
    memory = "/".join(
        f"{size / MEGABYTE:.0f}" for size in (outcome.bytes_before, outcome.bytes_most, outcome.bytes_after)
    )
    said = f"{outcome.p99_s * 1e3:7.1f} ms  {outcome.worst_s * 1e3:7.1f} ms  {memory:>12} MiB  {outcome.attack}"
    return said + "".join(f"\n    {fault}" for fault in faults)


def write(page: Path, outcomes: Sequence[Outcome]) -> None:
    """Put the tables into the page, in place of those that stand there.

    Raises:
        ValueError: the page has no place for them.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the tables: {BEGIN.strip()} and {END.strip()}")
    page.write_text(f"{before}{begin}{table(outcomes)}\n{end}{after}", "utf-8")


def named(attacks: Sequence[Attack]) -> list[str]:
    """The attacks by their names, which must differ."""
    names = [str(one) for one in attacks]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return names
