"""How a WebSocket begins, and which requests are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.http.websocket.byte_transports import ByteTransports, LoopTransports, StreamTransports
from tests.clock import MovedClock
from tests.conformance import rfc6455
from tests.gateway.http.conftest import FRIEND, Built, Edge, problem
from tests.gateway.http.raw import ACCEPTED, KEY, handshake, request

pytestmark = pytest.mark.gen_test

WAYS = pytest.mark.parametrize("transports", [LoopTransports(), StreamTransports()], ids=["transport", "stream"])
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


async def test_the_answer_has_what_the_standard_wants_and_no_more(edge: Edge) -> None:
    socket = await edge.socket()
    assert socket.greeting.headers == {
        "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": ACCEPTED
    }  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        ("Upgrade: WebSocket", "Connection: keep-alive,  UPGRADE", *handshake()[2:]),
        ("Upgrade: h2c , WebSocket", *handshake()[1:]),
        (*handshake(), "Origin: http://localhost"),
        (*handshake(), f"Origin: {FRIEND}"),
        (*handshake(), "Sec-Fetch-Site: same-origin"),
    ],
)
async def test_a_handshake_may_look_in_many_ways(edge: Edge, lines: tuple[str, ...]) -> None:
    connection = await edge.connect()
    connection.ask("GET", "/ws", *lines)
    assert (await connection.head()).status == 101


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "must upgrade"),
        (handshake()[1:], "must upgrade"),
        ((handshake()[0], *handshake()[2:]), "must upgrade"),
        ((*handshake()[:2], *handshake()[3:]), "must upgrade"),
        (("Upgrade: h2c", *handshake()[1:]), "must upgrade"),
        (("Upgrade: websocket", "Connection: keep-alive", *handshake()[2:]), "must upgrade"),
        ((*handshake()[:2], "Sec-WebSocket-Key:", handshake()[3]), "must be 16 bytes in base64, not \"\""),
        ((*handshake()[:2], f"Sec-WebSocket-Key: {KEY[:-2]}", handshake()[3]), "must be 16 bytes"),
        ((*handshake()[:2], "Sec-WebSocket-Key: abc", handshake()[3]), "must be 16 bytes in base64, not \"abc\""),
        ((*handshake()[:2], "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4", handshake()[3]), "must be 16 bytes"),
        ((*handshake()[:2], f"Sec-WebSocket-Key: {KEY}, {KEY}", handshake()[3]), "must be 16 bytes"),
        (handshake(version="8"), "must be 13"),
        (handshake()[:3], "must be 13"),
    ],
)
async def test_what_is_no_handshake_is_told_which_version_is_spoken(
    edge: Edge, lines: tuple[str, ...], says: str
) -> None:
    connection = await edge.connect()
    connection.ask("GET", "/ws", *lines)
    head, body = await connection.answer()
    assert (head.status, head.headers["sec-websocket-version"]) == (400, "13")
    found = json.loads(body)
    assert found["code"] == "failed_precondition"
    assert says in found["detail"]
    assert (await edge.metrics())["sockets"] == 0


async def test_http_1_0_has_no_upgrades(edge: Edge) -> None:
    connection = await edge.connect()
    head = "\r\n".join(["GET /ws HTTP/1.0", "Host: localhost", *handshake(), "", ""]).encode()
    connection.send(head)
    answer, body = await connection.answer()
    assert answer.status == 400
    assert "must upgrade to it, by HTTP/1.1" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("line", "status"),
    [("Origin: https://evil.example", 403), ("Sec-Fetch-Site: cross-site", 403), ("Host: evil.example", 400)],
)
async def test_a_page_of_another_site_gets_no_socket(edge: Edge, line: str, status: int) -> None:
    connection = await edge.connect()
    connection.ask("GET", "/ws", *handshake(), line)
    head, _ = await connection.answer()
    assert head.status == status
    assert "sec-websocket-version" not in head.headers
    assert (await edge.metrics())["sockets"] == 0


async def test_other_methods_are_refused(edge: Edge) -> None:
    for method in ("POST", "HEAD", "DELETE"):
        answer = await edge.request(method, "/ws")
        assert (answer.code, answer.headers["Allow"]) == (405, "GET")
    assert problem(await edge.get("/ws", {"Host": "evil.example"}))["status"] == 421


@WAYS
async def test_what_is_sent_together_with_the_handshake_is_not_lost(
    edge: Edge, root: Any, transports: ByteTransports
) -> None:
    connection = await edge.connect()
    head = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *handshake(), "", ""]).encode()
    later = request("calculator.add", [3, 4], id=2)
    connection.send(head, request("calculator.add", [1, 2]), later[:7])
    first = await root.next_call()
    connection.send(later[7:])
    second = await root.next_call()
    assert (first.args, second.args) == ([1, 2], [3, 4])


@WAYS
async def test_a_client_that_leaves_at_once_leaves_nothing(edge: Edge, transports: ByteTransports) -> None:
    for _ in range(10):
        connection = await edge.connect()
        connection.ask("GET", "/ws", *handshake())
        connection.writer.transport.abort()
    # That nothing is left the fixture http_server looks for.
    assert (await edge.get("/healthz")).code == 200


async def test_a_socket_is_counted_and_logged_from_its_beginning(edge: Edge, built: Built, clock: MovedClock) -> None:
    socket = await edge.socket("X-Request-Id: mine-1")
    await clock.advance(0.2)
    (line,) = [json.loads(line) for line in built.log.getvalue().splitlines()]
    assert (line["method"], line["path"], line["status"], line["request_id"]) == ("GET", "/ws", 101, "mine-1")
    metrics = await edge.metrics()
    assert (metrics["sockets"], metrics['requests_total{status="101"}']) == (1, 1)
    await socket.leave(1000)
    assert (await edge.metrics())["sockets"] == 0


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(("leaves_with", "close"), [(1000, 1000), (4999, 4999), (None, 1006)])
async def test_the_end_of_a_socket_is_logged_with_its_calls_and_its_close_code(
    edge: Edge, root: Any, built: Built, clock: MovedClock, leaves_with: int | None, close: int
) -> None:
    socket = await edge.socket("X-Request-Id: mine-1", f"Traceparent: 00-{TRACE}-00f067aa0ba902b7-01")
    for id in range(3):
        socket.say("calculator.add", [1, 2], id=id)
        (await root.next_call()).reply(3)
        await socket.hear()
    socket.say("calculator.add", ["topsecret"], id=9)  # refused, and a call all the same
    await socket.hear()
    if leaves_with is None:
        await socket.close()
    else:
        await socket.leave(leaves_with)
    assert (await edge.metrics())["sockets"] == 0
    await clock.advance(0.2)
    lines = [json.loads(line) for line in built.log.getvalue().splitlines()]
    (line,) = [line for line in lines if "socket" in line]
    assert line.pop("time").endswith("Z")
    assert 0 < line.pop("ms") < 5000
    assert 300 < line.pop("bytes_in") < 1000
    assert 300 < line.pop("bytes_out") < 1500
    assert line == {
        "level": "info", "socket": "ended", "close": close, "calls": 4, "remote": "127.0.0.1", "request_id": "mine-1",
        "trace_id": TRACE,
    }  # fmt: skip
    assert "topsecret" not in built.log.getvalue()


@pytest.mark.parametrize("compresses", [True, False])
async def test_messages_are_compressed_if_both_sides_want_it(edge: Edge, root: Any, compresses: bool) -> None:
    socket = await edge.socket(OFFER)
    assert ("sec-websocket-extensions" in socket.greeting.headers) is compresses
    socket.say("rpc.describe", {"service": "calculator"})
    first, payload = await socket.frame()
    packed = 0x40 if compresses else 0
    assert first == rfc6455.FINAL | packed | rfc6455.TEXT
    assert payload.startswith(b"{") is not compresses


@pytest.mark.parametrize("compresses", [True])
async def test_messages_are_not_compressed_for_who_does_not_offer_it(edge: Edge, compresses: bool) -> None:
    socket = await edge.socket()
    assert "sec-websocket-extensions" not in socket.greeting.headers
    socket.say("rpc.describe", {"service": "calculator"})
    assert (await socket.hear())["id"] == 1
    # And nobody may send what was not agreed on.
    socket.send(rfc6455.frame(rfc6455.FINAL | 0x40 | rfc6455.TEXT, b"x"))
    assert (await socket.closed())[0] == 1002
