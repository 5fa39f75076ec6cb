"""Calls, handles and sessions over REST, in one process with the services that they call."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from cara_pseud.errors import DeadlineExceeded, RemoteError, RpcError, Unavailable
from gateway.config.limits import Limits
from tests.clock import MovedClock
from tests.gateway.http.conftest import FRIEND, Built, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
DIVIDE = "/api/calculator/divide?dividend=7&divisor=2"
ACCUMULATOR = "/api/calculator/accumulator"


async def called(edge: Edge, object: Any, wire: Any, *request: Any) -> HTTPResponse:
    """The answer to a request whose call the service answers so."""
    asked = edge.asks(*request)
    (await object.next_call()).reply(wire)
    return await asked


async def held(edge: Edge, root: Any, thing: Any, headers: Mapping[str, str] | None = None) -> tuple[HTTPResponse, str]:
    """An answer that gives an object of the service, and the path of its handle."""
    answer = await called(edge, root, thing, "POST", ACCUMULATOR, {}, headers)
    return answer, "/api/handles/" + json.loads(answer.body)["accumulator"]["$handle"]


def person_with(thing: Any) -> dict[int, Any]:
    """Ann as the service gives her, whose updater is an object."""
    return {0: "Ann", 4: thing}


# Calls.


async def test_what_the_caller_says_reaches_the_service(edge: Edge, root: Any) -> None:
    headers = {
        "Request-Timeout": "1.5", "X-Request-Id": "mine-1", "Traceparent": "00-1-2-03", "Idempotency-Key": "once",
    }  # fmt: skip
    asked = edge.asks("POST", ADD, {"first": 2, "second": 5}, headers)
    call = await root.next_call()
    assert (call.method, call.args) == ("add", [2, 5])
    assert call.options == (1.5, "mine-1", None, "00-1-2-03", "once", ())
    call.reply(7)
    answer = await asked
    assert (answer.code, answer.body) == (200, b'{"result":7}')
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert not {"Session-Id", "Set-Cookie", "ETag", "Cache-Control", "Vary"} & answer.headers.keys()


@pytest.mark.parametrize(("wished", "timeout_s"), [(None, 30.0), ("0.001", 0.001), ("50", 50.0), ("51", 50.0)])
async def test_a_call_has_the_time_that_is_wished_up_to_the_limit(
    edge: Edge, root: Any, wished: str | None, timeout_s: float
) -> None:
    await called(edge, root, 7, "POST", ADD, [2, 5], {} if wished is None else {"Request-Timeout": wished})
    assert root.calls[0].options.timeout == timeout_s


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "", "1_0", "1 0", "+1", "1e400", "9" * 5000, "\xb2"])
async def test_a_time_that_is_none_is_refused_before_the_service_is_asked(edge: Edge, root: Any, text: str) -> None:
    found = problem(await edge.post(ADD, [2, 5], {"Request-Timeout": text}))
    assert (found["status"], found["service"], found["method"]) == (400, "calculator", "add")
    assert "Request-Timeout" in found["detail"]
    assert root.calls == []


@pytest.mark.parametrize("name", ["Idempotency-Key", "Traceparent"])
@pytest.mark.parametrize(
    ("text", "is_taken"),
    [("x", True), ("x" * 512, True), ("a b", True), ("x" * 513, False), ("", False), ("a\tb", False)],
)
async def test_what_goes_on_to_the_service_is_bounded(
    edge: Edge, root: Any, name: str, text: str, is_taken: bool
) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, "Content-Type: application/json", f"{name}: {text}", body=b"[2,5]")
    if is_taken:
        (await root.next_call()).reply(7)
        assert (await connection.answer())[0].status == 200
        return
    found = json.loads((await connection.answer())[1])
    assert (found["status"], found["service"], found["method"]) == (400, "calculator", "add")
    assert found["detail"] == f"{name} must be 1 to 512 printable characters"
    assert root.calls == []


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"path": "$.first"}, "$.first"),
        ({"path": "$[0]", "more": 1}, "$[0]"),
        ({"path": "$"}, "$"),
        ({"path": "first"}, None),
        ({"path": "$.a\n"}, None),
        ({"path": "$." + "x" * 600}, None),
        ({"path": 5}, None),
        ({}, None),
        (None, None),
    ],
)
async def test_a_service_may_say_which_value_is_to_blame(edge: Edge, root: Any, details: Any, path: str | None) -> None:
    asked = edge.asks("POST", ADD, [2, 5])
    (await root.next_call()).set_exception(RpcError("invalid_argument", "too odd", details))
    found = problem(await asked)
    assert found.get("path") == path
    assert found.get("details") == details


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable(), 503, "unavailable"),
        (DeadlineExceeded(), 504, "deadline_exceeded"),
        (RpcError("already_exists", "it is there"), 409, "already_exists"),
        (ValueError("a secret"), 500, "internal"),
    ],
)
async def test_a_failed_call_is_a_problem_that_says_which_call(
    edge: Edge, root: Any, error: Exception, status: int, code: str
) -> None:
    asked = edge.asks("POST", ADD, [2, 5])
    (await root.next_call()).set_exception(error)
    answer = await asked
    found = problem(answer)
    assert (found["status"], found["code"], found["service"], found["method"]) == (status, code, "calculator", "add")
    assert b"secret" not in answer.body


async def test_a_caller_who_hangs_up_cancels_the_call(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, "Content-Type: application/json", body=b"[2,5]")
    call = await root.next_call()
    ended = edge.ended(call)
    await connection.close()
    await ended
    assert call.cancelled()
    assert (await edge.metrics())["calls_in_flight"] == 0


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "says"),
    [
        (ADD, None, {}, 400, "add(first :Int32, second :Int32)"),
        (ADD, b"{", {}, 400, "line 1"),
        (ADD, {"frist": 2}, {}, 400, "$.frist"),
        (ADD, [2, 5], {"Content-Type": "text/plain"}, 415, "must be application/json"),
        (ADD, [2, 5], {"Content-Type": "application/jsonx"}, 415, "must be application/json"),
        (ADD, b"\x1f\x8b", {"Content-Encoding": "gzip"}, 415, "must not be compressed"),
    ],
)
async def test_a_body_that_is_no_parameters_is_refused(
    edge: Edge, root: Any, path: str, body: Any, headers: dict[str, str], status: int, says: str
) -> None:
    found = problem(await edge.post(path, body, headers))
    assert (found["status"], found["service"], found["method"]) == (status, "calculator", "add")
    assert says in found["detail"]
    assert root.calls == []


async def test_null_is_a_body_that_leaves_every_parameter_out(edge: Edge, root: Any) -> None:
    assert (await called(edge, root, 0, "POST", ADD, b"null")).code == 200
    assert root.calls[0].args == [0, 0]


async def test_parameters_of_a_post_do_not_stand_in_the_query(edge: Edge, root: Any) -> None:
    found = problem(await edge.post(ADD + "?first=2", [2, 5]))
    assert (found["status"], found["service"], found["method"]) == (400, "calculator", "add")
    assert "not into the query" in found["detail"]
    assert root.calls == []


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "APPLICATION/JSON ; charset=utf-8"}, {"Content-Encoding": "identity"}]
)
async def test_a_body_s_type_may_be_said_in_many_words(edge: Edge, root: Any, headers: dict[str, str]) -> None:
    assert (await called(edge, root, 7, "POST", ADD, [2, 5], headers)).code == 200


async def test_calls_under_way_are_counted_and_bounded_by_session(edge: Edge, root: Any) -> None:
    session = await edge.session()
    asked = [edge.asks("POST", ADD, [n, 0], session) for n in range(3)]
    calls = [await root.next_call() for _ in asked]
    alone = edge.asks("POST", ADD, [9, 9])
    calls.append(await root.next_call())
    assert (await edge.metrics())["calls_in_flight"] == 4
    refused = problem(await edge.post(ADD, [3, 0], session))
    assert (refused["status"], refused["code"]) == (429, "resource_exhausted")
    for call in calls:
        call.reply(0)
    assert [(await answer).code for answer in (*asked, alone)] == [200] * 4
    assert (await edge.metrics())["calls_in_flight"] == 0
    assert (await called(edge, root, 0, "POST", ADD, [3, 0], session)).code == 200


# Methods that only read.


async def test_a_method_that_only_reads_can_be_got_and_has_a_tag(edge: Edge, root: Any) -> None:
    results = {"quotient": 3, "remainder": 1}
    got = await called(edge, root, results, "GET", DIVIDE)
    assert (got.code, got.body) == (200, b'{"quotient":3,"remainder":1}')
    assert root.calls[0].args == [7, 2]
    assert got.headers["Cache-Control"] == "private, no-cache"
    tag = got.headers["ETag"]
    head = await called(edge, root, results, "HEAD", DIVIDE)
    assert (head.code, head.body, head.headers["ETag"]) == (200, b"", tag)
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    known = await called(edge, root, results, "GET", DIVIDE, None, {"If-None-Match": tag})
    assert (known.code, known.body) == (304, b"")
    other = await called(edge, root, {**results, "quotient": 4}, "GET", DIVIDE, None, {"If-None-Match": tag})
    assert (other.code, other.body) == (200, b'{"quotient":4,"remainder":1}')
    posted = await called(edge, root, results, "POST", "/api/calculator/divide", [7, 2], {"If-None-Match": tag})
    assert posted.code == 200
    assert "ETag" not in posted.headers


@pytest.mark.parametrize(
    ("path", "says", "where"),
    [
        ("/api/calculator/divide?dividend=x", "Int32", "$.dividend"),
        ("/api/calculator/divide?dividend=1&dividend=2", "", "$.dividend"),
        ("/api/calculator/divide?dividend=", "", "$.dividend"),
        ("/api/calculator/divide?dividend=%ff", "UTF-8", None),
    ],
)
async def test_a_query_that_does_not_fit_says_where(
    edge: Edge, root: Any, path: str, says: str, where: str | None
) -> None:
    found = problem(await edge.get(path))
    assert (found["status"], found.get("path"), found["method"]) == (400, where, "divide")
    assert says in found["detail"]
    assert root.calls == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", ADD, "POST"),
        ("HEAD", ADD, "POST"),
        ("PUT", ADD, "POST"),
        ("DELETE", "/api/calculator/divide", "GET, HEAD, POST"),
        ("BREW", "/api/calculator/divide", "GET, HEAD, POST"),
        ("PUT", "/api/handles/abc", "GET, HEAD, POST, DELETE"),
        ("GET", "/api/handles/abc/add", "POST"),
        ("PATCH", "/api/session", "GET, HEAD, POST, DELETE"),
        ("POST", "/api", "GET, HEAD"),
        ("POST", "/api/calculator", "GET, HEAD"),
        ("DELETE", "/people", "GET, HEAD, POST"),
        ("POST", "/people/Ann", "GET, HEAD"),
    ],
)
async def test_another_method_is_refused_with_those_that_there_are(
    edge: Edge, method: str, path: str, allowed: str
) -> None:
    answer = await edge.request(method, path)
    assert (answer.code, answer.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert f"{method} is not permitted here; permitted: {allowed}" in problem(answer)["detail"]
    options = await edge.request("OPTIONS", path)
    assert (options.code, options.body, options.headers["Allow"]) == (204, b"", f"{allowed}, OPTIONS")


async def test_the_refusal_of_a_method_says_of_which_call(edge: Edge) -> None:
    found = problem(await edge.get(ADD))
    assert (found["service"], found["method"]) == ("calculator", "add")


# Routes of the schema.


@pytest.mark.parametrize(
    ("path", "name"),
    [("/people/Ann", "Ann"), ("/people/a%2Fb", "a/b"), ("/people/%E2%82%AC+1", "€+1"), ("/people/%2561", "%61")],
)
async def test_a_value_in_a_path_is_decoded_once_and_within_its_segment(
    edge: Edge, people: Any, path: str, name: str
) -> None:
    answer = await called(edge, people, {0: name}, "GET", path)
    assert people.calls[0].args == [name]
    assert json.loads(answer.body)["person"]["name"] == name


async def test_a_route_takes_its_body_and_its_query(edge: Edge, people: Any) -> None:
    answer = await called(edge, people, {0: "Ann"}, "POST", "/people", {"name": "Ann", "tags": ["a"]})
    assert answer.code == 200
    (person,) = people.calls[0].args
    assert person[0] == "Ann"
    listed = await called(edge, people, [], "GET", "/people?prefix=A&limit=3")
    assert (listed.body, people.calls[1].args) == (b'{"people":[]}', ["A", 3])
    head = await called(edge, people, [], "HEAD", "/people?prefix=A")
    assert (head.code, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name"),
    [
        ("GET", "/people/%ff", None, 400, None),
        ("GET", "/people?limit=x", None, 400, "list"),
        ("POST", "/people", {"nme": "Ann"}, 400, "add"),
        ("GET", "/people/Ann/more", None, 404, None),
        ("GET", "/people/", None, 404, None),
    ],
)
async def test_a_request_that_a_route_cannot_take_is_refused(
    edge: Edge, people: Any, method: str, path: str, body: Any, status: int, name: str | None
) -> None:
    found = problem(await edge.request(method, path, body))
    assert (found["status"], found.get("method")) == (status, name)
    assert people.calls == []


# Handles.


async def test_the_first_object_opens_a_session(edge: Edge, root: Any, fakes: Any) -> None:
    answer, path = await held(edge, root, fakes.Object())
    session = answer.headers["Session-Id"]
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert cookie.startswith(f"cara_session_{edge.port}={session}.")
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.body)["accumulator"]["interface"] == "Calculator.Accumulator"
    for sent in ({"Session-Id": session}, {"Cookie": cookie}):
        described = await edge.get(path, sent)
        assert (described.code, described.headers["Cache-Control"]) == (200, "no-store")
        assert json.loads(described.body)["interface"] == "Calculator.Accumulator"


async def test_a_later_object_joins_its_session_and_says_nothing_of_it(edge: Edge, root: Any, fakes: Any) -> None:
    session = await edge.session()
    answer, _ = await held(edge, root, fakes.Object(), session)
    assert not {"Session-Id", "Set-Cookie"} & answer.headers.keys()
    assert answer.headers["Cache-Control"] == "no-store"
    shown = json.loads((await edge.get("/api/session", session)).body)
    (handle,) = shown["handles"]
    assert handle == {
        "$handle": json.loads(answer.body)["accumulator"]["$handle"],
        "interface": "Calculator.Accumulator", "service": "calculator", "count": 1,
    }  # fmt: skip
    assert (shown["callbacks"], shown["streams"]) == ([], 0)


async def test_a_method_of_an_object_is_called_at_the_object(edge: Edge, root: Any, fakes: Any) -> None:
    session, thing = await edge.session(), fakes.Object()
    _, path = await held(edge, root, thing, session)
    answer = await called(edge, thing, 42, "POST", f"{path}/add", {"value": "37"}, session)
    assert answer.body == b'{"total":"42"}'
    assert (thing.calls[0].method, thing.calls[0].args) == ("add", [37])
    assert (await called(edge, thing, 42, "POST", f"{path}/val%75e", None, session)).body == b'{"total":"42"}'
    assert problem(await edge.post(f"{path}/nope", {}, session))["status"] == 404
    assert len(root.calls) == 1


async def test_a_released_handle_is_gone_at_the_service_too(edge: Edge, root: Any, fakes: Any) -> None:
    session, thing = await edge.session(), fakes.Object()
    _, path = await held(edge, root, thing, session)
    released = await edge.request("DELETE", path, None, session)
    assert (released.code, released.body, thing.released) == (204, b"", 1)
    for method, place in (("GET", path), ("HEAD", path), ("DELETE", path), ("POST", f"{path}/value")):
        assert (await edge.request(method, place, None, session)).code == 404
    assert thing.released == 1


async def test_streams_that_hold_a_handle_are_told_when_it_is_released_over_rest(
    edge: Edge, root: Any, fakes: Any
) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1}, id=0)
    session = {"Session-Id": (await socket.hear())["result"]["session"]}
    socket.say("calculator.accumulator", id=1)
    (await root.next_call()).reply(thing := fakes.Object())
    token = (await socket.hear())["result"]["accumulator"]["$handle"]
    assert (await edge.request("DELETE", f"/api/handles/{token}", None, session)).code == 204
    assert thing.released == 1
    told = await socket.hear()
    assert (told["method"], told["params"]["handle"], told["params"]["code"]) == ("rpc.released", token, "released")


DEEP: Any = "the bottom"
for _ in range(300):
    DEEP = {"in": DEEP}
OUTWARDS = [
    (RpcError("aborted", "no", {"deep": DEEP}), "aborted", "no"),
    (RpcError("aborted", "no", {1: "key", "bytes": b"\xff", "half": "\ud800", "huge": 2**70}), "aborted", "no"),
    (RpcError("aborted", "no", {"large": "x" * 10_000_000}), "aborted", "no"),
    (RpcError("aborted", "no" * 5_000_000), "aborted", "nonono"),
    (RemoteError("E" * 1_000_000, "no"), "unknown", "the service raised EEE"),
]
"""What a service may raise, none of which may leave as it is."""


@pytest.mark.parametrize(("error", "code", "begins"), OUTWARDS, ids=["deep", "odd", "large", "long", "class"])
async def test_whatever_a_service_raises_is_answered_within_the_limit_of_a_message(
    edge: Edge, root: Any, limits: Limits, error: Exception, code: str, begins: str
) -> None:
    asked = edge.asks("POST", ADD, [2, 5])
    (await root.next_call()).set_exception(error)
    answer = await asked
    found = problem(answer)
    assert (found["code"], found["detail"].startswith(begins)) == (code, True)
    assert len(answer.body) <= limits.max_message_bytes
    socket = await edge.socket()
    socket.say("calculator.add", [2, 5])
    (await root.next_call()).set_exception(error)
    told = await socket.hear()
    assert (told["id"], told["error"]["data"]["code"]) == (1, code)
    assert told["error"]["message"].startswith(begins)
    assert len(json.dumps(told)) <= limits.max_message_bytes
    # And the next call is answered as any other.
    socket.say("calculator.add", [2, 5])
    (await root.next_call()).reply(7)
    assert (await socket.hear())["result"] == {"result": 7}


async def test_handles_are_not_compressed_beside_what_a_caller_chose(edge: Edge, people: Any, fakes: Any) -> None:
    packs = {"Accept-Encoding": "gzip"}
    secret = await called(edge, people, {0: "x" * 2000, 4: fakes.Object()}, "GET", "/people/x", None, packs)
    assert "Content-Encoding" not in secret.headers
    plain = await called(edge, people, {0: "x" * 2000}, "GET", "/people/x", None, packs)
    assert (plain.headers["Content-Encoding"], plain.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert json.loads(gzip.decompress(plain.body))["person"]["name"] == "x" * 2000
    assert len(plain.body) < 1000


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
async def test_an_answer_has_a_largest_size(edge: Edge, people: Any, over: int, status: int) -> None:
    empty = await called(edge, people, {0: ""}, "GET", "/people/x")
    answer = await called(edge, people, {0: "x" * (10_000 + over - len(empty.body))}, "GET", "/people/x")
    assert answer.code == status
    if status == 413:
        assert "10001 bytes, at most 10000" in problem(answer)["detail"]


async def test_the_objects_of_an_answer_that_is_too_large_are_let_go(edge: Edge, people: Any, fakes: Any) -> None:
    thing, session = fakes.Object(), await edge.session()
    answer = await called(edge, people, {0: "x" * 10_000, 4: thing}, "GET", "/people/x", None, session)
    assert (answer.code, thing.released) == (413, 1)
    assert (await edge.metrics())["handles"] == 0


async def test_a_handle_never_stands_in_the_log(edge: Edge, built: Built, clock: MovedClock, fakes: Any) -> None:
    session = await edge.session()
    await edge.get("/api/handles/very-secret", session)
    await edge.post("/api/handles/very-secret/add", {}, session)
    await clock.advance(0.2)
    lines = [json.loads(line) for line in built.log.getvalue().splitlines()]
    assert [line["path"] for line in lines] == ["/api/session", "/api/handles/…", "/api/handles/…/add"]
    assert [line.get("code") for line in lines] == [None, "not_found", "not_found"]


# Sessions.


async def test_a_session_is_opened_and_ended(edge: Edge, root: Any, fakes: Any) -> None:
    opened = await edge.post("/api/session", {})
    session = {"Session-Id": opened.headers["Session-Id"]}
    assert (opened.code, json.loads(opened.body)) == (201, {"session": session["Session-Id"], "idle_s": 100.0})
    assert opened.headers["Cache-Control"] == "no-store"
    assert opened.headers["Set-Cookie"].startswith(f"cara_session_{edge.port}={session['Session-Id']}.")
    thing = fakes.Object()
    await held(edge, root, thing, session)
    head = await edge.request("HEAD", "/api/session", None, session)
    assert (head.code, head.body, head.headers["Cache-Control"]) == (200, b"", "no-store")
    ended = await edge.request("DELETE", "/api/session", None, session)
    assert (ended.code, ended.body, thing.released) == (204, b"", 1)
    assert f'cara_session_{edge.port}=""' in ended.headers["Set-Cookie"]
    assert "expires=" in ended.headers["Set-Cookie"]
    assert problem(await edge.get("/api/session", session))["reason"] == "session"


@pytest.mark.parametrize("body", [[], {"id": "mine"}, 0, "x"])
async def test_a_session_takes_no_wishes(edge: Edge, body: Any) -> None:
    assert problem(await edge.post("/api/session", body))["status"] == 400
    assert (await edge.metrics())["sessions"] == 0


async def cookie_of_session(edge: Edge) -> str:
    """Open a session; the cookie that names it."""
    return (await edge.post("/api/session")).headers["Set-Cookie"].partition(";")[0]


async def test_the_header_wins_over_the_cookie(edge: Edge) -> None:
    cookie = {"Cookie": await cookie_of_session(edge)}
    session = await edge.session()
    other = {"Session-Id": "nobody"}
    assert (await edge.get("/api/session", cookie)).code == 200
    assert (await edge.get("/api/session", {**cookie, **other})).code == 404
    assert (await edge.get("/api/session", {"Cookie": "cara_session_1=nobody", **session})).code == 200
    assert problem(await edge.get("/api/session", {"Cookie": "other=x"}))["reason"] == "session"


async def test_the_cookie_of_an_ended_session_is_taken_away(edge: Edge, root: Any) -> None:
    cookie = {"Cookie": f"cara_session_{edge.port}=nobody"}
    answer = await edge.post(ACCUMULATOR, {}, cookie)
    assert answer.code == 404
    assert answer.headers["Set-Cookie"].startswith(f'cara_session_{edge.port}="";')
    for headers in ({"Session-Id": "nobody"}, {"Session-Id": "nobody", **cookie}):
        assert "Set-Cookie" not in (await edge.post(ACCUMULATOR, {}, headers)).headers
    assert root.calls == []


async def test_the_cookie_of_an_ended_session_does_no_harm_where_none_is_needed(edge: Edge, root: Any) -> None:
    cookie = {"Cookie": f"cara_session_{edge.port}=nobody"}
    for result, *request in ((7, "POST", ADD, [2, 5]), ({"quotient": 3, "remainder": 1}, "GET", DIVIDE, None)):
        answer = await called(edge, root, result, *request, cookie)
        assert answer.code == 200
        assert answer.headers["Set-Cookie"].startswith(f'cara_session_{edge.port}="";')
    for headers in ({"Session-Id": "nobody"}, {"Session-Id": "nobody", **cookie}):
        refused = await edge.post(ADD, [2, 5], headers)
        assert (refused.code, "Set-Cookie" in refused.headers) == (404, False)
    assert len(root.calls) == 2


async def test_the_cookie_of_a_session_that_is_there_stays(edge: Edge) -> None:
    missing = await edge.get("/api/handles/x", {"Cookie": await cookie_of_session(edge)})
    assert (missing.code, "Set-Cookie" in missing.headers) == (404, False)


async def test_there_are_not_more_sessions_than_may_be(edge: Edge, root: Any) -> None:
    sessions = [await edge.session() for _ in range(15)]
    refused = await edge.post("/api/session")
    found = problem(refused)
    assert (found["status"], found["retry_after"], refused.headers["Retry-After"]) == (429, 60, "60")
    assert found["detail"] == "there are 15 sessions already, as many as max_sessions permits: try again in 60 s"
    # A call that may give an object would need one more: the service is not even asked.
    assert problem(await edge.post(ACCUMULATOR, {}))["code"] == "resource_exhausted"
    assert root.calls == []
    await edge.request("DELETE", "/api/session", None, sessions[0])
    assert (await edge.post("/api/session")).code == 201


async def test_clients_that_keep_no_session_do_not_keep_pages_out(edge: Edge, root: Any, fakes: Any) -> None:
    page = await edge.socket()
    page.say("rpc.hello", {"protocol": 1})
    assert "session" in (await page.hear())["result"]
    for _ in range(15):
        await held(edge, root, fakes.Object())
    assert problem(await edge.post(ACCUMULATOR, {}))["status"] == 429
    late = await edge.socket()
    late.say("rpc.hello", {"protocol": 1})
    assert "session" in (await late.hear())["result"]
    page.say("calculator.add", [2, 5], 2)
    (await root.next_call()).reply(7)
    assert (await page.hear())["result"] == {"result": 7}
    assert (await edge.metrics())['refused_total{reason="max_sessions"}'] == 1


@moves_time
async def test_a_session_that_nobody_came_back_to_makes_room_after_a_minute(
    edge: Edge, root: Any, fakes: Any, clock: MovedClock
) -> None:
    things = [fakes.Object() for _ in range(14)]
    for thing in things:
        await held(edge, root, thing)
    # The newest goes first, but nobody who was named again.
    used = await edge.session()
    assert (await edge.get("/api/session", used)).code == 200
    await clock.advance(58)
    refused = await edge.post(ACCUMULATOR, {})
    assert int(refused.headers["Retry-After"]) <= 2
    await clock.advance(4)
    await held(edge, root, fakes.Object())
    assert [thing.released for thing in things] == [0] * 12 + [1] * 2
    assert (await edge.get("/api/session", used)).code == 200


async def test_head_opens_no_session_and_keeps_no_object(edge: Edge, people: Any, fakes: Any) -> None:
    thing = fakes.Object()
    answer = await called(edge, people, person_with(thing), "HEAD", "/people/Ann")
    assert (answer.code, answer.body) == (200, b"")
    assert not {"Session-Id", "Set-Cookie"} & answer.headers.keys()
    assert thing.given_back == 1
    assert (await edge.metrics())["sessions"] == 0


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_a_page_of_another_site_opens_no_session(edge: Edge, people: Any, headers: Mapping[str, str]) -> None:
    found = problem(await edge.get("/people/Ann", headers))
    assert (found["status"], found["code"]) == (403, "permission_denied")
    assert people.calls == []
    assert (await edge.metrics())["sessions"] == 0


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": FRIEND}]
)
async def test_our_own_pages_and_those_that_may_do(
    edge: Edge, people: Any, fakes: Any, headers: Mapping[str, str]
) -> None:
    answer = await called(edge, people, person_with(fakes.Object()), "GET", "/people/Ann", None, headers)
    assert (answer.code, "Session-Id" in answer.headers) == (200, True)


async def test_only_a_cookie_that_the_gateway_has_set_names_a_session(edge: Edge) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1})
    theirs = (await socket.hear())["result"]["session"]
    ours = await cookie_of_session(edge)
    id, _, secret = ours.partition("=")[2].partition(".")
    name = f"cara_session_{edge.port}"
    assert (await edge.get("/api/session", {"Cookie": f"{name}={id}.{secret}"})).code == 200
    for value in (theirs, f"{theirs}.", f"{theirs}.{secret}", f"{theirs}.None", id, f"{id}.", f"{id}.{secret[:-1]}"):
        answer = await edge.get("/api/session", {"Cookie": f"{name}={value}"})
        assert problem(answer)["reason"] == "session", value
        assert answer.headers["Set-Cookie"].startswith(f'{name}="";')
    assert (await edge.get("/api/session", {"Session-Id": f"{id}.{secret}"})).code == 404


@moves_time
async def test_a_session_ends_when_it_is_idle_and_each_use_counts(edge: Edge, clock: MovedClock) -> None:
    session, left = await edge.session(), await edge.session()
    for _ in range(3):
        await clock.advance(90)
        assert (await edge.get("/api/session", session)).code == 200
    assert problem(await edge.get("/api/session", left))["reason"] == "session"
    await clock.advance(101)
    assert (await edge.metrics())["sessions"] == 0
    assert (await edge.get("/api/session", session)).code == 404


@moves_time
async def test_a_session_that_nobody_used_again_is_swept_in_time(edge: Edge, clock: MovedClock) -> None:
    await edge.session()
    await clock.advance(99)
    assert (await edge.metrics())["sessions"] == 1
    await clock.advance(2)
    assert (await edge.metrics())["sessions"] == 0


@moves_time
async def test_an_idle_session_is_found_by_nobody_even_before_it_is_swept(edge: Edge, clock: MovedClock) -> None:
    session = await edge.session()
    # In one leap: no timer is looked at on the way.
    await clock.advance(99, step_s=99)
    assert (await edge.get("/api/session", session)).code == 200
    await clock.advance(101, step_s=101)
    assert (await edge.get("/api/session", session)).code == 404


@moves_time
async def test_a_session_with_a_call_under_way_is_not_idle(edge: Edge, root: Any, clock: MovedClock) -> None:
    session = await edge.session()
    connection = await edge.connect()
    connection.ask(
        "POST", ADD, "Content-Type: application/json", f"Session-Id: {session['Session-Id']}", body=b"[2,5]"
    )
    call = await root.next_call()
    await clock.advance(250)
    assert (await edge.metrics())["sessions"] == 1
    call.reply(7)
    assert (await connection.answer())[1] == b'{"result":7}'
    await clock.advance(201)
    assert (await edge.metrics())["sessions"] == 0


@moves_time
async def test_a_session_of_a_socket_that_rest_used_outlives_the_socket(edge: Edge, clock: MovedClock) -> None:
    for uses_rest in (False, True):
        socket = await edge.socket()
        socket.say("rpc.hello", {"protocol": 1})
        session = {"Session-Id": (await socket.hear())["result"]["session"]}
        if uses_rest:
            assert (await edge.get("/api/session", session)).code == 200
        await socket.leave(1001)
        # The stream is waited for as long as it may be resumed.
        await clock.advance(59)
        assert (await edge.metrics())["sessions"] == 1
        await clock.advance(2)
        assert ((await edge.metrics())["sessions"] == 1) is uses_rest


@moves_time
async def test_a_session_of_rest_outlives_a_socket_that_used_it(edge: Edge, clock: MovedClock) -> None:
    session = await edge.session()
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1, "session": session["Session-Id"]})
    assert (await socket.hear())["result"]["session"] == session["Session-Id"]
    await socket.leave(1000)
    await clock.advance(3)
    metrics = await edge.metrics()
    assert (metrics["streams"], metrics["sessions"]) == (0, 1)
