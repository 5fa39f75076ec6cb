"""The table of kinds: in each row, generated code and the careful walk say the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.schema.nodes import EnumNode, Kind, Schema, Type
from gateway.json.codec.kinds import ROWS, Rules, Shape, Single, row_of
from gateway.json.codec.layout import Form, Layouts
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.read_source import Readers
from gateway.json.codec.refusal import FAILURES
from gateway.json.codec.scalars import Misfit
from gateway.json.codec.source import first_fitting
from gateway.json.text import InexactFloat
from gateway.reference_form import REFERENCE_FORM

NOTHING = object()
"""What is made of a value that is refused."""

POWERS = [2**bits + more for bits in (0, 7, 8, 15, 16, 31, 32, 53, 63, 64) for more in (-1, 0, 1)]
INTEGERS = [*POWERS, *(-power for power in POWERS)]
VALUES: list[Any] = [
    *INTEGERS, *map(str, INTEGERS), *map(float, INTEGERS), *map(InexactFloat, (1.0, 2.0**53)),
    None, True, False, 0.5, -0.0, 1e300, math.inf, -math.inf, math.nan, "", "-0", "05", "1e3", "nan", "-Infinity",
    "red", "green", "no color", "YQ==", "YQ", "ab12", b"", b"ab", [], [0, 255], [1.0], [256], [-1], [None], [True], {},
    {"a": 1}, (), (1, 2),
]  # fmt: skip
SINGLES = [kind for kind, row in ROWS.items() if row.single is not None]
CASES = [(kind, form) for kind in SINGLES for form in (Form if kind is Kind.DATA else (Form.PLAIN,))]
OPTIONS = [CodecOptions(), CodecOptions(int64="auto", data="base64"), CodecOptions(int64="number")]


@pytest.fixture(scope="module")
def schema(compile_text: Callable[[str], Schema]) -> Schema:
    return compile_text("enum Color { red @0; green @1; }")


def single(kind: Kind, schema: Schema) -> tuple[Single, Type]:
    color = next(node.id for node in schema.nodes.values() if isinstance(node, EnumNode))
    row = ROWS[kind].single
    assert row is not None
    return row, Type(kind, color if kind is Kind.ENUM else 0)


def quick(cases: Any, namespace: dict[str, Any]) -> Callable[[Any], Any]:
    """The cases of generated code as a function."""

    def convert(value: Any) -> Any:
        for case in cases:
            values = {**namespace, "v": value}
            try:
                if case.test is None or eval(case.test, values):
                    return eval(case.value, values)
            except FAILURES:
                return NOTHING
        return NOTHING

    return convert


def careful(convert: Callable[..., Any], value: Any, *rest: Any) -> Any:
    try:
        return convert(value, *rest)
    except Misfit:
        return NOTHING
    except OverflowError:  # an integer beyond all floats, which neither JSON nor msgpack has
        return NOTHING


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))


@pytest.mark.parametrize("options", OPTIONS, ids=["string", "auto", "number"])
@pytest.mark.parametrize(("kind", "form"), CASES)
def test_generated_code_makes_what_the_careful_walk_makes_and_leaves_out_only_the_odd(
    kind: Kind, form: Form, options: CodecOptions, schema: Schema
) -> None:
    row, type = single(kind, schema)
    rules = Rules(Layouts(schema), options)
    made = Readers(rules, REFERENCE_FORM, NeedlessRefusals())
    ways = (
        (row.usually_read, row.read, lambda value: row.odd_in(value)),
        (row.usually_written, row.write, lambda value: row.odd_out(value, type, rules)),
    )
    for usual, complete, is_odd in ways:
        convert = quick(usual(type, form, rules, made.constant), made.namespace)
        for value in VALUES:
            expected, got = careful(complete, value, type, form, rules), convert(value)
            if got is NOTHING:
                assert expected is NOTHING or is_odd(value), f"{value!r} is refused for no reason"
            else:
                assert same(got, expected), f"{value!r} becomes {got!r} and not {expected!r}"
                assert not is_odd(value), f"{value!r} is called odd and is taken"


@pytest.mark.parametrize("kind", SINGLES)
def test_what_stays_as_it_is_all_at_once_stays_so_one_by_one(kind: Kind, schema: Schema) -> None:
    row, type = single(kind, schema)
    rules = Rules(Layouts(schema), CodecOptions())
    namespace = Readers(rules, REFERENCE_FORM, NeedlessRefusals()).namespace
    for test, complete in ((row.all_read, row.read), (row.all_written, row.write)):
        for value in VALUES if test is not None else ():
            if eval(test or "", {**namespace, "o": [value]}):
                assert same(careful(complete, value, type, Form.PLAIN, rules), value), value


def test_every_kind_has_a_row() -> None:
    assert set(ROWS) == set(Kind)
    assert all((row.single is not None) == (row.shape is Shape.SINGLE) for row in ROWS.values())


def test_the_struct_for_arbitrary_json_is_a_kind_of_its_own() -> None:
    assert row_of(Type(Kind.STRUCT, 0xA3FA7845F919DD83)).shape is Shape.JSON
    assert row_of(Type(Kind.STRUCT, 1)).shape is Shape.STRUCT


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 100])
def test_the_elements_before_the_first_that_does_not_fit_are_found(size: int) -> None:
    for place in range(size):
        items = [0] * size
        items[place] = items[-1] = 1
        found = first_fitting(lambda some: not any(some), items)
        assert found == (place if place >= 16 else found)
        assert not any(items[:found])
