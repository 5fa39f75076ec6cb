"""The requests that gateways answer oddly, in one table: each gets the right status and a problem object, and the next
good request works. A row's detail is part of what the answer says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.integration.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.integration.conftest import Start, Web

ADD = "/api/calculator/add"
BAD = "invalid_argument"
TYPE = "unsupported_media_type"
DIVIDE = "/api/calculator/divide"
COUNTING = HERE / "counting.capnp"
TWO_MEGABYTES = b'{"first":2,"second":5' + b" " * 2_000_000 + b"}"


class Odd(NamedTuple):
    """A request; the answer's body, or a problem's code, its path and a part of its detail."""

    name: str
    method: str
    path: str
    body: Any
    status: int
    answer: dict[str, Any] | str
    at: str | None = None
    says: str = ""
    headers: Mapping[str, str] = {}


TABLE = [
    Odd("zero result", "POST", ADD, {"first": 2, "second": -2}, 200, {"result": 0}),
    Odd("unknown member", "POST", ADD, {"first": 2, "nope": 5}, 400, BAD, "$.nope", "first, second"),
    Odd("missing member", "POST", ADD, {"first": 2}, 200, {"result": 2}),
    Odd("all members missing", "POST", ADD, {}, 200, {"result": 0}),
    Odd("text for Int32", "POST", ADD, {"first": "abc"}, 400, BAD, "$.first", 'Int32, got "abc"'),
    Odd("null for Int32", "POST", ADD, {"first": None}, 400, BAD, "$.first", "Int32, got null"),
    Odd("too large for Int32", "POST", ADD, {"first": 3_000_000_000}, 400, BAD, "$.first", "-2147483648 … 2147483647"),
    Odd("one more than Int32", "POST", ADD, {"first": 2_147_483_648}, 400, BAD, "$.first", "2147483647"),
    Odd("the largest Int32", "POST", ADD, {"first": 2_147_483_647}, 200, {"result": 2_147_483_647}),
    Odd("fraction for Int32", "POST", ADD, {"first": 2.5}, 400, BAD, "$.first", "2.5"),
    Odd("whole number with a point", "POST", ADD, b'{"first":2.0}', 200, {"result": 2}),
    Odd("bad JSON", "POST", ADD, b'{"first":2,}', 400, BAD, None, "line 1 column 11"),
    Odd("cut JSON", "POST", ADD, b'{"first":\n2', 400, BAD, None, "line 2 column"),
    Odd("two values", "POST", ADD, b"{} {}", 400, BAD, None, "line 1 column"),
    Odd("empty body", "POST", ADD, b"", 400, BAD, "$", "the body is empty"),
    Odd("no body", "POST", ADD, None, 400, BAD, "$", "add(first :Int32, second :Int32)"),
    Odd("body of blanks", "POST", ADD, b" \n ", 400, BAD, None, "no JSON"),
    Odd("2 MB body", "POST", ADD, TWO_MEGABYTES, 413, "too_large", None, "1048576"),
    Odd("GET on a POST route", "GET", f"{ADD}?first=2", None, 405, "method_not_allowed", None, "permitted: POST"),
    Odd("HEAD on a POST route", "HEAD", ADD, None, 405, ""),
    Odd("unheard-of verb", "BREW", ADD, None, 405, "method_not_allowed", None, "permitted: POST"),
    Odd("GET on a GET route", "GET", f"{DIVIDE}?dividend=7&divisor=2", None, 200, {"quotient": 3, "remainder": 1}),
    Odd("text in a query", "GET", f"{DIVIDE}?dividend=abc", None, 400, BAD, "$.dividend", "Int32"),
    Odd("unknown name in a query", "GET", f"{DIVIDE}?nope=1", None, 400, BAD, "$.nope"),
    Odd("unknown path", "GET", "/nothing/here", None, 404, "not_found", None, "nothing at this path"),
    Odd("unknown path, POST", "POST", "/nothing/here", {}, 404, "not_found", None, "nothing at this path"),
    Odd("unknown service", "POST", "/api/calculater/add", {}, 404, "not_found", None, 'did you mean "calculator"?'),
    Odd("unknown method", "POST", "/api/calculator/sub", {}, 404, "not_found", None, "sub"),
    Odd("slash at the end", "POST", f"{ADD}/", {}, 404, "not_found", None, "nothing at this path"),
    Odd("text/plain", "POST", ADD, [2, 5], 415, TYPE, says="application/json", headers={"Content-Type": "text/plain"}),
    Odd("no media type", "POST", ADD, [2, 5], 415, TYPE, says="application/json", headers={"Content-Type": ""}),
    Odd(
        "charset", "POST", ADD, [2, 5], 200, {"result": 7},
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    ),
    Odd("answer of another type", "POST", ADD, [2, 5], 200, {"result": 7}, None, "", {"Accept": "text/html"}),
    Odd(
        "CORS preflight", "OPTIONS", ADD, None, 403, "permission_denied", None, "https://other.example",
        {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"},
    ),
    Odd("OPTIONS", "OPTIONS", ADD, None, 204, ""),
    Odd("foreign host", "POST", ADD, [2, 5], 421, "misdirected", None, "evil.example", {"Host": "evil.example"}),
    Odd("wordy deadline", "POST", ADD, [2, 5], 400, BAD, says="Request-Timeout", headers={"Request-Timeout": "1s"}),
    Odd("unknown session", "POST", ADD, [2, 5], 404, "not_found", None, "session", {"Session-Id": "nobody's"}),
    Odd("/healthz", "GET", "/healthz", None, 200, {"status": "ok"}),
]  # fmt: skip


@pytest.mark.parametrize("odd", TABLE, ids=[odd.name for odd in TABLE])
def test_an_odd_request_is_answered_right(web: Web, odd: Odd) -> None:
    answer = web.request(odd.method, odd.path, odd.body, odd.headers)
    assert answer.status == odd.status, answer.text
    if isinstance(odd.answer, dict):
        assert answer.json == odd.answer
        assert answer.headers["content-type"] == "application/json"
    elif odd.answer:
        assert answer.code == odd.answer
        assert answer.json.get("path") == odd.at
        assert odd.says in answer.json["detail"]
    else:
        assert answer.data == b""
    if odd.status == 405:
        assert answer.headers["allow"] == "POST"
    assert web.post(ADD, {"first": 2, "second": 5}).json == {"result": 7}


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/healthz", "/readyz", "/"])
def test_what_watchers_and_generators_look_for_is_there(web: Web, path: str) -> None:
    answer = web.get(path)
    assert answer.status == 200
    assert answer.data


def test_a_service_that_is_gone_is_said_so_at_once_without_its_address(start: Start) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(f"""
        [services.counting]
        schema = "{COUNTING}"
        interface = "Counting"
        endpoint = "{endpoint}"
        peer = "counting"
    """)
    assert web.post("/api/counting/count").status == 200
    service.popen.kill()
    service.popen.wait()
    answers = [web.post("/api/counting/count") for _ in range(20)]
    assert {answer.status for answer in answers} <= {502, 503}
    last = answers[-1]
    assert (last.status, last.code) == (503, "unavailable")
    assert endpoint.removeprefix("tcp://") not in json.dumps(last.json)
    assert web.get("/healthz").status == 200
    assert web.get("/readyz").code == "unavailable"
