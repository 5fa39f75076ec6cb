"""Connections on which a request does not come, or does not end; the clock is the loop's, moved by the tests."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from gateway.http.connection import LINGER_S, HttpConnection
from tests.clock import MovedClock
from tests.gateway.http.conftest import PATIENCE_S, Built, Edge, moves_time
from tests.gateway.http.raw import WAIT_S, RawConnection

pytestmark = moves_time

ADD = "/api/calculator/add"
JSON_LINE = "Content-Type: application/json"
POST = b"POST /api/calculator/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SWEEP_S = 5.0
"""How much later than its time a connection may be closed."""
LATE_S = 0.5
"""More than the machine takes for a test, and less than what one sweep and the next one are apart."""
assert PATIENCE_S % SWEEP_S not in (0, SWEEP_S - LATE_S)


async def is_closed_in_time(edge: Edge, connection: RawConnection, clock: MovedClock) -> None:
    """Make sure that a connection that begins to owe something now is closed with the first sweep after its time."""
    before_s = PATIENCE_S - LATE_S
    await clock.advance(before_s)
    assert await edge.is_open(connection)
    await clock.advance(SWEEP_S + LATE_S)
    assert not await edge.is_open(connection)


async def is_told_in_time(edge: Edge, connection: RawConnection, clock: MovedClock) -> dict[str, Any]:
    """The same of one that has sent a part of a request: the answer that it gets then."""
    await clock.advance(PATIENCE_S - LATE_S)
    assert await edge.is_open(connection)
    await clock.advance(SWEEP_S + LATE_S)
    head, body = await connection.answer()
    told: dict[str, Any] = json.loads(body)
    assert (head.status, head.headers["connection"], told["status"]) == (408, "close", 408)
    assert (told["title"], told["code"]) == ("Request Timeout", "deadline_exceeded")
    assert await connection.rest() == b""
    return told


async def test_a_connection_without_a_request_is_closed_in_silence(edge: Edge, clock: MovedClock) -> None:
    connection = await edge.connect()
    await is_closed_in_time(edge, connection, clock)
    assert await connection.rest() == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: a\r\n",
        # The beginning of the next one comes with a whole one.
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT",
    ],
    ids=["half a line", "half a head", "half of the second"],
)
async def test_who_sends_half_a_head_is_told_so(edge: Edge, clock: MovedClock, built: Built, sent: bytes) -> None:
    connection = await edge.connect()
    connection.send(sent)
    if b"healthz" in sent:
        assert (await connection.answer())[0].status == 200
    assert await edge.is_open(connection)
    told = await is_told_in_time(edge, connection, clock)
    assert told["detail"] == f"the head did not come in time: it may take {PATIENCE_S:g} s (head_s)"
    metrics = (await edge.get("/metrics")).body.decode()
    assert 'cara_gateway_refused_total{reason="head_s"} 1' in metrics
    assert 'cara_gateway_closed_total{reason="slow_head"} 1' in metrics
    built.application.site.log.flush()
    line = next(line for line in map(json.loads, built.log.getvalue().splitlines()) if line["status"] == 408)
    assert (line["method"], line["path"], line["code"]) == ("-", "-", "deadline_exceeded")


@pytest.mark.parametrize(
    "sent",
    [
        [b"Content-Length: 10\r\n\r\n", b"12345"],
        [b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n"],
        [b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n12345\r\n"],
    ],
    ids=["half a body", "no body", "half of the chunks"],
)
async def test_who_sends_half_a_body_is_told_so(
    edge: Edge, clock: MovedClock, built: Built, sent: list[bytes]
) -> None:
    connection = await edge.connect()
    connection.send(POST)
    for part in sent:
        connection.send(part)
        assert await edge.is_open(connection)
    if b"Expect" in sent[0]:
        assert (await connection.head()).status == 100
    told = await is_told_in_time(edge, connection, clock)
    assert f"it may take {PATIENCE_S:g} s (head_s)" in told["detail"]
    metrics = (await edge.get("/metrics")).body.decode()
    assert 'cara_gateway_refused_total{reason="head_s"} 1' in metrics
    assert 'cara_gateway_closed_total{reason="slow_body"} 1' in metrics
    built.application.site.log.flush()
    line = next(line for line in map(json.loads, built.log.getvalue().splitlines()) if line["status"] == 408)
    assert (line["method"], line["path"], line["code"]) == ("POST", "/api/calculator/add", "deadline_exceeded")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"Content-Length: 20000\r\n", 413),
        (b"Content-Length: 20000\r\nExpect: 100-continue\r\n", 413),
        (b"Content-Length: 10\r\nOrigin: http://evil.example\r\n", 403),
        (b"Transfer-Encoding: chunked\r\nOrigin: http://evil.example\r\nExpect: 100-continue\r\n", 403),
    ],
)
async def test_what_the_head_alone_is_refused_for_is_told_at_once(edge: Edge, more: bytes, status: int) -> None:
    connection = await edge.connect()
    connection.send(POST + more + b"\r\n")
    head, _ = await connection.answer()
    assert (head.status, head.headers["connection"]) == (status, "close")


async def test_a_body_that_is_refused_may_still_come(edge: Edge, clock: MovedClock) -> None:
    connection = await edge.connect()
    connection.send(POST + b"Content-Length: 4000000\r\n\r\n")
    assert (await connection.answer())[0].status == 413
    for _ in range(40):
        connection.send(b" " * 99_000)
        # Each lets the other side read it; a close would reset what comes.
        assert (await edge.get("/healthz")).code == 200
        await clock.advance(LINGER_S / 2)
        assert not connection.writer.is_closing()
    # It is waited for no longer than it comes.
    await clock.advance(LINGER_S + 0.1)
    await clock.advance(LINGER_S + 0.1)
    assert (await edge.get("/healthz")).code == 200
    async with asyncio.timeout(WAIT_S):
        while not connection.writer.is_closing():
            connection.send(b" ")
            await asyncio.sleep(0)


async def test_it_is_looked_every_five_seconds(edge: Edge, clock: MovedClock) -> None:
    # Begun at a time at which a slower look would come too late.
    await clock.advance(3.2)
    await is_closed_in_time(edge, await edge.connect(), clock)


async def test_a_head_that_drips_has_no_more_time(edge: Edge, clock: MovedClock) -> None:
    connection = await edge.connect()
    connection.send(b"GET /healthz HTTP/1.1\r\n")
    assert await edge.is_open(connection)
    await clock.advance(PATIENCE_S - 1)
    connection.send(b"Host: localhost\r\n")
    assert await edge.is_open(connection)
    await clock.advance(SWEEP_S + 1)
    assert (await connection.answer())[0].status == 408
    assert await connection.rest() == b""


async def test_the_body_has_a_time_of_its_own(edge: Edge, root: Any, clock: MovedClock) -> None:
    connection = await edge.connect()
    await clock.advance(PATIENCE_S - 1)
    connection.ask("POST", ADD, JSON_LINE, "Content-Length: 5")
    assert await edge.is_open(connection)
    await clock.advance(PATIENCE_S - 1)
    connection.send(b"[2,5]")
    (await root.next_call()).reply(7)
    assert (await connection.answer())[1] == b'{"result":7}'


async def test_a_slow_answer_is_waited_for_and_the_next_request_has_its_own_time(
    edge: Edge, root: Any, clock: MovedClock
) -> None:
    connection = await edge.connect()
    # Two at once: the second stands in the connection as long as the first is under way.
    for number in (1, 2):
        connection.ask("POST", ADD, JSON_LINE, body=b"[%d,0]" % number)
    for number in (1, 2):
        call = await root.next_call()
        await clock.advance(3 * PATIENCE_S)
        call.reply(number)
        assert json.loads((await connection.answer())[1]) == {"result": number}
    await is_closed_in_time(edge, connection, clock)


async def test_a_connection_without_a_next_request_is_closed(edge: Edge, clock: MovedClock) -> None:
    connection = await edge.connect()
    for _ in range(2):
        await clock.advance(PATIENCE_S - 1)
        connection.ask("GET", "/healthz")
        assert (await connection.answer())[0].status == 200
    await is_closed_in_time(edge, connection, clock)


async def test_what_goes_on_after_its_request_is_not_looked_at(edge: Edge, clock: MovedClock) -> None:
    session = await edge.session()
    listener, socket = await edge.connect(), await edge.socket()
    listener.ask("GET", "/api/events", f"Session-Id: {session['Session-Id']}")
    assert (await listener.head()).status == 200
    for _ in range(4):
        await clock.advance(PATIENCE_S / 3)
        assert await socket.heard() == []
    assert await edge.is_open(listener)
    assert await edge.is_open(socket)


def connections() -> int:
    """How many there are in this process, those included that other tests have left to the collector."""
    gc.collect()
    return sum(isinstance(found, HttpConnection) for found in gc.get_objects())


async def test_connections_that_are_closed_are_forgotten(edge: Edge) -> None:
    before = connections()
    for answered in (False, True):
        connection = await edge.connect()
        if answered:
            connection.ask("GET", "/healthz")
            assert (await connection.answer())[0].status == 200
        await connection.close()
    assert (await edge.get("/healthz", {"Connection": "close"})).code == 200
    async with asyncio.timeout(WAIT_S):
        while connections() > before:
            await asyncio.sleep(0)


async def test_a_server_that_stopped_closes_what_is_open_and_looks_no_more(
    edge: Edge, built: Built, clock: MovedClock
) -> None:
    connection = await edge.connect()
    assert await edge.is_open(connection)
    built.server.stop()
    await built.server.close_all_connections()
    assert await connection.rest() == b""
    looked: list[float] = []
    built.connections.end_overdue = looked.append  # type: ignore[method-assign]
    await clock.advance(2 * PATIENCE_S)
    assert looked == []
