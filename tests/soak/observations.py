"""What is looked at during a soak, and what of it says that something grows. No process, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

MEGABYTE: Final = 2**20
TABLES: Final = (
    "sessions", "streams", "sockets", "handles", "callbacks", "connections", "calls_in_flight",
    "large_messages_waiting",
)  # fmt: skip
"""The gauges of `/metrics` that go up and down with what clients do."""

TABLE_GROWTH: Final = 1.25
TABLE_SLACK: Final = 20
"""What clients do is a matter of chance: a table of so few more is no larger one."""
SLOWER: Final = 2.0
ALWAYS_FINE_S: Final = 0.05
"""How much p99 may change, and what it may be in any case: other programs of the machine have their part in it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A second of it: seconds since the load began, bytes, entries by table, how long good calls took."""

    at_s: float
    resident_bytes: int
    tables: dict[str, int]
    took_s: Sequence[float]


@dataclass(slots=True)
class Observations:
    """All of it.

    Attributes:
        failures: of good clients, which should have none, by text.
        rude: what was told to clients that asked for trouble, by code.
        done: how often something was done, by its name.
        left: the tables after everybody went and the times were over for which something is kept for them.
    """

    samples: list[Sample] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    rude: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)

    def window(self, seconds: float, number: int) -> Window:
        """The samples of the tenth of that number, from 0 on."""
        tenth = seconds / 10
        return Window([sample for sample in self.samples if number * tenth <= sample.at_s < (number + 1) * tenth])

    def faults(self, seconds: float, memory_growth: float) -> list[str]:
        """What is not as it must be; the last tenth is compared with the third."""
        third, last = self.window(seconds, 2), self.window(seconds, 9)
        found = [f"a good client failed {number} times: {text}" for text, number in self.failures.most_common(10)]
        if not third.samples or not last.samples:
            return [*found, "nothing was seen in the third tenth, or in the last"]
        if last.resident_bytes > memory_growth * third.resident_bytes:
            found.append(
                f"memory grew from {third.resident_bytes / MEGABYTE:.1f} to {last.resident_bytes / MEGABYTE:.1f} MiB, "
                f"at most {memory_growth * third.resident_bytes / MEGABYTE:.1f} are permitted"
            )
        for table in TABLES:
            before, after = third.table(table), last.table(table)
            if after > TABLE_GROWTH * before + TABLE_SLACK:
                found.append(f"{table} grew from {before:.0f} to {after:.0f}")
        if last.p99_s > max(SLOWER * third.p99_s, ALWAYS_FINE_S):
            found.append(f"p99 went from {third.p99_s * 1e3:.1f} to {last.p99_s * 1e3:.1f} ms")
        # The one who asks has a connection.
        left = {table: number for table, number in self.left.items() if number > (table == "connections")}
        if left:
            found.append(f"what is left when all have gone: {left}")
        return found


@dataclass(frozen=True, slots=True)
class Window:
    """Some of the samples."""

    samples: Sequence[Sample]

    @property
    def resident_bytes(self) -> float:
        """On average."""
        return mean(sample.resident_bytes for sample in self.samples)

    def table(self, name: str) -> float:
        """How many entries on average."""
        return mean(sample.tables[name] for sample in self.samples)

    @property
    def calls(self) -> int:
        """How many good calls were answered."""
        return sum(len(sample.took_s) for sample in self.samples)

    @property
    def p99_s(self) -> float:
        """What one in a hundred of the good calls exceeds, in a second as most are: others use the machine as well."""
        each = [sorted(sample.took_s) for sample in self.samples if sample.took_s]
        return median([took[len(took) * 99 // 100] for took in each]) if each else float("inf")


def mean(values: Iterable[float]) -> float:
    """The mean; 0 of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
