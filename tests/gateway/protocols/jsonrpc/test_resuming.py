"""A stream that goes on over another socket: nothing runs twice, nothing is lost, and what nobody resumes ends."""

from __future__ import annotations

from typing import Any

import pytest

from cara_pseud.errors import RpcError
from gateway.catalogue import Service
from tests.gateway.protocols.jsonrpc.test_conversation import code


def test_an_answer_that_came_while_the_client_was_away_is_sent_to_it(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        play.says("calculator.add", [1, 2], id=1)
        play.cut()
        play.calls[0].reply(3)
        await fakes.settle()
        greeting, answer = await play.resume(hello, received=0)
        assert greeting["result"] == {**hello, "received": 1, "resumed": True}
        assert answer == {"jsonrpc": "2.0", "id": 1, "result": {"result": 3}}
        assert len(play.calls) == 1
        play.sessions.end_all("done")

    fakes.run(main())


def test_answers_lost_on_their_way_are_repeated_and_acknowledged_ones_are_not(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        for number in (1, 2, 3):
            play.says("calculator.add", [number], id=number)
            play.calls[-1].reply(number)
        await play.hears()
        play.notifies("rpc.ack", {"received": 1})
        play.cut()
        refused = await play.resume(hello, received=0)
        assert (code(refused[0]), refused[0]["error"]["data"]["reason"]) == ("not_found", "received")
        refused = await play.resume(hello, received=4)
        assert refused[0]["error"]["data"]["reason"] == "received"
        greeting, *repeated = await play.resume(hello, received=2)
        assert greeting["result"]["received"] == 3
        assert [message["id"] for message in repeated] == [3]
        play.says("calculator.add", [4], id=4)
        play.calls[-1].reply(4)
        assert [message["id"] for message in await play.hears()] == [4]
        play.sessions.end_all("done")

    fakes.run(main())


def test_the_first_socket_is_closed_when_a_second_takes_its_stream_over(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        first, play.channel = play.channel, type(play.channel)()
        (greeting,) = await play.resume(hello, received=0)
        assert greeting["result"]["resumed"] is True
        assert first.closed[0] == 4001
        first.conversation.channel_closed(first, 1006)  # its end is of no interest any more
        play.says("calculator.add", [1], id=1)
        play.calls[-1].reply(1)
        assert len(await play.hears()) == 1
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize(("close_code", "seconds"), [(None, 59), (1001, 59), (1006, 59), (1000, 1.9)])
def test_after_the_window_everything_of_the_stream_ends(
    calculator: Service, fakes: Any, close_code: int | None, seconds: float
) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        hello = await play.hello()
        play.says("calculator.accumulator", id=1)
        play.calls[0].reply(thing)
        await play.hears()
        capability = await play.pass_callback()
        play.cut(close_code)
        await fakes.pass_time(seconds)
        call = fakes.invoke(calculator, capability, 1)
        assert not play.calls[1].cancelled()
        await fakes.pass_time(61 - seconds)
        assert play.calls[1].cancelled()
        assert thing.released == 1
        with pytest.raises(RpcError, match="gone"):
            await call
        with pytest.raises(RpcError, match="gone"):
            fakes.invoke(calculator, capability, 1)
        (refused,) = await play.resume(hello, received=0)
        assert (code(refused), refused["error"]["data"]["reason"]) == ("not_found", "session")
        assert len(play.sessions) == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_callback_made_while_the_client_was_away_waits_for_it(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        capability = await play.pass_callback()
        await play.hears()
        play.cut()
        calls = [fakes.invoke(calculator, capability, number) for number in (1, 2)]
        await fakes.pass_time(20)
        _, first, second = await play.resume(hello, received=0)
        assert [first["params"], second["params"]] == [[1], [2]]
        play.answers(second, result={"result": 20})
        play.answers(first, result={"result": 10})
        assert [await call for call in calls] == [10, 20]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_client_that_stays_away_with_a_full_buffer_is_asked_no_more_and_lives(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        capability = await play.pass_callback()
        play.cut()
        calls = []
        while play.conversation.stream.counting.kept_bytes < fakes.LIMITS.send_buffer_bytes - 100:
            calls.append(fakes.invoke(calculator, capability, 1))
        calls.append(fakes.invoke(calculator, capability, 1))
        with pytest.raises(RpcError, match="bytes wait for the client already") as raised:
            fakes.invoke(calculator, capability, 1)
        assert raised.value.code == "resource_exhausted"
        asked = len(calls)
        assert not play.calls[0].cancelled()
        _, *requests = await play.resume(hello, received=0)
        assert len(requests) == asked
        for request in requests:
            play.answers(request, result={"result": 7})
        assert [await call for call in calls] == [7] * asked
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_hello_for_a_stream_needs_the_session_and_the_count(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        cases = (({"stream": "x", "received": 0}, "$.session"), ({"stream": "x", "session": "y"}, "$.received"))
        for params, path in cases:
            play.says("rpc.hello", {"protocol": 1, **params})
            (refused,) = await play.hears()
            assert (code(refused), refused["error"]["data"]["path"]) == ("invalid_argument", path)

    fakes.run(main())
