"""The conformance cases of the JSON mapping through a gateway and a service: HTTP in, HTTP out.

Every case that begins with JSON and whose schema can be served; the rules under which we differ from the tool are those
of the codec's own test, which runs all cases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.json.codec.test_conformance import ACCEPTED, PLAIN_READINGS
from tests.integration.conftest import HERE, ROOT, Start

if TYPE_CHECKING:
    from tests.integration.conftest import Web

VECTORS = json.loads((ROOT / "tests" / "vectors" / "json_cases.json").read_text("utf-8"))
UNKNOWN_ENUMERANT = re.compile(r"^give\w+: \$\.\w+: \d+ is no (Color|Level); its numbers are 0 … 2")
PATH = re.compile(r"\$[.\[]|\$$")
LINE = re.compile(r"line \d+ column \d+")
SERVED = ("types.capnp", "annot.capnp")
CASES = [case for case in VECTORS["cases"] if case["kind"] == "decode" and case["schema"] in SERVED]


def echo_schema(schema: str, number: int) -> str:
    """A file with an interface that gives back each struct of that schema that a case is about."""
    types = sorted({case["type"] for case in CASES if case["schema"] == schema})
    methods = [f"  {method(type)} @{place} Cases.{type} -> Cases.{type};" for place, type in enumerate(types)]
    head = [f"@0xe7a1b2c3d4e5f60{number};", f'using Cases = import "{schema}";', "interface Echo {"]
    return "\n".join([*head, *methods, "}"])


def method(type: str) -> str:
    return f"give{type}"


@pytest.fixture(scope="module")
def echoes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("vectors")
    config = ['[gateway]\nunknown_fields = "ignore"\nimport_path = ["."]']
    with ExitStack() as stack:
        start = Start(folder, stack)
        for name, text in {**VECTORS["schemas"], **VECTORS["imports"]}.items():
            path = folder / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        for number, schema in enumerate(SERVED):
            file = folder / f"echo{number}.capnp"
            file.write_text(echo_schema(schema, number), "utf-8")
            endpoint = start.process(str(HERE / "vector_service.py"), str(file)).line()
            config.append(
                f'[services.{schema.removesuffix(".capnp")}]\nschema = "{file.name}"\ninterface = "Echo"\n'
                f'endpoint = "{endpoint}"\npeer = "echo"'
            )
        yield start.gateway("\n".join(config))[1]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_case_goes_through_the_gateway(echoes: Web, case: dict[str, Any]) -> None:
    service, text = case["schema"].removesuffix(".capnp"), case["input_json"]
    answer = echoes.post(f"/api/{service}/{method(case['type'])}", text.encode("utf-8", "surrogatepass"))
    expected = case.get("capnp_1_4_0", case)
    if answer.status != 200:
        assert (answer.status, answer.code) == (400, "invalid_argument"), answer.text
        # Where it is wrong: a path in the value, or where the text is no JSON a line and a column.
        place = answer.json.get("path") or answer.json.get("details", {}).get("path", "")
        assert PATH.match(place) or LINE.search(answer.json["detail"]), answer.text
        # A number that the enum does not have passes the gateway: a newer schema may name it. This service's does not.
        by_service = UNKNOWN_ENUMERANT.search(answer.json["detail"])
        assert case.get("expected_error") or "quirk" in case or by_service, answer.text
    elif "expected_json" in expected and "quirk" not in case:
        assert answer.json == expected["expected_json"]
    elif "quirk" in case:
        assert answer.json in (expected.get("expected_json"), PLAIN_READINGS.get(text))
    else:
        assert case.get("expected_error")
        assert answer.json == ACCEPTED.get(text, "refused")
