"""A stream at work: messages in, calls out, answers and callbacks back; and what is left when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cara_pseud.capabilities import IncomingCall, LocalCapability
from cara_pseud.errors import DeadlineExceeded, RpcError, Unavailable
from gateway.calls import Calls
from gateway.conversation import Conversation
from gateway.limits import Limits
from gateway.services import Service
from gateway.sessions import Sessions

LIMITS = Limits(max_calls_per_session=5, max_callbacks_per_session=2, max_message_bytes=10_000)


class FakeChannel:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed: tuple[int, str] | None = None

    def send(self, data: bytes) -> None:
        assert self.closed is None
        self.sent.append(json.loads(data))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


class Play:
    """A conversation with its service at one side and its client at the other."""

    def __init__(self, fakes: Any, *services: Service, sessions: Sessions | None = None) -> None:
        self.fakes = fakes
        self.services = {service.name: service for service in services}
        self.sessions = Sessions(LIMITS) if sessions is None else sessions
        self.channel = FakeChannel()
        self.conversation = Conversation(self.services, Calls(LIMITS), self.sessions, LIMITS, self.channel)

    @property
    def roots(self) -> Sequence[Any]:
        return [service.upstream.root for service in self.services.values()]

    @property
    def calls(self) -> list[Any]:
        calls: list[Any] = self.roots[0].calls
        return calls

    def says(self, method: str, params: Any = None, id: Any = 1, **members: Any) -> None:
        self.conversation.receive(
            json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}, **members})
        )

    def notifies(self, method: str, params: Any = None) -> None:
        self.conversation.receive(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}))

    def answers(self, request: Mapping[str, Any], **outcome: Any) -> None:
        self.conversation.receive(json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}))

    async def hears(self) -> list[Any]:
        """What was sent since the last time."""
        await self.fakes.settle()
        sent, self.channel.sent = self.channel.sent, []
        return sent

    async def hello(self, **params: Any) -> dict[str, Any]:
        self.says("rpc.hello", {"protocol": 1, **params})
        (answer,) = await self.hears()
        result: dict[str, Any] = answer["result"]
        return result

    async def pass_callback(self, name: str = "f") -> LocalCapability:
        """Have the client pass an object to `map` of the calculator; the call stays under way."""
        self.says("calculator.map", {"values": [1], "transform": {"$callback": name}}, id=f"pass {len(self.calls)}")
        capability = self.calls[-1].args[1]
        assert isinstance(capability, LocalCapability)
        return capability


TRANSFORM = "Calculator.Transform"


def apply(service: Service, capability: LocalCapability, value: int, call: IncomingCall | None = None) -> Any:
    """The service calls `apply` of the client's object."""
    node = service.schema.find(TRANSFORM)
    assert node is not None
    return capability.target.invoke(node.id, 0, [value], {}, call or IncomingCall(b""))


def code(message: Mapping[str, Any]) -> str:
    word: str = message["error"]["data"]["code"]
    return word


def test_calls_start_in_the_order_sent_and_are_answered_as_they_end(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        for number in (1, 2, 3):
            play.says("calculator.add", [number], id=number)
        assert [call.args for call in play.calls] == [[1, 0], [2, 0], [3, 0]]
        play.calls[1].reply(20)
        assert await play.hears() == [{"jsonrpc": "2.0", "id": 2, "result": {"result": 20}}]
        play.calls[0].reply(10)
        play.calls[2].reply(30)
        assert [message["id"] for message in await play.hears()] == [1, 3]

    fakes.run(main())


def test_a_session_bounds_the_calls_under_way(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        for number in range(6):
            play.says("calculator.add", id=number)
        (refused,) = await play.hears()
        assert (refused["id"], code(refused)) == (5, "resource_exhausted")
        play.calls[0].reply(0)
        await play.hears()
        play.says("calculator.add", id=6)
        assert await play.hears() == []

    fakes.run(main())


def test_a_call_that_fails_at_once_is_answered(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        play.roots[0].error = Unavailable()
        play.says("calculator.add")
        (failed,) = await play.hears()
        assert code(failed) == "unavailable"
        assert failed["error"]["data"]["request_id"]

    fakes.run(main())


def test_a_cancelled_call_is_cancelled_at_the_service_and_answered(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        play.says("calculator.add", id=7)
        play.notifies("rpc.cancel", {"id": 7})
        (cancelled,) = await play.hears()
        assert (cancelled["id"], code(cancelled)) == (7, "cancelled")
        assert play.calls[0].cancelled()

    fakes.run(main())


# Handles.


def test_an_object_in_an_answer_is_a_handle_that_can_be_called_and_released(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play, thing = Play(fakes, calculator), fakes.Object()
        play.says("calculator.accumulator")
        play.calls[0].reply(thing)
        (made,) = await play.hears()
        handle = made["result"]["accumulator"]
        assert handle["interface"] == "Calculator.Accumulator"
        play.says(f"@{handle['$handle']}.add", ["5"])
        assert (thing.calls[0].method, thing.calls[0].args) == ("add", [5])
        thing.calls[0].reply(5)
        assert (await play.hears())[0]["result"] == {"total": "5"}
        play.notifies("rpc.release", {"handle": handle["$handle"], "count": 1})
        assert thing.released == 1

    fakes.run(main())


def test_an_object_for_nobody_is_released(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = Play(fakes, calculator), fakes.Object()
        play.notifies("calculator.accumulator")
        play.calls[0].reply(thing)
        assert await play.hears() == []
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_cannot_be_sent_takes_its_handles_back(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = Play(fakes, addressbook), fakes.Object()
        play.says("addressbook.find", ["Ann"])
        play.calls[0].reply({0: "x" * 20_000, 4: thing})
        (failed,) = await play.hears()
        assert code(failed) == "too_large"
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_breaks_the_schema_takes_its_handles_back(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = Play(fakes, addressbook), fakes.Object()
        play.says("addressbook.list", [""])
        play.calls[0].reply([{4: thing}, {0: 5}])
        (failed,) = await play.hears()
        assert code(failed) == "internal"
        assert "$.people[1].name" in failed["error"]["message"]

    fakes.run(main())


def test_handles_end_with_a_stream_that_never_said_hello(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = Play(fakes, calculator), fakes.Object()
        play.says("calculator.accumulator")
        play.calls[0].reply(thing)
        await play.hears()
        play.conversation.channel_closed()
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_arrived_just_before_the_end_keeps_nothing(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = Play(fakes, calculator), fakes.Object()
        play.says("calculator.accumulator")
        play.calls[0].reply(thing)
        play.conversation.channel_closed()
        await fakes.settle()
        assert thing.released == 1
        assert play.channel.sent == []

    fakes.run(main())


def test_calls_under_way_are_cancelled_when_the_channel_is_gone(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        play.says("calculator.add")
        play.conversation.channel_closed()
        assert play.calls[0].cancelled()
        await fakes.settle()
        assert not play.conversation.is_busy
        play.says("calculator.add")
        assert len(play.calls) == 1

    fakes.run(main())


# Callbacks.


def test_a_callback_is_asked_and_its_answer_goes_to_the_service(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        capability = await play.pass_callback()
        result = apply(calculator, capability, 21)
        (request,) = await play.hears()
        assert request == {"jsonrpc": "2.0", "id": "g:1", "method": "!f.apply", "params": [21]}
        play.answers(request, result={"result": 42})
        assert await result == 42

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
        play = Play(fakes, calculator)
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        play.answers(request, **outcome)
        with pytest.raises(RpcError) as raised:
            await result
        assert raised.value.code == expected

    fakes.run(main())


def test_requests_to_a_callback_keep_the_order_of_the_service(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        capability = await play.pass_callback()
        results = [apply(calculator, capability, value) for value in range(10)]
        assert [request["params"] for request in await play.hears()] == [[value] for value in range(10)]
        play.conversation.channel_closed()
        for result in results:
            with pytest.raises(Unavailable):
                await result

    fakes.run(main())


def test_a_gone_client_fails_pending_and_later_calls_at_once(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        capability = await play.pass_callback()
        pending = apply(calculator, capability, 1)
        play.conversation.channel_closed()
        with pytest.raises(Unavailable):
            await pending
        with pytest.raises(Unavailable):
            apply(calculator, capability, 2)

    fakes.run(main())


def test_a_client_that_never_answers_is_waited_for_until_the_deadline(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        capability = await play.pass_callback()
        call = IncomingCall(b"")
        call.deadline = asyncio.get_running_loop().time() + 2
        short, long = apply(calculator, capability, 1, call), apply(calculator, capability, 2)
        await fakes.pass_time(3)
        with pytest.raises(DeadlineExceeded):
            await short
        assert not long.done()
        await fakes.pass_time(30)
        with pytest.raises(DeadlineExceeded):
            await long
        late, _ = await play.hears()
        play.answers(late, result={"result": 1})
        assert await play.hears() == []

    fakes.run(main())


def test_a_call_that_the_service_gives_up_is_forgotten(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        result.cancel()
        await fakes.settle()
        play.answers(request, result={"result": 1})
        assert await play.hears() == []

    fakes.run(main())


def test_the_same_name_is_the_same_object_until_the_service_lets_go(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        await play.hello()
        first, second = await play.pass_callback(), await play.pass_callback()
        assert first.key == second.key
        assert play.conversation.callback_names() == ["f"]
        first.target.released()
        (released,) = await play.hears()
        assert (released["method"], released["params"]["callback"]) == ("rpc.released", "f")
        assert play.conversation.callback_names() == []
        third = await play.pass_callback()
        assert third.target is not first.target

    fakes.run(main())


def test_without_hello_nothing_is_said_about_releases(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        (await play.pass_callback()).target.released()
        assert await play.hears() == []

    fakes.run(main())


def test_callbacks_are_bounded_and_released_ones_make_room(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        capability = await play.pass_callback("a")
        await play.pass_callback("b")
        play.says("calculator.map", {"values": [], "transform": {"$callback": "c"}}, id="c")
        (refused,) = await play.hears()
        assert code(refused) == "resource_exhausted"
        capability.target.released()
        await play.pass_callback("c")
        assert play.conversation.callback_names() == ["b", "c"]

    fakes.run(main())


def test_a_callback_of_a_call_that_was_never_sent_is_not_kept(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        play.roots[0].error = Unavailable()
        play.says("calculator.map", {"values": [1], "transform": {"$callback": "f"}})
        (failed,) = await play.hears()
        assert code(failed) == "unavailable"
        assert play.conversation.callback_names() == []

    fakes.run(main())


def test_an_unboxing_client_gives_and_gets_bare_values(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        await play.hello(unbox=True)
        play.says("calculator.add", [2, 5], id=2)
        play.calls[-1].reply(7)
        assert (await play.hears())[0]["result"] == 7
        result = apply(calculator, await play.pass_callback(), 1)
        (request,) = await play.hears()
        play.answers(request, result=42)
        assert await result == 42

    fakes.run(main())


def test_an_object_can_be_handed_to_a_callback(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, updater = Play(fakes, addressbook), fakes.Object()
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


# Sessions.


def test_two_streams_of_one_session_share_its_handles(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        first = Play(fakes, calculator)
        second = Play(fakes, calculator, sessions=first.sessions)
        session = (await first.hello())["session"]
        assert (await second.hello(session=session))["session"] == session
        thing = fakes.Object()
        first.says("calculator.accumulator", id=2)
        first.calls[0].reply(thing)
        token = (await first.hears())[0]["result"]["accumulator"]["$handle"]
        second.says(f"@{token}.value", id=3)
        assert thing.calls[0].method == "value"
        first.conversation.channel_closed()
        assert thing.released == 1  # only the first had counted it
        first.sessions.end_all("done")

    fakes.run(main())


def test_hello_with_an_unknown_session_or_a_stream_is_refused_and_may_be_said_again(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        for params in ({"session": "x"}, {"session": "x", "stream": "y", "received": 0}):
            play.says("rpc.hello", {"protocol": 1, **params})
            (refused,) = await play.hears()
            assert code(refused) == "not_found"
            assert refused["error"]["data"]["reason"]
        assert (await play.hello())["session"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_the_end_of_the_session_closes_the_channel(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        await play.hello()
        play.says("calculator.add", id=2)
        play.sessions.end_all("the operator said so")
        assert play.channel.closed == (4002, "the session has ended: the operator said so")
        assert play.calls[0].cancelled()

    fakes.run(main())


def test_messages_are_acknowledged_after_a_second(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        await play.hello()
        play.notifies("calculator.add")
        assert await play.hears() == []
        await fakes.pass_time(1.1)
        assert await play.hears() == [{"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 1}}]
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_no_json_after_hello_ends_the_stream(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        await play.hello()
        play.conversation.receive("{")
        assert play.channel.closed is not None
        assert play.channel.closed[0] == 4000
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_gateway_that_stops_begins_no_more_calls(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = Play(fakes, calculator)
        play.says("calculator.add", id=1)
        play.conversation.drain()
        play.says("calculator.add", id=2)
        (refused,) = await play.hears()
        assert (refused["id"], code(refused)) == (2, "unavailable")
        play.calls[0].reply(1)
        assert (await play.hears())[0]["id"] == 1
        play.conversation.shut_down()
        assert play.channel.closed == (1001, "the gateway shuts down")

    fakes.run(main())
