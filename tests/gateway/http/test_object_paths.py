"""Calls on objects by those who say what they are, and where a handle must not stand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clock import MovedClock
from tests.gateway.http.conftest import Built, Edge, problem

pytestmark = pytest.mark.gen_test


async def held(edge: Edge, root: Any, thing: Any) -> tuple[str, dict[str, str]]:
    """The path of an accumulator's handle, and the header that names its session."""
    asked = edge.asks("POST", "/api/calculator/accumulator", {})
    (await root.next_call()).reply(thing)
    answer = await asked
    token = json.loads(answer.body)["accumulator"]["$handle"]
    return f"/api/handles/{token}", {"Session-Id": answer.headers["Session-Id"]}


async def test_an_object_that_is_what_it_is_said_to_be_is_called(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    path, session = await held(edge, root, thing)
    asked = edge.asks("POST", f"{path}/calculator/Calculator.Accumulator/add", {"value": "2"}, session)
    call = await thing.next_call()
    assert (call.method, call.args) == ("add", [2])
    call.reply(42)
    assert json.loads((await asked).body) == {"total": "42"}


@pytest.mark.parametrize(
    ("taken_as", "detail"),
    [
        ("calculator/Calculator.Transform/apply", 'an object of "calculator" with the interface "Calculator.Transf'),
        ("calculator/Calculator/add", 'an object of "calculator" with the interface "Calculator"'),
        ("addressbook/Calculator.Accumulator/add", 'an object of "addressbook" with the interface "Calculator.Acc'),
        ("nothing/x/add", 'an object of "nothing" with the interface "x"'),
    ],
)
async def test_an_object_that_is_something_else_is_not_called(
    edge: Edge, root: Any, fakes: Any, taken_as: str, detail: str
) -> None:
    thing = fakes.Object()
    path, session = await held(edge, root, thing)
    found = problem(await edge.post(f"{path}/{taken_as}", {}, session))
    assert (found["status"], found["code"]) == (400, "invalid_argument")
    assert found["detail"].startswith(f"expected {detail}")
    assert found["detail"].endswith("this is calculator's, with the interface Calculator.Accumulator")
    assert thing.calls == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/handles/unknown/calculator/Calculator.Accumulator/add", "not_found"),
        ("{}/calculator/Calculator.Accumulator/nothing", "not_found"),
        ("{}/calculator/Calculator.Accumulator", "not_found"),
        ("{}/calculator/Calculator.Accumulator/add/more", "not_found"),
    ],
)
async def test_what_there_is_not_is_not_found(edge: Edge, root: Any, fakes: Any, path: str, code: str) -> None:
    thing = fakes.Object()
    handle, session = await held(edge, root, thing)
    assert problem(await edge.post(path.format(handle), {}, session))["code"] == code
    assert thing.calls == []


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/handles/very-secret/calculator/Calculator.Accumulator/add",
         "/api/handles/…/calculator/Calculator.Accumulator/add"),
        ("/api/handles/very-secret/add/more", "/api/handles/…/add/more"),
        ("/api/handles/very-secret/", "/api/handles/…/"),
        ("/api/%68andles/very-secret/a/b/c/d", "/api/%68andles/…/a/b/c/d"),
    ],
)  # fmt: skip
async def test_a_handle_stands_in_no_log_even_where_its_path_leads_nowhere(
    edge: Edge, built: Built, clock: MovedClock, path: str, logged: str
) -> None:
    await edge.post(path, {})
    await clock.advance(0.2)
    (line,) = [json.loads(line) for line in built.log.getvalue().splitlines()]
    assert line["path"] == logged
