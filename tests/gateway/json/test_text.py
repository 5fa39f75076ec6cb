from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, Status
from gateway.json.text import FloatWord, InexactFloat, dump, dump_marked, parse

REFUSED: list[tuple[str | bytes, str]] = [
    ("", "no JSON: Input is a zero-length, empty document at line 1 column 1"),
    ('{"a":1,}', "no JSON: trailing comma is not allowed at line 1 column 7"),
    ('{"a":\n  tru}', "no JSON: invalid literal, expected 'true' at line 2 column 3"),
    ("1e999", "no JSON: number is infinity when parsed as double at line 1 column 1"),
    ('{"a":' + "1" * 400 + "}", "no JSON: number is infinity when parsed as double at line 1 column 6"),
    ('"\\ud800"', "no JSON: no low surrogate in string at line 1 column 2"),
    ('"\\udc00"', "no JSON: invalid high surrogate in string at line 1 column 2"),
    ('"a\x01b"', "no JSON: unexpected control character in string at line 1 column 3"),
    ("NaN", "no JSON: unexpected character, expected a JSON value at line 1 column 1"),
    ('{"a":1} x', "no JSON: unexpected content after document at line 1 column 9"),
    (b'{"a":1,\n "b":"\xff"}', "no JSON: not valid UTF-8 at line 2 column 7"),
    ('"\ud800"', "no JSON: not valid UTF-8 at line 1 column 2"),
    ("\ufeff{}", "no JSON: UTF-8 byte order mark (BOM) is not supported at line 1 column 1"),
    ("[" * 1_000_000, "no JSON: depth limit exceeded at line 1 column 1026"),
    ("// x", "no JSON: unexpected character, expected a JSON value at line 1 column 1"),
]


@pytest.mark.parametrize(("text", "detail"), REFUSED, ids=[detail[:60] for _, detail in REFUSED])
def test_what_is_no_json_is_refused_with_its_place(text: str | bytes, detail: str) -> None:
    with pytest.raises(GatewayError) as raised:
        parse(text)
    assert raised.value.detail == detail
    assert raised.value.jsonrpc_error()["code"] == -32700
    assert raised.value.problem()["status"] == 400


EXACT: list[tuple[str, Any]] = [
    ('{"a":1,"a":2}', {"a": 2}),
    ("[1.5,-0,1e2,9007199254740993,18446744073709551615,-9223372036854775808]",
     [1.5, 0, 100.0, 9007199254740993, 2**64 - 1, -(2**63)]),
    ('"\\ud83d\\ude00"', "😀"),
    (b'"\xc3\xa9"', "é"),
    ("[0.30000000000000004,1234567890123456.5]", [0.30000000000000004, 1234567890123456.5]),
    ("[9007199254740992.0,90071992547409920e-1,1e22,123456789012345678e-10]",
     [2.0**53, 2.0**53, 1e22, 12345678.9012345678]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), EXACT)
def test_json_is_parsed_as_it_stands(text: str | bytes, value: Any) -> None:
    parsed = parse(text)
    assert parsed == value
    assert not any(isinstance(item, InexactFloat) for item in (parsed if isinstance(parsed, list) else []))


@pytest.mark.parametrize("number", [
    "-9223372036854775809", "18446744073709551616", "9007199254740993.0", "-90071992547409930e-1",
    "90071992547409.93E2",
    "0.9007199254740993e16", "900719925474099300000000000000", "9007199254740993e0", "123456789012345678901234567890",
])  # fmt: skip
def test_a_number_that_a_double_cannot_hold_is_marked(number: str) -> None:
    for text in (number, f"[{number}]", f'{{"a": {number}}}', f'{{"a":[1,{number} ]}}', f'{{"a":\n{number}\n}}'):
        found = parse(text)
        while not isinstance(found, float):
            found = found["a"] if isinstance(found, dict) else found[-1]
        assert type(found) is InexactFloat
        assert found == float(number)


def test_long_digits_in_texts_are_no_numbers() -> None:
    value = {"id": "12345678901234567890123", "text": "see 12345678901234567890.5e3", "1234567890123456789": [1.25]}
    assert parse(json.dumps(value)) == value


def test_a_deep_text_with_a_long_number_is_no_crash() -> None:
    # How deep the json module goes depends on the Python; what it takes is refused by the schema's depth limit.
    refused, value = "", None
    try:
        value = parse("[" * 1000 + "90071992547409931234567" + "]" * 1000)
    except GatewayError as error:
        refused = error.detail
    while isinstance(value, list):
        (value,) = value
    assert refused == "no JSON: nested too deeply" or value == 90071992547409931234567


class Name(str):
    """A text of a class of its own."""


@pytest.mark.parametrize(("value", "marked"), [
    (FloatWord("NaN"), b'{"$float":"NaN"}'),
    ({"floats": [FloatWord("-Infinity"), 1.5]}, b'{"floats":[{"$float":"-Infinity"},1.5]}'),
    (["NaN", Name("Infinity")], b'["NaN","Infinity"]'),
    ({"a": OrderedDict(b=[True, None])}, b'{"a":{"b":[true,null]}}'),
])  # fmt: skip
def test_words_for_floats_are_told_from_texts(value: Any, marked: bytes) -> None:
    assert dump_marked(value) == marked


def test_a_word_for_a_float_is_the_word_where_nobody_asks() -> None:
    assert dump({"float": FloatWord("NaN")}) == b'{"float":"NaN"}'


@pytest.mark.parametrize("value", [object(), b"bytes", "\ud800", 2**70])
def test_what_is_no_json_is_an_internal_error(value: Any) -> None:
    for write in (dump, dump_marked):
        with pytest.raises(GatewayError, match="an answer cannot be written as JSON") as error:
            write(value)
        assert error.value.status is Status.INTERNAL


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=10,
))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_dumped_is_parsed_again(value: Any) -> None:
    assert parse(dump(value)) == value


@pytest.mark.parametrize("value", ["\ud800", 2**64, {1: 2}, b"x", {"a": object()}])
def test_what_cannot_be_written_is_an_internal_error(value: Any) -> None:
    with pytest.raises(GatewayError, match="an answer cannot be written as JSON") as raised:
        dump(value)
    assert raised.value.status is Status.INTERNAL


def test_a_text_that_is_kept_takes_little_more_than_its_bytes() -> None:
    program = (
        "from gateway.json.text import dump\n"
        "def pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "before = pages()\n"
        "kept = [dump({'id': number}) for number in range(20000)]\n"
        "print((pages() - before) * 4096 // 20000)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert int(said.stdout) < 400  # of which the object takes 50
