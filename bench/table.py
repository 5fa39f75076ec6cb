"""Pairs of measurements and the table they are printed in. Knows no process and no socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

FIGURES = ("bare", "ratio", "min–max")
HEADINGS = ("calls", "in flight", "CPU µs/call", *FIGURES, "calls/s", *FIGURES, "p99 ms", *FIGURES)
UNKNOWN = "–"
# Known before any figure is, since a row is printed when it is measured. A wider cell moves the rest of its row.
WIDTHS = (51, *(max(len(heading), 9) for heading in HEADINGS[1:]))


@dataclass(frozen=True)
class Sample:
    """What one run of one side took; ``p99_s`` is the time within which 99 of 100 calls were answered, if known."""

    calls: int
    wall_s: float
    cpu_s: float
    p99_s: float | None = None

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.calls * 1e6

    @property
    def rate(self) -> float:
        return self.calls / self.wall_s


@dataclass(frozen=True)
class Row:
    """One comparison: (bare, ours) pairs that were measured in turn."""

    title: str
    in_flight: int
    pairs: Sequence[tuple[Sample, Sample]]

    def cells(self) -> tuple[str, ...]:
        return (
            self.title,
            str(self.in_flight),
            *self._figures(lambda sample: sample.cpu_us),
            *self._figures(lambda sample: sample.rate),
            *self._p99(),
        )

    def _p99(self) -> tuple[str, ...]:
        if any(sample.p99_s is None for pair in self.pairs for sample in pair):
            return (UNKNOWN,) * 4
        return self._figures(lambda sample: (sample.p99_s or 0) * 1e3, digits=1)

    def _figures(self, figure: Callable[[Sample], float], digits: int = 0) -> tuple[str, ...]:
        # The ratio is taken within each pair: the two runs of a pair met the same mood of the machine.
        ratios = [figure(ours) / figure(bare) for bare, ours in self.pairs]
        return (
            f"{median(figure(ours) for _, ours in self.pairs):,.{digits}f}",
            f"{median(figure(bare) for bare, _ in self.pairs):,.{digits}f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
        )


def line(cells: Sequence[str]) -> str:
    """Return one line of the table, columns aligned, numbers to the right."""
    first, *rest = zip(cells, WIDTHS, strict=True)
    return "  ".join((first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)))
