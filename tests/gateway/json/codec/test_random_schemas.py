"""Values of schemas made up by chance, through JSON and the wire and back.

RANDOM_SCHEMAS says of how many schemas (three), RANDOM_SEED which are the first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cara_pseud import wire
from cara_pseud.schema.nodes import Kind, Schema, Type
from gateway.errors import GatewayError, Status
from gateway.json.codec import CodecOptions
from gateway.json.codec.layout import Layouts
from gateway.json.text import dump, parse
from tests.codecs import Codec
from tests.gateway.json.codec.random_schemas import Maker, Values, canonical

SCHEMAS = int(os.environ.get("RANDOM_SCHEMAS", "3"))
FIRST_SEED = int(os.environ.get("RANDOM_SEED", "1"))
STRUCTS = 30
# Not int64="number": what JSON's readers cannot hold is refused on the way back.
OPTIONS = [CodecOptions(), CodecOptions(int64="auto", data="base64")]
SETTINGS = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

WIRE = wire.BodyCodec(
    export=lambda obj: pytest.fail("no objects here"), resolve=lambda *pair: pytest.fail("no objects")
)

# What fits no type, or few.
ODD = st.sampled_from([
    None, True, -1, 2**70, 1e300, 2.5, "", "no such thing", "5", [], [None], [[]], {}, {"nope": 1}, {"f1": {}}, 70000,
])  # fmt: skip


class Made(NamedTuple):
    """A schema and all structs of it that take no parameters."""

    schema: Schema
    types: list[Type]
    layouts: Layouts
    values: Values


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + SCHEMAS), ids=lambda seed: f"seed {seed}")
def made(request: pytest.FixtureRequest, compile_text: Callable[[str], Schema]) -> Made:
    schema = compile_text(Maker(request.param, STRUCTS).text())
    types = []
    for number in range(STRUCTS):
        node = schema.find(f"S{number}")
        assert node is not None
        types.append(Type(Kind.STRUCT, node.id))
    layouts = Layouts(schema)
    layouts.check()
    return Made(schema, types, layouts, Values(schema))


@pytest.mark.parametrize("options", OPTIONS, ids=["string", "auto"])
def test_a_value_survives_json_and_the_wire(made: Made, options: CodecOptions) -> None:
    codec = Codec(made.schema, options)

    @given(st.sampled_from(made.types).flatmap(lambda type: st.tuples(st.just(type), made.values.of(type))))
    @SETTINGS
    def survives(drawn: tuple[Type, Any]) -> None:
        type, value = drawn
        text = dump(codec.writer(type)(value))
        read = codec.reader(type)(parse(text))
        back = WIRE.unpackb(WIRE.packb(read))
        assert canonical(made.layouts, type, back) == canonical(made.layouts, type, value), text

    survives()


def test_json_that_was_read_and_written_once_stays_as_it_is(made: Made) -> None:
    codec = Codec(made.schema)

    @given(st.sampled_from(made.types).flatmap(lambda type: st.tuples(st.just(type), made.values.of(type))), st.data())
    @SETTINGS
    def stays(drawn: tuple[Type, Any], data: st.DataObject) -> None:
        type, value = drawn
        obj = respelled(codec.writer(type)(value), data)
        try:
            once = codec.writer(type)(codec.reader(type)(obj))
        except GatewayError:
            assume(False)
        assert dump(codec.writer(type)(codec.reader(type)(parse(dump(once))))) == dump(once)

    stays()


def respelled(obj: Any, data: st.DataObject) -> Any:
    """The same JSON in other words, or nearly: numbers as texts and the other way round, members left out or null."""
    if isinstance(obj, dict):
        members = {name: respelled(member, data) for name, member in obj.items()}
        return {name: member for name, member in members.items() if data.draw(st.integers(0, 9)) > 0}
    if isinstance(obj, list):
        return [respelled(element, data) for element in obj]
    if isinstance(obj, int) and not isinstance(obj, bool) and data.draw(st.booleans()):
        return str(obj) if abs(obj) > 2**53 else data.draw(st.sampled_from([str(obj), float(obj), obj]))
    if isinstance(obj, str) and re.fullmatch(r"-?[0-9]{1,15}", obj) and data.draw(st.booleans()):
        return int(obj)
    return obj


def test_the_path_of_an_error_leads_to_a_value_or_to_where_it_should_be(made: Made) -> None:
    codec = Codec(made.schema)
    refused = 0

    @given(st.sampled_from(made.types).flatmap(lambda type: st.tuples(st.just(type), made.values.of(type))), st.data())
    @SETTINGS
    def leads(drawn: tuple[Type, Any], data: st.DataObject) -> None:
        nonlocal refused
        type, value = drawn
        obj = spoiled(codec.writer(type)(value), data)
        error = refusal(lambda: codec.reader(type)(obj))
        if error is None:
            return
        refused += 1
        assert error.status is Status.INVALID_ARGUMENT
        assert error.path is not None
        assert error.detail.startswith(error.path)
        *parent, _ = steps = steps_of(error.path)
        assert found(obj, steps) or found(obj, parent), f"{error.path} in {dump(obj)!r}"

    leads()
    assert refused > 20


def refusal(read: Callable[[], Any]) -> GatewayError | None:
    try:
        read()
    except GatewayError as error:
        return error
    return None


def spoiled(obj: Any, data: st.DataObject) -> Any:
    """The same JSON with something odd in one place."""
    if isinstance(obj, dict) and obj and data.draw(st.integers(0, 3)) > 0:
        name = data.draw(st.sampled_from(sorted(obj)))
        return {**obj, name: spoiled(obj[name], data)}
    if isinstance(obj, list) and obj and data.draw(st.integers(0, 3)) > 0:
        index = data.draw(st.integers(0, len(obj) - 1))
        return [*obj[:index], spoiled(obj[index], data), *obj[index + 1 :]]
    if isinstance(obj, dict) and data.draw(st.booleans()):
        return {**obj, "nope": data.draw(ODD)}
    return data.draw(ODD)


STEP = re.compile(r"\.([^.\[\]\"]+)|\[(\d+)\]|\[(\"(?:[^\"\\]|\\.)*\")\]")


def steps_of(path: str) -> list[str | int]:
    """The root and the steps of a path: names and indexes."""
    assert path.startswith("$")
    steps: list[str | int] = ["$"]
    place = 1
    while place < len(path):
        match = STEP.match(path, place)
        assert match is not None, path
        name, index, quoted = match.groups()
        steps.append(name if name is not None else int(index) if index is not None else parse(quoted))
        place = match.end()
    return steps


def found(obj: Any, steps: list[str | int]) -> bool:
    for step in steps[1:]:
        if isinstance(step, int):
            if not isinstance(obj, list) or step >= len(obj):
                return False
            obj = obj[step]
        else:
            if not isinstance(obj, dict) or step not in obj:
                return False
            obj = obj[step]
    return True


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    st.data(),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_syntax_error_has_a_line_and_a_column(obj: Any, data: st.DataObject) -> None:
    text = json.dumps(obj, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans()))
    place = data.draw(st.integers(0, len(text)))
    rest = data.draw(st.integers(0, 2))
    put_in = data.draw(st.sampled_from(["", ",", "{", "]", '"', "\x01", "nul", "\ud800", "-"]))
    broken = text[:place] + put_in + text[place + rest :]
    error = refusal(lambda: parse(broken))
    if error is None:
        return
    told = re.search(r" at line (\d+) column (\d+)$", error.detail)
    assert told is not None, error.detail
    line, column = int(told[1]), int(told[2])
    lines = broken.encode("utf-8", "surrogatepass").split(b"\n")
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1
