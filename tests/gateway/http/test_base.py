"""Every handler there is passes the one place where hosts, origins and authentication are checked; and what all of
their answers have in common.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import http.client
import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.web

from gateway.app import Gateway
from gateway.config.file import GatewayConfig, ServiceConfig
from gateway.config.values import Listen
from gateway.errors import GatewayError, Status
from gateway.http.base import BaseHandler
from gateway.http.page_changes import PageChanges
from gateway.http.request_head import HttpRequest
from gateway.logs import LogWriter
from tests.clock import MovedClock
from tests.gateway.http.conftest import FRIEND, Built, Edge, problem

SCHEMAS = Path(__file__).resolve().parent.parent.parent.parent / "schemas"
ABSTRACT = {"ApiHandler", "CallingHandler", "DescribingHandler", "FileHandler"}
NOBODY_S = {"UnreadHandler"}
"""Answers what could not be read, so that there is nobody to ask for."""
PLACES = [
    "/", "/client/index.js", "/nothing", "/ws", "/healthz", "/readyz", "/api", "/api/session", "/api/handles/abc",
    "/api/handles/abc/name", "/api/addressbook", "/api/addressbook/find", "/people", "/api/nothing",
    "/api/nothing/none", "/api/not/here/either", "/api/events", "/api/callbacks/g:1", "/metrics",
    "/openapi.json", "/openrpc.json", "/types/addressbook.d.ts", "/schema/addressbook", "/rpc", "/gw",
    "/console/", "/.dev/changes", "/.dev/reload.js",
]  # fmt: skip


def subclasses(handler: type[Any]) -> set[type[Any]]:
    found = set(handler.__subclasses__())
    return found.union(*map(subclasses, found))


def handlers_of_clients() -> set[str]:
    """The handlers at the doors for clients. Those for operators ask nobody, so a client must reach none of them."""
    found = subclasses(BaseHandler)
    return {handler.__name__ for handler in found if not handler.__module__.startswith("gateway.http.admin.")}


def test_there_is_no_handler_beside_ours() -> None:
    ours = [handler for handler in subclasses(tornado.web.RequestHandler) if handler.__module__.startswith("gateway.")]
    assert ours == []
    assert len(subclasses(BaseHandler)) > 10


Outcome = tuple[set[str], list[tuple[str, str, int, str | None]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[BaseHandler], None]], Outcome]:
    """Start a gateway whose service is not there and ask it for every place in every way.

    Gives the names of the handlers that were reached, and (method, place, status, media type) of each answer.
    """

    def ask(authenticate: Callable[[BaseHandler], None]) -> Outcome:
        reached: set[str] = set()

        def note(handler: BaseHandler) -> None:
            reached.add(type(handler).__name__)
            authenticate(handler)

        monkeypatch.setattr(BaseHandler, "authenticate", note)
        statuses: list[tuple[str, str, int, str | None]] = []

        async def main() -> None:
            service = ServiceConfig(
                name="addressbook",
                schema=SCHEMAS / "addressbook.capnp",
                interface="AddressBook",
                endpoints=("tcp://127.0.0.1:1",),
            )
            config = GatewayConfig(
                listen=Listen("127.0.0.1", 0), services=(service,), base_path="/gw", pages=Path(__file__).parent
            )
            # A version that nobody knows is answered at once.
            running = Gateway(config, LogWriter(io.StringIO(), as_json=True), page_changes=PageChanges())
            await running.start()
            await asyncio.to_thread(request_all, running.port)
            await running.stop()

        def request_all(port: int) -> None:
            methods = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
            for method, place in [*itertools.product(methods, PLACES), ("OPTIONS", "*")]:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request(method, place)
                answer = connection.getresponse()
                answer.read()
                statuses.append((method, place, answer.status, answer.headers["Content-Type"]))
                connection.close()

        asyncio.run(main())
        return reached, statuses

    return ask


def test_every_handler_asks_who_it_is(asked: Callable[..., Outcome]) -> None:
    def refuse(handler: BaseHandler) -> None:
        raise GatewayError(Status.UNAUTHENTICATED, "who are you?")

    reached, answers = asked(refuse)
    assert reached == handlers_of_clients() - ABSTRACT - NOBODY_S
    assert {status for _, _, status, _ in answers} == {401}
    assert {media_type for _, _, _, media_type in answers} == {"application/problem+json"}


def test_nothing_is_answered_with_a_page_of_tornado_s_own(asked: Callable[..., Outcome]) -> None:
    _, answers = asked(lambda handler: None)
    for method, place, status, media_type in answers:
        assert status != 500, (method, place)
        # A JSON-RPC client is told in its own words that its body is no JSON.
        if status >= 400 and (method, place, status) != ("POST", "/rpc", 400):
            assert media_type == "application/problem+json", (method, place, status)


# Answers.

in_process = pytest.mark.gen_test
ADD = "/api/calculator/add"
STRANGER = "https://evil.example"
MADE_ID = r"[0-9a-f]{8}-[0-9a-f]+"


@in_process
async def test_every_answer_has_these_headers(edge: Edge) -> None:
    for path in ("/", "/healthz", "/nothing", "/metrics"):
        headers = (await edge.get(path)).headers
        assert headers["Server"] == "cara-gateway"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["Date"])
        assert re.fullmatch(MADE_ID, headers["X-Request-Id"])


@in_process
@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("mine-1", True), ("aA0._:/+=@-", True), ("x" * 128, True), ("x" * 129, False), ("with space", False),
        ("é", False), ("", False), ("a,b", False),
    ],
)  # fmt: skip
async def test_a_request_id_is_taken_over_if_it_can_stand_anywhere(edge: Edge, given: str, is_taken: bool) -> None:
    for path in ("/healthz", "/nothing"):
        connection = await edge.connect()
        connection.ask("GET", path, f"X-Request-Id: {given}")
        used = (await connection.head()).headers["x-request-id"]
        assert (used == given) is is_taken
        assert is_taken or re.fullmatch(MADE_ID, used)


@in_process
async def test_no_two_requests_are_given_one_id(edge: Edge) -> None:
    ids = {(await edge.get("/healthz")).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5
    assert len({id.partition("-")[0] for id in ids}) == 1


@in_process
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("gateway.example", 200), ("Gateway.Example:80", 200), ("[::1]", 200), ("evil.example", 421), ("", 421),
        ("10.1.2.3:8080", 421), ("[fd00::1]", 421),
    ],
)  # fmt: skip
async def test_only_known_names_are_answered(edge: Edge, host: str, status: int) -> None:
    answer = await edge.get("/api", {"Host": host})
    assert answer.code == status
    if status == 421:
        assert problem(answer)["code"] == "misdirected"


@in_process
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_a_probe_may_ask_by_any_address(edge: Edge, path: str) -> None:
    for host in ("10.1.2.3:8080", "[fd00::1]:8080", "192.0.2.1"):
        assert (await edge.get(path, {"Host": host})).code != 421
    for host in ("evil.example", "10.1.2.3.evil.example", ""):
        assert (await edge.get(path, {"Host": host})).code == 421


@in_process
async def test_a_friend_s_page_may_use_it_and_read_what_it_needs(edge: Edge) -> None:
    for answer in (
        await edge.get("/healthz", {"Origin": FRIEND}),
        await edge.post("/api/session", None, {"Origin": FRIEND.upper()}),
        await edge.get("/nothing", {"Origin": FRIEND}),
        await edge.post(ADD, ["x"], {"Origin": FRIEND}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"].lower() == FRIEND
        assert answer.headers["Access-Control-Expose-Headers"] == (
            "Session-Id, X-Request-Id, Allow, ETag, Retry-After, RateLimit, RateLimit-Policy"
        )
        assert answer.headers.get_list("Vary") == ["Origin"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@in_process
async def test_nobody_else_s_page_may_read_or_change_anything(edge: Edge) -> None:
    for origin, status in ((STRANGER, 403), ("null", 403), (edge.url, 201)):
        for answer, expected in (
            (await edge.get("/healthz", {"Origin": origin}), 200),
            (await edge.post("/api/session", None, {"Origin": origin}), status),
        ):
            assert answer.code == expected
            assert not any(name.startswith("Access-Control") for name in answer.headers)
            assert "Vary" not in answer.headers
    assert (await edge.metrics())["sessions"] == 1


@in_process
@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (None, "Content-Type"),
        ("content-type, session-id", "content-type, session-id"),
        ("x" * 400, "x" * 400),
        ("x" * 401, "Content-Type"),
        ("a;b", "Content-Type"),
        ("", "Content-Type"),
    ],
)
async def test_a_friend_s_page_is_told_what_it_may_send(edge: Edge, asked: str | None, allowed: str) -> None:
    sent = {"Origin": FRIEND, "Access-Control-Request-Method": "POST"}
    answer = await edge.request(
        "OPTIONS", ADD, None, sent if asked is None else {**sent, "Access-Control-Request-Headers": asked}
    )
    assert (answer.code, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == allowed
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers["Allow"] == "POST, OPTIONS"


@in_process
async def test_a_stranger_s_page_is_told_nothing(edge: Edge) -> None:
    preflight = {"Origin": STRANGER, "Access-Control-Request-Method": "POST"}
    refused = await edge.request("OPTIONS", ADD, None, preflight)
    assert problem(refused)["code"] == "permission_denied"
    assert not any(name.startswith("Access-Control") for name in refused.headers)
    plain = await edge.request("OPTIONS", ADD, None, {"Origin": STRANGER})
    assert (plain.code, plain.headers["Allow"]) == (204, "POST, OPTIONS")
    assert not any(name.startswith("Access-Control") for name in plain.headers)
    own = await edge.request("OPTIONS", ADD, None, {**preflight, "Origin": edge.url})
    assert (own.code, own.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert "Access-Control-Allow-Origin" not in own.headers


@in_process
async def test_a_fault_of_the_gateway_tells_nobody_what_it_was(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    answer = await edge.get("/types/broken.d.ts", {"X-Request-Id": "mine-1"})
    assert problem(answer) == {
        "type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal",
        "detail": "the gateway failed; its log says why", "request_id": "mine-1",
    }  # fmt: skip
    assert "a secret of the gateway's own" in caplog.text


@in_process
async def test_an_error_that_was_foreseen_is_no_matter_for_the_log_of_faults(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/nothing", "/api/nothing", "/api/session"):
        assert (await edge.get(path)).code == 404
    assert caplog.records == []


@in_process
@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api/calculator/nothing", ADD, "/api/handles/x"])
async def test_a_refused_request_is_forgotten_without_the_collector(edge: Edge, path: str) -> None:
    connection = await edge.connect()

    async def ask() -> int:
        connection.ask("GET", f"{path}?forgotten")
        await connection.answer()
        await asyncio.sleep(0)
        return sum(type(found) is HttpRequest and found.query == "forgotten" for found in gc.get_objects())

    await ask()
    gc.collect()
    gc.disable()
    try:
        assert [await ask() for _ in range(3)] == [0, 0, 0]
    finally:
        gc.enable()


@in_process
async def test_an_error_leaves_nothing_of_the_answer_that_it_replaces(edge: Edge) -> None:
    session = await edge.session()
    for answer in (
        await edge.get("/api/handles/nothing", session),
        await edge.get("/types/broken.d.ts", {"Accept-Encoding": "gzip"}),
    ):
        assert problem(answer)
        assert not {"ETag", "Content-Encoding", "Set-Cookie", "Session-Id"} & answer.headers.keys()


@in_process
async def test_a_line_of_the_log_says_who_asked_what_and_how_it_ended(
    edge: Edge, built: Built, clock: MovedClock
) -> None:
    await edge.get("/healthz?secret=1", {"X-Request-Id": "mine-1"})
    await edge.post(ADD, ["x"], {"X-Request-Id": "mine-2"})
    await clock.advance(0.2)
    good, bad = (json.loads(line) for line in built.log.getvalue().splitlines())
    for line in (good, bad):
        assert line.pop("time")
        assert 0 <= line.pop("ms") < 5000
        assert 10 < line.pop("bytes") < 500
    common = {"level": "info", "remote": "127.0.0.1"}
    assert good == {**common, "method": "GET", "path": "/healthz", "status": 200, "request_id": "mine-1"}
    assert bad == {
        **common, "method": "POST", "path": ADD, "status": 400, "request_id": "mine-2", "code": "invalid_argument"
    }  # fmt: skip

@pytest.mark.parametrize(
    ("size", "accepts", "secret", "coding", "vary"),
    [
        (1023, "gzip", False, None, None),
        (1024, "gzip", False, "gzip", "Accept-Encoding"),
        (1024, "br", False, None, "Accept-Encoding"),
        (1024, "", False, None, "Accept-Encoding"),
        (100_000, "gzip", True, None, None),
    ],
)
def test_an_answer_of_a_kibibyte_is_compressed_unless_it_holds_handles(
    size: int, accepts: str, secret: bool, coding: str | None, vary: str | None
) -> None:
    # Without a connection; no class of its own, which would count as a handler that there is.
    handler: Any = BaseHandler(HttpRequest("GET", "/", "", {"Accept-Encoding": accepts}, "localhost", 1))
    finished: list[bytes] = []
    handler.finish = finished.append
    handler.answer_bytes(b"x" * size, 201, secret=secret)
    (data,) = finished
    assert (handler._headers.get("Content-Encoding"), handler._headers.get("Vary")) == (coding, vary)
    assert (gzip.decompress(data) if coding else data) == b"x" * size
    assert handler._status == 201
