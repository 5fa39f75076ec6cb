"""Who sent a request: credentials, the cookie of a login, and whose page had it made. Attacks by the door they try."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.http.proxies import Proxies
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.conftest import FRIEND, WAIT_S, Edge, problem
from tests.gateway.http.raw import RawConnection

ALICE = {"X-Api-Key": "a"}
BOB = {"Authorization": "Bearer b"}
DOORS = [
    ("GET", "/api"),
    ("GET", "/api/calculator"),
    ("POST", "/api/calculator/add"),
    ("POST", "/api/nothing/here"),
    ("GET", "/api/session"),
    ("POST", "/api/session"),
    ("DELETE", "/api/session"),
    ("GET", "/api/events"),
    ("POST", "/api/callbacks/g:1"),
    ("GET", "/api/handles/token"),
    ("POST", "/api/handles/token/read"),
    ("POST", "/rpc"),
    ("GET", "/openapi.json"),
    ("GET", "/openrpc.json"),
    ("GET", "/types/calculator.d.ts"),
    ("GET", "/schema/calculator"),
    ("GET", "/metrics"),
    ("PUT", "/api/calculator/add"),
]
PUBLIC = [
    ("GET", "/", 200),
    ("HEAD", "/client/index.js", 200),
    ("GET", "/nothing", 404),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("OPTIONS", "/api/calculator/add", 204),
]


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    return FakeGatekeeper({"a": Principal("key:alice", frozenset({"staff"})), "b": Principal("key:bob")})


async def add(edge: Edge, root: Any, headers: dict[str, str]) -> Any:
    """Have the service answer one call; what it was told of the caller."""
    asked = edge.asks("POST", "/api/calculator/add", {"first": 1, "second": 2}, headers)
    call = await root.next_call()
    call.reply(3)
    assert (await asked).code == 200
    return call.options


async def login(edge: Edge, headers: dict[str, str]) -> str:
    """Open a session as a page does; its cookie."""
    answer = await edge.post("/api/session", None, headers)
    assert answer.code == 201
    return answer.headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.gen_test
async def test_no_door_opens_for_nobody_or_for_a_bad_key(edge: Edge, root: Any, method: str, path: str) -> None:
    for headers in ({}, {"X-Api-Key": "forged"}, {"Authorization": "Bearer forged"}):
        answer = await edge.request(method, path, b"{}" if method == "POST" else None, headers)
        assert problem(answer)["code"] == "unauthenticated"
        assert (answer.code, answer.headers["WWW-Authenticate"]) == (401, "Basic")
        assert "Set-Cookie" not in answer.headers
    assert (await add(edge, root, ALICE)).principal == "key:alice"


@pytest.mark.parametrize(
    "length", ["Content-Length: 5000", "Content-Length: 5000\r\nExpect: 100-continue", "Transfer-Encoding: chunked"]
)
@pytest.mark.gen_test
async def test_a_bad_key_is_refused_before_the_body_has_come(edge: Edge, length: str) -> None:
    connection = await edge.connect()
    connection.ask("POST", "/api/calculator/add", "X-Api-Key: forged", "Content-Type: application/json", length)
    head, body = await connection.answer()
    assert (head.status, json.loads(body)["code"]) == (401, "unauthenticated")
    good = await edge.connect()
    good.ask("POST", "/api/calculator/add", "X-Api-Key: a", "Content-Type: application/json", length)
    if "Expect" in length:
        assert (await good.head()).status == 100
    assert await edge.is_open(good)


async def waits_for_continue(edge: Edge, gatekeeper: FakeGatekeeper, key: str) -> RawConnection:
    """A client that sends its body when it is told to, and shows what is looked at for a while."""
    gatekeeper.slow[key] = asyncio.get_running_loop().create_future()
    connection = await edge.connect()
    said = ("Content-Type: application/json", "Content-Length: 5", "Expect: 100-continue")
    connection.ask("POST", "/api/calculator/add", f"X-Api-Key: {key}", *said)
    assert await edge.is_open(connection)
    return connection


@pytest.mark.gen_test
async def test_a_body_is_sent_for_when_it_is_known_who_sends_it(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    connection = await waits_for_continue(edge, gatekeeper, "a")
    head = asyncio.ensure_future(connection.head())
    assert (await edge.get("/healthz")).code == 200
    assert not head.done()
    gatekeeper.slow["a"].set_result(None)
    assert (await head).status == 100
    # It is not asked once more: a credential may be good for once only.
    gatekeeper.slow["a"] = asyncio.get_running_loop().create_future()
    connection.send(b"[2,5]")
    call = await root.next_call()
    call.reply(7)
    assert call.options.principal == "key:alice"
    assert (await connection.answer())[1] == b'{"result":7}'


@pytest.mark.gen_test
async def test_a_body_is_not_sent_for_where_nobody_is_known(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    connection = await waits_for_continue(edge, gatekeeper, "forged")
    gatekeeper.slow["forged"].set_result(None)
    head, body = await connection.answer()
    assert (head.status, head.headers["connection"]) == (401, "close")
    assert (head.headers["www-authenticate"], json.loads(body)["code"]) == ("Basic", "unauthenticated")


@pytest.mark.gen_test
async def test_a_body_that_did_not_wait_is_read_when_it_is_known_who_sent_it(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    connection = await waits_for_continue(edge, gatekeeper, "a")
    connection.send(b"[2,")
    assert await edge.is_open(connection)
    gatekeeper.slow["a"].set_result(None)
    assert await edge.is_open(connection)
    connection.send(b"5]")
    (await root.next_call()).reply(7)
    assert (await connection.answer())[0].status == 200


@pytest.mark.gen_test
async def test_who_leaves_before_it_is_known_who_it_is_leaves_nothing(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    connection = await waits_for_continue(edge, gatekeeper, "a")
    await connection.close()
    assert (await edge.get("/healthz")).code == 200
    gatekeeper.slow["a"].set_result(None)
    assert (await edge.get("/healthz")).code == 200


@pytest.mark.parametrize(("method", "path", "status"), PUBLIC)
@pytest.mark.gen_test
async def test_what_is_public_asks_nobody(
    edge: Edge, gatekeeper: FakeGatekeeper, method: str, path: str, status: int
) -> None:
    for headers in ({}, {"X-Api-Key": "forged"}):
        answer = await edge.request(method, path, None, headers)
        assert (answer.code, answer.headers.get("WWW-Authenticate")) == (status, None)
    assert gatekeeper.asked == []


@pytest.mark.gen_test
async def test_whether_it_is_ready_says_nothing_of_services(edge: Edge) -> None:
    assert json.loads((await edge.get("/readyz")).body) == {"status": "ready"}


@pytest.mark.gen_test
async def test_pages_are_not_asked_by_the_browsers_own_window(edge: Edge) -> None:
    answer = await edge.get("/api", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"})
    assert (answer.code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.gen_test
async def test_services_are_told_who_calls_and_with_which_roles(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    options = await add(edge, root, ALICE)
    assert (options.principal, options.roles) == ("key:alice", ("staff",))
    gatekeeper.principals["a"].roles = frozenset()
    assert (await add(edge, root, ALICE)).roles == ()
    assert (await add(edge, root, BOB)).principal == "key:bob"


@pytest.mark.gen_test
async def test_who_must_be_waited_for_holds_nobody_up(edge: Edge, root: Any, gatekeeper: FakeGatekeeper) -> None:
    slow = gatekeeper.slow["a"] = asyncio.get_running_loop().create_future()
    waiting = [edge.asks("POST", "/api/calculator/add", {"first": 1, "second": 2}, ALICE) for _ in range(3)]
    assert (await add(edge, root, BOB)).principal == "key:bob"
    assert not any(call.done() for call in waiting)
    slow.set_result(None)
    for _ in waiting:
        (await root.next_call()).reply(3)
    assert [(await call).code for call in waiting] == [200] * 3


@pytest.mark.gen_test
async def test_who_is_found_out_to_be_nobody_is_refused(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    slow = gatekeeper.slow["forged"] = asyncio.get_running_loop().create_future()
    waiting = edge.asks("POST", "/api/calculator/add", {"first": 1}, {"X-Api-Key": "forged"})
    slow.set_result(None)
    assert problem(await waiting)["code"] == "unauthenticated"


@pytest.mark.gen_test
async def test_whoever_leaves_while_it_is_found_out_who_asks_makes_no_call(
    edge: Edge, root: Any, gatekeeper: FakeGatekeeper
) -> None:
    slow = gatekeeper.slow["a"] = asyncio.get_running_loop().create_future()
    connection = await edge.connect()
    body = b'{"first":1,"second":2}'
    connection.send(
        b"POST /api/calculator/add HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: a\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    async with asyncio.timeout(WAIT_S):
        while not gatekeeper.asked:
            await edge.get("/healthz")
    await connection.close()
    assert (await add(edge, root, BOB)).principal == "key:bob"
    slow.set_result(None)
    assert (await add(edge, root, BOB)).principal == "key:bob"
    assert [call.options.principal for call in root.calls] == ["key:bob"] * 2


@pytest.mark.gen_test
async def test_who_is_removed_while_it_is_found_out_who_asks_is_refused(
    edge: Edge, gatekeeper: FakeGatekeeper
) -> None:
    slow = gatekeeper.slow["a"] = asyncio.get_running_loop().create_future()
    waiting = edge.asks("GET", "/api", None, ALICE)
    async with asyncio.timeout(WAIT_S):
        while not gatekeeper.asked:
            await edge.get("/healthz")
    gatekeeper.principals["a"].is_removed = True
    slow.set_result(None)
    assert problem(await waiting)["code"] == "unauthenticated"


@pytest.mark.gen_test
async def test_a_large_body_is_refused_before_it_is_asked_whose_it_is(
    edge: Edge, gatekeeper: FakeGatekeeper
) -> None:
    answer = await edge.post("/api/calculator/add", b"x" * 10_001)
    assert (answer.code, gatekeeper.asked) == (413, [])


# Sessions of others.


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/session"),
        ("DELETE", "/api/session"),
        ("POST", "/api/calculator/add"),
        ("GET", "/api/handles/token"),
        ("POST", "/api/handles/token/read"),
        ("GET", "/api/events"),
        ("POST", "/api/callbacks/g:1"),
        ("POST", "/rpc"),
    ],
)
@pytest.mark.gen_test
async def test_a_session_of_somebody_else_does_not_exist(edge: Edge, method: str, path: str) -> None:
    opened = await edge.post("/api/session", None, ALICE)
    id = opened.headers["Session-Id"]
    body = b"{}" if method == "POST" else None
    told = []
    for session in (id, "x" * len(id)):
        answer = await edge.request(method, path, body, {**BOB, "Session-Id": session})
        told.append({**problem(answer), "request_id": None})
    assert told[0] == told[1]
    assert told[0]["status"] == 404
    assert (await edge.get("/api/session", {**ALICE, "Session-Id": id})).code == 200


@pytest.mark.gen_test
async def test_whoever_has_no_name_does_not_find_a_named_session(
    edge: Edge, gatekeeper: FakeGatekeeper
) -> None:
    gatekeeper.is_required = False
    id = (await edge.post("/api/session", None, ALICE)).headers["Session-Id"]
    assert (await edge.get("/api/session", {"Session-Id": id})).code == 404
    nobody = (await edge.post("/api/session")).headers["Session-Id"]
    assert (await edge.get("/api/session", {"Session-Id": nobody})).code == 200
    assert (await edge.get("/api/session", {**ALICE, "Session-Id": nobody})).code == 404


# The login of a page.


@pytest.mark.gen_test
async def test_the_cookie_of_a_login_stands_for_who_logged_in(edge: Edge, root: Any) -> None:
    cookie = {"Cookie": await login(edge, ALICE)}
    for headers in (cookie, {**cookie, "Sec-Fetch-Site": "same-origin"}, {**cookie, "Sec-Fetch-Site": "none"}):
        assert (await edge.get("/api", headers)).code == 200
        assert (await edge.request("HEAD", "/api/session", None, headers)).code == 200
    options = await add(edge, root, {**cookie, "Origin": edge.url})
    assert (options.principal, options.roles) == ("key:alice", ("staff",))
    assert (await edge.request("DELETE", "/api/session", None, {**cookie, "Origin": edge.url})).code == 204
    assert (await edge.get("/api", cookie)).code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.gen_test
async def test_what_acts_by_a_cookie_alone_needs_our_own_origin(edge: Edge, method: str) -> None:
    cookie = {"Cookie": await login(edge, ALICE)}
    for headers, status in [
        ({}, 401),
        ({"Sec-Fetch-Site": "same-origin"}, 401),
        ({"Origin": FRIEND}, 401),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ]:
        answer = await edge.request(method, "/api/session", b"{}" if method == "POST" else None, {**cookie, **headers})
        assert answer.code == status, headers
    assert (await edge.get("/api/session", cookie)).code == 200


@pytest.mark.parametrize("path", ["/api", "/api/session", "/api/events", "/openapi.json", "/schema/calculator"])
@pytest.mark.gen_test
async def test_pages_of_other_sites_read_nothing_in_somebodys_name(edge: Edge, path: str) -> None:
    cookie = {"Cookie": await login(edge, ALICE)}
    for shown in (cookie, ALICE):
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            answer = await edge.get(path, {**shown, **headers})
            assert (answer.code, problem(answer)["code"]) == (403, "permission_denied"), headers
    # A page that the configuration names shows a key of its own: the cookie is not its.
    friendly = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
    assert (await edge.get("/api", {**ALICE, **friendly})).code == 200
    assert (await edge.get("/api", {**cookie, **friendly})).code == 401


@pytest.mark.gen_test
async def test_a_form_of_another_site_does_nothing(edge: Edge, root: Any) -> None:
    cookie = {"Cookie": await login(edge, ALICE)}
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example"}
    for path in ("/api/calculator/add", "/api/session", "/rpc"):
        assert (await edge.post(path, b"first=1&second=2", {**cookie, **form})).code == 403
    assert root.calls == []


@pytest.mark.gen_test
async def test_alices_cookie_beside_bobs_key_is_bob_in_a_session_of_his_own(edge: Edge, root: Any) -> None:
    alice = await login(edge, ALICE)
    assert (await edge.get("/api/session", {**BOB, "Cookie": alice})).code == 404
    assert (await add(edge, root, {**BOB, "Cookie": alice})).principal == "key:bob"
    opened = await edge.post("/api/session", None, {**BOB, "Cookie": alice})
    bob = opened.headers["Set-Cookie"].partition(";")[0]
    assert bob != alice
    assert (await add(edge, root, {"Cookie": bob, "Origin": edge.url})).principal == "key:bob"
    assert (await add(edge, root, {"Cookie": alice, "Origin": edge.url})).principal == "key:alice"


@pytest.mark.gen_test
async def test_a_bad_key_is_bad_whatever_cookie_is_beside_it(edge: Edge) -> None:
    cookie = await login(edge, ALICE)
    assert (await edge.get("/api", {"X-Api-Key": "forged", "Cookie": cookie})).code == 401
    assert (await edge.get("/api", {"Cookie": cookie})).code == 200


@pytest.mark.gen_test
async def test_a_login_ends_with_the_credential(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    cookie = {"Cookie": await login(edge, ALICE)}
    gatekeeper.principals["a"].expires_at = time.time() - 1
    assert (await edge.get("/api", cookie)).code == 401
    gatekeeper.principals["a"].expires_at = time.time() + 60
    assert (await edge.get("/api", cookie)).code == 200


@pytest.mark.gen_test
async def test_a_cookie_that_nobody_set_logs_nobody_in(edge: Edge) -> None:
    name, _, value = (await login(edge, ALICE)).partition("=")
    id, _, secret = value.partition(".")
    for forged in (id, f"{id}.", f"{id}.{'x' * len(secret)}", "x.y"):
        assert (await edge.get("/api", {"Cookie": f"{name}={forged}"})).code == 401
    assert (await edge.get("/api", {"Cookie": f"{name}={value}"})).code == 200


@pytest.mark.gen_test
async def test_a_session_without_a_name_is_no_login(edge: Edge, gatekeeper: FakeGatekeeper) -> None:
    gatekeeper.is_required = False
    cookie = {"Cookie": await login(edge, {})}
    gatekeeper.is_required = True
    assert (await edge.get("/api", cookie)).code == 401


class TestBehindTls:
    @pytest.fixture
    def proxies(self) -> Proxies:
        return Proxies(["127.0.0.1"])

    @pytest.mark.gen_test
    async def test_a_page_of_another_port_does_not_act_by_the_cookie(self, edge: Edge, root: Any) -> None:
        """The proxy drops the port, so its origin passes for ours; its browser knows better."""
        tls = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "gateway.example"}
        acts = {**tls, "Cookie": await login(edge, {**ALICE, **tls}), "Origin": "https://gateway.example:8443"}
        assert (await edge.post("/api/calculator/add", {}, {**acts, "Sec-Fetch-Site": "same-site"})).code == 401
        assert root.calls == []
        assert (await add(edge, root, {**acts, "Sec-Fetch-Site": "same-origin"})).principal == "key:alice"

    @pytest.mark.gen_test
    async def test_only_the_cookie_that_no_other_host_can_set_logs_in(self, edge: Edge) -> None:
        tls = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        cookie = await login(edge, {**ALICE, **tls})
        assert cookie.startswith("__Host-cara_session_")
        assert (await edge.get("/api", {**tls, "Cookie": cookie})).code == 200
        assert (await edge.get("/api", {**tls, "Cookie": cookie.removeprefix("__Host-")})).code == 401
