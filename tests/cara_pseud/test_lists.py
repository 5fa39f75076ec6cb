"""Lists: every way in is checked and converted, every way out keeps the type."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cara_pseud
from cara_pseud import InvalidValue, List, NoMatch, WrongType

SCHEMAS = Path(__file__).parent / "schemas"
vectors: Any = cara_pseud.load(SCHEMAS / "vectors.capnp")
Person, Address, Color = vectors.Person, vectors.Address, vectors.Color
Int8s, People = List(cara_pseud.Int8), List[Person]


def test_list_classes_are_made_once_and_named_after_their_elements() -> None:
    assert List(cara_pseud.Text) is List[cara_pseud.Text]
    assert List(List(Person)) is List[List[Person]]
    assert [cls.__name__ for cls in (Int8s, People, List(List(cara_pseud.Text)))] == [
        "List[Int8]", "List[Person]", "List[List[Text]]",
    ]  # fmt: skip
    assert Person.__fields__["addresses"].type is List[Address]
    assert repr(Int8s([1, 2])) == "List[Int8]([1, 2])"


@pytest.mark.parametrize("wrong", [5, None, int, "Text", List])
def test_only_types_can_be_elements(wrong: Any) -> None:
    with pytest.raises(TypeError, match="is no Cap'n Proto type"):
        List(wrong)


def test_a_list_class_takes_no_second_element_type() -> None:
    with pytest.raises(TypeError, match="has its element type already"):
        Int8s[cara_pseud.Text]


@pytest.mark.parametrize(
    "made", [Int8s([1, 2]), Int8s((1, 2)), Int8s(iter([1, 2])), Int8s.Create(1, 2), Int8s(range(1, 3))]
)
def test_all_ways_to_make_a_list_give_the_same(made: Any) -> None:
    assert made == [1, 2]
    assert type(made) is Int8s
    assert hash(made) == hash(Int8s([1, 2]))


WAYS_IN: dict[str, Callable[[Any, Any], Any]] = {
    "append": lambda items, item: items.append(item),
    "insert": lambda items, item: items.insert(0, item),
    "extend": lambda items, item: items.extend([item]),
    "iadd": lambda items, item: items.__iadd__([item]),
    "add": lambda items, item: items.__add__([item]),
    "set": lambda items, item: items.__setitem__(0, item),
    "set slice": lambda items, item: items.__setitem__(slice(0, 1), [item]),
}


@pytest.mark.parametrize("put", WAYS_IN.values(), ids=WAYS_IN)
def test_every_way_in_converts(put: Callable[[Any, Any], Any]) -> None:
    people = People([{}])
    result = put(people, {"name": "a"}) or people
    assert type(result) is People
    assert all(type(person) is Person for person in result)
    assert any(person == {0: "a"} for person in result)


@pytest.mark.parametrize("put", WAYS_IN.values(), ids=WAYS_IN)
def test_every_way_in_checks_and_leaves_the_list_as_it_was(put: Callable[[Any, Any], Any]) -> None:
    numbers = Int8s([1])
    with pytest.raises(InvalidValue, match=r"^\$\[\d\]: 300 is out of range for Int8"):
        put(numbers, 300)
    assert numbers == [1]


def test_an_error_names_the_index() -> None:
    with pytest.raises(WrongType, match=r"^\$\[2\]: 'x' is no Int8$"):
        Int8s([1, 2, "x"])
    with pytest.raises(WrongType, match=r"^\$\[1\]\[0\]: b'x' is no Text$"):
        List(List(cara_pseud.Text))([[], [b"x"]])


@pytest.mark.parametrize("wrong", ["ab", b"ab", 5, {"a": 1}])
def test_text_maps_and_numbers_are_no_lists(wrong: Any) -> None:
    with pytest.raises(WrongType, match=r"is no List\(Int8\)"):
        Int8s(wrong)
    with pytest.raises(WrongType, match=r"is no List\(Int8\)"):
        Int8s([]).extend(wrong)


def test_parts_and_multiples_keep_the_type() -> None:
    numbers = Int8s([1, 2, 3])
    assert numbers[1:] == [2, 3]
    results: list[Any] = [
        numbers[1:], numbers * 2, 2 * numbers, numbers.__add__([4]), numbers.copy(), copy.copy(numbers),
    ]  # fmt: skip
    assert {type(result) for result in results} == {Int8s}
    numbers *= 2
    numbers.sort(reverse=True)
    numbers.reverse()
    numbers.remove(2)
    del numbers[0]
    assert (numbers.pop(), numbers) == (3, [1, 2, 3])
    numbers.clear()
    assert numbers == []


def test_copies_and_pickles_keep_the_types() -> None:
    people = People([{"name": "a"}])
    deep = copy.deepcopy(people)
    again = pickle.loads(pickle.dumps(people))
    deep[0].name = "b"
    assert people == again == [{0: "a"}]
    assert type(deep) is type(again) is People
    assert type(again[0]) is Person


def test_lists_are_plain_lists_to_the_world() -> None:
    people = People([{"name": "a"}])
    assert json.dumps(people) == '[{"0": "a"}]'
    assert msgpack.packb(people) == bytes.fromhex("918100a161")
    assert people.ToList() == [{0: "a"}]
    assert people.ToList(with_field_names=True) == [{"name": "a"}]
    assert type(people.ToList()[0]) is dict
    assert List(Color)(["blue", 0, Color.green]).ToList() == [Color.blue, Color.red, Color.green]


people = People([
    {"name": "a", "addresses": [{"state": "NY"}]},
    {"name": "b", "boss": {"name": "x", "boss": {"name": "y"}}},
    {"name": "b", "phoneNumber": "2"},
])  # fmt: skip


def test_get_finds_the_first_match() -> None:
    assert people.Get(name="b") is people[1]
    assert people.Get(name="b", phoneNumber="2") is people[2]
    assert people.Get() is people[0]
    assert people.Get(_with_index=True, phoneNumber="2") == (2, people[2])


def test_get_asks_into_nested_structs_and_converts_what_it_looks_for() -> None:
    assert people.Get(boss__name="x") is people[1]
    assert people.Get(boss__boss__name="y") is people[1]
    assert people.Get(boss={"name": "x", "boss": {"name": "y"}}) is people[1]
    assert people.Get(addresses=[{"state": "NY"}]) is people[0]
    assert people.Get(boss=None) is people[0]
    assert List(Address)([{"lines": {"line1": "1"}, "state": "NY"}]).Get(lines__line1="1").state == "NY"
    assert List(vectors.AllTypes)([{}, {"color": "blue"}]).Get(color="blue") == {16: 2}


def test_get_changes_nothing() -> None:
    before = msgpack.packb(people)
    people.Get(boss__boss__name="y")
    assert msgpack.packb(people) == before


def test_get_without_a_match_says_what_was_asked() -> None:
    with pytest.raises(NoMatch, match="no element of this List\\[Person\\] has name='z'") as caught:
        people.Get(name="z")
    assert isinstance(caught.value, LookupError)


def test_get_needs_structs_and_known_fields() -> None:
    with pytest.raises(TypeError, match=r"^Cannot use Get on a List of non-Struct types\.$"):
        Int8s([1]).Get(name="a")
    with pytest.raises(cara_pseud.UnknownField, match="Person has no field 'nope'"):
        people.Get(nope=1)
    with pytest.raises(TypeError, match="name of Person is no struct"):
        people.Get(name__x=1)


def test_lists_of_interfaces_may_hold_none() -> None:
    counters = List(vectors.Counter)([None, {"clone": lambda: None}])
    assert counters[0] is None
    assert isinstance(counters[1], vectors.Counter)


@given(st.lists(st.integers(-200, 200)))
def test_a_list_holds_its_items_or_names_the_first_that_does_not_fit(items: list[int]) -> None:
    outside = [index for index, item in enumerate(items) if not -128 <= item <= 127]
    if outside:
        with pytest.raises(InvalidValue) as caught:
            Int8s(items)
        assert caught.value.path == f"$[{outside[0]}]"
    else:
        assert Int8s(items) == items
        assert Int8s.__conversion__.send(tuple(items)) == items
