"""How many values a text holds, and that a text is let through exactly if it holds no more than it may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, Status
from gateway.json.grammar import parse_within
from gateway.json.text import InexactFloat
from gateway.json.value_count import exceeds, may_exceed

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a,[{"\\'),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet="ab,["), inner, max_size=5),
    max_leaves=40,
)


def count(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return len(value) + sum(map(count, value)) if isinstance(value, list) else 0


@given(VALUES, st.integers(0, 60))
def test_a_value_exceeds_what_is_less_than_it_holds(value: Any, most: int) -> None:
    assert exceeds(value, most) == (count(value) > most)


@given(VALUES, st.integers(0, 60), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_a_text_that_exceeds_a_bound_is_never_let_through(value: Any, most: int, separators: tuple[str, str]) -> None:
    text = json.dumps(value, separators=separators).encode()
    if count(value) > most:
        assert may_exceed(text, most)


def test_commas_in_texts_cost_a_look_and_are_not_counted() -> None:
    text = json.dumps({"text": "," * 1000}).encode()
    assert may_exceed(text, 10)
    assert parse_within(text, 10, 64) == {"text": "," * 1000}


def test_a_text_of_too_many_values_is_refused() -> None:
    assert parse_within(b"[1,[2,3],{}]", 5, 64) == [1, [2, 3], {}]
    with pytest.raises(GatewayError) as refused:
        parse_within(b"[1,[2,3],{}]", 4, 64)
    assert refused.value.status is Status.TOO_LARGE
    assert refused.value.detail == "more than 4 values (elements and members) are in one message"


def test_a_number_is_exact_in_a_text_that_was_looked_at() -> None:
    _, number = parse_within(b'[",,,,,,,,,,,,,,",9007199254740993.0]', 5, 64)
    assert type(number) is InexactFloat
