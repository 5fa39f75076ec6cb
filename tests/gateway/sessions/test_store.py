"""The store in memory: records by their ids, in the order in which they expire."""

from __future__ import annotations

from gateway.sessions.record import SessionRecord
from gateway.sessions.store import MemoryStore


def filled(*ids: str) -> tuple[MemoryStore, list[SessionRecord]]:
    store, records = MemoryStore(), [SessionRecord(id) for id in ids]
    for record in records:
        store.open(record)
    return store, records


def ids(store: MemoryStore) -> list[str]:
    return [record.id for record in store]


def test_a_record_is_found_by_its_id() -> None:
    store, (a, b) = filled("a", "b")
    assert store.find("a") is a
    assert store.find("b") is b
    assert store.find("c") is None
    assert len(store) == 2


def test_a_record_that_is_used_goes_to_the_end() -> None:
    store, (a, _, _) = filled("a", "b", "c")
    store.touch(a, 17.5)
    assert a.expires_at == 17.5
    assert ids(store) == ["b", "c", "a"]


def test_a_record_is_dropped_once() -> None:
    store, _ = filled("a", "b")
    store.drop("a")
    store.drop("a")
    assert store.find("a") is None
    assert ids(store) == ["b"]


def test_records_may_be_opened_touched_and_dropped_while_they_are_gone_through() -> None:
    store, (a, _) = filled("a", "b")
    seen = []
    for record in store:
        seen.append(record.id)
        store.drop("b")
        store.touch(a, 1.0)
        store.open(SessionRecord("c"))
    assert seen == ["a", "b"]
    assert sorted(ids(store)) == ["a", "c"]


def test_a_record_takes_the_place_of_one_with_its_id() -> None:
    store, _ = filled("a")
    other = SessionRecord("a", "ann")
    store.open(other)
    assert (store.find("a"), len(store)) == (other, 1)
