"""Bodies that are JSON by its grammar, with values in them that nobody can take."""

from __future__ import annotations

import pytest

from tests.gateway.http.conftest import Edge, problem

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b'{"first":"\\ud83d"}', "$.first", "holds the lone surrogate U+D83D, which is no character"),
        (b'{"fir\\udc00":1}', "$", "the name of a member holds the lone surrogate U+DC00, which is no character"),
        (b"[1,1e400]", "$[1]", "the number is beyond what a double holds (±1.798e+308)"),
        (b"[" * 1100 + b"]" * 1100, "$" + "[0]" * 64, "nested more than 64 levels deep"),
        (b"[" * 900 + b"1" * 20 + b"]" * 900, "$" + "[0]" * 64, "nested more than 64 levels deep"),
    ],
)
async def test_a_value_that_json_permits_and_nobody_can_take_has_its_path(
    edge: Edge, body: bytes, path: str, reason: str
) -> None:
    told = problem(await edge.post(ADD, body, {"Content-Type": "application/json"}))
    assert (told["code"], told["path"], told["detail"]) == ("invalid_argument", path, f"{path}: {reason}")
