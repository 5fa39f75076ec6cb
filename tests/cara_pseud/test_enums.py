"""Enums: IntEnums that are set by member, name or number."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from pathlib import Path
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud import InvalidValue, WrongType

SCHEMAS = Path(__file__).parent / "schemas"
values: Any = cara_pseud.load(SCHEMAS / "values.capnp")
Color, Defaults = values.Color, values.Defaults


def test_an_enum_is_an_int_enum_of_its_enumerants() -> None:
    assert issubclass(Color, enum.IntEnum)
    assert issubclass(Color, cara_pseud.Enum)
    assert [(member.name, int(member)) for member in Color] == [
        ("red", 0), ("green", 1), ("class", 2), ("mro_", 3), ("name", 4),
    ]  # fmt: skip
    assert repr(Color.red) == "<Color.red: 0>"
    assert Color.class_ is Color["class"] is Color(2)


@pytest.mark.parametrize("value", [Color.green, "green", 1])
def test_a_field_is_set_by_member_name_or_number(value: Any) -> None:
    struct = Defaults(color=value)
    assert struct.color is Color.green
    assert msgpack.packb(struct) == bytes.fromhex("810501")
    assert json.dumps(struct) == '{"5": 1}'
    assert Color.__conversion__.send(value) == 1
    assert type(Color.__conversion__.send(value)) is int


def test_names_that_python_reserves_enter_by_their_own_name() -> None:
    assert Defaults(color="mro").color == 3
    assert Color("mro") is Color(3)
    assert Defaults(color="class").color is Color.class_


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (5, InvalidValue, "5 is no Color; its numbers are 0 … 4 (red, green, class, mro, name)"),
        (-1, InvalidValue, "-1 is no Color"),
        ("blue", InvalidValue, "'blue' is no Color; it has red, green, class, mro, name"),
        ("Red", InvalidValue, "'Red' is no Color"),
        (True, WrongType, "True is no Color"),
        (1.0, WrongType, "1.0 is no Color"),
        (None, WrongType, "None is no Color"),
        (b"red", WrongType, "b'red' is no Color"),
        (values.Defaults().size, WrongType, "no Color"),
    ],
)
def test_what_is_no_member_is_refused(value: Any, error: type[InvalidValue], text: str) -> None:
    with pytest.raises(error) as caught:
        Defaults(color=value)
    assert str(caught.value).startswith("$.color: ")
    assert text in str(caught.value)


def test_a_member_of_the_same_enum_from_another_load_is_accepted() -> None:
    other: Any = cara_pseud.load(SCHEMAS / "values.capnp")
    assert other.Color.green is not Color.green
    assert Defaults(color=other.Color.green).color is Color.green


def test_members_survive_copies_and_pickles() -> None:
    assert copy.deepcopy(Color.red) is Color.red
    assert pickle.loads(pickle.dumps(Color.red)) is Color.red


def test_annotations_of_an_enum_and_of_its_enumerants() -> None:
    assert Color.__annotations__ == {"note": "about colours"}
    assert Color.red.annotations() == {"note": "like fire", "flag": None}
    assert Color.green.annotations() == {}
