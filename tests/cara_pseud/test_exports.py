"""The tables of what peers may call of ours: counts, ids, quotas, and what is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cara_pseud.errors import ResourceExhausted, RpcError
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.local import LocalCapability


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


def test_an_object_has_one_id_however_often_it_is_sent() -> None:
    thing, exports = Thing(), table(7, 8)
    first, second = exports.add(LocalCapability(thing)), exports.add(LocalCapability(thing))
    assert first is second
    assert (first.id, first.count, len(exports)) == (7, 2, 1)
    assert exports.target(7) is thing


def test_an_object_is_freed_when_every_reference_is_given_back() -> None:
    thing, exports = Thing(), table(7)
    for _ in range(3):
        exports.add(LocalCapability(thing))
    exports.release(7, 2)
    assert (thing.let_go, len(exports)) == (0, 1)
    exports.release(7, 1)
    assert (thing.let_go, len(exports), exports.quota.used) == (1, 0, 0)
    exports.release(7, 1)
    assert thing.let_go == 1


def test_whoever_gives_back_more_than_it_has_frees_it_once() -> None:
    thing, exports = Thing(), table(7, 8)
    exports.add(LocalCapability(thing))
    exports.release(7, 100)
    assert (thing.let_go, exports.get(7)) == (1, None)
    assert exports.add(LocalCapability(thing)).count == 1


def test_an_id_in_use_is_not_given_to_another_object() -> None:
    exports = table(7, 7, 7, 9)
    assert [exports.add(LocalCapability(Thing(), key)).id for key in "ab"] == [7, 9]


def test_over_the_quota_nothing_new_is_held_but_what_is_held_is_counted_on() -> None:
    exports = table(1, 2, 3, limit=2)
    held = LocalCapability(Thing())
    exports.add(held)
    exports.add(LocalCapability(Thing()))
    with pytest.raises(ResourceExhausted, match=r"^2 objects are held already; release some first$"):
        exports.add(LocalCapability(Thing()))
    assert (exports.add(held).count, len(exports), exports.quota.used) == (2, 2, 2)


def test_what_a_message_that_cannot_be_sent_exported_is_taken_back() -> None:
    old, new = Thing(), Thing()
    exports = table(1, 2)
    exports.add(LocalCapability(old))
    exports.begin()
    exports.add(LocalCapability(old))
    exports.add(LocalCapability(new))
    exports.roll_back()
    assert (old.let_go, new.let_go) == (0, 1)
    assert [(export.id, export.count) for export in exports] == [(1, 1)]
    exports.roll_back()
    assert old.let_go == 0


def test_an_id_that_opens_nothing_says_nothing_of_other_holders() -> None:
    exports = table(1)
    exports.add(LocalCapability(Thing()))
    with pytest.raises(RpcError, match=r"^there is no such object, or it was released$") as caught:
        table().target(1)
    assert caught.value.code == "not_found"


def test_processes_of_one_user_may_call_what_the_others_hold() -> None:
    quota = Quota(3)
    first, second, stranger = table(1, quota=quota), table(quota=quota), table()
    export = first.add(LocalCapability(Thing()))
    assert second.get(export.id) is export
    assert stranger.get(export.id) is None
    assert len(second) == 0
    stranger.absorb(first)
    assert second.get(export.id) is None
    assert stranger.get(export.id) is export
    stranger.clear()
    assert stranger.get(export.id) is None
    assert quota.used == len(quota.by_id) == 0


def test_a_table_that_was_taken_over_keeps_nothing_and_frees_nothing() -> None:
    thing, old, new = Thing(), table(5), table(6)
    old.add(LocalCapability(thing))
    new.add(LocalCapability(thing))
    new.absorb(old)
    assert (len(old), old.quota.used) == (0, 0)
    assert (sorted(export.id for export in new), new.quota.used) == ([5, 6], 2)
    old.clear()
    assert thing.let_go == 0
    # The same object under two ids: it is the one that it had here that goes on being used.
    assert new.add(LocalCapability(thing)).id == 6
    new.release(5, 1)
    assert new.add(LocalCapability(thing)).id == 6
