"""Callbacks as server-sent events, and the answers to them, as a listener and a service see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop

from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.local import LocalCapability
from gateway.http.sse import EventConnection
from gateway.protocols.sse.event_log import EventLog
from tests.clock import MovedClock
from tests.gateway.http.conftest import Edge, moves_time, problem
from tests.gateway.http.raw import WAIT_S, RawConnection

pytestmark = pytest.mark.gen_test

MAP = "/api/calculator/map"
EVENTS = "/api/events"
HEARTBEAT_S = 10.0
"""After so much silence a ping is sent, which scripts can see."""
KEPT = 256
"""So many events can be had again; PROTOCOL.md, Without a WebSocket."""
WINDOW_S = 60.0
"""So long a listener may be away: resume_window_s."""

Asks = Callable[[LocalCapability, int], "asyncio.Future[int]"]


@dataclass(frozen=True)
class Event:
    id: str | None
    kind: str | None
    data: Any

    @property
    def is_ping(self) -> bool:
        return (self.id, self.kind, self.data) == (None, "ping", {})


class Listener:
    """A reader of events as the HTML standard describes them, on a connection of its own."""

    def __init__(self, connection: RawConnection) -> None:
        self.connection = connection
        self.behind = -1
        self._text = b""

    @classmethod
    async def begin(cls, edge: Edge, session: Mapping[str, str], last: str | None = None) -> Listener:
        """Listen, behind the event of that id if there is one; behind which it really is, is said at once."""
        connection = await edge.connect()
        more = [] if last is None else [f"Last-Event-ID: {last}"]
        connection.ask("GET", EVENTS, f"Session-Id: {session['Session-Id']}", *more)
        head = await connection.head()
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        assert (head.headers["cache-control"], head.headers["x-accel-buffering"]) == ("no-store", "no")
        listener = cls(connection)
        retry, id = await listener._block() or []
        assert retry == "retry: 1000"
        listener.behind = int(id.removeprefix("id: "))
        return listener

    async def next(self) -> Event | None:
        """The next event; None at the end."""
        block = await self._block()
        if block is None:
            return None
        fields = dict(line.split(": ", 1) for line in block)
        data = json.loads(fields["data"]) if "data" in fields else None
        return Event(fields.get("id"), fields.get("event"), data)

    async def _block(self) -> list[str] | None:
        while b"\n\n" not in self._text:
            chunk = await self.connection.chunk()
            if not chunk:
                assert self._text == b""
                return None
            self._text += chunk
        block, _, self._text = self._text.partition(b"\n\n")
        return block.decode().split("\n")

    async def hears_nothing(self, edge: Edge) -> None:
        """Make sure that nothing was sent: it would have been read before the answer to a later request."""
        assert await edge.is_open(self.connection)
        assert not self._text
        assert not self.connection.reader._buffer

    async def leave(self, edge: Edge) -> None:
        """Hang up, and wait until it was noticed."""
        await self.connection.close()
        async with asyncio.timeout(WAIT_S):
            while (await edge.metrics())["sockets"]:
                continue


async def passed(edge: Edge, root: Any, session: Mapping[str, str], name: str = "f") -> LocalCapability:
    """Pass a callback to the calculator, which keeps it."""
    asked = edge.asks("POST", MAP, {"values": [1], "transform": {"$callback": name}}, session)
    call = await root.next_call()
    call.reply([])
    assert (await asked).code == 200
    capability: LocalCapability = call.args[1]
    return capability


async def answer(
    edge: Edge, session: Mapping[str, str], event: Event | None, body: Any, kind: str = "application/json"
) -> HTTPResponse:
    assert event is not None
    return await edge.post(f"/api/callbacks/{event.data['id']}", body, {**session, "Content-Type": kind})


# Calls and their answers.


async def test_a_call_of_the_service_is_an_event_and_its_answer_a_request(
    edge: Edge, root: Any, ask_callback: Asks
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    for number in (1, 2):
        result = ask_callback(capability, number)
        event = await listener.next()
        request = {"jsonrpc": "2.0", "id": f"g:{number}", "method": "!f.apply", "params": [number]}
        assert event == Event(str(number), "callback", request)
        answered = await answer(edge, session, event, {"result": 42})
        assert (answered.code, answered.body) == (204, b"")
        assert await result == 42
        assert problem(await answer(edge, session, event, {"result": 42}))["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ({"result": 7}, "application/json", 7),
        ({"result": 7}, "Application/JSON; charset=utf-8", 7),
        ({"jsonrpc": "2.0", "id": "any", "result": {"result": 7}}, "application/json", 7),
        ({}, "application/json", 0),
        (b"", "application/json", 0),
        (b"", "text/plain", 0),
        (b"null", "application/json", 0),
        ({"detail": "not today", "code": "aborted"}, "application/problem+json", "aborted"),
        ({"code": "aborted"}, "application/problem+json; charset=utf-8", "aborted"),
        ({}, "application/problem+json", "unknown"),
        ({"jsonrpc": "2.0", "error": {"code": 1, "message": "no", "data": {"code": "aborted"}}}, "application/json",
         "aborted"),
    ],
)  # fmt: skip
async def test_an_answer_is_results_or_a_problem(
    edge: Edge, root: Any, ask_callback: Asks, body: Any, kind: str, expected: Any
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    result = ask_callback(await passed(edge, root, session), 1)
    assert (await answer(edge, session, await listener.next(), body, kind)).code == 204
    if isinstance(expected, int):
        assert await result == expected
        return
    with pytest.raises(RpcError) as raised:
        await result
    assert raised.value.code == expected


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        ([1], "application/json", 400),
        (7, "application/json", 400),
        (b"[]", "application/problem+json", 400),
        ({"result": 7}, "text/plain", 415),
        (b'{"result":"\\ud83d"}', "application/json", 400),
    ],
)
async def test_an_answer_that_is_none_can_be_given_again(
    edge: Edge, root: Any, ask_callback: Asks, body: Any, kind: str, status: int
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    result = ask_callback(await passed(edge, root, session), 1)
    event = await listener.next()
    assert problem(await answer(edge, session, event, body, kind))["status"] == status
    assert (await answer(edge, session, event, {"result": 42})).code == 204
    assert await result == 42


@pytest.mark.parametrize(
    ("body", "path"), [({"result": "x"}, "$.result"), ({"result": 1.5}, "$.result"), ({"x": 1}, "$.x")]
)
async def test_results_that_do_not_fit_are_refused_with_the_path_and_can_be_given_again(
    edge: Edge, root: Any, ask_callback: Asks, body: Any, path: str
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    result = ask_callback(await passed(edge, root, session), 1)
    event = await listener.next()
    told = problem(await answer(edge, session, event, body))
    assert (told["code"], told["path"]) == ("invalid_argument", path)
    assert not result.done()
    assert (await answer(edge, session, event, {"result": 42})).code == 204
    assert await result == 42
    assert problem(await answer(edge, session, event, {"result": 42}))["code"] == "not_found"


async def test_a_call_that_is_called_off_is_an_event_too(edge: Edge, root: Any, ask_callback: Asks) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    asked = ask_callback(capability, 1)
    event = await listener.next()
    asked.cancel()
    assert await listener.next() == Event("2", "cancel", {"id": "g:1"})
    assert problem(await answer(edge, session, event, {"result": 42}))["code"] == "not_found"
    capability.target.released()
    released = await listener.next()
    assert released is not None
    assert (released.id, released.kind, released.data["callback"]) == ("3", "released", "f")
    assert released.data["code"] == "released"


async def test_a_callback_needs_an_open_listener(edge: Edge, root: Any) -> None:
    session, other = await edge.session(), await edge.session()
    listener = await Listener.begin(edge, session)
    body = {"values": [1], "transform": {"$callback": "f"}}
    assert problem(await edge.post(MAP, body, other))["code"] == "failed_precondition"
    assert problem(await edge.post(MAP, body))["code"] == "failed_precondition"
    await passed(edge, root, session)
    assert json.loads((await edge.get("/api/session", session)).body)["callbacks"] == ["f"]
    await listener.leave(edge)
    found = problem(await edge.post(MAP, body, session))
    assert (found["code"], found["path"]) == ("failed_precondition", "$.transform")
    assert len(root.calls) == 1


async def test_a_callback_of_a_call_that_was_never_sent_is_let_go(edge: Edge, root: Any) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    root.error = Unavailable()
    refused = await edge.post(MAP, {"values": [1], "transform": {"$callback": "f"}}, session)
    assert problem(refused)["code"] == "unavailable"
    assert (await edge.metrics())["callbacks"] == 0
    event = await listener.next()
    assert event is not None
    assert event.kind == "released"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Accept": "application/json"}, 406, "not_acceptable"),
        ({"Accept": "image/*, application/json"}, 406, "not_acceptable"),
        ({"Last-Event-ID": "x"}, 400, "invalid_argument"),
        ({"Last-Event-ID": ""}, 400, "invalid_argument"),
        ({"Last-Event-ID": "-1"}, 400, "invalid_argument"),
        ({"Last-Event-ID": "1" * 16}, 400, "invalid_argument"),
        ({"Session-Id": "nobody"}, 404, "not_found"),
        ({"Session-Id": ""}, 404, "not_found"),
    ],
)
async def test_a_request_for_events_that_cannot_be_served(
    edge: Edge, headers: dict[str, str], status: int, code: str
) -> None:
    found = problem(await edge.get(EVENTS, {**await edge.session(), **headers}))
    assert (found["status"], found["code"]) == (status, code)
    assert (await edge.metrics())["sockets"] == 0


@pytest.mark.parametrize("accept", ["text/event-stream", "text/*", "*/*", "application/json, text/event-stream;q=0.9"])
async def test_who_takes_events_gets_them(edge: Edge, accept: str) -> None:
    session = await edge.session()
    connection = await edge.connect()
    connection.ask("GET", EVENTS, f"Session-Id: {session['Session-Id']}", f"Accept: {accept}")
    assert (await connection.head()).status == 200


async def test_other_methods_are_refused(edge: Edge) -> None:
    session = await edge.session()
    for method, path, allowed in (("POST", EVENTS, "GET"), ("GET", "/api/callbacks/g:1", "POST")):
        refused = await edge.request(method, path, None, session)
        assert (refused.code, refused.headers["Allow"]) == (405, allowed)
    assert problem(await edge.post("/api/callbacks/g:1", {}, session))["code"] == "not_found"
    assert problem(await edge.post("/api/callbacks/g:1", {}))["reason"] == "session"


# Time.


@moves_time
async def test_a_ping_is_sent_after_silence(edge: Edge, clock: MovedClock) -> None:
    listener = await Listener.begin(edge, await edge.session())
    for _ in range(3):
        await clock.advance(HEARTBEAT_S - 0.5)
        await listener.hears_nothing(edge)
        await clock.advance(1)
        event = await listener.next()
        assert event is not None
        assert event.is_ping


@moves_time
async def test_silence_begins_with_the_last_event(
    edge: Edge, root: Any, ask_callback: Asks, clock: MovedClock
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    await clock.advance(HEARTBEAT_S - 1)
    ask_callback(capability, 1)
    event = await listener.next()
    assert event is not None
    assert event.kind == "callback"
    await clock.advance(HEARTBEAT_S - 1)
    await listener.hears_nothing(edge)
    await clock.advance(2)
    event = await listener.next()
    assert event is not None
    assert event.is_ping


@moves_time
async def test_a_session_with_a_listener_is_not_idle(edge: Edge, clock: MovedClock) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    await clock.advance(250)
    metrics = await edge.metrics()
    assert (metrics["sessions"], metrics["sockets"], metrics["streams"]) == (1, 1, 1)
    await listener.leave(edge)
    # The stream waits for its listener, and then the session is idle for as long as any other.
    await clock.advance(WINDOW_S + 101)
    metrics = await edge.metrics()
    assert (metrics["sessions"], metrics["sockets"], metrics["streams"]) == (0, 0, 0)


async def test_a_connection_knows_how_much_it_has_not_written() -> None:
    log = EventLog(1000)
    connection = EventConnection(SimpleNamespace(log=log))  # type: ignore[arg-type]
    connection.put(b"abc", 1)
    connection.put(b"de", 2)
    assert connection.waiting_bytes == 5
    assert await connection.next() == b"abcde"
    connection.put(b"f", 3)
    assert connection.waiting_bytes == 6
    assert await connection.next() == b"f"
    assert connection.waiting_bytes == 1
    connection.put(b"gh", 4)
    connection.abandon()
    assert connection.waiting_bytes == 1
    assert await connection.next() is None
    assert connection.waiting_bytes == 0


@moves_time
async def test_a_ping_comes_in_time_and_takes_nothing_from_what_waits(io_loop: IOLoop) -> None:
    clock = MovedClock(io_loop.asyncio_loop, stopped=True)
    connection = EventConnection(SimpleNamespace(log=EventLog(1000)))  # type: ignore[arg-type]
    for _ in range(2):
        event = asyncio.ensure_future(connection.next())
        await asyncio.sleep(0)
        await clock.advance(HEARTBEAT_S - 0.1)
        assert not event.done()
        await clock.advance(0.2)
        for _ in range(10):
            await asyncio.sleep(0)
        assert event.done()
        assert event.result() == b"event: ping\ndata: {}\n\n"
    connection.put(b"abc", 1)
    assert await connection.next() == b"abc"
    assert connection.waiting_bytes == 3


async def test_an_event_counts_as_written_when_the_next_is_asked_for() -> None:
    log = EventLog(1000)
    connection = EventConnection(SimpleNamespace(log=log))  # type: ignore[arg-type]
    for _ in range(KEPT + 1):
        connection.put(log.released({}), log.counting.sent)
    await connection.next()
    assert log.counting.can_repeat(0)
    connection.finish()
    assert await connection.next() is None
    assert not log.counting.can_repeat(0)
    assert log.counting.can_repeat(1)


# Listeners that come back.


def reset(last: int, *callbacks: str) -> Event:
    reason = f"the events behind {last} cannot be had any more"
    return Event(None, "reset", {"reason": reason, "callbacks": list(callbacks)})


async def test_a_listener_that_was_cut_before_its_first_event_goes_on(
    edge: Edge, root: Any, ask_callback: Asks
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    assert listener.behind == 0
    capability = await passed(edge, root, session)
    await listener.leave(edge)
    asked = ask_callback(capability, 1)
    again = await Listener.begin(edge, session, str(listener.behind))
    assert again.behind == 0
    event = await again.next()
    assert (await answer(edge, session, event, {"result": 7})).code == 204
    assert await asked == 7


async def test_two_pages_of_one_session_never_get_each_other_s_events(
    edge: Edge, root: Any, ask_callback: Asks
) -> None:
    session = await edge.session()
    first = await Listener.begin(edge, session)
    await passed(edge, root, session, "first")
    second = await Listener.begin(edge, session)
    ended = await first.next()
    assert ended is not None
    assert (ended.kind, ended.data["code"]) == ("end", 4001)
    asked = ask_callback(await passed(edge, root, session, "second"), 1)
    # A browser comes back by itself, with the number that it had.
    again = await Listener.begin(edge, session, str(first.behind))
    assert await again.next() == reset(0)
    await again.hears_nothing(edge)
    event = await second.next()
    assert event is not None
    assert event.data["method"] == "!second.apply"
    ended = await second.next()
    assert ended is not None
    assert ended.kind == "end"
    with pytest.raises(Unavailable):
        await asked


async def test_who_comes_back_gets_what_was_missed(edge: Edge, root: Any, ask_callback: Asks) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    results = [ask_callback(capability, number) for number in range(3)]
    first = await listener.next()
    assert first is not None
    await listener.leave(edge)
    results += [ask_callback(capability, number) for number in (3, 4)]
    again = await Listener.begin(edge, session, first.id)
    missed = [await again.next() for _ in range(4)]
    assert [(event.id, event.data["params"]) for event in missed] == [(str(n + 1), [n]) for n in (1, 2, 3, 4)]
    for number, event in enumerate((first, *missed)):
        assert (await answer(edge, session, event, {"result": number})).code == 204
        assert await results[number] == number


async def test_a_call_that_was_called_off_meanwhile_is_no_event_but_counts(
    edge: Edge, root: Any, ask_callback: Asks
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    await listener.leave(edge)
    ask_callback(capability, 1).cancel()
    # What is called off is told in the loop's next turn.
    await asyncio.sleep(0)
    ask_callback(capability, 2)
    again = await Listener.begin(edge, session, "0")
    assert await again.next() == Event("1", None, None)
    event = await again.next()
    assert event is not None
    assert (event.id, event.kind, event.data["params"]) == ("2", "callback", [2])


@pytest.mark.parametrize(("back", "resumes"), [(KEPT, True), (KEPT + 1, False)])
async def test_the_last_events_are_kept(
    edge: Edge, root: Any, ask_callback: Asks, back: int, resumes: bool
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    number = 300
    for value in range(number):
        ask_callback(capability, value)
        event = await listener.next()
    assert event is not None
    assert event.id == str(number)
    await listener.leave(edge)
    again = await Listener.begin(edge, session, str(number - back))
    callbacks = json.loads((await edge.get("/api/session", session)).body)["callbacks"]
    assert callbacks == (["f"] if resumes else [])
    assert again.behind == (number - back if resumes else number + 1)
    if resumes:
        event = await again.next()
        assert event is not None
        assert (event.id, event.data["params"]) == (str(number - back + 1), [number - back])


@moves_time
@pytest.mark.parametrize(("away_s", "resumes"), [(WINDOW_S - 1, True), (WINDOW_S + 1, False)])
async def test_a_listener_may_be_away_for_the_window(
    edge: Edge, root: Any, ask_callback: Asks, clock: MovedClock, away_s: float, resumes: bool
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    ask_callback(capability, 1)
    await listener.leave(edge)
    await clock.advance(away_s)
    again = await Listener.begin(edge, session, "0")
    if resumes:
        event = await again.next()
        assert event is not None
        assert event.id == "1"
    else:
        with pytest.raises(Unavailable):
            ask_callback(capability, 2)
        assert await again.next() == reset(0, "f")
        await again.hears_nothing(edge)


@pytest.mark.parametrize("last", [None, "1000"])
async def test_who_begins_anew_ends_what_was_before(
    edge: Edge, root: Any, ask_callback: Asks, last: str | None
) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    asked = ask_callback(capability, 1)
    await listener.leave(edge)
    again = await Listener.begin(edge, session, last)
    with pytest.raises(Unavailable):
        await asked
    if last is None:
        reason = "the listener before came back without the id of its last event"
        assert await again.next() == Event(None, "reset", {"reason": reason, "callbacks": ["f"]})
    else:
        assert await again.next() == reset(1000, "f")
    # The first had event 1; none of the second has a number that the first could come back with.
    assert again.behind == 2
    newer = await passed(edge, root, session)
    ask_callback(newer, 2)
    event = await again.next()
    assert event is not None
    assert (event.id, event.data["params"]) == ("3", [2])
    assert (await edge.metrics())["streams"] == 1


async def test_a_second_listener_takes_the_place_of_the_first(edge: Edge, root: Any, ask_callback: Asks) -> None:
    session = await edge.session()
    first = await Listener.begin(edge, session)
    capability = await passed(edge, root, session)
    second = await Listener.begin(edge, session, "0")
    ended = await first.next()
    assert ended is not None
    assert (ended.id, ended.kind, ended.data["code"]) == (None, "end", 4001)
    assert await first.next() is None
    ask_callback(capability, 1)
    event = await second.next()
    assert event is not None
    assert (event.id, event.kind) == ("1", "callback")
    assert (await edge.metrics())["sockets"] == 1


async def test_the_end_of_the_session_is_the_last_event(edge: Edge) -> None:
    session = await edge.session()
    listener = await Listener.begin(edge, session)
    assert (await edge.request("DELETE", "/api/session", None, session)).code == 204
    ended = await listener.next()
    assert ended is not None
    assert ended.kind == "end"
    assert ended.data == {"code": 4002, "reason": "the session has ended: it was ended over REST"}
    assert await listener.next() is None
    assert (await edge.metrics())["sockets"] == 0
