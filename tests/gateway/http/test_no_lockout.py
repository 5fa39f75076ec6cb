"""Strangers who take connections, time and memory, and what a good client beside them sees; over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.http.connection import MAX_AHEAD_BYTES
from tests.clock import MovedClock
from tests.gateway.http.conftest import Edge, moves_time
from tests.gateway.http.raw import WAIT_S, RawConnection

ADD = "/api/calculator/add"
JSON_LINE = "Content-Type: application/json"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"
SWEEP_S = 5.0


@pytest.fixture
def limits() -> Limits:
    return Limits(
        max_connections=12, max_half_open_per_address=3, head_s=10, slow_reader_s=30, idle_connection_s=120,
        max_waiting_bytes_per_address=600_000,
    )  # fmt: skip


class Good:
    """A client that was there before the strangers, on one connection and on one WebSocket."""

    def __init__(self, edge: Edge, root: Any) -> None:
        self._edge = edge
        self._root = root

    async def come(self) -> Good:
        self._connection = await self._edge.connect()
        self._socket = await self._edge.socket()
        await self.works()
        return self

    async def works(self) -> None:
        """Make a call over each."""
        self._connection.ask("POST", ADD, JSON_LINE, body=b"[2,5]")
        (await self._root.next_call()).reply(7)
        assert json.loads((await self._connection.answer())[1]) == {"result": 7}
        self._socket.say("calculator.add", [2, 5])
        (await self._root.next_call()).reply(7)
        assert (await self._socket.hear())["result"] == {"result": 7}


@pytest.fixture
def good(edge: Edge, root: Any) -> Good:
    return Good(edge, root)


async def until_closed(connection: RawConnection) -> None:
    async with asyncio.timeout(WAIT_S):
        await connection.rest()


async def waiting(call: Any) -> None:
    """Wait for the end of a call, whatever it is."""
    await asyncio.wait([call], timeout=WAIT_S)
    assert call.done()


# Half-open connections.


@pytest.mark.gen_test
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHos", HALF_A_BODY])
async def test_half_open_connections_push_each_other_out(edge: Edge, root: Any, good: Good, begun: bytes) -> None:
    await good.come()
    strangers = []
    for _ in range(30):
        stranger = await edge.connect()
        stranger.send(begun)
        strangers.append(stranger)
        assert (await edge.get("/healthz")).code == 200
    for stranger in strangers[:-3]:
        assert stranger.is_at_end()
    await good.works()
    asked = edge.asks("POST", ADD, [2, 5])
    (await root.next_call()).reply(7)
    assert (await asked).code == 200
    assert (await edge.metrics())['closed_total{reason="evicted"}'] >= 27


@pytest.mark.gen_test
async def test_who_finds_no_place_is_told_and_whether_the_gateway_is_well(edge: Edge, root: Any, good: Good) -> None:
    await good.come()
    calls = []
    strangers = []
    for _ in range(9):  # eleven of twelve places are one address's share
        stranger = await edge.connect()
        stranger.ask("POST", ADD, JSON_LINE, body=b"[1,1]")
        calls.append(await root.next_call())
        strangers.append(stranger)
    refused = await edge.connect()
    refused.ask("POST", ADD, JSON_LINE, body=b"[1,1]")
    head, body = await refused.answer()
    problem = json.loads(body)
    assert (head.status, head.headers["retry-after"], head.headers["connection"]) == (429, "1", "close")
    assert head.headers["content-type"] == "application/problem+json"
    assert problem["detail"].startswith("11 connections are open from this address, as many as")
    await until_closed(refused)
    watcher = await edge.connect()
    watcher.ask("GET", "/healthz")
    assert (await watcher.answer())[0].status == 200
    watcher.ask("GET", "/healthz")
    await until_closed(watcher)
    for call, stranger in zip(calls, strangers, strict=True):
        call.reply(2)
        assert (await stranger.answer())[0].status == 200
        await stranger.close()
    await good.works()
    metrics = await edge.metrics()
    assert metrics['refused_total{reason="max_connections_per_address"}'] >= 2
    assert metrics["max_connections"] == 12


@pytest.mark.gen_test
async def test_websockets_that_say_nothing_make_room(edge: Edge, root: Any, good: Good) -> None:
    await good.come()
    strangers = [await edge.socket() for _ in range(20)]
    assert await strangers[0].closed() == (4004, "there is no room, and nothing was asked for")
    await good.works()
    strangers[-1].say("calculator.add", [1, 1])
    (await root.next_call()).reply(2)
    assert (await strangers[-1].hear())["result"] == {"result": 2}


# Slow ones.


@moves_time
@pytest.mark.parametrize("begun", [b"G", HALF_A_BODY])
async def test_half_a_request_has_ten_seconds(edge: Edge, good: Good, clock: MovedClock, begun: bytes) -> None:
    await good.come()
    stranger = await edge.connect()
    stranger.send(begun)
    assert await edge.is_open(stranger)
    await clock.advance(2, step_s=1)
    await clock.advance(7)
    assert await edge.is_open(stranger)
    await clock.advance(SWEEP_S)
    assert (await stranger.answer())[0].status == 408
    assert await stranger.rest() == b""
    await good.works()


@moves_time
async def test_an_answer_that_nobody_reads_is_given_up(edge: Edge, good: Good, clock: MovedClock) -> None:
    await good.come()
    slow = await edge.connect(reads_little=True)
    slow.ask("GET", "/large.bin")
    assert await edge.is_open(slow)
    await clock.advance(2, step_s=1)
    await clock.advance(26)
    await good.works()
    assert (await edge.metrics())["connections"] == 4
    await clock.advance(SWEEP_S)
    metrics = await edge.metrics()
    assert metrics['closed_total{reason="slow_reader"}'] == 1
    assert metrics["connections"] == 3
    await good.works()


# Clients that leave.


@pytest.mark.gen_test
@pytest.mark.parametrize("in_one_piece", [True, False])
async def test_a_client_that_left_is_noticed_behind_its_next_request(
    edge: Edge, root: Any, good: Good, in_one_piece: bool
) -> None:
    await good.come()
    stranger = await edge.connect()
    stranger.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
    if not in_one_piece:
        call = await root.next_call()
    stranger.ask("POST", ADD, JSON_LINE, body=b"[2,0]")
    if in_one_piece:
        call = await root.next_call()
    assert call.args == [1, 0]
    await stranger.close()
    await waiting(call)
    assert call.cancelled()
    await good.works()
    assert [call.args for call in root.calls if call.args != [2, 5]] == [[1, 0]]


@pytest.mark.gen_test
async def test_and_behind_more_than_is_read_ahead(edge: Edge, root: Any, good: Good) -> None:
    await good.come()
    stranger = await edge.connect()
    stranger.ask("POST", ADD, JSON_LINE, body=b"[1,0]")
    call = await root.next_call()
    # Not so much that the end would wait at the other side: what the kernel here does not take hides it from everybody.
    for _ in range(5):
        stranger.ask("GET", "/healthz", "X: " + "a" * (MAX_AHEAD_BYTES // 4))
    await stranger.writer.drain()
    await good.works()
    assert not call.done()
    await stranger.close()
    await waiting(call)
    assert call.cancelled()
    await good.works()


@pytest.mark.gen_test
async def test_a_client_that_stays_gets_its_answers_in_order(edge: Edge, root: Any) -> None:
    client = await edge.connect()
    for number in (1, 2, 3):
        client.ask("POST", ADD, JSON_LINE, body=b"[%d,0]" % number)
    for number in (1, 2, 3):
        (await root.next_call()).reply(number)
        assert json.loads((await client.answer())[1]) == {"result": number}


@moves_time
async def test_half_a_message_has_ten_seconds_and_then_a_least_rate(edge: Edge, good: Good, clock: MovedClock) -> None:
    await good.come()
    stranger = await edge.socket()
    stranger.send(bytes((0x81, 0xFE, 0x10, 0, 0, 0, 0, 0)), b"x" * 100)
    assert await edge.is_open(stranger)
    await clock.advance(2, step_s=1)
    await clock.advance(7)
    assert await edge.is_open(stranger)
    await clock.advance(SWEEP_S)
    assert await stranger.closed() == (4004, "the rest of a message did not come in time")
    await good.works()
