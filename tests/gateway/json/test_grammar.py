"""What JSON's grammar permits and nobody can take: told from what is no JSON, and found with its place."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.json.grammar import FOLD_LEVELS, Grammatical, fault_in, folded, parse_within, whole_characters

COMPLAINT = GatewayError.unparsable("what the quick parser said")
HALF = "holds the lone surrogate U+D83D, which is no character"
BEYOND = "the number is beyond what a double holds (±1.798e+308)"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('"\\ud83d"', f"$: {HALF}"),
        ('{"name":"Ann \\ud83d"}', f"$.name: {HALF}"),
        ('{"a":[1,{"b":"\\ud83d\\ude00"},{"b c":"\\ud83d"}],"d":"\\ud83d"}', f'$.a[2]["b c"]: {HALF}'),
        ('{"a":{"x\\ud83d":1}}', f"$.a: the name of a member {HALF}"),
        ('["\\udc00"]', "$[0]: holds the lone surrogate U+DC00, which is no character"),
        ("[1,-1e400]", f"$[1]: {BEYOND}"),
        ('{"n":' + "1" * 5000 + "}", f"$.n: {BEYOND}"),
        ('{"n":' + "1" * 5000 + ".5}", f"$.n: {BEYOND}"),
        ("[" * 1100 + "]" * 1100, f"${'[0]' * 64}: nested more than 64 levels deep"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, f"${'.a' * 64}: nested more than 64 levels deep"),
    ],
)
def test_what_cannot_be_taken_is_found_with_its_place(text: str, detail: str) -> None:
    with pytest.raises(GatewayError) as raised:
        parse_within(text.encode(), 400_000, 64)
    assert raised.value.detail == detail
    assert raised.value.path == detail.partition(": ")[0]
    assert raised.value.jsonrpc_error()["code"] == -32602


@pytest.mark.parametrize(
    "text",
    [
        "", "[", '"\\ud83d', '["\\ud83d",]', '{"a":"\\ud83d",}', "[NaN,1e400]", "[1e400,-Infinity]", "[01,1e400]",
        "[1e400 2]", '["\\ud83d","\n"]', "\ufeff[1e400]", '["\\ud83d"] x', "[" * 5000, "]" * 5000,
        "[" * 5000 + "]" * 4999,
        "[" * 3000 + "1 2" + "]" * 3000, "[" * 3000 + "{" + "]" * 3000, "[" * 700 + "]" * 600 + "}" * 100,
    ],
)  # fmt: skip
def test_what_is_no_json_stays_none(text: str) -> None:
    with pytest.raises(GatewayError, match="what the quick parser said"):
        Grammatical(text.encode(), COMPLAINT)


def test_what_is_no_utf_8_is_no_json() -> None:
    with pytest.raises(GatewayError, match="what the quick parser said"):
        Grammatical(b'["\\ud83d","\xff"]', COMPLAINT)


def test_a_value_without_faults_has_none() -> None:
    assert fault_in({"a": ["é", 1.5, -(2**70), None, True, {}], "😀": []}, 64) is None
    assert parse_within(b'["\\ud83d\\ude00",9007199254740993]', 10, 64) == ["😀", 9007199254740993]


def test_too_many_values_are_not_looked_at() -> None:
    with pytest.raises(GatewayError, match="more than 3 values"):
        parse_within(b'["\\ud83d",1,2,3]', 3, 64)


def test_the_halves_of_characters_in_a_text_for_people_are_marked() -> None:
    assert whole_characters("Ann \ud83d\ude00 \U0001f600") == "Ann \ufffd\ufffd 😀"


def random_value(source: random.Random, levels: int) -> Any:
    kind = source.random()
    if levels <= 0 or kind < 0.2:
        return source.choice([1, 'a]"[', None, "\\", [], {}])
    if kind < 0.6:
        return [random_value(source, levels - 1) for _ in range(source.randint(0, 3))]
    return {f"k{index}[": random_value(source, levels - 1) for index in range(source.randint(0, 3))}


def test_only_what_is_deep_is_folded() -> None:
    source = random.Random(1)
    deep = "[" * FOLD_LEVELS + '{"a":[1]}' + "]" * FOLD_LEVELS
    for _ in range(200):
        text = json.dumps(random_value(source, 8))
        assert folded(text) is None
        around = folded(f"[{text},{deep},{text}]")
        assert around is not None
        first, shortened, last = json.loads(around)
        assert first == last == json.loads(text)
        levels = 0
        while isinstance(shortened, list):
            shortened, levels = shortened[0], levels + 1
        assert levels == FOLD_LEVELS - 1
        assert isinstance(shortened, str)


def cpu_s(text: str) -> float:
    began = time.process_time()
    with pytest.raises(GatewayError):
        parse_within(text.encode(), 100_000, 64)
    return time.process_time() - began


@pytest.mark.parametrize(
    "part", ['"\\"', "a", "[", "]", '{"a":', '["', "[[", '["x"],', "\\", '"x" '], ids=lambda part: repr(part)
)
def test_the_time_grows_with_the_length_only(part: str) -> None:
    start = "[" * 600
    short, long = (start + part * (length // len(part)) for length in (20_000, 160_000))
    # Eight times the length; the square of it would be sixty-four times the time.
    assert cpu_s(long) < 24 * max(cpu_s(short), 0.001)
