"""What was refused and why: each bound that somebody met is counted under its name, for ``/metrics``."""

from __future__ import annotations


class Refusals:
    """Counters by reason, which is the name of the limit where there is one.

    Attributes:
        counts: how often each reason was met.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, reason: str) -> None:
        """Note one refusal."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
