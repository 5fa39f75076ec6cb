"""A WebSocket's life behind its handshake: order, pings, closing from either side, and readers that are too slow."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Mapping
from typing import Any

import pytest
import tornado.websocket
from tornado.ioloop import IOLoop

from gateway.config.limits import Limits
from gateway.http.websocket.byte_transports import ByteTransports, LoopTransports, StreamTransports
from gateway.http.websocket.channel import SocketChannel
from tests.clock import MovedClock
from tests.conformance.rfc6455 import BINARY, CLOSE, FINAL, PING, PONG, TEXT, close, frame, text
from tests.gateway.http.conftest import Built, Edge, moves_time
from tests.gateway.http.raw import RawSocket, request

pytestmark = pytest.mark.gen_test

WAYS = pytest.mark.parametrize("transports", [LoopTransports(), StreamTransports()], ids=["transport", "stream"])
SILENCE_S = 30.0
"""After which a ping is sent, and after which again the connection is dead; PROTOCOL.md, Limits and close codes."""


async def greeted(edge: Edge, **options: Any) -> tuple[RawSocket, dict[str, str]]:
    """A socket that has said hello, and its session as a header."""
    socket = await edge.socket(**options)
    socket.say("rpc.hello", {"protocol": 1}, id=0)
    return socket, {"Session-Id": (await socket.hear())["result"]["session"]}


async def end_session(edge: Edge, session: Mapping[str, str]) -> None:
    assert (await edge.request("DELETE", "/api/session", None, session)).code == 204


# Messages.


@WAYS
async def test_calls_are_made_in_order_and_answered_as_they_end(
    edge: Edge, root: Any, transports: ByteTransports
) -> None:
    socket = await edge.socket()
    socket.send(*(request("calculator.add", [number, 0], id=number) for number in range(3)))
    calls = [await root.next_call() for _ in range(3)]
    assert [call.args for call in calls] == [[0, 0], [1, 0], [2, 0]]
    for number in (1, 0, 2):
        calls[number].reply(number)
        assert await socket.hear() == {"jsonrpc": "2.0", "id": number, "result": {"result": number}}


async def test_the_gateway_is_busy_as_long_as_a_call_is_under_way(edge: Edge, built: Built, root: Any) -> None:
    socket = await edge.socket()
    assert not built.is_busy()
    socket.say("calculator.add", [2, 5])
    call = await root.next_call()
    assert built.is_busy()
    call.reply(7)
    assert (await socket.hear())["result"] == {"result": 7}
    assert not built.is_busy()


async def test_a_client_of_tornado_s_is_served(edge: Edge, root: Any) -> None:
    client = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{edge.port}/ws")
    await client.write_message('{"jsonrpc":"2.0","id":1,"method":"calculator.add","params":[2,5]}')
    (await root.next_call()).reply(7)
    assert json.loads(await client.read_message()) == {"jsonrpc": "2.0", "id": 1, "result": {"result": 7}}
    client.close(1000)
    assert await client.read_message() is None
    assert client.close_code == 1000


async def test_a_ping_is_answered_with_its_payload(edge: Edge) -> None:
    socket = await edge.socket()
    for payload in (b"", b"x" * 125):
        socket.send(frame(FINAL | PING, payload))
        assert await socket.frame() == (FINAL | PONG, payload)
    socket.send(frame(FINAL | PONG, b"unasked"))
    assert await socket.heard() == []


async def test_a_client_that_leaves_cancels_its_calls(edge: Edge, root: Any) -> None:
    socket = await edge.socket()
    socket.say("calculator.add", [2, 5])
    call = await root.next_call()
    await socket.leave(1000)
    assert call.cancelled()
    assert (await edge.metrics())["calls_in_flight"] == 0


@WAYS
async def test_a_client_that_is_cut_off_cancels_its_calls(edge: Edge, root: Any, transports: ByteTransports) -> None:
    socket = await edge.socket()
    socket.say("calculator.add", [2, 5])
    call = await root.next_call()
    ended = edge.ended(call)
    socket.writer.transport.abort()
    await ended
    assert call.cancelled()


# Pings.


@moves_time
@WAYS
async def test_a_ping_is_sent_after_silence_and_then_the_connection_is_dead(
    edge: Edge, clock: MovedClock, transports: ByteTransports
) -> None:
    socket = await edge.socket()
    await clock.advance(SILENCE_S)
    assert await socket.frame() == (FINAL | PING, b"")
    await clock.advance(SILENCE_S - 1)
    assert await edge.is_open(socket)
    await clock.advance(1)
    assert not await edge.is_open(socket)
    assert (await edge.metrics())["sockets"] == 0


@moves_time
@WAYS
async def test_the_ping_is_there_when_its_time_has_come(
    edge: Edge, clock: MovedClock, transports: ByteTransports
) -> None:
    socket = await edge.socket()
    await clock.advance(SILENCE_S)
    assert await socket.heard() == [(FINAL | PING, b"")]


@moves_time
@WAYS
async def test_silence_is_counted_to_the_second(edge: Edge, io_loop: IOLoop, transports: ByteTransports) -> None:
    clock = MovedClock(io_loop.asyncio_loop, stopped=True)
    quiet, socket = await edge.socket(), await edge.socket()
    await clock.advance(SILENCE_S)
    assert await socket.heard() == [(FINAL | PING, b"")]
    assert await quiet.frame() == (FINAL | PING, b"")
    assert await edge.is_open(quiet)
    await clock.advance(SILENCE_S)
    assert not await edge.is_open(quiet)
    assert await edge.is_open(socket)


async def is_forgotten(edge: Edge) -> bool:
    """Whether nothing knows of any WebSocket, a timer neither; little time passes by itself until that is known."""
    assert (await edge.get("/healthz")).code == 200
    for _ in range(50):
        await asyncio.sleep(0)
    gc.collect()
    return not any(isinstance(found, SocketChannel) for found in gc.get_objects())


@moves_time
@WAYS
@pytest.mark.parametrize("faulty", [False, True])
async def test_a_socket_that_is_gone_is_forgotten_at_once(
    edge: Edge, clock: MovedClock, transports: ByteTransports, faulty: bool
) -> None:
    socket, _ = await greeted(edge)
    if faulty:
        socket.send(frame(FINAL | TEXT, b"x", masked=False))
        assert (await socket.closed())[0] == 1002
        await clock.advance(0.2)
        assert not await edge.is_open(socket)
    else:
        socket.writer.transport.abort()
    assert await is_forgotten(edge)


@moves_time
async def test_who_answers_pings_lives_on_and_is_pinged_again(edge: Edge, clock: MovedClock) -> None:
    socket = await edge.socket()
    for _ in range(5):
        await clock.advance(SILENCE_S)
        assert await socket.frame() == (FINAL | PING, b"")
        socket.send(frame(FINAL | PONG, b""))
        assert await edge.is_open(socket)
    await clock.advance(2 * SILENCE_S)
    assert await socket.frame() == (FINAL | PING, b"")
    assert await socket.rest() == b""


@moves_time
async def test_who_speaks_is_not_pinged(edge: Edge, clock: MovedClock) -> None:
    socket = await edge.socket()
    for _ in range(6):
        await clock.advance(SILENCE_S - 1)
        assert await socket.heard() == []


@moves_time
async def test_silence_counts_from_the_last_word(edge: Edge, clock: MovedClock) -> None:
    socket = await edge.socket()
    await clock.advance(SILENCE_S - 1)
    assert await socket.heard() == []
    # It is looked every 30 s: at 60 s the socket is silent for 31 and at 90 s for 61.
    await clock.advance(1)
    await clock.advance(SILENCE_S)
    assert await socket.frame() == (FINAL | PING, b"")
    await clock.advance(SILENCE_S - 1)
    assert await edge.is_open(socket)
    await clock.advance(1)
    assert not await edge.is_open(socket)


@moves_time
async def test_what_is_sent_to_a_client_is_no_sign_of_its_life(edge: Edge, root: Any, clock: MovedClock) -> None:
    socket = await edge.socket()
    socket.send(*(request("calculator.add", [number, 0], id=number) for number in range(2)))
    calls = [await root.next_call() for _ in range(2)]
    await clock.advance(SILENCE_S / 2)
    calls[0].reply(0)
    assert (await socket.hear())["id"] == 0
    await clock.advance(SILENCE_S / 2)
    assert await socket.frame() == (FINAL | PING, b"")
    calls[1].reply(0)
    assert (await socket.hear())["id"] == 1
    await clock.advance(SILENCE_S)
    assert not await edge.is_open(socket)


# Closing.


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_with_its_code(edge: Edge, code: int) -> None:
    await (await edge.socket()).leave(code)


async def test_a_close_without_a_code_is_answered_without_one(edge: Edge) -> None:
    socket = await edge.socket()
    socket.send(frame(FINAL | CLOSE))
    assert await socket.frame() == (FINAL | CLOSE, b"")
    assert await socket.rest() == b""


async def test_what_follows_a_close_is_not_read(edge: Edge, root: Any) -> None:
    socket = await edge.socket()
    socket.send(close(1000), request("calculator.add", [2, 5]), frame(FINAL | PING, b"there?"))
    assert await socket.closed() == (1000, "")
    assert await socket.rest() == b""
    assert root.calls == []


@moves_time
@WAYS
async def test_who_does_not_answer_our_close_is_waited_for_a_while(
    edge: Edge, root: Any, clock: MovedClock, transports: ByteTransports
) -> None:
    socket, session = await greeted(edge)
    await end_session(edge, session)
    assert await socket.closed() == (4002, "the session has ended: it was ended over REST")
    # Nothing is taken any more, and nothing answered.
    socket.send(request("calculator.add", [2, 5]), frame(FINAL | PING, b"there?"))
    await clock.advance(2.9)
    assert await edge.is_open(socket)
    await clock.advance(0.2)
    assert not await edge.is_open(socket)
    assert root.calls == []


@moves_time
async def test_nothing_follows_a_close_frame_not_even_a_ping(edge: Edge, clock: MovedClock) -> None:
    socket, session = await greeted(edge)
    await clock.advance(SILENCE_S - 1)
    await end_session(edge, session)
    await clock.advance(1.5)
    assert (await socket.closed())[0] == 4002
    socket.send(close(4002))
    assert await socket.rest() == b""


async def test_who_answers_our_close_is_not_waited_for(edge: Edge) -> None:
    socket, session = await greeted(edge)
    await end_session(edge, session)
    assert (await socket.closed())[0] == 4002
    socket.send(close(4002))
    assert not await edge.is_open(socket)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(FINAL | BINARY, b"x"), 1003),
        (text(b"\xff"), 1007),
        (text(b" " * 10_001), 1009),
    ],
    ids=["binary", "no UTF-8", "too large"],
)
@moves_time
async def test_who_sent_what_is_not_taken_may_answer_the_close(
    edge: Edge, root: Any, clock: MovedClock, sent: bytes, code: int
) -> None:
    socket = await edge.socket()
    socket.say("calculator.add", [2, 5])
    call = await root.next_call()
    socket.send(sent)
    assert (await socket.closed())[0] == code
    assert call.cancelled()
    await clock.advance(2.9)
    assert await edge.is_open(socket)
    socket.send(close(code))
    assert await socket.rest() == b""


@moves_time
async def test_who_breaks_the_rules_is_only_given_time_to_read_so(edge: Edge, root: Any, clock: MovedClock) -> None:
    socket = await edge.socket()
    socket.say("calculator.add", [2, 5])
    call = await root.next_call()
    socket.send(frame(FINAL | TEXT, b"x", masked=False))
    assert (await socket.closed())[0] == 1002
    assert call.cancelled()
    # What comes behind the fault is thrown away, were it a close frame.
    socket.send(close(1002), request("calculator.add", [2, 5]))
    await clock.advance(0.15)
    assert await edge.is_open(socket)
    await clock.advance(0.1)
    assert not await edge.is_open(socket)
    assert len(root.calls) == 1


async def test_a_bad_close_frame_needs_no_answer(edge: Edge) -> None:
    socket = await edge.socket()
    socket.send(close(1005))
    assert (await socket.closed())[0] == 1002
    assert not await edge.is_open(socket)


async def test_a_fault_behind_our_close_ends_the_connection(edge: Edge) -> None:
    socket, session = await greeted(edge)
    await end_session(edge, session)
    assert (await socket.closed())[0] == 4002
    socket.send(close(1005))
    assert not await edge.is_open(socket)


async def test_a_stream_that_said_hello_ends_with_a_fault_of_its_client(edge: Edge) -> None:
    socket, session = await greeted(edge)
    socket.send(frame(FINAL | BINARY, b"x"))
    assert (await socket.closed())[0] == 1003
    assert (await edge.metrics())["streams"] == 0
    assert (await edge.get("/api/session", session)).code == 404


# Streams behind sockets.


@moves_time
@pytest.mark.parametrize(("code", "waits_s"), [(1000, 2), (1001, 60), (4999, 60)])
async def test_a_stream_waits_for_a_client_that_did_not_say_that_it_is_done(
    edge: Edge, clock: MovedClock, code: int, waits_s: int
) -> None:
    socket, _ = await greeted(edge)
    await socket.leave(code)
    await clock.advance(waits_s - 0.5)
    assert (await edge.metrics())["streams"] == 1
    await clock.advance(1)
    assert (await edge.metrics())["streams"] == 0


@moves_time
async def test_what_was_received_is_acknowledged_within_a_second(edge: Edge, root: Any, clock: MovedClock) -> None:
    socket, _ = await greeted(edge)
    for number in range(3):
        # Once the last second is over there is nothing more to say.
        await clock.advance(10)
        assert await socket.heard() == []
        socket.say("calculator.add", [number, 0], id=number + 1)
        await root.next_call()
        await clock.advance(0.9)
        assert await socket.heard() == []
        await clock.advance(0.2)
        ((_, text_of_it),) = await socket.heard()
        acknowledged = {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": number + 1}}
        assert json.loads(text_of_it) == acknowledged


# Slow readers.

SEND_BUFFER = 400_000
"""`send_buffer_bytes` of the fixture `limits`."""


MANY_CALLS = pytest.mark.parametrize("limits", [
    Limits(max_message_bytes=10_000, send_buffer_bytes=SEND_BUFFER, max_calls_per_session=1000),
], ids=["many calls"])  # fmt: skip


def descriptions(count: int, first: int = 10) -> bytes:
    """Requests that have an answer of some thousand bytes; their ids have two or three figures."""
    return b"".join(request("rpc.describe", {"service": "addressbook"}, id=number + first) for number in range(count))


async def described_bytes(edge: Edge) -> int:
    """The size of the frame of one answer to them, with an id of two figures."""
    socket = await edge.socket()
    socket.send(descriptions(1))
    _, payload = await socket.frame()
    await socket.leave(1000)
    assert 126 <= len(payload) < 65536
    return 4 + len(payload)


async def behind(edge: Edge, root: Any) -> tuple[RawSocket, Any]:
    """A socket that reads nothing of more than the mark, and a call of it that is under way; one more waits."""
    socket = await edge.socket(reads_little=True)
    socket.say("calculator.add", [2, 5], id="under way")
    call = await root.next_call()
    each = await described_bytes(edge)
    for number in range(3 * SEND_BUFFER // each // 20):
        socket.send(descriptions(20, 10 + 20 * number))
        assert await edge.is_open(socket)
    socket.say("calculator.add", [1, 1], id="waits")
    assert await edge.is_open(socket)
    return socket, call


async def answers(socket: RawSocket, until: Any) -> list[Any]:
    """What comes up to the answer with that id."""
    found = []
    while not found or found[-1].get("id") != until:
        found.append(await socket.hear())
    return found


@MANY_CALLS
@WAYS
async def test_a_slow_reader_gets_everything_and_its_next_calls_wait(
    edge: Edge, root: Any, transports: ByteTransports
) -> None:
    socket, call = await behind(edge, root)
    assert len(root.calls) == 1
    # A good client beside it notices nothing.
    good = await edge.socket()
    good.say("calculator.add", [3, 4], id=1)
    (await root.next_call()).reply(7)
    assert (await good.hear())["result"] == {"result": 7}
    call.reply(7)
    heard = await answers(socket, "under way")
    first = len(heard) - 1
    assert [answer["id"] for answer in heard[:-1]] == list(range(10, 10 + first))
    reading = asyncio.ensure_future(answers(socket, "waits"))
    last = await root.next_call()
    assert last.args == [1, 1]
    last.reply(2)
    heard = await reading
    assert heard[-1]["result"] == {"result": 2}
    assert [answer["id"] for answer in heard[:-1]] == list(range(10 + first, 10 + first + len(heard) - 1))


@MANY_CALLS
@WAYS
async def test_a_socket_that_is_cut_is_told_so_and_nothing_else(
    edge: Edge, root: Any, built: Built, transports: ByteTransports
) -> None:
    socket, _ = await behind(edge, root)
    (channel,) = built.application.site.sockets
    assert isinstance(channel, SocketChannel)
    channel.cut(4401, "the credentials have expired")
    # What was with the network is read; what waited for it is not sent any more, not even what had been asked for.
    count = 0
    while (received := await socket.frame())[0] == FINAL | TEXT:
        count += 1
    assert (received[0], int.from_bytes(received[1][:2], "big")) == (FINAL | CLOSE, 4401)
    assert count < 3 * SEND_BUFFER // await described_bytes(edge) // 20 * 20


@moves_time
@MANY_CALLS
@WAYS
async def test_who_reads_nothing_for_half_a_minute_is_closed_and_told_why(
    edge: Edge, root: Any, clock: MovedClock, transports: ByteTransports
) -> None:
    socket, call = await behind(edge, root)
    await clock.advance(29)
    assert not call.cancelled()
    assert await edge.is_open(socket)
    # It is looked every 5 s, and what the network took before the first look, or since the last one, counts.
    waited_s = 29
    while not call.cancelled():
        await clock.advance(1)
        waited_s += 1
        socket.send(frame(FINAL | PONG))  # it lives, and does not read
        assert await edge.is_open(socket)
    assert 30 <= waited_s <= 75
    first, payload = await last_frame(socket)
    assert first == FINAL | CLOSE
    assert int.from_bytes(payload[:2], "big") == 4003
    assert payload[2:].endswith(b"bytes were waiting, and none was read or confirmed for 30 s")
    socket.send(close(4003))
    assert await socket.rest() == b""


async def last_frame(socket: RawSocket) -> tuple[int, bytes]:
    """The close frame behind answers and pings."""
    while (received := await socket.frame())[0] != FINAL | CLOSE:
        continue
    return received


@moves_time
@MANY_CALLS
@WAYS
async def test_who_reads_a_little_now_and_then_is_waited_for(
    edge: Edge, root: Any, clock: MovedClock, transports: ByteTransports
) -> None:
    socket, call = await behind(edge, root)
    for _ in range(6):
        await clock.advance(25)
        for _ in range(8):
            await socket.hear()
        # Pongs are the sign of life that a client owes; what is read of a message is none.
        socket.send(frame(FINAL | PONG))
        assert await edge.is_open(socket)
    assert not call.cancelled()


@moves_time
@MANY_CALLS
async def test_a_reader_that_is_too_slow_has_half_a_minute_to_read_so(edge: Edge, root: Any, clock: MovedClock) -> None:
    socket, call = await behind(edge, root)
    while not call.cancelled():
        await clock.advance(1)
        socket.send(frame(FINAL | PONG))
        assert await edge.is_open(socket)
    assert (await edge.metrics())["sockets"] == 1
    await clock.advance(28)
    assert (await edge.metrics())["sockets"] == 1
    await clock.advance(2)
    assert (await edge.metrics())["sockets"] == 0


@WAYS
@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("limits", [Limits()], ids=["defaults"])
async def test_forty_answers_of_half_a_megabyte_all_arrive(
    edge: Edge, people: Any, transports: ByteTransports
) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1}, id=0)
    hello = (await socket.hear())["result"]
    socket.send(*(request("addressbook.list", {"prefix": ""}, id=number) for number in range(1, 41)))
    for _ in range(40):
        (await people.next_call()).reply([{0: "x" * 500_000}])
    assert await edge.is_open(socket)
    for number in range(1, 41):
        while "id" not in (answer := await socket.hear()):
            assert answer["method"] == "rpc.ack"
        assert (answer["id"], len(answer["result"]["people"][0]["name"])) == (number, 500_000)
        socket.notify("rpc.ack", {"received": number})
    socket.say("rpc.ping", id="alive")
    while (answer := await socket.hear()).get("id") != "alive":
        assert answer["method"] == "rpc.ack"
    assert (await edge.get("/api/session", {"Session-Id": hello["session"]})).code == 200


@MANY_CALLS
@WAYS
async def test_pings_of_who_does_not_read_are_answered_by_the_last(
    edge: Edge, root: Any, transports: ByteTransports
) -> None:
    socket, _ = await behind(edge, root)
    for number in range(20_000):
        socket.send(frame(FINAL | PING, b"%d" % number))
    assert await edge.is_open(socket)
    pongs = []
    while not pongs or pongs[-1] != b"19999":
        first, payload = await socket.frame()
        if first == FINAL | PONG:
            pongs.append(payload)
    assert len(pongs) < 20_000


@WAYS
@pytest.mark.parametrize(("share", "rounds", "reads_little"), [(1.0, 5, True), (0.05, 50, False)])
async def test_a_reader_that_keeps_up_gets_as_much_as_it_wants(
    edge: Edge, transports: ByteTransports, share: float, rounds: int, reads_little: bool
) -> None:
    count = int(share * SEND_BUFFER) // await described_bytes(edge) - 1
    socket = await edge.socket(reads_little=reads_little)
    # Each time it is nearly what the buffer holds, and more than the kernel takes; or less, and taken at once.
    for _ in range(rounds):
        socket.send(descriptions(count))
        assert await edge.is_open(socket)
        assert [(await socket.hear())["id"] for _ in range(count)] == [number + 10 for number in range(count)]
    assert await socket.heard() == []
