"""The gateway as the clients of a proxy see it: their address, their scheme and host, and a prefix of its paths.

The tests stand for the proxy: whoever connects here comes from 127.0.0.1, which is trusted.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from gateway.http.proxies import Proxies
from tests.clock import MovedClock
from tests.gateway.http.conftest import Built, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
CLIENT = "203.0.113.5"
SITE = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "gateway.example"}


@pytest.fixture
def proxies() -> Proxies:
    return Proxies(["127.0.0.1"], "/gw")


async def logged(built: Built, clock: MovedClock) -> list[dict[str, Any]]:
    await clock.advance(0.2)
    return [json.loads(line) for line in built.log.getvalue().splitlines()]


@moves_time
async def test_the_log_has_the_client_s_address(edge: Edge, built: Built, clock: MovedClock) -> None:
    await edge.get("/healthz", SITE)
    await edge.get("/healthz", {"X-Forwarded-For": "evil, unknown"})
    assert [line["remote"] for line in await logged(built, clock)] == [CLIENT, "127.0.0.1"]


HOSTILE = [
    {"X-Forwarded-For": "x," * 20_000}, {"X-Forwarded-For": "10.0.0.1," * 6_000 + "unknown"}, {"X-Forwarded-For": '"'},
    {"X-Forwarded-For": "\xff\xfe"}, {"X-Forwarded-For": "[" * 50_000}, {"Forwarded": 'for="' + "\\" * 50_000},
    {"Forwarded": "for=" * 10_000}, {"Forwarded": ";" * 60_000}, {"X-Forwarded-Proto": "gopher"},
    {"X-Forwarded-Host": "a" * 60_000}, {"X-Forwarded-Prefix": "/a" * 30_000}, {"X-Forwarded-Prefix": "/%00"},
]  # fmt: skip


@moves_time
async def test_what_no_proxy_would_say_harms_nobody(edge: Edge, built: Built, clock: MovedClock) -> None:
    for headers in HOSTILE:
        assert (await edge.get("/healthz", headers)).code == 200
        assert (await edge.get("/healthz", SITE)).code == 200
    assert [line["remote"] for line in await logged(built, clock)] == ["127.0.0.1", CLIENT] * len(HOSTILE)


@moves_time
async def test_the_log_says_what_a_request_was_refused_for(edge: Edge, built: Built, clock: MovedClock) -> None:
    long = "a" * 400 + ".example"
    await edge.post("/api/session", None, {**SITE, "Origin": "https://evil.example"})
    await edge.post("/api/session", None, {**SITE, "Sec-Fetch-Site": "cross-site"})
    await edge.get("/healthz", {**SITE, "X-Forwarded-Host": "evil.example"})
    await edge.get("/healthz", {"Host": long})
    lines = await logged(built, clock)
    assert [(line["status"], line.get("origin"), line.get("host")) for line in lines] == [
        (403, "https://evil.example", None),
        (403, "cross-site", None),
        (421, None, "evil.example"),
        (421, None, long[:300]),
    ]


@pytest.mark.parametrize(("proto", "is_secure"), [("https", True), ("http", False)])
@pytest.mark.parametrize(("prefix", "path"), [(None, "/gw"), ("/lab/gw", "/lab/gw"), ("/", "/")])
async def test_a_cookie_belongs_to_the_client_s_scheme_and_prefix(
    edge: Edge, proto: str, is_secure: bool, prefix: str | None, path: str
) -> None:
    sent = {**SITE, "X-Forwarded-Proto": proto} | ({} if prefix is None else {"X-Forwarded-Prefix": prefix})
    opened = await edge.post("/api/session", None, sent)
    cookie, *attributes = opened.headers["Set-Cookie"].split("; ")
    strictest = "__Host-" if path == "/" else "__Secure-"
    assert cookie.startswith(f"{strictest if is_secure else ''}cara_session_{edge.port}=")
    assert (await edge.get("/api/session", {**sent, "Cookie": cookie})).code == 200
    if is_secure:
        # One that a page without TLS could have set names nothing.
        assert (await edge.get("/api/session", {**sent, "Cookie": cookie.removeprefix(strictest)})).code == 404
    secure = {"Secure"} if is_secure else set()
    assert set(attributes) == {"HttpOnly", f"Path={path}", "SameSite=Strict"} | secure
    ended = await edge.request("DELETE", "/api/session", None, {**sent, "Session-Id": opened.headers["Session-Id"]})
    dropped = ended.headers["Set-Cookie"]
    assert f"Path={path}" in dropped
    assert ("Secure" in dropped) is is_secure


async def test_paths_are_found_with_the_prefix_and_without(edge: Edge, root: Any) -> None:
    for path in (ADD, "/gw" + ADD):
        asked = edge.asks("POST", path, [2, 5])
        (await root.next_call()).reply(7)
        assert (await asked).body == b'{"result":7}'
    for path in ("/gw/", "/gw/client/index.js", "/gw/healthz", "/gw/people/Ann?x", "/gw/api", "/"):
        assert (await edge.get(path)).code != 404
    for path in ("/gwx/healthz", "/gw/gw/healthz", "/gw//healthz", "/other/healthz", "/GW/healthz"):
        assert problem(await edge.get(path))["code"] == "not_found"


@moves_time
async def test_a_handle_s_secret_is_in_no_log_below_a_prefix(edge: Edge, built: Built, clock: MovedClock) -> None:
    await edge.get("/gw/api/handles/secret", {"Session-Id": "nobody"})
    assert (await edge.post("/gw/api/handles/secret/name", b" " * 20_000, {"Session-Id": "nobody"})).code == 413
    assert (await edge.post("/api/handles/secret/name", b" " * 20_000)).code == 413
    assert [line["path"] for line in await logged(built, clock)] == [
        "/api/handles/…", "/api/handles/…/name", "/api/handles/…/name"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "location"),
    [({}, "/gw/"), ({"X-Forwarded-Prefix": "/lab/gw"}, "/lab/gw/"), ({"X-Forwarded-Prefix": "//evil.example"}, "/gw/")],
)
async def test_the_prefix_without_its_slash_leads_to_the_console(
    edge: Edge, headers: dict[str, str], location: str
) -> None:
    for method in ("GET", "HEAD"):
        moved = await edge.request(method, "/gw", None, headers)
        assert (moved.code, moved.headers["Location"]) == (308, location)
    assert (await edge.get("/gw?x=1", headers)).headers["Location"] == location + "?x=1"
    assert problem(await edge.post("/gw"))["code"] == "method_not_allowed"


async def test_a_document_says_the_prefix_of_who_asks(edge: Edge) -> None:
    for headers, prefix in (({}, "/gw"), ({"X-Forwarded-Prefix": "/lab"}, "/lab"), ({"X-Forwarded-Prefix": "/"}, "")):
        answer = await edge.get("/placed.json", headers)
        assert json.loads(answer.body) == {"prefix": prefix}
        known = await edge.get("/placed.json", {**headers, "If-None-Match": answer.headers["ETag"]})
        assert known.code == 304
    other = await edge.get("/placed.json", {"If-None-Match": answer.headers["ETag"]})
    assert other.code == 200


@pytest.mark.parametrize("host", ["gateway.example", "gateway.example:8080"])
async def test_a_page_at_another_port_of_the_proxy_s_is_our_own(edge: Edge, host: str) -> None:
    for origin, status in (
        ("https://gateway.example:8443", 201), ("https://gateway.example", 201), ("https://evil.example", 403)
    ):  # fmt: skip
        sent = {**SITE, "X-Forwarded-Host": host, "Origin": origin}
        assert (await edge.post("/api/session", None, sent)).code == status
        plain = {"Host": host, "Origin": origin}
        assert (await edge.post("/api/session", None, plain)).code == status


async def test_a_socket_is_opened_below_the_prefix_by_our_own_pages_alone(edge: Edge) -> None:
    def opening(origin: str) -> Any:
        request = HTTPRequest(f"ws://127.0.0.1:{edge.port}/gw/ws", headers={**SITE, "Origin": origin})
        return websocket_connect(request)

    socket = await opening("https://gateway.example:8443")
    socket.close()
    with pytest.raises(HTTPClientError, match="403"):
        await opening("https://evil.example")


class TestWithoutProxies:
    """The same claims, made by somebody whom nobody trusts."""

    @pytest.fixture
    def proxies(self) -> Proxies:
        return Proxies()

    async def test_a_client_cannot_say_who_it_is(self, edge: Edge, built: Built, clock: MovedClock) -> None:
        claims = {**SITE, "X-Forwarded-Prefix": "/evil", "Forwarded": "for=1.1.1.1"}
        opened = await edge.post("/api/session", None, claims)
        assert "Secure" not in opened.headers["Set-Cookie"]
        assert "Path=/;" in opened.headers["Set-Cookie"] + ";"
        assert (await edge.get("/healthz", {"Host": "evil.example", **SITE})).code == 421
        (line, _) = await logged(built, clock)
        assert line["remote"] == "127.0.0.1"

    test_a_client_cannot_say_who_it_is = moves_time(test_a_client_cannot_say_who_it_is)

    async def test_a_page_at_another_port_is_another_page(self, edge: Edge) -> None:
        sent = {"Host": "gateway.example", "Origin": "https://gateway.example:8443"}
        assert (await edge.post("/api/session", None, sent)).code == 403
