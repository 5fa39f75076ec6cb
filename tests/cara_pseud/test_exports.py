"""The tables of what peers may call of ours: counts, ids, quotas, and what is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cara_pseud.capabilities import LocalCapability
from cara_pseud.exports import HolderExports, Quota


class Thing:
    """A target that counts how often it was let go."""

    def __init__(self) -> None:
        self.let_go = 0

    def invoke(self, interface_id: int, method: int | str, args: Any, kwargs: Any, call: Any) -> None:
        """Nothing: it is only held here."""

    def released(self) -> None:
        self.let_go += 1


def table(*ids: int, limit: int = 10, quota: Quota | None = None) -> HolderExports:
    """A table that gives these ids in order."""
    given: Iterator[int] = iter(ids)
    return HolderExports(lambda: next(given), quota or Quota(limit))


def test_processes_of_one_user_may_call_what_the_others_hold() -> None:
    quota = Quota(3)
    first, second, stranger = table(1, quota=quota), table(quota=quota), table()
    export = first.add(LocalCapability(Thing()))
    assert second.get(export.id) is export
    assert second.own(export.id) is stranger.get(export.id) is None
    stranger.absorb(first)
    assert second.get(export.id) is None
    assert stranger.get(export.id) is export
    stranger.clear()
    assert stranger.get(export.id) is None
    assert quota.used == len(quota.by_id) == 0
