"""A client that reads more slowly than it is answered: what waits, what is refused, and that it lives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cara_pseud.errors import RpcError
from gateway.catalogue import Service
from tests.gateway.protocols.jsonrpc.test_conversation import code

MARK = 20_000
"""`send_buffer_bytes` of the fakes, whose messages may have 10,000 bytes and whose sessions five calls."""


def answer_bytes(size: int) -> list[int]:
    """What `map` answers to have about so many bytes."""
    return [10_000_000] * (size // 9)


def asks(play: Any, *ids: int, **meta: Any) -> None:
    for id in ids:
        play.says("calculator.map", {"values": [], "transform": None}, id=id, **({"meta": meta} if meta else {}))


async def fill(play: Any, *, ids: tuple[int, ...] = (1, 2, 3), size: int = 8000) -> list[Any]:
    """Answer so many calls that more than the mark waits; what the client was sent of it."""
    asks(play, *ids)
    for call in play.calls[-len(ids) :]:
        call.reply(answer_bytes(size))
    return await play.hears()


def acknowledges(play: Any, received: int) -> None:
    play.notifies("rpc.ack", {"received": received})


def test_calls_wait_until_the_client_has_confirmed_what_it_got(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        assert [answer["id"] for answer in await fill(play)] == [1, 2, 3]
        asks(play, 4, 5)
        assert len(play.calls) == 3
        acknowledges(play, 1)
        assert len(play.calls) == 5
        assert play.channel.closed is None
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_held_call_keeps_its_place_and_its_time(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fill(play)
        asks(play, 4, timeout=10)
        play.says("calculator.add", [1, 1], id=5)
        await fakes.pass_time(4)
        acknowledges(play, 3)
        assert [call.method for call in play.calls[3:]] == ["map", "add"]
        assert 5.9 < play.calls[3].options.timeout <= 6
        assert play.calls[4].options.timeout == 30
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_held_call_is_refused_when_its_time_is_over_and_nothing_of_it_runs(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fill(play)
        asks(play, 4, timeout=10)
        await fakes.pass_time(10.1)
        refused = [message for message in await play.hears() if "id" in message]
        assert [(message["id"], code(message)) for message in refused] == [(4, "resource_exhausted")]
        acknowledges(play, 3)
        assert len(play.calls) == 3
        play.sessions.end_all("done")

    fakes.run(main())


def test_as_many_calls_are_held_as_may_be_under_way(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        asks(play, 10)
        await fill(play)
        asks(play, *range(20, 25))
        refused = [message for message in await play.hears() if "id" in message]
        # One is under way, four are held.
        assert [(message["id"], code(message)) for message in refused] == [(24, "resource_exhausted")]
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_no_call_acts_meanwhile(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        await play.hello()
        play.says("calculator.accumulator", id=0)
        play.calls[0].reply(thing)
        token = (await play.hears())[0]["result"]["accumulator"]["$handle"]
        capability = await play.pass_callback()
        asked = fakes.invoke(calculator, capability, 1)
        request = (await play.hears())[-1]
        asks(play, 9)
        await fill(play)
        asks(play, 4)
        play.says("rpc.ping", id=5)
        play.notifies("rpc.release", {"handle": token})
        play.answers(request, result={"result": 7})
        play.notifies("rpc.cancel", {"id": 9})
        play.notifies("rpc.cancel", {"id": 4})
        heard = {message["id"]: message for message in await play.hears() if "id" in message}
        assert heard[5]["result"] == {}
        assert thing.released == 1
        assert await asked == 7
        assert (code(heard[9]), code(heard[4])) == ("cancelled", "cancelled")
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_description_waits_as_well(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fill(play)
        play.says("rpc.describe", {"service": "calculator"}, id=4)
        assert [message for message in await play.hears() if "id" in message] == []
        acknowledges(play, 3)
        assert (await play.hears())[0]["result"]["service"] == "calculator"
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_client_with_a_full_buffer_is_not_asked(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        capability = await play.pass_callback()
        await fill(play)
        with pytest.raises(RpcError, match=r"bytes wait for the client already; it is not asked above 20000") as raised:
            await fakes.invoke(calculator, capability, 1)
        assert raised.value.code == "resource_exhausted"
        acknowledges(play, 3)
        fakes.invoke(calculator, capability, 1).add_done_callback(lambda asked: asked.exception())
        assert (await play.hears())[-1]["method"] == "!f.apply"
        play.sessions.end_all("done")

    fakes.run(main())


def test_answers_of_calls_that_had_begun_are_kept_up_to_a_bound(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, max_kept_bytes=40_000)
        await play.hello()
        asks(play, 1, 2, 3, 4, 5)
        for call in play.calls:
            call.reply(answer_bytes(8500))
        heard = [message for message in await play.hears() if "id" in message]
        assert ["result" in message for message in heard] == [True, True, True, True, False]
        assert code(heard[-1]) == "too_large"
        assert "which reads slowly; at most 40000 are kept for it" in heard[-1]["error"]["message"]
        assert play.channel.closed is None
        acknowledges(play, 5)
        asks(play, 6)
        play.calls[-1].reply([])
        assert (await play.hears())[-1]["id"] == 6
        play.sessions.end_all("done")

    fakes.run(main())


def test_who_is_away_is_kept_the_mark_and_lives(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        asks(play, 1, 2, 3, 4)
        capability = await play.pass_callback()
        play.cut()
        for call in play.calls[:3]:
            call.reply(answer_bytes(8500))
        await fakes.settle()
        while play.conversation.stream.counting.kept_bytes < MARK - 100:
            fakes.invoke(calculator, capability, 1).add_done_callback(lambda asked: asked.cancelled())
        with pytest.raises(RpcError, match="it is not asked above 20000"):
            fakes.invoke(calculator, capability, 1)
        _, *kept = await play.resume(hello, received=0)
        answers = {message["id"]: message for message in kept if "method" not in message}
        assert ["result" in answers[id] for id in (1, 2, 3)] == [True, True, False]
        assert code(answers[3]) == "too_large"
        assert "which is away; at most 20000 are kept for it" in answers[3]["error"]["message"]
        play.calls[3].reply([1])
        assert (await play.hears())[-1]["result"] == {"results": [1]}
        play.sessions.end_all("done")

    fakes.run(main())


def test_the_streams_together_keep_no_more_than_may_be(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        sizes = {"max_kept_bytes_over_all": 60_000, "send_buffer_bytes": 100_000, "max_message_bytes": 50_000}
        slow = fakes.Play(calculator, **sizes)
        good = fakes.Play(calculator, sessions=slow.sessions)
        await slow.hello()
        await good.hello()
        asks(slow, 1, 2, 3)
        for call in slow.calls[:2]:
            call.reply(answer_bytes(45_000))
        await slow.hears()
        slow.calls[2].reply(answer_bytes(45_000))
        (refused,) = await slow.hears()
        assert code(refused) == "too_large"
        assert "the gateway keeps as much as it may for slow clients already" in refused["error"]["message"]
        # Who keeps nothing does not pay for that.
        asks(good, 1)
        good.calls[-1].reply(answer_bytes(9000))
        assert "result" in (await good.hears())[-1]
        kept = slow.sessions.kept
        assert kept.total > 60_000
        acknowledges(slow, 3)
        acknowledges(good, 1)
        assert kept.total == 0
        slow.sessions.end_all("done")

    fakes.run(main())


def test_what_is_kept_is_given_up_with_the_stream(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fill(play)
        asks(play, 4)
        assert play.sessions.kept.total > MARK
        play.conversation.end()
        assert play.sessions.kept.total == 0
        await fakes.settle()
        assert len(play.calls) == 3
        play.sessions.end_all("done")

    fakes.run(main())


# Patience.


@pytest.mark.parametrize("says_hello", [True, False])
def test_who_takes_nothing_for_half_a_minute_is_closed(calculator: Service, fakes: Any, says_hello: bool) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        if says_hello:
            await play.hello()
        play.channel.is_full = True
        await fill(play, ids=(1, 2, 3, 4))
        for _ in range(29):
            await fakes.pass_time(1)
        assert play.channel.closed is None
        await fakes.pass_time(1.5)
        closed, reason = play.channel.closed
        assert closed == 4003
        assert reason.endswith("bytes were waiting, and none was read or confirmed for 30 s")
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize("by", ["bytes", "acknowledgement"])
def test_who_takes_something_now_and_then_is_waited_for(calculator: Service, fakes: Any, by: str) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        asks(play, 1, 2, 3, 4, 5)
        for call in play.calls:
            call.reply(answer_bytes(8000))
        await play.hears()
        for step in range(1, 4):
            for _ in range(25):
                await fakes.pass_time(1)
            if by == "bytes":
                play.channel.progress += 1
            elif step < 3:
                acknowledges(play, step)
        assert play.channel.closed is None
        play.sessions.end_all("done")

    fakes.run(main())


def test_who_has_less_than_the_mark_to_read_is_not_hurried(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.channel.is_full = True
        await fill(play, ids=(1, 2))
        await fakes.pass_time(100)
        assert play.channel.closed is None
        play.sessions.end_all("done")

    fakes.run(main())


# Requests that are given up.


def test_a_request_that_waits_behind_others_is_replaced_in_its_place(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        capability = await play.pass_callback()
        play.channel.is_full = True
        written, waits = (fakes.invoke(calculator, capability, number) for number in (1, 2))
        for asked in (written, waits):
            asked.cancel()
        heard = await play.hears()
        assert [message["method"] for message in heard] == ["!f.apply"]
        play.channel.is_full = False
        play.conversation.drained()
        heard = await play.hears()
        assert [message["method"] for message in heard] == ["rpc.void", "rpc.cancel"]
        assert heard[1]["params"] == {"id": "g:1"}
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_was_held_is_written_in_order_when_there_is_room(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.channel.is_full = True
        asks(play, 1, 2, 3, 4)
        for call in play.calls:
            call.reply([])
        assert [message["id"] for message in await play.hears()] == [1]
        play.conversation.drained()  # it takes one and is full again
        assert [message["id"] for message in await play.hears()] == [2, 3, 4]
        asks(play, 5)
        play.calls[-1].reply([])
        assert await play.hears() == []
        play.channel.is_full = False
        play.conversation.drained()
        assert [message["id"] for message in await play.hears()] == [5]
        acknowledges(play, 5)
        assert play.conversation.stream.counting.kept_bytes == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_was_not_written_yet_cannot_be_confirmed(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.channel.is_full = True
        asks(play, 1, 2)
        for call in play.calls:
            call.reply([])
        acknowledges(play, 2)
        assert play.channel.closed == (4000, "rpc.ack of a message that was not sent")
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_gateway_that_stops_begins_what_is_held_and_refuses_it_at_the_end(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fill(play)
        asks(play, 4)
        assert play.conversation.is_busy
        play.conversation.drain()
        # It was taken, so its client cannot ask another gateway.
        assert play.conversation.is_busy
        play.conversation.shut_down()
        told = [message for message in await play.hears() if message.get("id") == 4]
        assert code(told[0]) == "unavailable"
        assert play.channel.closed == (1001, "the gateway shuts down")
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_record_has_what_was_not_written_and_another_process_writes_it(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        play.channel.is_full = True
        await fill(play)
        asks(play, 4)
        session = play.sessions.find(hello["session"])
        record = play.sessions.suspend(session)
        (stream,) = record.streams.values()
        told = [json.loads(text) for text in stream.kept]
        assert [message["id"] for message in told] == [1, 2, 3, 4]
        assert code(told[3]) == "unavailable"
        play.sessions.end_all("done")

    fakes.run(main())


# Who sends and does not read.


def test_of_who_sends_and_does_not_read_no_more_is_looked_at_until_it_reads(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        good = fakes.Play(calculator, sessions=play.sessions)
        await play.hello()
        play.channel.is_full = True
        await fill(play)
        kept = play.sessions.kept
        for number in range(500):
            play.says("no.such", id=f"x{number}")
        assert play.channel.held
        assert kept.total < 2 * MARK + 10_000
        good.says("calculator.add", [1, 2])
        good.calls[-1].reply(3)
        assert (await good.hears())[0]["result"] == {"result": 3}
        heard = await play.hears()
        play.channel.is_full = False
        play.conversation.drained()
        while play.channel.held or len(play.turns):
            heard += await play.hears()
        heard += await play.hears()
        answers = [message["id"] for message in heard if "id" in message]
        # The first five wait, as many as may be under way; the others were refused at once.
        assert answers == [2, 3, *(f"x{number}" for number in range(5, 500))]
        acknowledges(play, len(answers) + 1)
        assert [message["id"] for message in await play.hears()] == [f"x{number}" for number in range(5)]
        play.sessions.end_all("done")

    fakes.run(main())


def test_who_reads_everything_confirms_nothing_and_asks_on_comes_to_an_end(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, max_kept_bytes=40_000)
        await play.hello()
        for number in range(1000):
            play.says("no.such", id=f"x{number}")
            if play.channel.closed is not None:
                break
        assert play.channel.closed is not None
        code, reason = play.channel.closed
        assert code == 4003
        assert reason.endswith("bytes were waiting, and more is asked all the time")
        assert play.sessions.kept.total == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_client_that_was_stopped_and_comes_back_is_looked_at_again(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        play.channel.is_full = True
        await fill(play)
        for number in range(100):
            play.says("no.such", id=f"x{number}")
        assert play.channel.held
        play.cut()
        greeting, *_ = await play.resume(hello, received=0)
        taken = greeting["result"]["received"]
        assert 3 < taken < 103
        play.says("rpc.ping", id="p")
        assert (await play.hears())[-1]["id"] == "p"
        play.sessions.end_all("done")

    fakes.run(main())


# Calls whose answers are long.
