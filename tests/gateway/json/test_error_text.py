"""Errors that services fill with what no message can hold: their text is JSON all the same, and as short as it must."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import GatewayError, Status
from gateway.json.error_text import write_error

MAX_BYTES = 4000


def nested(levels: int) -> Any:
    value: Any = "the bottom"
    for _ in range(levels):
        value = {"in": value}
    return value


def written(details: Any, detail: str = "no", max_bytes: int = MAX_BYTES, **more: Any) -> dict[str, Any]:
    error = GatewayError(Status.ABORTED, detail, details=details, **more)
    text = write_error(error, GatewayError.problem, max_bytes)
    assert len(text) <= max_bytes
    found: dict[str, Any] = json.loads(text)
    return found


def test_what_can_be_written_is_written_as_it_is() -> None:
    details = {"a": [1, 2.5, None, True, {"b": "é"}]}
    assert written(details) == GatewayError(Status.ABORTED, "no", details=details).problem()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", None: "b", 2.5: "c", b"\xff": "e"}, {"1": "a", "null": "b", "2.5": "c", "/w==": "e"}),
        ({True: "a"}, {"true": "a"}),
        ({(1, "x"): "a"}, {'[1,"x"]': "a"}),
        (b"\x00\xff", "AP8="),
        (bytearray(b"\x00"), "AA=="),
        ("half a pair \ud800", "half a pair ?"),
        ({"half \udfff": 1}, {"half ?": 1}),
        (2**64, hex(2**64)),
        (-(2**63) - 1, hex(-(2**63) - 1)),
        (2**64 - 1, 2**64 - 1),
        (float("nan"), None),
        (float("inf"), None),
        ({3, }, [3]),
        (Ellipsis, "<ellipsis>"),
        ([1, Ellipsis], [1, "<ellipsis>"]),
    ],
    ids=repr,
)
def test_what_json_has_no_word_for_is_written_as_what_comes_next_to_it(value: Any, expected: Any) -> None:
    found = written({"it": value, "beside": 1})
    assert found["details"] == {"it": expected, "beside": 1}
    assert found["code"] == "aborted"


@pytest.mark.parametrize("levels", [300, 900])
def test_what_is_too_deep_is_left_out_and_named(levels: int) -> None:
    found = written(nested(levels))
    assert found["details"] == {"omitted": "the details are more than 64 levels deep"}
    assert (found["code"], found["detail"]) == ("aborted", "no")


def test_what_cannot_be_written_and_is_much_is_not_looked_through() -> None:
    found = written({"many": [b""] * 20_000})
    assert found["details"] == {"omitted": "the details hold more than 10000 values"}


def test_what_is_too_large_is_left_out_and_named() -> None:
    found = written({"text": "x" * 10_000_000})
    assert found["details"]["omitted"].startswith("the answer took 10000")
    assert found["details"]["omitted"].endswith(f"more than the {MAX_BYTES} that it may have")


def test_texts_are_cut_where_the_whole_has_no_place() -> None:
    found = written(None, "d" * 1_000_000, path="$." + "p" * 1_000_000, service="s" * 5000)
    assert len(found["detail"]) == 1000
    assert found["detail"].endswith("d…")
    assert found["path"].startswith("$.ppp")
    assert "details" not in found


def test_the_code_of_json_rpc_stays_what_it_was() -> None:
    error = GatewayError.unknown_method("s", "m")
    error.details = {"deep": nested(300)}
    assert json.loads(write_error(error, GatewayError.jsonrpc_error, MAX_BYTES))["code"] == -32601


def test_even_where_nothing_has_a_place_there_is_an_answer() -> None:
    error = GatewayError(Status.ABORTED, "x" * 5000, details={"a": 1})
    assert json.loads(write_error(error, GatewayError.problem, 10))["code"] == "aborted"
