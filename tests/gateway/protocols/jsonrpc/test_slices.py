"""An array of messages that is worked off in slices: order, counting, resuming and bounds stay what they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.protocols import close_codes
from gateway.protocols.jsonrpc.events import CallRequested, Close, Event, Hello, Send
from gateway.protocols.jsonrpc.stream import IN_ONE_STEP, Stream
from gateway.stalls import Stalls
from gateway.turns import Turns

MANY = 4 * IN_ONE_STEP


def request(id: Any, method: str = "calculator.add", params: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


class SlowTurns(Turns):
    """Turns of a loop in which every look at the clock takes ten milliseconds: there is time for one step in each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.is_new = True
        super().__init__(Stalls(self._look), watched=True)

    def _look(self) -> float:
        self.now += 0.01
        return self.now

    def has_time(self) -> bool:
        was_new, self.is_new = self.is_new, False
        if was_new:
            asyncio.get_running_loop().call_soon(setattr, self, "is_new", True)
        return was_new


@pytest.fixture
def slow(calculator: Service, fakes: Any) -> Callable[..., Any]:
    return lambda **limits: fakes.Play(calculator, turns=SlowTurns(), **limits)


async def hears_all(play: Any, fakes: Any) -> list[Any]:
    heard = []
    while play.conversation.is_busy or len(play.turns):
        await fakes.pass_time(0.1)
        heard += await play.hears()
        if play.calls:
            for call in play.calls:
                if not call.done():
                    call.reply(1)
    return heard + await play.hears()


def describes(number: int, first: int = 0) -> list[Any]:
    return [request(id, "rpc.describe", {"interface": "Nothing"}) for id in range(first, first + number)]


def answers(heard: list[Any]) -> list[Any]:
    return [message["id"] for message in heard if "id" in message]


def test_messages_are_answered_in_order_though_others_have_their_turns_in_between(
    slow: Callable[[], Any], fakes: Any
) -> None:
    async def main() -> None:
        play = slow()
        await play.hello()
        play.conversation.receive(json.dumps(describes(MANY)))
        play.conversation.receive(json.dumps(request("behind", "rpc.describe", {"interface": "Nothing"})))
        begun = answers(play.channel.sent)
        assert len(begun) < MANY
        assert play.conversation.is_busy
        assert answers(await hears_all(play, fakes)) == [*range(MANY), "behind"]
        play.sessions.end_all("the test is over")
        play.conversation.end()

    fakes.run(main())


def test_a_resume_in_the_middle_counts_what_was_taken_and_drops_the_rest(slow: Callable[[], Any], fakes: Any) -> None:
    async def main() -> None:
        play = slow()
        hello = await play.hello()
        old = play.channel
        play.conversation.receive(json.dumps(describes(MANY)))
        play.conversation.receive(json.dumps(describes(1, MANY)))
        stream = play.conversation.stream
        taken = stream.counting.received
        assert 0 < taken < MANY
        assert old.held == (MANY - taken >= 256)
        play.channel, play.turns.is_new = type(old)(), True
        greeting, *repeated = await play.resume(hello, 0)
        assert greeting["result"]["received"] == taken
        assert old.closed == (close_codes.REPLACED, "another socket took this stream over")
        assert answers(repeated) == list(range(taken))
        # The client sends again what was not taken; nothing comes twice.
        play.conversation.receive(json.dumps(describes(MANY + 1 - taken, taken)))
        assert answers(await hears_all(play, fakes)) == list(range(taken, MANY + 1))
        assert stream.counting.received == MANY + 1
        play.sessions.end_all("the test is over")
        play.conversation.end()

    fakes.run(main())


def test_what_came_before_a_cut_is_worked_off_while_the_client_is_away(slow: Callable[[], Any], fakes: Any) -> None:
    async def main() -> None:
        play = slow()
        hello = await play.hello()
        play.conversation.receive(json.dumps(describes(MANY)))
        assert play.conversation.stream.counting.received < MANY
        play.cut()
        await fakes.settle()
        while len(play.turns):
            await fakes.pass_time(0.1)
        play.turns.is_new = True
        greeting, *repeated = await play.resume(hello, 0)
        assert greeting["result"]["received"] == MANY
        assert answers(repeated) == list(range(MANY))
        play.sessions.end_all("the test is over")
        play.conversation.end()

    fakes.run(main())


def test_the_end_of_a_stream_is_the_end_of_what_it_was_sent(slow: Callable[[], Any], fakes: Any) -> None:
    async def main() -> None:
        play = slow()
        play.conversation.receive(json.dumps(describes(MANY)))
        play.sessions.end_all("the test is over")
        play.conversation.end()
        assert not play.conversation.is_busy
        await fakes.pass_time(1)
        assert await play.hears() == []

    fakes.run(main())


def test_a_batch_in_slices_is_answered_by_one_array_and_may_call_into_its_own_answers(
    slow: Callable[..., Any], fakes: Any
) -> None:
    async def main() -> None:
        play = slow(max_message_bytes=1_000_000, send_buffer_bytes=1_000_000)
        batch = [request("a", "calculator.accumulator", [1]), *describes(MANY)]
        batch.append(request("z", "#a.accumulator.value"))
        play.conversation.receive(json.dumps(batch))
        made = fakes.Object(("made", 1))
        play.calls[0].reply(made)
        while not made.calls:
            await fakes.pass_time(0.1)
        made.calls[0].reply(5)
        (heard,) = await hears_all(play, fakes)
        by_id = {message["id"]: message for message in heard}
        assert len(heard) == len(by_id) == MANY + 2
        assert by_id["z"]["result"] == {"total": "5"}
        play.sessions.end_all("the test is over")
        play.conversation.end()

    fakes.run(main())


def test_a_call_into_an_answer_of_an_earlier_batch_is_still_refused(slow: Callable[[], Any], fakes: Any) -> None:
    async def main() -> None:
        play = slow()
        play.conversation.receive(json.dumps([request("a", "calculator.accumulator", [1]), *describes(MANY)]))
        play.calls[0].reply(fakes.Object(("made", 1)))
        await hears_all(play, fakes)
        play.says("#a.accumulator.value", id="z")
        (refused,) = await hears_all(play, fakes)
        assert refused["error"]["data"]["code"] == "failed_precondition"
        play.sessions.end_all("the test is over")
        play.conversation.end()

    fakes.run(main())


# The rules alone.


@pytest.fixture
def greeted() -> Stream:
    stream = Stream("s1", Limits(max_values=20, max_batch_messages=3))
    (hello,) = stream.receive(json.dumps(request(0, "rpc.hello", {"protocol": 1})))
    assert isinstance(hello, Hello)
    stream.welcome(hello.call, "secret")
    return stream


def codes(events: list[Event]) -> list[Any]:
    """(id, code) of every error the client reads."""
    read = [json.loads(event.data) for event in events if isinstance(event, Send)]
    return [(message["id"], message["error"]["data"]["code"]) for message in read if "error" in message]


def test_a_step_looks_at_a_few_messages(greeted: Stream) -> None:
    happened = greeted.receive(json.dumps([request(number) for number in range(IN_ONE_STEP + 3)]))
    assert sum(isinstance(event, CallRequested) for event in happened) == IN_ONE_STEP
    assert (greeted.unworked, greeted.counting.received) == (3, IN_ONE_STEP)
    assert sum(isinstance(event, CallRequested) for event in greeted.work_on()) == 3
    assert (greeted.unworked, greeted.counting.received) == (0, IN_ONE_STEP + 3)
    assert greeted.work_on() == []


@pytest.mark.parametrize("element", ["1", "null", '"x"', "[]", "[{}]"])
def test_an_element_that_is_no_object_ends_a_stream_that_said_hello(greeted: Stream, element: str) -> None:
    call, close, *rest = greeted.receive(f"[{json.dumps(request(1))},{element},{json.dumps(request(2))}]")
    assert isinstance(call, CallRequested)
    assert close == Close(close_codes.BAD_MESSAGE, "an element of an array is no object, so no message")
    assert rest == []
    assert greeted.unworked == 0


def test_a_batch_before_hello_has_at_most_so_many_messages() -> None:
    stream = Stream("s1", Limits(max_batch_messages=3))
    assert codes(stream.receive(json.dumps([request(number) for number in range(4)]))) == [(None, "too_large")]
    assert stream.unworked == 0
    happened = stream.receive(json.dumps([request(number) for number in range(3)]))
    assert [type(event) for event in happened] == [CallRequested] * 3


def test_after_hello_an_array_has_as_many_messages_as_its_bytes_permit(greeted: Stream) -> None:
    happened = greeted.receive(json.dumps([request(number) for number in range(9)]))
    assert [type(event) for event in happened] == [CallRequested] * 9


def test_a_message_of_too_many_values_counts_and_is_refused(greeted: Stream) -> None:
    values = {"values": list(range(16))}  # with the members around them 20 values
    (call,) = greeted.receive(json.dumps({"jsonrpc": "2.0", "method": "calculator.add", "params": values}))
    assert isinstance(call, CallRequested)
    values["values"].append(1)
    assert codes(greeted.receive(json.dumps(request(2, params=values)))) == [(2, "too_large")]
    assert greeted.receive(json.dumps({"jsonrpc": "2.0", "method": "calculator.add", "params": values})) == []
    assert greeted.counting.received == 3
    happened = greeted.receive(json.dumps([request(4), request(5, params=values), request(6)]))
    assert codes(happened) == [(5, "too_large")]
    assert [event.call for event in happened if isinstance(event, CallRequested)][-2:] == [3, 4]
    assert greeted.counting.received == 6


def test_a_client_s_answer_of_too_many_values_fails_the_call_of_its_object(greeted: Stream) -> None:
    key, _ = greeted.call_callback("f", "apply", [1])
    (answered,) = greeted.receive(json.dumps({"jsonrpc": "2.0", "id": key, "result": list(range(30))}))
    assert (answered.key, answered.error.status.code) == (key, "too_large")  # type: ignore[union-attr]


def test_a_message_of_the_gateway_s_own_is_taken_whatever_stands_beside_it(greeted: Stream) -> None:
    happened = greeted.receive(json.dumps(request(1, "rpc.cancel", {"id": 5, "more": list(range(30))})))
    assert codes(happened) == []


def test_of_answers_that_nobody_confirms_only_the_last_can_be_called_into() -> None:
    stream = Stream("s1", Limits(max_remembered_answers=2))
    (hello,) = stream.receive(json.dumps(request(0, "rpc.hello", {"protocol": 1})))
    assert isinstance(hello, Hello)
    stream.welcome(hello.call, "secret")
    for id in (1, 2, 3):
        (call,) = stream.receive(json.dumps(request(id, "calculator.accumulator")))
        assert isinstance(call, CallRequested)
        stream.answer(call.call, {"accumulator": {"$handle": f"token{id}"}})
    for id in (2, 3):
        (call,) = stream.receive(json.dumps(request(10 + id, f"#{id}.accumulator.value")))
        assert isinstance(call, CallRequested)
    assert codes(stream.receive(json.dumps(request(11, "#1.accumulator.value")))) == [(11, "failed_precondition")]
