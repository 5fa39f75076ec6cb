"""A listener at work: what its connections carry, how long it is waited for, and what is left when it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cara_pseud.capabilities import IncomingCall
from cara_pseud.errors import RpcError, Unavailable
from cara_pseud.local import LocalCapability
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.sse.listener import Listener
from gateway.sessions.handles import REST
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

LIMITS = Limits(max_message_bytes=10_000, send_buffer_bytes=20_000, max_streams_per_session=2)
WINDOW_S = LIMITS.resume_window_s


class Sink:
    """A connection that writes nothing by itself: what it was given is read by the test."""

    def __init__(self) -> None:
        self.is_full = False
        self.progress = 0
        self.number = 0
        self.finished = 0
        self._text = b""

    def put(self, data: bytes, number: int) -> bool:
        assert not self.finished
        self._text += data
        self.number = max(self.number, number)
        return self.is_full

    def finish(self) -> None:
        self.finished += 1

    def written(self, listener: Listener) -> None:
        """Everything is written now."""
        listener.log.written(self.number)

    @property
    def events(self) -> list[tuple[str | None, str | None, Any]]:
        """The number, the kind and the data of what came."""
        found = []
        for block in self._text.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = json.loads(fields["data"]) if "data" in fields else None
            found.append((fields.get("id"), fields.get("event"), data))
        return found


class Scene:
    """A session over REST and its listener."""

    def __init__(self, service: Service, fakes: Any, limits: Limits = LIMITS) -> None:
        self.service = service
        self.fakes = fakes
        self.limits = limits
        self.sessions = Sessions(limits, services={service.name: service}.get)
        self.session = self.sessions.open(rest=True)

    def listen(self, last_event: int | None = None, session: Session | None = None) -> tuple[Listener, Sink]:
        """Ask for events as a request does."""
        listener = Listener.of(session or self.session, self.sessions, self.limits, last_event)
        sink = Sink()
        listener.listen(sink, last_event)
        return listener, sink

    def passes(self, listener: Listener, name: str = "f") -> LocalCapability:
        """Pass an object of the client's to the service."""
        return listener.callbacks.pass_in(name, self.service, None)[0].capability

    def ask(self, callback: LocalCapability, value: int) -> Any:
        """The service calls the object."""
        return self.fakes.invoke(self.service, callback, value)

    def over(self) -> None:
        self.sessions.end_all("done")


@pytest.fixture
def scene(calculator: Service, fakes: Any) -> Callable[..., Scene]:
    return lambda limits=LIMITS: Scene(calculator, fakes, limits)


def call(number: int, value: int, name: str = "f") -> tuple[str, str, Any]:
    request = {"jsonrpc": "2.0", "id": f"g:{number}", "method": f"!{name}.apply", "params": [value]}
    return str(number), "callback", request


def test_a_call_of_the_service_is_an_event_and_is_answered_once(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        asked = play.ask(play.passes(listener), 7)
        assert sink.events == [call(1, 7)]
        assert listener.answered("g:1", {"result": 42}, None)
        assert not listener.answered("g:1", {"result": 43}, None)
        assert not listener.answered("g:2", {"result": 43}, None)
        assert await asked == 42
        play.over()

    fakes.run(main())


def test_a_listener_begins_no_calls_and_is_open_while_it_listens(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        assert (listener.is_open, listener.is_busy, listener.unboxes) == (True, False, False)
        assert len(listener.id) == 24  # 144 bits in base64
        listener.drain()
        assert listener.is_open
        listener.closed(sink)
        assert not listener.is_open
        play.over()

    fakes.run(main())


# Coming back.


def test_who_comes_back_gets_what_it_has_not(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        for value in (1, 2, 3):
            play.ask(callback, value)
        listener.closed(sink)
        play.ask(callback, 4)
        again, second = play.listen(2)
        assert again is listener
        assert second.events == [call(3, 3), call(4, 4)]
        play.ask(callback, 5)
        assert second.events[-1] == call(5, 5)
        assert len(sink.events) == 3
        play.over()

    fakes.run(main())


@pytest.mark.parametrize("last", [None, 4])
def test_who_cannot_go_on_begins_anew(scene: Callable[..., Scene], fakes: Any, last: int | None) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        asked = play.ask(play.passes(listener), 1)
        play.session.handles.put(listener.id, play.service, None, thing := fakes.Object())
        listener.closed(sink)
        again, second = play.listen(last)
        assert again is not listener
        ((number, kind, data),) = second.events
        assert (number, kind, data["callbacks"]) == (None, "reset", ["f"])
        assert play.session.streams == 1
        assert thing.given_back == 1
        assert play.session.listener is not None
        assert play.session.listener.client is again
        with pytest.raises(Unavailable):
            await asked
        await fakes.pass_time(WINDOW_S + 1)
        assert play.session.streams == 1
        play.over()

    fakes.run(main())


def test_a_second_connection_takes_the_place_of_the_first(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, first = play.listen()
        again, second = play.listen(0)
        assert again is listener
        ((number, kind, data),) = first.events
        assert (number, kind, data["code"]) == (None, "end", 4001)
        assert (first.finished, first.number) == (1, 0)
        listener.closed(first)  # which is noticed only now
        assert listener.is_open
        await fakes.pass_time(WINDOW_S + 1)
        assert play.session.streams == 1
        assert second.events == []
        play.over()

    fakes.run(main())


@pytest.mark.parametrize(("away_s", "is_there"), [(WINDOW_S - 1, True), (WINDOW_S + 1, False)])
def test_a_listener_is_waited_for_within_the_window(
    scene: Callable[..., Scene], fakes: Any, away_s: float, is_there: bool
) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        play.session.handles.put(listener.id, play.service, None, thing := fakes.Object())
        listener.closed(sink)
        await fakes.pass_time(away_s)
        assert play.session.streams == is_there
        assert len(listener.callbacks) == is_there
        assert thing.given_back != is_there
        assert (play.session.record.listener is not None) is is_there
        if is_there:
            play.listen(0)
            await fakes.pass_time(WINDOW_S)
            assert play.session.streams == 1
        else:
            with pytest.raises(Unavailable):
                await play.ask(callback, 1)
        play.over()

    fakes.run(main())


def test_the_window_begins_anew_with_every_absence(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        for _ in range(3):
            listener.closed(sink)
            await fakes.pass_time(WINDOW_S - 10)
            again, sink = play.listen(0)
            assert again is listener
        play.over()

    fakes.run(main())


def test_a_listener_counts_among_the_streams(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene(Limits(max_streams_per_session=1))
        listener, _ = play.listen()
        assert play.listen(0)[0] is listener
        listener.end()
        other, _ = play.listen()
        play.session.record.listener = None  # as if that one were a WebSocket's stream
        with pytest.raises(GatewayError, match="the session has 1 streams already") as raised:
            play.listen()
        assert raised.value.status is Status.RESOURCE_EXHAUSTED
        assert other.is_open
        play.over()

    fakes.run(main())


# Requests that are called off, and what is no more.


async def called_off(fakes: Any, asked: Any) -> None:
    asked.cancel()
    await fakes.settle()


def test_a_request_that_was_written_is_called_off_by_an_event(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        await called_off(fakes, play.ask(play.passes(listener), 7))
        assert sink.events == [call(1, 7), ("2", "cancel", {"id": "g:1"})]
        assert not listener.answered("g:1", {"result": 42}, None)
        play.over()

    fakes.run(main())


def test_a_request_that_nobody_read_is_withdrawn_and_its_handles_go_back(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Scene(workshop, fakes)
        listener, sink = play.listen()
        callback, _ = listener.callbacks.pass_in("c", workshop, None)
        listener.closed(sink)
        interface = workshop.schema.find("Workshop.Craftsman")
        assert interface is not None
        thing = fakes.Object()
        asked = callback.invoke(interface.id, 0, [thing], {}, IncomingCall(b""))
        assert len(play.session.handles) == 1
        await called_off(fakes, asked)
        assert thing.given_back == 1
        assert len(play.session.handles) == 0
        _, second = play.listen(0)
        assert second.events == [("1", None, None)]
        play.over()

    fakes.run(main())


def test_a_request_whose_listener_is_gone_is_not_called_off(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, _ = play.listen()
        key = listener.request("f", "apply", [])
        assert not listener.withdraw("g:5")
        listener.end()
        assert not listener.withdraw(key)
        assert listener.log.counting.sent == 1
        play.over()

    fakes.run(main())


def test_what_is_no_more_is_told(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        play.session.handles.put(REST, play.service, None, thing := fakes.Object())
        (handle,) = play.session.handles
        thing.alive = False
        play.sessions.service_lost("calculator", "it is gone")
        callback = play.passes(listener)
        callback.target.released()
        assert sink.events == [
            ("1", "released", {"handle": handle.token, "code": "unavailable", "reason": "it is gone"}),
            ("2", "released", {"callback": "f", "code": "released", "reason": "calculator holds it no more"}),
        ]
        listener.end()
        listener.handle_ended("t", "unavailable", "gone")
        listener.callback_ended("f", "unavailable", "gone")
        assert len(sink.events) == 2
        play.over()

    fakes.run(main())


# The end.


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        (lambda play, _: play.sessions.end(play.session, "enough"), 4002, "the session has ended: enough"),
        (lambda _, listener: listener.shut_down(), 1001, "the gateway shuts down"),
    ],
)
def test_the_last_event_says_why(
    scene: Callable[..., Scene], fakes: Any, end: Callable[[Scene, Listener], None], code: int, reason: str
) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        asked = play.ask(play.passes(listener), 1)
        for _ in range(2):
            end(play, listener)
        assert sink.events == [call(1, 1), (None, "end", {"code": code, "reason": reason})]
        assert (sink.finished, listener.is_open) == (1, False)
        with pytest.raises(Unavailable):
            await asked
        with pytest.raises(GatewayError, match="the listener is gone") as raised:
            listener.live_session()
        assert raised.value.status is Status.UNAVAILABLE
        listener.closed(sink)
        await fakes.pass_time(WINDOW_S + 1)
        play.over()

    fakes.run(main())


def test_a_listener_that_is_away_ends_with_its_session_quietly(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        listener.closed(sink)
        play.sessions.end(play.session, "enough")
        assert (sink.events, sink.finished) == ([], 0)
        await fakes.pass_time(WINDOW_S + 1)
        assert len(play.sessions) == 0
        play.over()

    fakes.run(main())


def test_a_listener_without_events_has_written_none_at_its_end(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        _, sink = play.listen()
        play.over()
        assert sink.number == 0

    fakes.run(main())


def test_a_listener_that_ends_again_does_not_end_the_next_one(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        first, _ = play.listen()
        second, sink = play.listen()
        first.end()
        first.session_ended("of which it knows nothing")
        assert play.session.listener is not None
        assert play.session.listener.client is second
        assert sink.events == []
        play.over()

    fakes.run(main())


@pytest.mark.parametrize("is_away", [True, False])
def test_a_listener_that_ends_leaves_no_timer(scene: Callable[..., Scene], fakes: Any, is_away: bool) -> None:
    async def main() -> None:
        play = scene()
        before = fakes.timers()
        listener, sink = play.listen()
        play.ask(play.passes(listener), 1).add_done_callback(lambda asked: asked.exception())
        if is_away:
            listener.closed(sink)
            listener.closed(sink)
        assert fakes.timers() == before + 1 + is_away
        listener.end()
        await fakes.settle()
        assert fakes.timers() == before
        assert listener.log.counting.kept_bytes == 0
        play.over()
        assert fakes.timers() == 0

    fakes.run(main())


def test_what_is_written_after_the_end_is_of_no_interest(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene(Limits())
        listener, sink = play.listen()
        callback = play.passes(listener)
        for value in range(300):
            play.ask(callback, value)
        play.over()
        sink.written(listener)
        assert len(sink.events) == 301

    fakes.run(main())


# Slow listeners.


def ask_until_refused(play: Scene, callback: LocalCapability, most: int = 1000) -> int:
    """How often a listener is asked before it is not any more."""
    for number in range(most):
        try:
            play.ask(callback, number).add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        except RpcError as error:
            return number if error.code == "resource_exhausted" else -1
    return most


@pytest.mark.parametrize("is_away", [True, False])
def test_who_does_not_read_is_asked_no_more_and_lives(scene: Callable[..., Scene], fakes: Any, is_away: bool) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        if is_away:
            listener.closed(sink)
        asked = ask_until_refused(play, callback)
        assert 100 < asked < 999
        assert play.session.streams == 1
        listener.handle_ended("t", "unavailable", "gone")  # is told all the same
        if is_away:
            _, sink = play.listen(0)
        sink.written(listener)
        assert sink.events[-1][1] == "released"
        assert len(sink.events) == asked + 1
        assert ask_until_refused(play, callback, 1) == 1
        play.over()

    fakes.run(main())


def test_who_reads_nothing_for_half_a_minute_is_given_up(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        ask_until_refused(play, play.passes(listener))
        for _ in range(4):
            await fakes.pass_time(5)
        sink.progress = 1  # which is seen in up to 5 s
        for _ in range(6):
            await fakes.pass_time(5)
        assert not sink.finished
        await fakes.pass_time(5.1)
        number, kind, data = sink.events[-1]
        assert (number, kind, data["code"]) == (None, "end", 4003)
        assert data["reason"].endswith(" bytes of events were waiting, and none was read for 30 s")
        assert play.session.streams == 0
        assert len(listener.callbacks) == 0
        play.over()

    fakes.run(main())


def test_what_waits_behind_a_full_connection_is_replaced_in_its_place(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        sink.is_full = True
        asked = [play.ask(callback, value) for value in (1, 2)]
        for each in asked:
            await called_off(fakes, each)
        assert sink.events == [call(1, 1)]
        sink.is_full = False
        listener.drained()
        assert sink.events[1:] == [("2", None, None), ("3", "cancel", {"id": "g:1"})]
        assert sink.number == 3
        play.over()

    fakes.run(main())


def test_who_reads_everything_is_never_given_up(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        for _ in range(1000):
            listener.handle_ended("t", "unavailable", "gone")
            sink.written(listener)
        assert not sink.finished
        assert listener.log.counting.kept_bytes <= LIMITS.send_buffer_bytes
        listener.closed(sink)
        for _ in range(50):
            listener.handle_ended("t", "unavailable", "gone")
        again, second = play.listen(1000)
        assert again is listener
        assert len(second.events) == 50
        play.over()

    fakes.run(main())


def test_requests_that_are_called_off_wait_for_who_does_not_read_as_well(
    scene: Callable[..., Scene], fakes: Any
) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        sink.is_full = True
        while listener.log.counting.kept_bytes <= LIMITS.send_buffer_bytes:
            listener.withdraw(listener.request("f", "apply", ["x" * 2000]))
        with pytest.raises(GatewayError, match="it is not asked above 20000"):
            listener.request("f", "apply", [])
        assert len(sink.events) == 1
        assert play.sessions.kept.total == listener.log.counting.kept_bytes < 25_000
        play.over()
        assert play.sessions.kept.total == 0

    fakes.run(main())


# In another process.


def test_a_listener_goes_on_from_its_record(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        asked = play.ask(callback, 7)
        record = play.sessions.suspend(play.session)
        told = {"callback": "f", "code": "unavailable", "reason": "the gateway's process left the session"}
        assert sink.events == [call(1, 7), ("2", "cancel", {"id": "g:1"}), ("3", "released", told)]
        assert (sink.finished, listener.is_open) == (1, False)
        with pytest.raises(Unavailable):
            await asked
        listener.closed(sink)
        assert record.listener == listener.id
        assert (record.streams[listener.id].sent, record.streams[listener.id].requests) == (3, 1)

        other = scene()
        other.sessions.adopt(SessionRecord.from_json(json.loads(json.dumps(record.to_json()))))
        found = other.sessions.find(record.id)
        again, second = other.listen(1, found)
        assert again.id == listener.id
        assert second.events == sink.events[1:]
        newer = other.ask(other.passes(again), 8)
        assert second.events[-1] == ("4", "callback", {**call(2, 8)[2]})
        assert again.answered("g:2", {"result": 9}, None)
        assert await newer == 9
        await fakes.pass_time(WINDOW_S + 1)
        assert again.is_open
        assert found.streams == 1
        other.over()
        play.over()

    fakes.run(main())


def test_an_event_that_nobody_read_before_is_called_off_quietly(scene: Callable[..., Scene], fakes: Any) -> None:
    async def main() -> None:
        play = scene()
        listener, sink = play.listen()
        callback = play.passes(listener)
        listener.closed(sink)
        play.ask(callback, 7)
        record = play.sessions.suspend(play.session)
        kept = record.streams[listener.id].kept
        assert kept[0] == "id: 1\n\n"
        assert len(kept) == 2
        await fakes.pass_time(WINDOW_S + 1)  # it does not end here any more
        assert listener.id in record.streams
        play.over()

    fakes.run(main())


@pytest.mark.parametrize("last", [None, 5])
def test_a_record_that_cannot_be_gone_on_with_ends(scene: Callable[..., Scene], fakes: Any, last: int | None) -> None:
    async def main() -> None:
        play = scene()
        upstream: Any = play.service.upstream
        upstream.incarnation = "00ff"
        listener, _ = play.listen()
        play.session.handles.put(listener.id, play.service, None, fakes.Object(5))
        play.sessions.suspend(play.session)
        found = play.sessions.find(play.session.id)
        again, second = play.listen(last, found)
        assert again.id != listener.id
        assert [kind for _, kind, _ in second.events] == ([] if last is None else ["reset"])
        assert found.streams == 1
        ((capability, references),) = upstream.adopted
        assert (references, capability.given_back) == (1, 1)
        play.over()

    fakes.run(main())
