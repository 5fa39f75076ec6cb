"""What all types have in common: how values come in and go out, and where errors say they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cara_pseud.errors import InvalidValue, UnknownField, WrongType
from cara_pseud.schema.nodes import Annotation
from cara_pseud.values import MISSING, Annotations, Conversion, conversion_of, enter_items


def even(value: int) -> int:
    if value % 2:
        raise InvalidValue(f"{value} is odd")
    return value


def test_what_is_sent_is_checked_and_then_dumped() -> None:
    assert Conversion("Even", even, str, int, False).send(4) == "4"
    assert Conversion("Even", even, None, int, False).send(4) == 4
    with pytest.raises(InvalidValue, match="5 is odd"):
        Conversion("Even", even, str, int, False).send(5)


def test_a_type_is_what_has_a_conversion() -> None:
    class Typed:
        __conversion__ = Conversion("Even", even, None, int, False)

    class Mistaken:
        __conversion__ = even

    assert conversion_of(Typed) is Typed.__conversion__
    for other in (Mistaken, int, None):
        with pytest.raises(WrongType, match="is no Cap'n Proto type"):
            conversion_of(other)


@pytest.mark.parametrize("make", [list, tuple, iter])
def test_an_error_names_the_item(make: Any) -> None:
    assert enter_items(even, make([2, 4])) == [2, 4]
    with pytest.raises(InvalidValue) as caught:
        enter_items(even, make([2, 4, 5, 7]))
    assert caught.value.path == "$[2]"


def test_an_item_s_own_path_stands_behind_its_index() -> None:
    def enter(value: int) -> int:
        if value == 3:
            raise UnknownField("x").within(".inner")
        return value

    with pytest.raises(UnknownField) as caught:
        enter_items(enter, [1, 2, 3])
    assert caught.value.path == "$[2].inner"


def test_an_error_that_comes_once_only_is_told_all_the_same() -> None:
    errors: Iterator[Exception] = iter([InvalidValue("now")])

    def enter(value: int) -> int:
        for error in errors:
            raise error
        return value

    with pytest.raises(InvalidValue, match="now"):
        enter_items(enter, [1])


class Values:
    """Makes the value of an annotation of its name."""

    def value_of(self, annotation: Annotation) -> Any:
        return annotation.name.upper()


def test_annotations_are_found_by_name_and_by_id() -> None:
    applied = Annotations([Annotation(id=7, name="one", type=None, value=None)], Values())  # type: ignore[arg-type]
    assert applied == {"one": "ONE"}
    assert (applied["one"], applied[7]) == ("ONE", "ONE")
    assert ("one" in applied, 7 in applied, 8 in applied, "two" in applied) == (True, True, False, False)
    for key in (8, "two"):
        with pytest.raises(KeyError):
            applied[key]  # type: ignore[index]


def test_a_missing_value_is_not_none() -> None:
    assert repr(MISSING) == "<missing>"
    assert MISSING is not None
