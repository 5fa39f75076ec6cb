"""What a listener posts as the answer to a request."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import GatewayError, Status
from gateway.protocols.sse.callback_answers import answer_of_problem, answer_of_results

WHOLE = {"jsonrpc": "2.0", "id": "other"}
NO_DETAIL = "the client answered with an error"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (None, None),
        ({}, {}),
        ({"result": 7}, {"result": 7}),
        ({"error": 7}, {"error": 7}),
        ({**WHOLE, "result": {"result": 7}}, {"result": 7}),
        ({**WHOLE, "result": None}, None),
    ],
)
def test_results_are_an_object_by_name_or_a_whole_answer(body: Any, result: Any) -> None:
    answer = answer_of_results("g:1", body)
    assert (answer.id, answer.result, answer.error) == ("g:1", result, None)


@pytest.mark.parametrize("body", [[], [1], 7, "text", True])
def test_what_is_neither_is_refused(body: Any) -> None:
    with pytest.raises(GatewayError, match="the results must be an object by name, or null for none") as raised:
        answer_of_results("g:1", body)
    assert raised.value.status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        ({"code": 1, "message": "no", "data": {"code": "aborted"}}, Status.ABORTED, "no"),
        ({"code": -32601, "message": "no such method"}, Status.UNIMPLEMENTED, "no such method"),
        (5, Status.UNKNOWN, "the client answered with an error that is no object"),
    ],
)
def test_a_whole_answer_may_be_an_error(error: Any, status: Status, detail: str) -> None:
    answer = answer_of_results("g:1", {**WHOLE, "error": error})
    assert answer.id == "g:1"
    assert answer.error is not None
    assert (answer.error.status, answer.error.detail) == (status, detail)


def test_a_whole_answer_with_neither_result_nor_error_is_malformed() -> None:
    error = answer_of_results("g:1", WHOLE).error
    assert error is not None
    assert (error.status, error.detail[:34]) == (Status.UNKNOWN, "the client's answer is malformed: ")


@pytest.mark.parametrize(
    ("problem", "status", "detail"),
    [
        ({"code": "aborted", "detail": "not today"}, Status.ABORTED, "not today"),
        ({"code": "aborted"}, Status.ABORTED, NO_DETAIL),
        ({"code": "aborted", "detail": None}, Status.ABORTED, NO_DETAIL),
        ({"code": "aborted", "detail": 5}, Status.ABORTED, NO_DETAIL),
        ({"code": "invented", "detail": "x"}, Status.UNKNOWN, "x"),
        ({"detail": "x"}, Status.UNKNOWN, "x"),
        ({}, Status.UNKNOWN, NO_DETAIL),
    ],
)
def test_a_problem_is_an_error_with_its_code(problem: Any, status: Status, detail: str) -> None:
    answer = answer_of_problem("g:1", problem)
    assert (answer.id, answer.result) == ("g:1", None)
    assert answer.error is not None
    assert (answer.error.status, answer.error.detail) == (status, detail)


@pytest.mark.parametrize("problem", [None, [], "no", 7])
def test_a_problem_that_is_no_object_is_refused(problem: Any) -> None:
    with pytest.raises(GatewayError, match="a problem must be an object") as raised:
        answer_of_problem("g:1", problem)
    assert raised.value.status is Status.INVALID_ARGUMENT
