"""Unions: named and unnamed ones, which member is active, and `match` on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud import InvalidValue

SCHEMAS = Path(__file__).parent / "schemas"
Shape: Any = cara_pseud.load(SCHEMAS / "vectors.capnp").Shape
Choice: Any = cara_pseud.load(SCHEMAS / "values.capnp").Choice


def test_setting_a_member_drops_the_others() -> None:
    shape = Shape(circle=1.0)
    shape.square = 2.0
    assert shape == {2: 2.0}
    assert shape.which() == cara_pseud.which(shape) == "square"
    shape["nothing"] = None
    assert shape == {3: None}
    shape.update(circle=3)
    assert shape == {1: 3.0}
    shape |= {"square": 1}
    assert shape == {2: 1.0}
    shape.setdefault("circle", 5)
    assert shape == {1: 5.0}


def test_fields_outside_of_the_union_stay() -> None:
    shape = Shape(label="L", circle=1, kind={"b": "x"}, after=9)
    shape.square = 2
    assert shape == {0: "L", 4: {1: "x"}, 5: 9, 2: 2.0}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Shape(circle=1, square=2),
        lambda: Shape({"circle": 1, 2: 2}),
        lambda: Shape({"circle": 1}, square=2),
        lambda: Shape.Create(circle=1, square=2),
        lambda: Shape().update(circle=1, square=2),
    ],
)
def test_two_members_in_one_call_are_an_error_that_names_both(make: Any) -> None:
    with pytest.raises(InvalidValue, match="circle and square are members of one union of Shape; only one can be set"):
        make()


def test_two_members_of_a_nested_union_are_an_error_with_a_path() -> None:
    with pytest.raises(InvalidValue, match=r"^\$\.kind: a and b are members of one union of Shape\.kind"):
        Shape(kind={"a": 1, "b": "x"})


def test_without_a_set_member_the_first_one_counts() -> None:
    assert Shape().which() == "circle"
    assert Shape().circle == 0.0
    assert Shape().kind.which() == "a"
    assert Choice().which() == "number"


def test_members_that_are_not_active_have_no_value() -> None:
    shape = Shape(square=2)
    assert (shape.circle, shape["circle"], shape.get("circle"), shape.nothing) == (None, None, None, None)
    assert "circle" not in shape
    assert shape == {2: 2.0}


def test_a_member_that_can_be_changed_in_place_becomes_active_with_its_first_change() -> None:
    choice = Choice(number=1)
    assert (choice.point, choice.list, choice.box) == ({}, [], {})
    assert choice.which() == "number"
    choice.list.append(5)
    assert choice == {4: [5]}
    choice.point.x = 3
    assert choice == {3: {0: 3}}
    choice.box.height = 2
    assert choice.box.width == 10
    assert choice.which() == "box"
    assert choice["list"] == []


def test_a_group_in_a_named_union() -> None:
    choice = Choice()
    assert choice.inner.which() == "left"
    choice.inner.right.b = 7
    assert choice.inner.which() == "right"
    assert choice.ToDict(with_field_names=True) == {"inner": {"right": {"b": 7}}}
    choice.inner.left = 1
    assert choice == {Choice.__fields__["inner"].id: {0: 1}}


def test_none_takes_a_pointer_member_out() -> None:
    choice = Choice(text="x")
    choice.text = None
    assert choice == {}
    assert Choice({"number": 1, "text": None}) == {1: 1}


def test_a_struct_without_a_union_has_no_active_member() -> None:
    with pytest.raises(TypeError, match="Box has no unnamed union"):
        cara_pseud.which(cara_pseud.load(SCHEMAS / "vectors.capnp").Box())


def test_unions_travel_as_their_one_member() -> None:
    assert msgpack.packb(Shape.__conversion__.send({"nothing": None})) == bytes.fromhex("8103c0")
    recorded = bytes.fromhex("8300a14c048101a1780509")
    assert msgpack.packb(Shape.__conversion__.send({"label": "L", "kind": {"b": "x"}, "after": 9})) == recorded
    with pytest.raises(InvalidValue, match="circle and square"):
        Shape.__conversion__.enter({1: 1.0, 2: 2.0})


def by_class_pattern(value: Any) -> Any:
    match value:
        case Shape(circle=radius):
            return "circle", radius
        case Shape(square=side):
            return "square", side
        case Shape(nothing=None):
            return "nothing"


def by_mapping_pattern(value: Any) -> Any:
    match value:
        case {"circle": radius}:
            return "circle", radius
        case {"square": side}:
            return "square", side
        case {"nothing": None}:
            return "nothing"


def by_name(value: Any) -> Any:
    match value.which():
        case "circle":
            return "circle", value.circle
        case "square":
            return "square", value.square
        case "nothing":
            return "nothing"


@pytest.mark.parametrize("matched", [by_class_pattern, by_mapping_pattern, by_name])
def test_match_finds_the_active_member(matched: Any) -> None:
    assert matched(Shape(circle=1)) == ("circle", 1.0)
    assert matched(Shape(square=2)) == ("square", 2.0)
    assert matched(Shape(nothing=None)) == "nothing"


def test_class_patterns_take_fields_in_the_order_of_their_ids() -> None:
    match Choice(id=5, number=7):
        case Choice(5, number):
            assert number == 7
        case _:
            raise AssertionError("no match")


def test_mapping_patterns_pass_over_other_structs() -> None:
    assert by_mapping_pattern(Choice(number=1)) is None


def test_a_class_pattern_matches_the_first_member_of_an_unset_union() -> None:
    assert by_class_pattern(Shape()) == ("circle", 0.0)
