"""Objects of clients, as services call them through a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from cara_pseud.capabilities import IncomingCall
from cara_pseud.errors import DeadlineExceeded, RpcError, Unavailable
from cara_pseud.local import LocalCapability
from gateway.catalogue import Catalogue, Service
from gateway.routes import HttpRoutes
from gateway.sessions.sessions import Sessions

TRANSFORM = "Calculator.Transform"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def apply(service: Service, capability: LocalCapability, value: int, call: IncomingCall | None = None) -> Any:
    """The service calls `apply` of the client's object."""
    node = service.schema.find(TRANSFORM)
    assert node is not None
    return capability.target.invoke(node.id, 0, [value], {}, call or IncomingCall(b""))


def code(message: Mapping[str, Any]) -> str:
    word: str = message["error"]["data"]["code"]
    return word


def test_a_callback_is_asked_and_its_answer_goes_to_the_service(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        result = apply(calculator, capability, 21)
        (request,) = await play.hears()
        assert request == {"jsonrpc": "2.0", "id": "g:1", "method": "!f.apply", "params": [21]}
        play.answers(request, result={"result": 42})
        assert await result == 42

    fakes.run(main())


def traced(traceparent: str) -> IncomingCall:
    call = IncomingCall(b"")
    call.traceparent = traceparent
    return call


def test_a_request_belongs_to_the_trace_of_the_service_s_call(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        result = apply(calculator, capability, 21, traced(TRACEPARENT))
        (request,) = await play.hears()
        assert request["meta"] == {"traceparent": TRACEPARENT}
        play.answers(request, result={"result": 42})
        assert await result == 42
        for nothing in ("00-nothing", "", TRACEPARENT.upper(), f"01{TRACEPARENT[2:]}-{'x' * 500}"):
            ended = apply(calculator, capability, 21, traced(nothing))
            (request,) = await play.hears()
            assert "meta" not in request
            ended.cancel()

    fakes.run(main())


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"result": {"result": "x"}}, "invalid_argument"),
        ({"result": [1]}, "invalid_argument"),
        ({"error": {"code": -32601, "message": "no such method"}}, "unimplemented"),
        ({"error": {"code": 1, "message": "no", "data": {"code": "aborted"}}}, "aborted"),
        ({"error": {"code": 1, "message": "no", "data": {"code": "misdirected"}}}, "unknown"),
        ({"error": 5}, "unknown"),
    ],
)
def test_a_callback_that_fails_fails_at_the_service(
    calculator: Service, fakes: Any, outcome: dict[str, Any], expected: str
) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        play.answers(request, **outcome)
        with pytest.raises(RpcError) as raised:
            await result
        assert raised.value.code == expected

    fakes.run(main())


def test_requests_to_a_callback_keep_the_order_of_the_service(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        results = [apply(calculator, capability, value) for value in range(10)]
        assert [request["params"] for request in await play.hears()] == [[value] for value in range(10)]
        play.conversation.channel_closed(play.channel)
        for result in results:
            with pytest.raises(Unavailable):
                await result

    fakes.run(main())


def test_a_gone_client_fails_pending_and_later_calls_at_once(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        pending = apply(calculator, capability, 1)
        play.conversation.channel_closed(play.channel)
        with pytest.raises(Unavailable):
            await pending
        with pytest.raises(Unavailable):
            apply(calculator, capability, 2)

    fakes.run(main())


def test_a_client_that_never_answers_is_waited_for_until_the_deadline(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        call = IncomingCall(b"")
        call.deadline = asyncio.get_running_loop().time() + 2
        short, long = apply(calculator, capability, 1, call), apply(calculator, capability, 2)
        await fakes.pass_time(3)
        with pytest.raises(DeadlineExceeded):
            await short
        assert not long.done()
        await fakes.pass_time(61)
        assert not long.done()  # so long the client may be away
        await fakes.pass_time(2)
        with pytest.raises(DeadlineExceeded):
            await long
        late, _ = await play.hears()
        play.answers(late, result={"result": 1})
        assert await play.hears() == []

    fakes.run(main())


def test_a_call_that_the_service_gives_up_is_forgotten(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        result.cancel()
        await fakes.settle()
        play.answers(request, result={"result": 1})
        assert await play.hears() == []

    fakes.run(main())


def test_a_call_whose_deadline_has_passed_is_not_sent(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        call = IncomingCall(b"")
        call.deadline = asyncio.get_running_loop().time() - 1
        with pytest.raises(DeadlineExceeded):
            apply(calculator, await play.pass_callback(), 1, call)
        assert await play.hears() == []

    fakes.run(main())


def test_a_request_that_is_over_leaves_no_timer(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback()
        before = fakes.timers()
        answered, given_up = apply(calculator, capability, 1), apply(calculator, capability, 2)
        requests = await play.hears()
        assert fakes.timers() == before + 2
        play.answers(requests[0], result={"result": 1})
        assert await answered == 1
        assert fakes.timers() == before + 1
        given_up.cancel()
        await fakes.settle()
        assert fakes.timers() == before

    fakes.run(main())


@pytest.mark.parametrize("gives_up", [True, False], ids=["given up", "expired"])
def test_a_call_that_nobody_waits_for_any_more_is_called_off(calculator: Service, fakes: Any, gives_up: bool) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        capability = await play.pass_callback()
        results = [apply(calculator, capability, 1)]
        (request,) = await play.hears()
        play.cut()
        results.append(apply(calculator, capability, 2))
        if gives_up:
            for result in results:
                result.cancel()
            await fakes.settle()
        else:
            play.channel = type(play.channel)()
            await fakes.pass_time(59)
            await play.resume(hello, received=1)
            play.cut()
            await fakes.pass_time(7)
            for result in results:
                with pytest.raises(DeadlineExceeded):
                    await result
        _, *told = await play.resume(hello, received=1)
        expected = ["rpc.void", "rpc.cancel"] if gives_up else ["rpc.void", "rpc.cancel", "rpc.cancel"]
        assert [message["method"] for message in told] == expected
        assert told[1]["params"] == {"id": request["id"]}
        assert play.conversation.stream.requests == set()
        play.sessions.end_all("done")

    fakes.run(main())


def test_handles_in_a_request_that_never_reaches_the_client_are_released(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, updater = fakes.Play(addressbook), fakes.Object()
        await play.hello()
        play.says("addressbook.watch", {"listener": {"$callback": "people"}}, id=1)
        capability = play.calls[0].args[0]
        node = addressbook.schema.find("AddressBook.Listener")
        assert node is not None
        play.cut()
        result = capability.target.invoke(node.id, "changed", [{0: "Ann", 4: updater}, 1], {}, IncomingCall(b""))
        result.cancel()
        await fakes.settle()
        assert updater.released == 1
        play.sessions.end_all("done")

    fakes.run(main())


def test_the_same_name_is_the_same_object_until_the_service_lets_go(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        first, second = await play.pass_callback(), await play.pass_callback()
        assert first.key == second.key
        assert play.conversation.callbacks.names == ["f"]
        first.target.released()
        (released,) = await play.hears()
        assert (released["method"], released["params"]["callback"]) == ("rpc.released", "f")
        assert play.conversation.callbacks.names == []
        third = await play.pass_callback()
        assert third.target is not first.target
        play.sessions.end_all("done")

    fakes.run(main())


def test_without_hello_nothing_is_said_about_releases(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        (await play.pass_callback()).target.released()
        assert await play.hears() == []

    fakes.run(main())


def test_callbacks_are_bounded_and_released_ones_make_room(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        capability = await play.pass_callback("a")
        await play.pass_callback("b")
        play.says("calculator.map", {"values": [], "transform": {"$callback": "c"}}, id="c")
        (refused,) = await play.hears()
        assert code(refused) == "resource_exhausted"
        capability.target.released()
        await play.pass_callback("c")
        assert play.conversation.callbacks.names == ["b", "c"]

    fakes.run(main())


async def comes_home(play: Any, name: str) -> tuple[LocalCapability, str]:
    """Have the client pass an object that the service gives back and keeps no longer; it, and its handle."""
    capability: LocalCapability = await play.pass_callback(name)
    capability.taken()  # as a connection to the service does
    play.says("calculator.accumulator", {"start": "0"}, id=f"{name} comes home")
    play.calls[-1].reply(capability)
    (answer,) = await play.hears()
    play.calls[-2].reply([])
    await play.hears()
    capability.left(gone=False)
    return capability, answer["result"]["accumulator"]["$handle"]


def test_an_object_that_comes_home_lives_as_long_as_its_handle(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        capability, handle = await comes_home(play, "f")
        assert await play.hears() == []
        result = apply(calculator, capability, 21)
        (request,) = await play.hears()
        play.answers(request, result={"result": 42})
        assert await result == 42
        play.says("rpc.release", {"handle": handle, "count": 1})
        released = (await play.hears())[0]
        assert (released["method"], released["params"]["callback"]) == ("rpc.released", "f")
        with pytest.raises(Unavailable):
            apply(calculator, capability, 21)
        play.sessions.end_all("done")

    fakes.run(main())


def test_objects_that_only_came_home_make_room_for_others(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await comes_home(play, "a")
        await play.pass_callback("b")
        await play.pass_callback("c")
        (released,) = await play.hears()
        assert (released["method"], released["params"]["callback"]) == ("rpc.released", "a")
        assert play.conversation.callbacks.names == ["b", "c"]
        play.says("calculator.map", {"values": [], "transform": {"$callback": "d"}}, id="d")
        (refused,) = await play.hears()
        assert code(refused) == "resource_exhausted"
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_callback_of_a_call_that_was_never_sent_is_not_kept(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.roots[0].error = Unavailable()
        play.says("calculator.map", {"values": [1], "transform": {"$callback": "f"}})
        (failed,) = await play.hears()
        assert code(failed) == "unavailable"
        assert play.conversation.callbacks.names == []

    fakes.run(main())


def test_an_unboxing_client_gives_and_gets_bare_values(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello(unbox=True)
        play.says("calculator.add", [2, 5], id=2)
        play.calls[-1].reply(7)
        assert (await play.hears())[0]["result"] == 7
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        play.answers(request, result=42)
        assert await result == 42
        play.sessions.end_all("done")

    fakes.run(main())


def test_an_object_can_be_handed_to_a_callback(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, updater = fakes.Play(addressbook), fakes.Object()
        play.says("addressbook.watch", {"listener": {"$callback": "w"}})
        capability = play.calls[0].args[0]
        node = addressbook.schema.find("AddressBook.Listener")
        assert node is not None
        result = capability.target.invoke(node.id, "changed", [{0: "Ann", 4: updater}, 1], {}, IncomingCall(b""))
        (request,) = await play.hears()
        person, change = request["params"]
        assert (person["name"], change) == ("Ann", "updated")
        play.says(f"@{person['updater']['$handle']}.delete", id=2)
        assert updater.calls[0].method == "delete"
        play.answers(request, result=None)
        assert await result is None
        with pytest.raises(RpcError) as raised:
            capability.target.invoke(node.id, "nope", [], {}, IncomingCall(b""))
        assert raised.value.code == "unimplemented"

    fakes.run(main())


def test_an_object_that_a_later_call_brought_to_the_service_stays_when_an_earlier_one_was_not_sent(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.roots[0].error = Unavailable()
        await play.pass_callback()
        play.roots[0].error = None
        capability = await play.pass_callback()
        told = await play.hears()
        assert [message.get("id") for message in told if "error" in message] == ["pass 0"]
        assert play.conversation.callbacks.names == ["f"]
        result = apply(calculator, capability, 21)
        (request,) = await play.hears()
        play.answers(request, result={"result": 42})
        assert await result == 42
        play.sessions.end_all("done")

    fakes.run(main())


HALL = """
interface Hall {
  lamp @0 (lamp :Lamp) -> ();
  bell @1 (bell :Bell) -> ();
  any @2 (any :AnyPointer) -> ();
  loud @3 (bell :Loud) -> ();
  interface Lamp { light @0 () -> (); }
  interface Bell { ring @0 () -> (); }
  interface Loud extends(Bell) { boom @0 () -> (); }
}
"""


@pytest.mark.parametrize(
    ("passed_to", "rings"),
    [
        (["lamp"], {"light"}),
        (["lamp", "bell"], {"light", "ring"}),
        (["bell", "loud"], {"ring", "boom"}),
        (["loud", "bell"], {"ring", "boom"}),
        (["bell", "any"], {"light", "ring", "boom"}),
        (["any", "bell"], {"light", "ring", "boom"}),
    ],
)
def test_an_object_is_called_as_everything_that_it_was_passed_as(
    compile_text: Any, service_of: Any, fakes: Any, passed_to: list[str], rings: set[str]
) -> None:
    async def main() -> None:
        hall = service_of("hall", compile_text(HALL), "Hall")
        play = fakes.Play(hall)
        await play.hello()
        for method in passed_to:
            play.says(f"hall.{method}", [{"$callback": "f"}], id=method)
        capability = play.calls[-1].args[0]
        for interface, method in (("Lamp", "light"), ("Bell", "ring"), ("Loud", "boom")):
            node = hall.schema.find(f"Hall.{interface}")
            assert node is not None
            with suppress(RpcError):
                capability.target.invoke(node.id, method, [], {}, IncomingCall(b"")).cancel()
        heard = {message["method"] for message in await play.hears()}
        assert heard - {"rpc.cancel"} == {f"!f.{method}" for method in rings}
        play.sessions.end_all("done")

    fakes.run(main())


def test_an_object_that_two_connections_hold_is_two_to_them(calculator: Service, make_service: Any, fakes: Any) -> None:
    async def main() -> None:
        # After a reload another service has the name, at another place.
        play, other = fakes.Play(calculator), make_service("calculator", "Calculator")
        await play.hello()
        old: Any = await play.pass_callback()
        old.taken()
        play.served.catalogue = Catalogue({"calculator": other}, HttpRoutes([]), {})
        play.says("calculator.map", {"values": [1], "transform": {"$callback": "f"}}, id="new")
        new = other.upstream.root.calls[-1].args[1]
        new.taken()
        old.left(gone=False)
        assert await play.hears() == []  # the other one holds it still
        result = apply(other, new, 21)
        (request,) = await play.hears()
        play.answers(request, result={"result": 42})
        assert await result == 42
        new.left(gone=False)
        (released,) = await play.hears()
        assert released["params"]["callback"] == "f"
        play.sessions.end_all("done")

    fakes.run(main())


def test_an_object_that_is_passed_again_is_called_by_the_newest_schema(
    compile_text: Any, service_of: Any, fakes: Any
) -> None:
    async def main() -> None:
        grown = HALL.replace("ring @0 () -> ();", "ring @0 () -> (); stop @1 () -> ();")
        hall, newer = (service_of("hall", compile_text(text), "Hall") for text in (HALL, grown))
        newer.upstream = hall.upstream  # the connection is kept
        play = fakes.Play(hall)
        await play.hello()
        play.says("hall.bell", [{"$callback": "f"}], id=1)
        play.served.catalogue = Catalogue({"hall": newer}, HttpRoutes([]), {})
        play.says("hall.bell", [{"$callback": "f"}], id=2)
        first, second = (call.args[0] for call in play.calls)
        assert first is second
        node = newer.schema.find("Hall.Bell")
        first.target.invoke(node.id, "stop", [], {}, IncomingCall(b""))
        assert (await play.hears())[-1]["method"] == "!f.stop"
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_given_in_an_answer_is_bound_to_the_call_that_passed_who_answers(
    service_of: Any, compile_text: Any, fakes: Any
) -> None:
    schema = compile_text("""
interface Hall {
  meet @0 (guest :Guest) -> ();
  interface Guest { friend @0 () -> (friend :Guest); }
}
""")

    async def main() -> None:
        permitted = {"meet"}
        sessions = Sessions(fakes.LIMITS, permits=lambda _, method: method.name in permitted)
        play = fakes.Play(service_of("hall", schema, "Hall"), sessions=sessions)
        await play.hello()
        play.says("hall.meet", [{"$callback": "guest"}], id=1)
        guest = play.calls[0].args[0]
        play.calls[0].reply({})
        node = schema.find("Hall.Guest")
        given = guest.target.invoke(node.id, 0, [], {}, IncomingCall(b""))
        (request,) = [message for message in await play.hears() if "method" in message]
        play.answers(request, result={"friend": {"$callback": "friend"}})
        friend = await given
        assert play.conversation.callbacks.names == ["friend", "guest"]
        sessions.roles_changed()
        assert play.conversation.callbacks.names == ["friend", "guest"]
        permitted.clear()
        sessions.roles_changed()
        assert play.conversation.callbacks.names == []
        told = [message["params"] for message in await play.hears() if message.get("method") == "rpc.released"]
        assert {(one["callback"], one["code"]) for one in told} == {
            ("guest", "permission_denied"), ("friend", "permission_denied"),
        }  # fmt: skip
        assert friend is not None
        sessions.end_all("done")

    fakes.run(main())
