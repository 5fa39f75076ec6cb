"""JSON through the gateway and its bridge to a native service, and back: generated values, and the vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cara_pseud.schema.loader import compile_schema
from cara_pseud.schema.nodes import Type
from gateway.json.codec import Codec
from gateway.reference_form import REFERENCE_FORM
from tests.gateway.bridge.test_encoding import STRUCTS, Conversion, generated
from tests.gateway.json.codec.test_conformance import ACCEPTED, PLAIN_READINGS
from tests.integration.conftest import Socket, Start
from tests.integration.test_json_vectors import CASES, PATH, SERVED, VECTORS, method
from tests.native.bridges import gateway_of, native

SEEDS = (2, 9)
# A value is one level deeper here than in the vectors, some of which go as deep as is permitted.
SHALLOW = [case for case in CASES if case["type"] != "Deep"]
NATIVE = {'{"un":{"item":"x"}}': {"un": {"item": {"$pointer": "AAAAAAIAAAABAAAAEgAAAHgAAAAAAAAA"}}}}
"""What an unbound type parameter holds is known to its caller alone."""


def echo_of(names: list[str], prefix: str = "") -> str:
    boxes = [f"(value :{prefix}{name})" for name in names]
    pairs = enumerate(zip(names, boxes, strict=True))
    methods = [f"give{name} @{place} {box} -> {box};" for place, (name, box) in pairs]
    return f"interface Echo {{ {' '.join(methods)} }}"


@pytest.fixture(scope="module")
def echoes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Socket, dict[int, Conversion]]]:
    """A socket to a gateway with a native echo of each schema."""
    folder = tmp_path_factory.mktemp("echo")
    schemas = {f"seed{seed}": f"{generated(seed)}\n{echo_of([f'S{n}' for n in range(STRUCTS)])}" for seed in SEEDS}
    for number, schema in enumerate(SERVED):
        types = sorted({case["type"] for case in CASES if case["schema"] == schema})
        head = f'@0xe7a1b2c3d4e5f70{number};\nusing Cases = import "{schema}";\n'
        schemas[schema.removesuffix(".capnp")] = head + echo_of(types, "Cases.")
    for name, text in {**VECTORS["schemas"], **VECTORS["imports"]}.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    with TemporaryDirectory() as places, ExitStack() as stack:
        start = Start(Path(places), stack)
        services = [f'[gateway]\nunknown_fields = "ignore"\nimport_path = ["{folder}"]\n']
        for name, text in schemas.items():
            file, endpoint = folder / f"{name}_echo.capnp", f"unix:{places}/{name}"
            file.write_text(text, "utf-8")
            service = start.process(str(Path(__file__).with_name("echo_service.py")), str(file), str(folder), endpoint)
            assert service.line() == "ready"
            services.append(native(name, endpoint, file, "Echo"))
        _, web, _ = stack.enter_context(gateway_of(Path(places), *services))
        conversions = {
            seed: Conversion(compile_schema([folder / f"seed{seed}_echo.capnp"]), folder) for seed in SEEDS
        }
        yield stack.enter_context(web.socket(max_size=None)), conversions


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_value_comes_back_as_it_went(echoes: tuple[Socket, dict[int, Conversion]], data: st.DataObject) -> None:
    socket, conversions = echoes
    seed, number = data.draw(st.sampled_from(SEEDS)), data.draw(st.integers(0, STRUCTS - 1))
    conversion = conversions[seed]
    type: Type = conversion.type(f"S{number}")
    value = Codec(conversion.schema, form=REFERENCE_FORM).writer(type)(data.draw(conversion.values(type)))
    answer = socket.call(f"seed{seed}.giveS{number}", {"value": value})
    assert answer.get("result") == {"value": value}


@pytest.mark.parametrize("case", SHALLOW, ids=[case["id"] for case in SHALLOW])
def test_a_case_of_the_vectors(echoes: tuple[Socket, dict[int, Conversion]], case: dict[str, Any]) -> None:
    socket, _ = echoes
    service, text = case["schema"].removesuffix(".capnp"), case["input_json"]
    called = json.dumps(f"{service}.{method(case['type'])}")
    socket.send(f'{{"jsonrpc":"2.0","id":1,"method":{called},"params":{{"value":{text}}}}}')
    answer, expected = socket.receive(), case.get("capnp_1_4_0", case)
    if "error" in answer:
        assert case.get("expected_error") or "quirk" in case, answer
        assert answer["error"]["code"] == -32700 or PATH.match(answer["error"]["data"].get("path", "")), answer
    elif "expected_json" in expected and "quirk" not in case:
        assert answer["result"]["value"] == expected["expected_json"]
    elif "quirk" in case:
        assert answer["result"]["value"] in (expected.get("expected_json"), PLAIN_READINGS.get(text))
    else:
        assert case.get("expected_error")
        assert answer["result"]["value"] == NATIVE.get(text, ACCEPTED.get(text, "refused"))


