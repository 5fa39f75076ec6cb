"""Checks of the builtin types: what enters, as what, and what is said of the rest."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cara_pseud
from cara_pseud import InvalidValue, WrongType
from cara_pseud.builtin_types import BY_KIND
from cara_pseud.schema.nodes import INT_RANGES, Kind


class Five(IntEnum):
    FIVE = 5


class Name(str):
    pass


ACCEPTED: list[tuple[Any, Any, Any]] = [
    (cara_pseud.Void, None, None),
    (cara_pseud.Bool, True, True),
    (cara_pseud.Int8, -128, -128),
    (cara_pseud.Int64, Five.FIVE, 5),
    (cara_pseud.Uint64, 2**64 - 1, 2**64 - 1),
    (cara_pseud.Float64, 3, 3.0),
    (cara_pseud.Float64, Decimal("1.5"), 1.5),
    (cara_pseud.Float64, math.inf, math.inf),
    (cara_pseud.Float32, 1, 1.0),
    (cara_pseud.Float32, 0.1, 0.10000000149011612),
    (cara_pseud.Float32, -math.inf, -math.inf),
    (cara_pseud.Text, "héllo ☃ 😀", "héllo ☃ 😀"),
    (cara_pseud.Text, Name("x"), "x"),
    (cara_pseud.Data, b"\x00", b"\x00"),
    (cara_pseud.Data, bytearray(b"x"), b"x"),
    (cara_pseud.Data, memoryview(b"x"), b"x"),
]


@pytest.mark.parametrize(("type_", "value", "stored"), ACCEPTED)
def test_values_enter_in_their_plain_type(type_: Any, value: Any, stored: Any) -> None:
    entered = type_(value)
    assert entered == stored
    assert type(entered) is type(stored)


REFUSED: list[tuple[Any, Any, type[InvalidValue], str]] = [
    (cara_pseud.Void, 0, WrongType, "0 is no Void, whose only value is None"),
    (cara_pseud.Bool, 1, WrongType, "1 is no Bool"),
    (cara_pseud.Int8, 128, InvalidValue, "128 is out of range for Int8 (-128 … 127)"),
    (cara_pseud.Int16, 40000, InvalidValue, "40000 is out of range for Int16 (-32768 … 32767)"),
    (cara_pseud.UInt8, -1, InvalidValue, "-1 is out of range for UInt8 (0 … 255)"),
    (cara_pseud.Int32, True, WrongType, "True is no Int32"),
    (cara_pseud.Int32, "5", WrongType, "'5' is no Int32"),
    (cara_pseud.Int32, 5.0, WrongType, "5.0 is no Int32"),
    (cara_pseud.Int32, None, WrongType, "None is no Int32"),
    (cara_pseud.Float64, True, WrongType, "True is no Float64"),
    (cara_pseud.Float64, "1", WrongType, "'1' is no Float64"),
    (cara_pseud.Float64, 10**400, InvalidValue, "for Float64 (-1.7976931348623157e+308 … 1.7976931348623157e+308)"),
    (cara_pseud.Float32, 1e39, InvalidValue, "1e+39 is out of range for Float32 (-3.4028235e+38 … 3.4028235e+38)"),
    (cara_pseud.Float32, [], WrongType, "a list is no Float32"),
    (cara_pseud.Text, b"x", WrongType, "b'x' is no Text"),
    (cara_pseud.Text, None, WrongType, "None is no Text"),
    (cara_pseud.Text, "a\ud800", InvalidValue, "holds the lone surrogate U+D800"),
    (cara_pseud.Data, "x", WrongType, "'x' is no Data"),
    (cara_pseud.Data, [1], WrongType, "a list is no Data"),
]


@pytest.mark.parametrize(("type_", "value", "error", "text"), REFUSED)
def test_what_does_not_fit_is_refused_with_the_value_and_what_is_permitted(
    type_: Any, value: Any, error: type[InvalidValue], text: str
) -> None:
    with pytest.raises(error) as caught:
        type_(value)
    assert text in str(caught.value)
    assert type(caught.value) is error
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("kind", INT_RANGES)
def test_integers_are_checked_at_both_ends(kind: Kind) -> None:
    low, high = INT_RANGES[kind]
    type_ = BY_KIND[kind]
    assert (type_(low), type_(high)) == (low, high)
    for outside in (low - 1, high + 1):
        with pytest.raises(InvalidValue, match="out of range"):
            type_(outside)


def test_an_integer_that_python_refuses_to_print_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidValue, match="an integer of many thousand digits is out of range for Int32"):
        cara_pseud.Int32(10**5000)


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(WrongType) as caught:
        cara_pseud.Int8("x" * 1000)
    assert len(str(caught.value)) < 100


@given(st.floats(width=32))
def test_float32_keeps_what_32_bits_hold(value: float) -> None:
    entered = cara_pseud.Float32(value)
    assert entered == value or (math.isnan(entered) and math.isnan(value))


@given(st.floats(min_value=-3e38, max_value=3e38))
def test_float32_is_rounded_once_and_for_all(value: float) -> None:
    entered = cara_pseud.Float32(value)
    assert cara_pseud.Float32(entered) == entered
    assert struct.unpack("<f", struct.pack("<f", value)) == (entered,)


def test_a_type_called_without_a_value_gives_its_default() -> None:
    assert (cara_pseud.Int8(), cara_pseud.Text(), cara_pseud.Bool(), cara_pseud.AnyPointer()) == (0, "", False, None)


def test_types_show_their_names() -> None:
    assert repr([cara_pseud.Int8, cara_pseud.UInt64, cara_pseud.AnyPointer]) == "[Int8, Uint64, AnyPointer]"
