"""What became of the mutants, as text: a table by module and room, then every survivor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tests.mutants.hunt import Fate, Verdict
from tests.mutants.rooms import room_of

HEADINGS = ("mutants", "killed", "survived", "not covered", "equivalent", "share")


def lines(verdicts: Sequence[Verdict], unusable: Sequence[str] = ()) -> Iterator[str]:
    """The whole report, line by line; the last one is the share of all."""
    survivors = sorted(
        (verdict for verdict in verdicts if verdict.fate in (Fate.SURVIVED, Fate.NOT_COVERED)),
        key=lambda verdict: (verdict.mutant.file, verdict.mutant.start),
    )
    yield from _table("module", verdicts, lambda verdict: verdict.mutant.file)
    yield ""
    yield from _table("room", verdicts, _room)
    yield ""
    for verdict in survivors:
        yield f"{verdict.fate.value}: {verdict.mutant}"
    for test in unusable:
        yield f"left out, because it fails without any change: {test}"
    killed, counted = _killed(verdicts), _counted(verdicts)
    equivalent = len(verdicts) - counted
    yield f"killed {killed} of {counted} mutants: {share(verdicts)}" + (
        f" ({equivalent} more are equivalent)" if equivalent else ""
    )


def share(verdicts: Sequence[Verdict]) -> str:
    """How many of those that a test could kill were killed."""
    counted = _counted(verdicts)
    return f"{100 * _killed(verdicts) / counted:.0f} %" if counted else "-"


def _table(title: str, verdicts: Sequence[Verdict], key: Callable[[Verdict], str]) -> Iterator[str]:
    groups: dict[str, list[Verdict]] = {}
    for verdict in sorted(verdicts, key=key):
        groups.setdefault(key(verdict), []).append(verdict)
    width = max(map(len, [title, *groups]), default=0)
    yield f"{title:{width}}  " + "  ".join(HEADINGS)
    for name, group in groups.items():
        counts = [str(sum(verdict.fate is fate for verdict in group)) for fate in Fate]
        cells = [str(len(group)), *counts, share(group)]
        columns = zip(cells, HEADINGS, strict=True)
        yield f"{name:{width}}  " + "  ".join(f"{cell:>{len(heading)}}" for cell, heading in columns)


def _room(verdict: Verdict) -> str:
    room = room_of(verdict.mutant.file)
    return room.name if room is not None else ""


def _killed(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.fate is Fate.KILLED for verdict in verdicts)


def _counted(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.fate is not Fate.EQUIVALENT for verdict in verdicts)
