"""Sessions as plain data: written to JSON, read again, and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cara_pseud.capabilities import IncomingCall
from cara_pseud.schema.nodes import Kind, Type
from gateway.access.principals import Principal
from gateway.catalogue import Service
from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.sessions.handles import REST
from gateway.sessions.record import HandleRecord, SessionRecord
from gateway.sessions.sessions import Sessions
from gateway.upstream.base import ObjectName

BOX = Type(Kind.INTERFACE, 2**64 - 1, None, ((2**63, (Type(Kind.LIST, 0, Type(Kind.TEXT)),)),))
PARAMETER = Type(Kind.ANY_POINTER, 0, None, (), (2**64 - 2, 1))


@pytest.mark.parametrize("interface", [None, BOX, PARAMETER, Type(Kind.INTERFACE, 5)])
@pytest.mark.parametrize("name", [None, ObjectName("00ff", 2**64 - 1)])
def test_a_record_is_read_as_it_was_written(interface: Type | None, name: ObjectName | None) -> None:
    record = SessionRecord(
        "secret",
        "ann",
        1_796_000_000.5,
        True,
        "events",
        {"t1": HandleRecord("calculator", interface, name, 3, {REST: 2, "s1": 1})},
        {"s1": StreamRecord(True, 5, 4, 3, 2, ['{"text":"ä"}', "{}"])},
        7,
        "192.0.2.7",
        True,
        True,
        "secret of the cookie",
    )
    text = json.dumps(record.to_json())
    assert SessionRecord.from_json(json.loads(text)) == record
    assert record.handles["t1"].is_bound is (name is None)


def test_a_record_has_nothing_but_plain_data() -> None:
    record = SessionRecord("secret", handles={"t1": HandleRecord("svc", BOX, ObjectName("00", 7))})
    assert set(record.to_json()) == {
        "id", "principal", "expires_at", "rest", "listener", "handles", "streams", "address", "by_rest", "provisional",
        "cookie", "events",
    }  # fmt: skip
    assert json.loads(json.dumps(record.to_json())) == record.to_json()


def test_a_new_record_is_empty() -> None:
    record, stream, handle = SessionRecord("secret"), StreamRecord(), HandleRecord("svc", None, None)
    assert (record.principal, record.expires_at, record.rest, record.listener) == (None, 0.0, False, None)
    assert (record.handles, record.streams) == ({}, {})
    assert stream == StreamRecord(False, 0, 0, 0, 0, [])
    assert (handle.references, handle.counts) == (0, {})


@pytest.mark.parametrize("broken", [{}, {"id": "x", "handles": {}, "streams": {}, "more": 1}])
def test_what_is_no_record_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        SessionRecord.from_json(broken)


def copied(record: SessionRecord) -> SessionRecord:
    return SessionRecord.from_json(json.loads(json.dumps(record.to_json())))


def test_the_counts_are_the_record_s_and_a_capability_made_from_a_name_takes_them_over(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        one, other = Sessions(Limits()), Sessions(Limits(), services={"calculator": calculator}.get)
        session, thing = one.open(Principal("key:ann"), rest=True), fakes.Object(7)
        for holder in (REST, "s1", REST):
            token = session.handles.put(holder, calculator, None, thing).token
        left = one.suspend(session)
        assert (thing.released, thing.disowned) == (0, 3)
        assert session.ended
        assert session not in one

        other.adopt(copied(left))
        found = other.find(session.id, Principal("key:ann"))
        handle = found.handles.get(token)
        ((capability, references),) = upstream.adopted
        assert handle.capability is capability
        assert references == 3
        assert handle.counts == {REST: 2, "s1": 1}
        found.handles.drop(token)
        assert capability.given_back == 3
        other.end_all("done")
        one.end_all("done")

    fakes.run(main())


def test_an_object_that_is_bound_to_the_process_ends_with_it(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        sessions, thing = Sessions(Limits()), fakes.Object()
        session = sessions.open(rest=True)
        handle = session.handles.put(REST, calculator, None, thing)
        assert handle.record.is_bound
        left = sessions.suspend(session)
        assert thing.released == 1
        assert left.handles == {}
        sessions.end_all("done")

    fakes.run(main())


def test_objects_of_a_process_that_is_gone_are_not_taken_in(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        sessions = Sessions(Limits(), services={"calculator": calculator}.get)
        session = sessions.open(rest=True)
        tokens = [session.handles.put(REST, calculator, None, fakes.Object(number)).token for number in (1, 2)]
        left = sessions.suspend(session)
        left.handles[tokens[0]].service = "removed"
        upstream.incarnation = "other"
        left.handles[tokens[1]].object = ObjectName("00ff", 2)
        found = sessions.find(session.id)
        for token in tokens:
            with pytest.raises(GatewayError, match="there is no handle"):
                found.handles.get(token)
        assert found.record.handles == {}
        sessions.end_all("done")

    fakes.run(main())


def test_a_session_that_nobody_takes_in_again_ends_and_gives_its_objects_back(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        sessions = Sessions(Limits(idle_session_s=900), services={"calculator": calculator}.get)
        session = sessions.open(rest=True)
        session.handles.put(REST, calculator, None, fakes.Object(1))
        sessions.suspend(session)
        assert len(sessions) == 1
        await fakes.pass_time(901)
        assert len(sessions) == 0
        ((capability, _),) = upstream.adopted
        assert capability.given_back == 1

    fakes.run(main())


def test_a_stream_goes_on_in_another_process(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        play = fakes.Play(calculator, sessions=Sessions(fakes.LIMITS, services={"calculator": calculator}.get))
        hello = await play.hello()
        play.says("calculator.accumulator", id="make")
        play.calls[-1].reply(fakes.Object(5))
        (made,) = await play.hears()
        token = made["result"]["accumulator"]["$handle"]
        await play.pass_callback("f")  # a call stays under way, with an object of the client's
        (session,) = play.sessions
        play.sessions.suspend(session)
        assert play.channel.closed == (1001, "the session goes on in another process")
        assert [call.cancelled() for call in play.calls] == [False, True]
        record = play.sessions._store.find(session.id)
        assert record is not None
        play.sessions._store.open(copied(record))

        play.cut()
        # It has hello's answer and that of the first call, and not what was said at the end.
        first, *kept = await play.resume(hello, 1)
        assert first["result"]["resumed"]
        lost = next(message for message in kept if message.get("id") is not None)
        assert lost["error"]["data"]["code"] == "outcome_unknown"
        (released,) = [message["params"] for message in kept if message.get("method") == "rpc.released"]
        assert (released["callback"], released["code"]) == ("f", "unavailable")
        play.says(f"@{token}.add", ["5"], id="again")
        ((capability, references),) = upstream.adopted
        capability.calls[-1].reply(5)
        assert (await play.hears())[-1]["result"] == {"total": "5"}
        assert references == 1
        play.notifies("rpc.release", {"handle": token, "count": 1})
        assert capability.given_back == 1
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_that_is_not_resumed_in_time_ends(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        play = fakes.Play(calculator, sessions=Sessions(fakes.LIMITS, services={"calculator": calculator}.get))
        await play.hello()
        play.says("calculator.accumulator", id="make")
        play.calls[-1].reply(fakes.Object(5))
        await play.hears()
        (session,) = play.sessions
        play.sessions.suspend(session)
        revived = play.sessions.find(session.id, rest=True)
        assert revived.streams == 1
        await fakes.pass_time(fakes.LIMITS.resume_window_s + 1)
        assert revived.streams == 0
        assert len(revived.handles) == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_session_whose_service_cannot_be_asked_is_found_later(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        sessions = Sessions(Limits(), services={"calculator": calculator}.get)
        session = sessions.open(rest=True)
        tokens = [session.handles.put(REST, calculator, None, fakes.Object(number)).token for number in (1, 2)]
        sessions.suspend(session)
        upstream.unknown_ids = {2}
        with pytest.raises(GatewayError, match="calculator: not yet") as raised:
            sessions.find(session.id)
        assert raised.value.status is Status.UNAVAILABLE
        ((capability, _),) = upstream.adopted
        assert (capability.disowned, capability.released) == (1, 0)
        upstream.unknown_ids = set()
        found = sessions.find(session.id)
        assert [found.handles.get(token).record.references for token in tokens] == [1, 1]
        sessions.end_all("done")

    fakes.run(main())


def test_a_session_whose_service_cannot_be_asked_ends_when_its_time_is_over(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        sessions = Sessions(Limits(idle_session_s=900), services={"calculator": calculator}.get)
        session = sessions.open(rest=True)
        session.handles.put(REST, calculator, None, fakes.Object(2))
        sessions.suspend(session)
        upstream.unknown_ids = {2}
        await fakes.pass_time(901)
        assert len(sessions) == 0

    fakes.run(main())


def test_a_stream_that_nobody_has_taken_yet_goes_along_a_second_time(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        play = fakes.Play(calculator, sessions=Sessions(fakes.LIMITS, services={"calculator": calculator}.get))
        hello = await play.hello()
        (session,) = play.sessions
        play.sessions.suspend(session)
        record = play.sessions.suspend(play.sessions.find(session.id))
        await fakes.pass_time(fakes.LIMITS.resume_window_s + 1)
        assert list(record.streams) == [hello["stream"]]
        play.cut()
        (first,) = await play.resume(hello, 0)
        assert first["result"]["resumed"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_window_of_a_session_that_was_left_twice_ends_nothing(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        window_s = fakes.LIMITS.resume_window_s
        play = fakes.Play(calculator)
        await play.hello()
        (session,) = play.sessions
        play.sessions.suspend(session)
        first = play.sessions.find(session.id, rest=True)
        await fakes.pass_time(window_s - 10)
        play.sessions.suspend(first)
        second = play.sessions.find(session.id, rest=True)
        await fakes.pass_time(20)  # the first one's window would be over
        assert second.streams == 1
        await fakes.pass_time(window_s)
        assert second.streams == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_session_that_was_taken_in_and_that_nobody_asks_for_ends(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = calculator.upstream
        upstream.incarnation = "00ff"
        limits = Limits(idle_session_s=900)
        one, other = Sessions(limits), Sessions(limits, services={"calculator": calculator}.get)
        session = one.open(rest=True)
        session.handles.put(REST, calculator, None, fakes.Object(1))
        other.adopt(copied(one.suspend(session)))
        await fakes.pass_time(899)
        assert len(other) == 1
        await fakes.pass_time(2)
        assert len(other) == 0
        ((capability, _),) = upstream.adopted
        assert capability.given_back == 1
        one.end_all("done")

    fakes.run(main())


def test_a_session_that_was_taken_in_too_late_ends_at_once(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        sessions.adopt(SessionRecord("secret"))
        assert len(sessions) == 1
        await fakes.pass_time(0.1)
        assert len(sessions) == 0
        sessions.end_all("done")

    fakes.run(main())


def test_a_handle_in_a_request_that_never_reached_the_client_does_not_go_along(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        upstream: Any = workshop.upstream
        upstream.incarnation = "00ff"
        play = fakes.Play(workshop, sessions=Sessions(fakes.LIMITS, services={"workshop": workshop}.get))
        await play.hello()
        play.says("workshop.hire", [{"$callback": "c"}], id="hire")
        client, thing = play.calls[-1].args[0], fakes.Object(5)
        (session,) = play.sessions
        play.cut()
        bench = workshop.schema.find("Workshop.Craftsman")
        assert bench is not None
        client.target.invoke(bench.id, 0, [thing], {}, IncomingCall(b""))
        (handle,) = session.handles
        assert handle.counts == {play.conversation.id: 1}
        left = play.sessions.suspend(session)
        assert left.handles == {}
        assert thing.given_back == 1
        assert [len(stream.kept) for stream in left.streams.values()] == [3]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_call_that_waited_for_another_is_neither_begun_nor_forgotten(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(workshop)
        await play.hello()
        play.says("workshop.tool", id="tool")
        play.says("workshop.use", {"times": [1], "tool": {"$result": "tool", "path": ["tool"]}}, id="use")
        play.says("workshop.add", [1, 2], id="add")
        assert [call.method for call in play.calls] == ["tool"]
        (session,) = play.sessions
        left = play.sessions.suspend(session)
        assert [call.method for call in play.calls] == ["tool"]
        (stream,) = left.streams.values()
        told = {message.get("id"): message for message in map(json.loads, stream.kept)}
        assert {"tool", "use", "add"} <= set(told)
        assert told["tool"]["error"]["data"]["code"] == "outcome_unknown"
        assert told["add"]["error"]["data"]["code"] == "unavailable"
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_that_reads_slowly_goes_along_with_all_that_it_was_not_told(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, sessions=Sessions(fakes.LIMITS, services={"calculator": calculator}.get))
        hello = await play.hello()
        session = play.sessions.find(hello["session"])
        play.says("calculator.add", id="lost")
        while play.conversation.stream.counting.kept_bytes < fakes.LIMITS.send_buffer_bytes + 100:
            play.says("rpc.cancel", {"id": 0}, id=0)
        left = play.sessions.suspend(session)
        assert play.channel.closed is not None
        assert play.channel.closed[0] == 1001
        (stream,) = left.streams.values()
        assert json.loads(stream.kept[-1])["error"]["data"]["code"] == "outcome_unknown"
        assert sum(map(len, stream.kept)) > fakes.LIMITS.send_buffer_bytes
        play.sessions.end_all("done")

    fakes.run(main())


def test_no_stream_is_lost_where_the_next_process_permits_fewer(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        services = {"calculator": calculator}.get
        plays = [fakes.Play(calculator, sessions=Sessions(fakes.LIMITS, services=services))]
        hellos = [await plays[0].hello()]
        for _ in range(2):
            plays.append(fakes.Play(calculator, sessions=plays[0].sessions))
            hellos.append(await plays[-1].hello(session=hellos[0]["session"]))
        left = plays[0].sessions.suspend(plays[0].sessions.find(hellos[0]["session"]))
        there = Sessions(replace(fakes.LIMITS, max_streams_per_session=1), services=services)
        there.adopt(left)
        for hello in hellos:
            play = fakes.Play(calculator, sessions=there)
            play.conversation._limits = there._limits
            assert (await play.resume(hello, 0))[0]["result"]["resumed"]
        (session,) = there
        assert session.streams == 3
        late = fakes.Play(calculator, sessions=there)
        late.says("rpc.hello", {"protocol": 1, "session": hellos[0]["session"]})
        assert (await late.hears())[0]["error"]["data"]["code"] == "resource_exhausted"
        there.end_all("done")
        plays[0].sessions.end_all("done")

    fakes.run(main())
