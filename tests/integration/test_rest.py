"""REST against the demo: calls, handles, sessions, and what every kind of bad request is answered with."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket as sockets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Answer, Web

ADD = "/api/calculator/add"
FIND = "/api/addressbook/find"
JSON = {"Content-Type": "application/json"}


def assert_alive(web: Web) -> None:
    assert web.post(ADD, {"first": 2, "second": 5}).json == {"result": 7}


def handle_of(answer: Answer) -> tuple[str, str]:
    """The session's id and the first handle of an answer that opened it."""
    (handle,) = re.findall(r'"\$handle":"([^"]+)"', answer.text)
    return answer.headers["session-id"], handle


def test_parameters_by_name_by_position_and_left_out(web: Web) -> None:
    for body in ({"first": 2, "second": 5}, [2, 5]):
        answer = web.post(ADD, body)
        assert (answer.status, answer.json) == (200, {"result": 7})
        assert answer.headers["content-type"] == "application/json"
    assert web.post(ADD, {"first": 2}).json == {"result": 2}
    assert web.post(ADD, [2]).json == {"result": 2}
    assert web.post(ADD, {}).json == {"result": 0}


def test_several_results_come_by_name_and_none_as_an_empty_object(web: Web) -> None:
    assert web.post("/api/calculator/divide", [-7, 2]).json == {"quotient": -4, "remainder": 1}
    session, handle = handle_of(web.post("/api/calculator/accumulator", [5]))
    assert web.post(f"/api/handles/{handle}/reset", None, {"Session-Id": session}).json == {}


def test_a_method_that_only_reads_can_be_got(web: Web) -> None:
    path = "/api/calculator/divide?dividend=7&divisor=2"
    assert web.get(path).json == {"quotient": 3, "remainder": 1}
    head = web.request("HEAD", path)
    assert (head.status, head.text) == (200, "")
    assert [person["name"] for person in web.get("/api/addressbook/list?prefix=An&limit=1").json["people"]] == ["Ann"]


def test_the_routes_of_the_schema_are_there_too(web: Web) -> None:
    assert web.get("/people/Ann").json["person"]["name"] == "Ann"
    assert web.get("/people/No%20One").code == "not_found"
    added = web.post("/people", {"name": "Route 66", "tags": ["road"]})
    assert added.json["person"]["tags"] == ["road"]
    assert web.post("/people", {"name": "Route 66"}).code == "already_exists"
    answer = web.request("DELETE", "/people")
    assert (answer.code, answer.headers["allow"]) == ("method_not_allowed", "GET, HEAD, POST")


BAD_REQUESTS: list[tuple[str, str, Any, int, str, str]] = [
    # method, path, body, status, code, what the detail says
    ("POST", ADD, b"{", 400, "invalid_argument", "line 1 column"),
    ("POST", ADD, b'{"first":2,}', 400, "invalid_argument", "line 1 column 11"),
    ("POST", ADD, b"\xff", 400, "invalid_argument", "UTF-8"),
    ("POST", ADD, b"", 400, "invalid_argument", "add(first :Int32, second :Int32)"),
    ("POST", ADD, b"2", 400, "invalid_argument", "expected an object or array of parameters"),
    ("POST", ADD, {"frist": 2}, 400, "invalid_argument", "$.frist"),
    ("POST", ADD, {"first": "abc"}, 400, "invalid_argument", "$.first: expected Int32, got"),
    ("POST", ADD, {"first": 2.5}, 400, "invalid_argument", "$.first"),
    ("POST", ADD, {"first": None}, 400, "invalid_argument", "$.first"),
    ("POST", ADD, {"first": 3_000_000_000}, 400, "invalid_argument", "range for Int32 (-2147483648 … 2147483647)"),
    ("POST", ADD, [1, 2, 3], 400, "invalid_argument", "takes 2 parameters, got 3"),
    ("POST", ADD, b"[" * 100 + b"]" * 100, 400, "invalid_argument", "$[0]"),
    ("POST", ADD + "?first=2", {}, 400, "invalid_argument", "query"),
    ("POST", ADD, [2147483647, 1], 400, "out_of_range", "does not fit"),
    ("POST", FIND, {"name": "Nobody"}, 404, "not_found", "there is no person named Nobody"),
    ("POST", "/api/addressbook/add", {"person": {"name": "Ann"}}, 409, "already_exists", "Ann"),
    ("POST", "/api/addressbook/add", {"person": {"tags": ["a", 5]}}, 400, "invalid_argument", "$.person.tags[1]"),
    ("POST", "/api/nothing/add", {}, 404, "not_found", 'there is no service "nothing"'),
    ("POST", "/api/calculater/add", {}, 404, "not_found", 'did you mean "calculator"?'),
    ("POST", "/api/calculator/ad", {}, 404, "not_found", 'did you mean "add"?'),
    ("GET", ADD + "?first=2&second=5", None, 405, "method_not_allowed", "permitted: POST"),
    ("PUT", ADD, {}, 405, "method_not_allowed", "permitted: POST"),
    ("BREW", ADD, None, 405, "method_not_allowed", "permitted: POST"),
    ("GET", "/api/calculator/divide?dividend=x", None, 400, "invalid_argument", "$.dividend"),
    ("GET", "/api/calculator/divide?dividend=1&dividend=2", None, 400, "invalid_argument", "$.dividend"),
    ("GET", "/api/calculator/divide?nope=1", None, 400, "invalid_argument", "$.nope"),
    ("GET", "/api/calculator/divide?dividend=%ff", None, 400, "invalid_argument", "UTF-8"),
    ("GET", "/nothing", None, 404, "not_found", "nothing at this path"),
    ("POST", "/nothing", {}, 404, "not_found", "nothing at this path"),
    ("GET", "/api/", None, 404, "not_found", "nothing at this path"),
    ("GET", "/api/calculator/add/more", None, 404, "not_found", "nothing at this path"),
    ("GET", "/client/../../pyproject.toml", None, 404, "not_found", "nothing at this path"),
    ("GET", "/client/%2e%2e/%2e%2e/pyproject.toml", None, 404, "not_found", "nothing at this path"),
    ("GET", "/client/%00", None, 404, "not_found", "nothing at this path"),
    ("POST", "/%2e%2e/pyproject.toml", {}, 404, "not_found", "nothing at this path"),
    ("GET", "/client", None, 404, "not_found", "nothing at this path"),
    ("POST", "/", {}, 405, "method_not_allowed", "permitted: GET, HEAD"),
    ("DELETE", "/healthz", None, 405, "method_not_allowed", "permitted: GET, HEAD"),
    ("GET", "/ws", None, 400, "failed_precondition", "WebSocket"),
    ("POST", "/api/handles/abc/update", {}, 404, "not_found", "belongs to no session"),
    ("GET", "/api/session", None, 404, "not_found", "belongs to no session"),
    ("POST", "/api/session", {"id": "mine"}, 400, "invalid_argument", "no body"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "says"), BAD_REQUESTS)
def test_a_bad_request_is_told_and_harms_nobody(
    web: Web, method: str, path: str, body: Any, status: int, code: str, says: str
) -> None:
    answer = web.request(method, path, body)
    assert (answer.status, answer.code) == (status, code), answer.text
    assert says in answer.json["detail"]
    if status == 405:
        assert answer.headers["allow"] in answer.json["detail"]
    assert "Traceback" not in answer.text
    assert "tcp://" not in answer.text
    assert_alive(web)


def test_a_path_is_given_with_the_error_as_a_member_of_its_own(web: Web) -> None:
    problem = web.post(ADD, {"first": "abc"}).json
    assert (problem["path"], problem["service"], problem["method"]) == ("$.first", "calculator", "add")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""]
)
def test_a_body_of_another_type_is_refused(web: Web, media_type: str) -> None:
    answer = web.post(ADD, b'{"first":2,"second":5}', {"Content-Type": media_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert_alive(web)


def test_a_compressed_body_is_refused_and_a_charset_is_not(web: Web) -> None:
    assert web.post(ADD, b"\x1f\x8b", {**JSON, "Content-Encoding": "gzip"}).code == "unsupported_media_type"
    assert web.post(ADD, [2, 5], {"Content-Type": "application/json; charset=utf-8"}).json == {"result": 7}


def chunks() -> Iterator[bytes]:
    for _ in range(32):
        yield b" " * 65536


@pytest.mark.parametrize("body", [b" " * 2**21, chunks()], ids=["with its length", "in chunks"])
def test_two_mebibytes_are_refused_with_the_limit(web: Web, body: Any) -> None:
    answer = web.post(ADD, body)
    assert (answer.status, answer.code) == (413, "too_large")
    assert "1048576" in answer.json["detail"]
    assert_alive(web)


def test_a_connection_goes_on_after_a_body_that_was_too_large(web: Web) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    for body, status in ((b" " * 2**21, 413), (b"[2,5]", 200)):
        connection.request("POST", ADD, body, JSON)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_who_asks_before_sending_too_much_is_told_at_once(web: Web) -> None:
    for length in ("Content-Length: 2097152\r\nExpect: 100-continue", "Content-Length: 99999999999"):
        with sockets.create_connection(("127.0.0.1", web.port), 10) as connection:
            connection.sendall(f"POST {ADD} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_what_fits_is_read_also_in_chunks(web: Web) -> None:
    assert web.post(ADD, iter([b'{"first":2,', b'"second":5}'])).json == {"result": 7}


def test_a_request_id_is_taken_over_or_made(web: Web) -> None:
    given = web.post(ADD, {"first": "x"}, {"X-Request-Id": "mine-1"})
    assert given.headers["x-request-id"] == given.json["request_id"] == "mine-1"
    made = web.post(ADD, [2, 5], {"X-Request-Id": "no good " * 50})
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", made.headers["x-request-id"])


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan", "inf", ""])
def test_a_timeout_that_is_none_is_told(web: Web, text: str) -> None:
    answer = web.post(ADD, [2, 5], {"Request-Timeout": text})
    assert (answer.code, answer.json["method"]) == ("invalid_argument", "add")


# What travels: entity tags and compression.


def test_a_read_answer_has_a_tag_that_saves_reading_it_again(web: Web) -> None:
    path = "/api/calculator/divide?dividend=7&divisor=2"
    first = web.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        for method in ("GET", "HEAD"):
            again = web.request(method, path, headers={"If-None-Match": known})
            assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    assert web.get(path, **{"If-None-Match": '"other"'}).json == first.json
    assert web.get("/api/calculator/divide?dividend=9&divisor=2").headers["etag"] != tag
    assert web.request("HEAD", path).headers["etag"] == tag


def test_an_answer_with_handles_and_one_to_a_post_have_no_tag(web: Web) -> None:
    for answer in (web.get("/people/Ann"), web.get("/api/addressbook/list")):
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
    assert "etag" not in web.post("/api/calculator/divide", [7, 2]).headers


def test_a_description_is_compressed_for_who_takes_it(web: Web) -> None:
    plain = web.get("/api/addressbook")
    packed = web.get("/api/addressbook", **{"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["vary"] == plain.headers["vary"] == "Authorization, Cookie, Accept-Encoding"
    assert packed.headers["etag"] == plain.headers["etag"]
    refused = web.get("/api/addressbook", **{"Accept-Encoding": "gzip;q=0, *"})
    assert refused.json == plain.json
    known = web.get("/api/addressbook", **{"Accept-Encoding": "gzip", "If-None-Match": plain.headers["etag"]})
    assert (known.status, known.data) == (304, b"")


def test_handles_are_never_compressed(web: Web) -> None:
    person = {"name": "Long List", "tags": ["a long tag of somebody"] * 100}
    answer = web.post("/api/addressbook/add", {"person": person}, {"Accept-Encoding": "gzip"})
    session, handle = handle_of(answer)
    web.post(f"/api/handles/{handle}/delete", None, {"Session-Id": session})
    assert len(answer.data) > 1024
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (ADD, "POST, OPTIONS"),
        ("/api/calculator/divide", "GET, HEAD, POST, OPTIONS"),
        ("/people", "GET, HEAD, POST, OPTIONS"),
        ("/api/session", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_says_what_is_permitted(web: Web, path: str, allowed: str) -> None:
    answer = web.request("OPTIONS", path)
    assert (answer.status, answer.text, answer.headers["allow"]) == (204, "", allowed)
    assert not any(name.startswith("access-control") for name in answer.headers)


# Handles and sessions.


def test_an_object_becomes_a_handle_with_methods_of_its_own(web: Web) -> None:
    session, handle = handle_of(web.post("/api/calculator/accumulator", {"start": 5}))
    headers = {"Session-Id": session}
    assert web.post(f"/api/handles/{handle}/add", {"value": "37"}, headers).json == {"total": "42"}
    assert web.post(f"/api/handles/{handle}/value", None, headers).json == {"total": "42"}
    described = web.get(f"/api/handles/{handle}", **headers)
    assert described.json["interface"] == "Calculator.Accumulator"
    assert {method["name"] for method in described.json["methods"]} == {"add", "value", "reset"}
    unknown = web.post(f"/api/handles/{handle}/nope", {}, headers)
    assert (unknown.status, unknown.code) == (404, "not_found")
    assert web.request("GET", f"/api/handles/{handle}/add", headers=headers).headers["allow"] == "POST"
    deleted = web.request("DELETE", f"/api/handles/{handle}", headers=headers)
    assert (deleted.status, deleted.text) == (204, "")
    for method in ("GET", "DELETE"):
        assert web.request(method, f"/api/handles/{handle}", headers=headers).code == "not_found"
    assert web.post(f"/api/handles/{handle}/value", {}, headers).code == "not_found"


def test_the_session_comes_as_a_cookie_too_and_the_header_wins(web: Web) -> None:
    answer = web.post("/api/calculator/accumulator", {})
    session, handle = handle_of(answer)
    cookie, _, attributes = answer.headers["set-cookie"].partition("; ")
    assert cookie.startswith(f"cara_session_{web.port}={session}.")
    assert {part.strip() for part in attributes.split(";")} == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert answer.headers["cache-control"] == "no-store"
    assert web.post(f"/api/handles/{handle}/value", {}, {"Cookie": cookie}).status == 200
    other = web.post("/api/session").headers["session-id"]
    both = {"Cookie": cookie, "Session-Id": other}
    assert web.post(f"/api/handles/{handle}/value", {}, both).code == "not_found"


def test_a_second_handle_joins_the_session_that_is_there(web: Web) -> None:
    session, first = handle_of(web.post("/api/calculator/accumulator", {}))
    answer = web.post("/api/calculator/accumulator", {}, {"Session-Id": session})
    assert "session-id" not in answer.headers
    assert "set-cookie" not in answer.headers
    listed = web.get("/api/session", **{"Session-Id": session}).json
    assert {handle["$handle"] for handle in listed["handles"]} == {
        first,
        answer.json["accumulator"]["$handle"],
    }
    assert listed["callbacks"] == []


def test_an_object_of_another_interface_is_refused_by_its_path(web: Web) -> None:
    session, handle = handle_of(web.post("/api/calculator/accumulator", {}))
    body = {"values": [1], "transform": {"$handle": handle}}
    answer = web.post("/api/calculator/map", body, {"Session-Id": session})
    assert (answer.status, answer.code, answer.json["path"]) == (400, "invalid_argument", "$.transform")
    assert "expected an object with the interface Calculator.Transform" in answer.json["detail"]
    assert "this one has Calculator.Accumulator" in answer.json["detail"]


def test_a_handle_means_nothing_in_another_session(web: Web) -> None:
    _, handle = handle_of(web.post("/api/calculator/accumulator", {}))
    other = {"Session-Id": web.post("/api/session").headers["session-id"]}
    for answer in (
        web.post(f"/api/handles/{handle}/value", {}, other),
        web.get(f"/api/handles/{handle}", **other),
        web.request("DELETE", f"/api/handles/{handle}", headers=other),
        web.post("/api/addressbook/watch", {"listener": {"$handle": handle}}, other),
        web.post("/api/addressbook/watch", {"listener": {"$handle": handle}}),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert_alive(web)


def test_a_session_is_opened_listed_and_ended(web: Web) -> None:
    opened = web.post("/api/session")
    assert opened.status == 201
    session = opened.headers["session-id"]
    assert opened.json["session"] == session
    assert len(session) >= 22  # 128 bits
    assert web.post("/api/session").headers["session-id"] != session
    headers = {"Session-Id": session}
    assert web.get("/api/session", **headers).json == {"handles": [], "callbacks": [], "streams": 0}
    _, handle = "", web.post("/api/calculator/accumulator", {}, headers).json["accumulator"]["$handle"]
    ended = web.request("DELETE", "/api/session", headers=headers)
    assert (ended.status, ended.text) == (204, "")
    for answer in (web.get("/api/session", **headers), web.get(f"/api/handles/{handle}", **headers)):
        assert answer.code == "not_found"


def test_an_unknown_session_is_never_a_new_one(web: Web) -> None:
    cookie = {"Cookie": f"cara_session_{web.port}={'x' * 32}"}
    for headers, path, body in (
        ({"Session-Id": "x" * 32}, ADD, [2, 5]),
        ({"Session-Id": "x" * 32}, "/api/calculator/accumulator", {}),
        (cookie, "/api/calculator/accumulator", {}),
    ):
        answer = web.post(path, body, headers)
        assert (answer.status, answer.code) == (404, "not_found")
        assert "session-id" not in answer.headers
    # A browser cannot get rid of the cookie by itself.
    assert "cara_session_" in answer.headers["set-cookie"]
    assert "expires=" in answer.headers["set-cookie"]
    assert web.post("/api/session", None, headers).status == 201


def test_an_old_cookie_does_no_harm_where_no_session_is_needed(web: Web) -> None:
    answer = web.post(ADD, [2, 5], {"Cookie": f"cara_session_{web.port}={'x' * 32}"})
    assert (answer.status, answer.json) == (200, {"result": 7})
    assert "session-id" not in answer.headers
    assert "expires=" in answer.headers["set-cookie"]


def test_a_callback_needs_a_stream(web: Web) -> None:
    answer = web.post("/api/calculator/map", {"values": [1], "transform": {"$callback": "f"}})
    assert (answer.status, answer.code, answer.json["path"]) == (400, "failed_precondition", "$.transform")


# Pages and descriptions.


def test_the_page_and_the_client_are_served(web: Web) -> None:
    page = web.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    script = web.get("/client/index.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    again = web.get("/client/index.js", **{"If-None-Match": script.headers["etag"]})
    assert again.status == 304


def test_services_and_methods_are_described(web: Web) -> None:
    assert {service["name"] for service in web.get("/api").json["services"]} == {"calculator", "addressbook"}
    described = web.get("/api/calculator").json
    assert {method["name"] for method in described["methods"]} == {"add", "divide", "accumulator", "map"}
    assert web.get("/api/calculater").code == "not_found"


def test_health_and_readiness(web: Web) -> None:
    assert web.get("/healthz").json == {"status": "ok"}
    assert web.get("/readyz").json == {"status": "ready", "services": {"calculator": "up", "addressbook": "up"}}


# Hosts and origins.

ALL_PATHS = ["/", "/client/index.js", "/api", "/api/calculator", ADD, "/healthz", "/readyz", "/api/session", "/ws"]


@pytest.mark.parametrize("path", ALL_PATHS)
def test_a_foreign_host_is_answered_with_nothing(web: Web, path: str) -> None:
    for method in ("GET", "POST"):
        answer = web.request(method, path, headers={"Host": "evil.example"})
        assert (answer.status, answer.code) == (421, "misdirected")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:8080", "LOCALHOST"])
def test_our_own_names_are_answered(web: Web, host: str) -> None:
    assert web.post(ADD, [2, 5], {"Host": host}).status == 200


@pytest.mark.parametrize("path", ALL_PATHS)
def test_a_foreign_page_can_change_nothing(web: Web, path: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for method in ("POST", "DELETE"):
            answer = web.request(method, path, headers=headers)
            assert (answer.status, answer.code) == (403, "permission_denied")


def test_our_own_page_may_do_all(web: Web) -> None:
    for headers in ({"Origin": web.url}, {"Sec-Fetch-Site": "same-origin"}):
        assert web.post(ADD, [2, 5], headers).status == 200


def test_what_is_no_http_is_closed(web: Web) -> None:
    with sockets.create_connection(("127.0.0.1", web.port), 10) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert_alive(web)
