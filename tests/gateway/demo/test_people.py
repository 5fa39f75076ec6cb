"""The table of people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.demo.people import NameTaken, NoSuchPerson, People


@pytest.fixture
def people() -> Iterator[People]:
    with closing(People(None)) as people:
        yield people


def test_ann_is_there_from_the_start(people: People) -> None:
    _, ann = people.find("Ann")
    assert ann.keys() == {"name", "phoneNumber", "email", "tags"}
    with pytest.raises(NoSuchPerson):
        people.find("ann")


def test_names_are_unique(people: People) -> None:
    id, _ = people.add({"name": "Zoe"})
    for name in ("Zoe", "Ann"):
        with pytest.raises(NameTaken):
            people.add({"name": name})
    with pytest.raises(NameTaken):
        people.update(id, {"name": "Ann"})


def test_an_update_leaves_what_it_does_not_name(people: People) -> None:
    id, before = people.find("Ann")
    after = people.update(id, {"phoneNumber": "5", "tags": []})
    assert after == {**before, "phoneNumber": "5", "tags": []}
    assert people.update(id, {"name": "Anna"})["name"] == "Anna"
    assert people.find("Anna")[0] == id


def test_whoever_was_deleted_stays_away(people: People) -> None:
    id, ann = people.find("Ann")
    assert people.delete(id) == ann
    with pytest.raises(NoSuchPerson):
        people.delete(id)
    with pytest.raises(NoSuchPerson):
        people.update(id, {})
    assert people.add({"name": "Ann"})[0] != id


@pytest.mark.parametrize(
    ("prefix", "limit", "expected"),
    [("", 50, ["Ann", "Bela", "Chidi"]), ("", 2, ["Ann", "Bela"]), ("B", 50, ["Bela"]), ("%", 50, []), ("", 0, [])],
)
def test_people_are_listed_by_prefix(people: People, prefix: str, limit: int, expected: list[str]) -> None:
    assert [person["name"] for _, person in people.list(prefix, limit)] == expected


def test_a_file_keeps_them_and_is_seeded_once(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite3"
    with closing(People(path)) as people:
        people.delete(people.find("Ann")[0])
        people.add({"name": "Zoe", "tags": ["x"]})
    with closing(People(path)) as people:
        assert [person["name"] for _, person in people.list("", 50)] == ["Bela", "Chidi", "Zoe"]
