from __future__ import annotations

import pytest

from cara_pseud.errors import CODES, DeadlineExceeded, RemoteError, RpcError, Unavailable
from gateway.errors import GatewayError, Status, from_rpc_error, nearest, quote

TABLE = [
    ("cancelled", 499, -32001, "Client Closed Request"),
    ("unknown", 500, -32002, "Internal Server Error"),
    ("invalid_argument", 400, -32602, "Bad Request"),
    ("deadline_exceeded", 504, -32004, "Gateway Timeout"),
    ("not_found", 404, -32005, "Not Found"),
    ("already_exists", 409, -32006, "Conflict"),
    ("permission_denied", 403, -32007, "Forbidden"),
    ("resource_exhausted", 429, -32008, "Too Many Requests"),
    ("failed_precondition", 400, -32009, "Bad Request"),
    ("aborted", 409, -32010, "Conflict"),
    ("out_of_range", 400, -32011, "Bad Request"),
    ("unimplemented", 501, -32012, "Not Implemented"),
    ("internal", 500, -32603, "Internal Server Error"),
    ("unavailable", 503, -32014, "Service Unavailable"),
    ("unauthenticated", 401, -32016, "Unauthorized"),
    ("outcome_unknown", 502, -32017, "Bad Gateway"),
    ("too_large", 413, -32018, "Content Too Large"),
    ("method_not_allowed", 405, -32600, "Method Not Allowed"),
    ("not_acceptable", 406, -32600, "Not Acceptable"),
    ("unsupported_media_type", 415, -32600, "Unsupported Media Type"),
    ("misdirected", 421, -32600, "Misdirected Request"),
]


def test_the_table_is_the_protocols() -> None:
    rows = [(status.code, status.http, status.jsonrpc, status.title) for status in Status]
    # Python 3.13 has RFC 9110's newer phrase for 413.
    assert [row[:3] for row in rows] == [row[:3] for row in TABLE]
    assert {row[0]: row[3] for row in rows} | {"too_large": ""} == {row[0]: row[3] for row in TABLE} | {"too_large": ""}


def test_every_code_of_the_library_has_a_row() -> None:
    assert [Status.of(code).code for code in CODES] == list(CODES)
    assert Status.of("invented") is Status.UNKNOWN


def test_a_problem_names_what_is_known_and_nothing_else() -> None:
    error = GatewayError.invalid("too much", "$.qty").at("shop", "order", "r1").at("other", request_id="r2")
    assert error.problem() == {
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "$.qty: too much",
        "code": "invalid_argument", "path": "$.qty", "service": "shop", "method": "order", "request_id": "r1",
    }  # fmt: skip
    assert error.jsonrpc_error() == {"code": -32602, "message": "$.qty: too much", "data": error.problem()}
    full = GatewayError(Status.NOT_FOUND, "gone", reason="expired", cause={"code": "x"}, details={"a": 1})
    assert full.problem() | {"reason": "expired", "cause": {"code": "x"}, "details": {"a": 1}} == full.problem()


def test_the_json_rpc_codes_of_one_status_differ() -> None:
    assert GatewayError.unparsable("x").jsonrpc_error()["code"] == -32700
    assert GatewayError.bad_request("x").jsonrpc_error()["code"] == -32600
    assert GatewayError.unknown_service("x").jsonrpc_error()["code"] == -32601
    assert GatewayError.unknown_method("s", "x").jsonrpc_error()["code"] == -32601
    assert GatewayError(Status.NOT_FOUND, "x").jsonrpc_error()["code"] == -32005
    assert GatewayError.unknown_method("s", "x").problem()["status"] == 404


def test_the_nearest_name_is_named() -> None:
    known = ["calculator", "addressbook"]
    assert GatewayError.unknown_service("calcualtor", known).detail == (
        'there is no service "calcualtor"; did you mean "calculator"?'
    )
    assert nearest("x", known) == "; known: addressbook, calculator"
    assert nearest("x", [f"n{number}" for number in range(20)]).endswith(", …")
    assert nearest("x", []) == ""


def test_a_hostile_name_is_neither_repeated_at_length_nor_compared() -> None:
    detail = GatewayError.unknown_method("s", "a" * 1_000_000, ["a" * 500_000]).detail
    assert len(detail) < 600_000
    assert '"' + "a" * 39 + '…"' in detail
    assert quote("a\nb\x1b[31m") == '"a\ufffdb\ufffd[31m"'


def test_a_services_own_status_is_told_with_its_details() -> None:
    error = from_rpc_error(RpcError("already_exists", "Ann is there", {"name": "Ann"}))
    assert error.status is Status.ALREADY_EXISTS
    assert error.detail == "Ann is there"
    assert error.details == {"name": "Ann"}
    assert from_rpc_error(RpcError("aborted")).detail == "aborted"
    assert from_rpc_error(Unavailable()).status is Status.UNAVAILABLE
    assert from_rpc_error(DeadlineExceeded()).status is Status.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("expose", "detail"), [(False, "the service raised ValueError"), (True, "the service raised ValueError: secret")]
)
def test_the_text_of_any_other_exception_is_told_only_where_that_is_wanted(expose: bool, detail: str) -> None:
    error = from_rpc_error(RemoteError("ValueError", "secret"), expose_errors=expose)
    assert error.detail == detail
    assert error.problem()["code"] == "unknown"
    assert error.details == {"exception": "ValueError"}
