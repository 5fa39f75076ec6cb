"""HTTP/1.1 by the book over raw sockets: what is no request, what comes ahead, who leaves; what good clients see."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.http.connection import LINGER_S, MAX_AHEAD_BYTES
from tests.clock import MovedClock
from tests.gateway.http.conftest import FRIEND, Built, Edge, moves_time
from tests.gateway.http.raw import WAIT_S, Head, RawConnection, handshake

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
JSON_LINE = "Content-Type: application/json"
HOST = b"Host: localhost\r\n"
SMUGGLED = b"POST /api/calculator/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + (
    b"Content-Length: 5\r\n\r\n[6,6]"
)
POST = b"POST /api/calculator/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def refused(connection: RawConnection, status: int, code: str) -> str:
    """A problem object of the gateway's own, and the end of the connection; gives its detail."""
    head, body = await connection.answer()
    assert (head.status, head.headers["content-type"]) == (status, "application/problem+json"), body
    found = json.loads(body)
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == head.headers["x-request-id"]
    assert head.headers["connection"] == "close"
    assert is_guarded(head)
    assert await connection.rest() == b""
    detail: str = found["detail"]
    return detail


def is_guarded(head: Head) -> bool:
    return head.headers["x-content-type-options"] == "nosniff" and "content-security-policy" in head.headers


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET\r\n\r\n", 400, "invalid_argument"),
        (b"\x00\x01\x02\x03", 400, "invalid_argument"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n folded\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X : 1\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "invalid_argument"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unimplemented"),
        (POST + b"Content-Length: +5\r\n\r\n[2,5]", 400, "invalid_argument"),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n[2,5]", 400, "invalid_argument"),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "invalid_argument"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "unimplemented"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\n[2,5]\r\n0\r\n\r\n", 400, "invalid_argument"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\n[2,5]\r\n0\r\n\r\n", 400, "invalid_argument"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\n[2,5]\r\n0\r\n\r\n", 400, "invalid_argument"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 200 + b"\r\n", 431, "too_large"),
        (b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, "too_large"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70_000, 431, "too_large"),
    ],
)
async def test_what_is_no_request_is_refused_and_nothing_behind_it_is_one(
    edge: Edge, root: Any, request_bytes: bytes, status: int, code: str
) -> None:
    connection = await edge.connect()
    connection.send(request_bytes, SMUGGLED)
    assert len(await refused(connection, status, code)) < 150
    assert root.calls == []
    assert (await edge.get("/healthz")).code == 200


async def test_a_refused_request_is_counted_and_logged_without_what_it_said(edge: Edge, built: Built) -> None:
    connection = await edge.connect()
    connection.send(b"GET /secret HTTP/1.1\r\nHost: localhost\r\nX\x00: 1\r\n\r\n")
    await refused(connection, 400, "invalid_argument")
    assert (await edge.metrics())['requests_total{status="400"}'] == 1
    built.application.site.log.flush()
    line = json.loads(built.log.getvalue().splitlines()[0])
    assert (line["method"], line["path"], line["status"], line["remote"]) == ("-", "-", 400, "127.0.0.1")


async def test_a_head_may_have_its_size_and_come_in_pieces(edge: Edge) -> None:
    connection = await edge.connect()
    frame = b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: %b\r\n\r\n"
    head = frame % (b"a" * (65536 - len(frame % b"")))
    for parts in ([head], [head[:-1], head[-1:]], [head[:40], head[40:60_000], head[60_000:]]):
        for part in parts:
            connection.send(part)
            assert (await edge.get("/healthz")).code == 200
        assert (await connection.answer())[0].status == 200


async def test_empty_lines_before_a_request_are_no_part_of_it(edge: Edge) -> None:
    connection = await edge.connect()
    connection.ask("GET", "/healthz")
    connection.send(b"\r\n\r\n")
    connection.ask("GET", "/healthz")
    for _ in range(2):
        assert (await connection.answer())[0].status == 200


# Targets.


async def test_a_proxy_s_client_may_name_the_whole_url(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.send(
        b"POST http://localhost/api/calculator/add HTTP/1.1\r\nHost: evil.example\r\n"
        b"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n[2,5]"
    )
    (await root.next_call()).reply(7)
    assert (await connection.answer())[1] == b'{"result":7}'
    connection.send(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await connection.answer())[0].status == 421


async def test_the_whole_server_is_asked_by_a_star(edge: Edge) -> None:
    connection = await edge.connect()
    connection.ask("OPTIONS", "*")
    head, _ = await connection.answer()
    assert (head.status, head.headers["allow"]) == (204, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")


async def test_it_is_no_tunnel(edge: Edge) -> None:
    connection = await edge.connect()
    connection.ask("CONNECT", "localhost:80")
    head, body = await connection.answer()
    assert (head.status, json.loads(body)["detail"]) == (501, "this gateway is no proxy")
    connection.send(b"CONNECT a:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert (await connection.answer())[0].status == 421


async def test_a_url_is_read_as_utf_8(edge: Edge, people: Any) -> None:
    connection = await edge.connect()
    for target in ("/people?prefix=Zoë".encode(), b"/people?prefix=Zo%C3%AB"):
        connection.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        call = await people.next_call()
        assert call.args[0] == "Zoë"
        call.reply([])
        assert (await connection.answer())[0].status == 200
    connection.send(b"GET /people?prefix=Zo\xeb HTTP/1.1\r\n" + HOST + b"\r\n")
    assert "UTF-8" in await refused(connection, 400, "invalid_argument")


@pytest.mark.parametrize("method", ["BREW", "TRACE", "get", "PROPFIND", "X" * 5000])
async def test_methods_that_nobody_has_are_refused_after_who_asks_is_known(edge: Edge, method: str) -> None:
    connection = await edge.connect()
    for lines, status in ([], 405), (["Origin: https://evil.example"], 403):
        connection.ask(method, ADD, *lines)
        head, body = await connection.answer()
        assert head.status == status
        assert len(body) < 400
    connection.send(f"{method} {ADD} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
    assert (await connection.answer())[0].status == 421


# Versions.


async def test_http_1_0_closes_unless_it_is_asked_to_go_on(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _ = await connection.answer()
    assert (head.status, head.headers["connection"]) == (200, "keep-alive")
    connection.send(
        b"POST /api/calculator/add HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n[2,5]"
    )
    (await root.next_call()).reply(7)
    head, body = await connection.answer()
    assert (head.status, body, head.headers["connection"]) == (200, b'{"result":7}', "close")
    assert await connection.rest() == b""


async def test_events_over_http_1_0_end_with_the_connection(edge: Edge) -> None:
    session = await edge.session()
    connection = await edge.connect()
    connection.send(f"GET /api/events HTTP/1.0\r\nSession-Id: {session['Session-Id']}\r\n\r\n".encode())
    head = await connection.head()
    assert (head.status, head.headers["connection"]) == (200, "close")
    assert not {"transfer-encoding", "content-length"} & head.headers.keys()
    assert await connection.until(b"\n\n") == b"retry: 1000\nid: 0\n\n"


# One after another.


async def test_a_hundred_requests_at_once_are_answered_in_their_order(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    for number in range(50):
        connection.ask("POST", ADD, JSON_LINE, f"X-Request-Id: call-{number}", body=b"[%d,0]" % number)
        connection.ask("GET", "/healthz", f"X-Request-Id: look-{number}")
    for number in range(50):
        call = await root.next_call()
        assert call.args == [number, 0]
        assert (await edge.get("/healthz")).code == 200
        call.reply(number)
        for id, body in ((f"call-{number}", b'{"result":%d}' % number), (f"look-{number}", b'{"status":"ok"}')):
            head, answered = await connection.answer()
            assert (head.headers["x-request-id"], answered) == (id, body)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_it_does_not_matter_how_requests_are_cut(edge: Edge, root: Any, size: int) -> None:
    connection = await edge.connect()
    sent = b"\r\n".join(
        (
            POST + b"Content-Length: 5\r\n\r\n[0,5]",
            POST + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n[1\r\n3\r\n,5]\r\n0\r\nX-Sum: 1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nGET ",
            POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[2,5]\r\n0\r\n\r\n",
            b"HEAD /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
            POST + b"Content-Length: 5\r\n\r\n[3,5]",
        )
    )
    for at in range(0, len(sent), size):
        connection.send(sent[at : at + size])
        await connection.writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)
    for first, follows in ((0, None), (1, b'{"status":"ok"}'), (2, b""), (3, None)):
        call = await root.next_call()
        assert call.args == [first, 5]
        call.reply(first)
        head, body = await connection.answer()
        assert (head.status, body) == (200, b'{"result":%d}' % first)
        if follows is not None:
            assert (await connection.head()).status == 200
            assert await connection.read(len(follows)) == follows
    assert len(root.calls) == 4


async def test_requests_sent_ahead_are_begun_one_in_a_turn_of_the_loop(edge: Edge, built: Built) -> None:
    connection = await edge.connect()
    many = 400
    for _ in range(many):
        connection.ask("GET", "/healthz")
    done = [0]
    answered = built.application.site.answered
    turns = []
    async with asyncio.timeout(WAIT_S):
        while answered.get(200, 0) < many:
            await asyncio.sleep(0)
            turns.append(answered.get(200, 0) - done[0])
            done[0] += turns[-1]
    assert max(turns) == 1
    for _ in range(many):
        assert (await connection.answer())[0].status == 200


async def test_more_than_is_read_ahead_is_read_when_its_turn_comes(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
    call = await root.next_call()
    padding = "X: " + "a" * 5_000
    many = 6 * MAX_AHEAD_BYTES // 5_000
    for number in range(many):
        connection.ask("GET", "/healthz", padding, f"X-Request-Id: {number}")
    assert (await edge.get("/healthz")).code == 200
    call.reply(1)
    assert (await connection.answer())[1] == b'{"result":1}'
    for number in range(many):
        assert (await connection.answer())[0].headers["x-request-id"] == str(number)


async def test_no_more_is_read_than_is_begun_soon(
    edge: Edge, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted: list[Any] = []
    admit = built.connections.admit

    def watched(*given: Any) -> Any:
        admitted.append(admit(*given))
        return admitted[-1]

    monkeypatch.setattr(built.connections, "admit", watched)
    connection, request = await edge.connect(), b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % edge.port
    connection.send(request * (40 * MAX_AHEAD_BYTES // len(request)))
    answered = built.application.site.answered
    async with asyncio.timeout(WAIT_S):
        while answered.get(200, 0) < 500:
            await asyncio.sleep(0)
            begun = answered.get(200, 0) * len(request)
            assert not admitted or admitted[0].received - begun <= 3 * MAX_AHEAD_BYTES
    assert admitted[0].received > MAX_AHEAD_BYTES


async def test_much_behind_the_last_request_hides_no_answer(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, "Connection: close", body=b"[1,0]")
    call = await root.next_call()
    connection.send(b"x" * (6 * MAX_AHEAD_BYTES))
    assert (await edge.get("/healthz")).code == 200
    call.reply(1)
    connection.writer.transport.set_write_buffer_limits(0)
    async with asyncio.timeout(LINGER_S / 2):
        await connection.writer.drain()
    assert (await connection.answer())[1] == b'{"result":1}'
    assert await connection.rest() == b""


@pytest.mark.parametrize("limits", [Limits()], ids=["defaults"])
async def test_many_small_chunks_let_others_pass(edge: Edge, root: Any, built: Built) -> None:
    connection = await edge.connect()
    body = b"[" + b"1," * 90_000 + b"5]"
    connection.ask("POST", ADD, JSON_LINE, "Transfer-Encoding: chunked")
    connection.send(b"".join(b"1;x\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    connection.ask("GET", "/healthz")
    rounds = 0
    async with asyncio.timeout(WAIT_S):
        while not built.application.site.answered.get(400):
            assert (await edge.get("/healthz")).code == 200
            rounds += 1
    # Chunks are read for some milliseconds a turn; without turns of others one answer or two would come first.
    assert rounds > 3
    assert (await connection.answer())[0].status == 400
    assert (await connection.answer())[0].status == 200
    assert root.calls == []


async def test_a_fault_of_the_gateway_s_own_ends_the_connection_and_no_other(
    edge: Edge, built: Built, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection, other = await edge.connect(), await edge.connect()
    other.ask("GET", "/healthz")
    assert (await other.answer())[0].status == 200
    with monkeypatch.context() as broken:
        broken.setattr(built.application, "_paths", None)
        connection.ask("GET", "/healthz")
        assert await connection.rest() == b""
    assert "a connection failed" in caplog.text
    other.ask("GET", "/healthz")
    assert (await other.answer())[0].status == 200


async def test_what_comes_behind_the_last_request_is_none(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("GET", "/healthz", "Connection: close")
    connection.send(SMUGGLED)
    head, _ = await connection.answer()
    assert (head.status, head.headers["connection"]) == (200, "close")
    assert await connection.rest() == b""
    assert root.calls == []


async def test_a_body_that_nobody_asked_for_is_no_request(edge: Edge, root: Any) -> None:
    # A GET with a body, and a body for who takes none: both are read as what they are.
    connection = await edge.connect()
    for path in ("/healthz", "/nothing"):
        connection.ask("GET", path, body=SMUGGLED)
        assert (await connection.answer())[0].status in (200, 404)
    connection.ask("GET", "/healthz")
    assert (await connection.answer())[0].status == 200
    assert root.calls == []


async def test_a_client_that_left_has_no_more_requests_begun(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    for number in (1, 2):
        connection.ask("POST", ADD, JSON_LINE, body=b"[%d,0]" % number)
    call = await root.next_call()
    ended = edge.ended(call)
    await connection.close()
    await ended
    assert call.cancelled()
    assert (await edge.metrics())["calls_in_flight"] == 0
    assert len(root.calls) == 1


async def test_a_client_that_left_with_much_unread_has_no_more_requests_begun(edge: Edge, root: Any) -> None:
    left, stays = await edge.connect(), await edge.connect()
    calls = []
    for connection in (left, stays):
        connection.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
        calls.append(await root.next_call())
        # More than is read ahead, so that no end is read either.
        padding = "X: " + "a" * 30_000
        for _ in range(3 * MAX_AHEAD_BYTES // 30_000):
            connection.ask("POST", ADD, padding, JSON_LINE, body=b"[2,0]")
        assert (await edge.get("/healthz")).code == 200
    await left.close()
    for call in calls:
        assert (await edge.get("/healthz")).code == 200
        if not call.done():
            call.reply(1)
    assert (await stays.answer())[1] == b'{"result":1}'
    assert (await root.next_call()).args == [2, 0]
    assert len(root.calls) == 3


async def test_an_upgrade_ahead_of_an_answer_is_refused(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
    call = await root.next_call()
    connection.ask("GET", "/ws", *handshake())
    connection.ask("GET", "/healthz")
    assert (await edge.get("/healthz")).code == 200
    call.reply(1)
    assert (await connection.answer())[0].status == 200
    head, body = await connection.answer()
    assert (head.status, json.loads(body)["detail"]) == (400, "an upgrade is sent when all other requests are answered")
    assert (await connection.answer())[0].status == 200
    connection.ask("GET", "/ws", *handshake())
    assert (await connection.head()).status == 101


async def test_a_client_that_ends_its_half_has_left(edge: Edge, root: Any) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
    call = await root.next_call()
    ended = edge.ended(call)
    connection.writer.write_eof()
    await ended
    assert call.cancelled()
    assert await connection.rest() == b""


async def test_who_reads_no_answer_has_no_next_one_begun(edge: Edge, root: Any, limits: Any) -> None:
    connection = await edge.connect(reads_little=True)
    large = {"quotient": 3, "remainder": 1}
    many = 200
    for _ in range(many):
        connection.ask("GET", "/types/calculator.d.ts", "Accept-Encoding: identity")
    connection.ask("GET", "/api/calculator/divide?dividend=7&divisor=2")
    for _ in range(20):
        assert (await edge.get("/healthz")).code == 200
    assert root.calls == []
    for _ in range(many):
        assert (await connection.answer())[0].status == 200
    (await root.next_call()).reply(large)
    assert (await connection.answer())[1] == b'{"quotient":3,"remainder":1}'


async def test_a_client_that_still_sends_can_read_why_it_is_refused(edge: Edge) -> None:
    connection = await edge.connect()
    connection.ask("POST", ADD, JSON_LINE, f"Content-Length: {10**17}")
    for _ in range(20):
        connection.send(b" " * 10_000)
        await asyncio.sleep(0)
    assert "at most 10000 bytes" in await refused(connection, 413, "too_large")


@moves_time
async def test_who_never_ends_is_not_waited_for(edge: Edge, clock: MovedClock) -> None:
    connection = await edge.connect()
    connection.send(b"no request\r\n\r\n")
    await refused(connection, 400, "invalid_argument")
    connection.send(b"more")
    await clock.advance(LINGER_S + 0.1)
    assert (await edge.get("/healthz")).code == 200
    connection.send(b"more")
    assert (await edge.get("/healthz")).code == 200
    async with asyncio.timeout(WAIT_S):
        while not connection.writer.is_closing():
            connection.send(b"more")
            await asyncio.sleep(0)


# What pages see.


async def test_a_page_can_read_that_there_is_nothing(edge: Edge) -> None:
    for path in ("/nothing", "/api/nothing", "/api/calculator/nothing", "/client/nothing.js"):
        asked = await edge.request(
            "OPTIONS", path, None, {"Origin": FRIEND, "Access-Control-Request-Method": "PUT"}
        )
        assert asked.code == 204
        assert asked.headers["Access-Control-Allow-Origin"] == FRIEND
        assert asked.headers["Access-Control-Allow-Methods"] in ("PUT", "GET, HEAD, PUT")
        refused = await edge.request("PUT", path, None, {"Origin": FRIEND})
        assert (refused.code, refused.headers["Access-Control-Allow-Origin"]) == (404, FRIEND)
        assert (await edge.request("OPTIONS", path)).code == 404


async def test_a_page_can_read_that_a_method_is_not_permitted(edge: Edge) -> None:
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "DELETE"}
    assert (await edge.request("OPTIONS", ADD, None, asked)).headers["Access-Control-Allow-Methods"] == "POST, DELETE"
    odd = {**asked, "Access-Control-Request-Method": "BREW"}
    assert (await edge.request("OPTIONS", ADD, None, odd)).headers["Access-Control-Allow-Methods"] == "POST"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200), ("GET", "/client/index.js", 200), ("GET", "/healthz", 200), ("GET", "/nothing", 404),
        ("GET", ADD, 405), ("OPTIONS", ADD, 204), ("POST", "/api/session", 201), ("GET", "/ws", 400),
        ("HEAD", "/metrics", 200),
    ],
)  # fmt: skip
async def test_no_answer_is_taken_for_a_page_that_it_is_not(edge: Edge, method: str, path: str, status: int) -> None:
    connection = await edge.connect()
    connection.ask(method, path)
    head = await connection.head()
    assert head.status == status
    assert is_guarded(head)


async def test_what_a_client_has_is_told_with_what_caches_go_by(edge: Edge) -> None:
    got = await edge.get("/types/calculator.d.ts")
    known = await edge.get("/types/calculator.d.ts", {"If-None-Match": got.headers["ETag"]})
    assert (known.code, known.body) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary", "Date"):
        assert known.headers[name] == got.headers[name] or name == "Date"
    assert "Accept-Encoding" in got.headers["Vary"]
    assert not {"Content-Type", "Content-Length", "Content-Encoding"} & known.headers.keys()
    for tags in (f'"other", {got.headers["ETag"]}', got.headers["ETag"].removeprefix("W/"), "*"):
        assert (await edge.get("/types/calculator.d.ts", {"If-None-Match": tags})).code == 304
    assert (await edge.get("/types/calculator.d.ts", {"If-None-Match": '"other"'})).code == 200
