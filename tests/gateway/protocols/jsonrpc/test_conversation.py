"""A stream at work: messages in, calls out, answers back; and what is left when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cara_pseud.errors import Unavailable
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.protocols.sse.listener import Listener
from gateway.sessions.sessions import Sessions


def code(message: Mapping[str, Any]) -> str:
    word: str = message["error"]["data"]["code"]
    return word


def test_calls_start_in_the_order_sent_and_are_answered_as_they_end(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
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
        play = fakes.Play(calculator)
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
        play = fakes.Play(calculator)
        play.roots[0].error = Unavailable()
        play.says("calculator.add")
        (failed,) = await play.hears()
        assert code(failed) == "unavailable"
        assert failed["error"]["data"]["request_id"]

    fakes.run(main())


def test_a_cancelled_call_is_cancelled_at_the_service_and_answered(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.says("calculator.add", id=7)
        play.notifies("rpc.cancel", {"id": 7})
        (cancelled,) = await play.hears()
        assert (cancelled["id"], code(cancelled)) == (7, "cancelled")
        assert play.calls[0].cancelled()

    fakes.run(main())


# Sessions.


def test_two_streams_of_one_session_share_its_handles(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        first = fakes.Play(calculator)
        second = fakes.Play(calculator, sessions=first.sessions)
        session = (await first.hello())["session"]
        assert (await second.hello(session=session))["session"] == session
        thing = fakes.Object()
        first.says("calculator.accumulator", id=2)
        first.calls[0].reply(thing)
        token = (await first.hears())[0]["result"]["accumulator"]["$handle"]
        second.says(f"@{token}.value", id=3)
        assert thing.calls[0].method == "value"
        first.conversation.channel_failed(first.channel)
        assert thing.released == 1  # only the first had counted it
        first.sessions.end_all("done")

    fakes.run(main())


def test_hello_with_an_unknown_session_or_a_stream_is_refused_and_may_be_said_again(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
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
        play = fakes.Play(calculator)
        await play.hello()
        play.says("calculator.add", id=2)
        play.sessions.end_all("the operator said so")
        assert play.channel.closed == (4002, "the session has ended: the operator said so")
        assert play.calls[0].cancelled()

    fakes.run(main())


def test_messages_are_acknowledged_after_a_second(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.notifies("calculator.add")
        assert await play.hears() == []
        await fakes.pass_time(1.1)
        assert await play.hears() == [{"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 1}}]
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":7,"method":"calculator.add","params":[1,2]}',
        '{"jsonrpc":"2.0","method":"calculator.add","params":[1,2]}',
        '{"jsonrpc":"2.0","id":"g:1","result":{}}',
        '{"jsonrpc":"2.0","id":"g:99","error":{"code":1,"message":"late"}}',
        '{"jsonrpc":"2.0","method":"rpc.release","params":{"handle":"h"}}',
        '{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":5}}',
        '{"jsonrpc":"2.0","id":7,"method":"rpc.ping","params":{}}',
        '{"jsonrpc":"2.0","id":7,"method":"rpc.describe","params":{"service":"calculator"}}',
        '{"jsonrpc":"2.0","id":7,"method":"no.such"}',
        '{"jsonrpc":"2.0","id":7,"method":"rpc.nonsense"}',
        '{"id":7}',
        '[{"jsonrpc":"2.0","method":"rpc.release","params":{"handle":"h"}}]',
    ],
)
def test_whatever_came_is_acknowledged_after_a_second(calculator: Service, fakes: Any, text: str) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        await fakes.pass_time(10)
        play.conversation.receive(text)
        await fakes.pass_time(0.9)
        assert [message for message in await play.hears() if message.get("method") == "rpc.ack"] == []
        await fakes.pass_time(0.2)
        assert (await play.hears())[-1] == {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": 1}}
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize("says_hello", [True, False])
def test_a_ping_is_answered_and_counts(calculator: Service, fakes: Any, says_hello: bool) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        if says_hello:
            await play.hello()
        play.says("rpc.ping", id="p")
        assert await play.hears() == [{"jsonrpc": "2.0", "id": "p", "result": {}}]
        assert play.conversation.stream.counting.received == says_hello
        play.notifies("rpc.ping")
        assert await play.hears() == []
        play.sessions.end_all("done")

    fakes.run(main())


def test_hello_says_how_long_services_wait_for_answers(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        assert hello["limits"]["callback_timeout_s"] == hello["resume_window_s"] + 5
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_no_json_after_hello_ends_the_stream(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        play.conversation.receive("{")
        assert play.channel.closed is not None
        assert play.channel.closed[0] == 4000
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_gateway_that_stops_begins_no_more_calls(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
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


def test_a_description_that_is_too_large_is_an_error_of_its_call(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.conversation.stream._limits = Limits(max_message_bytes=300)
        play.says("rpc.describe", {"service": "calculator"})
        (failed,) = await play.hears()
        assert code(failed) == "too_large"
        play.says("calculator.add", [1, 2], id=2)
        play.calls[0].reply(3)
        assert (await play.hears())[0]["result"] == {"result": 3}
@pytest.mark.parametrize("is_away", [True, False])
def test_a_stream_that_ends_leaves_no_timer(calculator: Service, fakes: Any, is_away: bool) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        session_s = fakes.timers() - 1  # beside the one that acknowledges
        play.says("calculator.accumulator", id=1)
        play.says("#1.value", id=2)
        apply = fakes.invoke(calculator, await play.pass_callback(), 1)
        apply.add_done_callback(lambda asked: asked.exception())
        if is_away:
            play.cut()
        assert fakes.timers() == session_s + 3
        play.conversation.end()
        await fakes.settle()
        assert fakes.timers() == session_s
        play.sessions.end_all("done")
        assert fakes.timers() == 0

    fakes.run(main())


def test_a_description_that_nobody_waits_for_is_not_sent(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.notifies("rpc.describe", {"service": "calculator"})
        assert await play.hears() == []
def test_a_socket_that_is_closed_does_not_acknowledge(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        hello = await play.hello()
        play.notifies("calculator.add")
        play.cut()
        await fakes.pass_time(2)
        greeting, *told = await play.resume(hello, received=0)
        assert greeting["result"]["received"] == 1
        assert told == []
        await fakes.pass_time(2)
        assert await play.hears() == []  # hello has said it
        play.notifies("calculator.add")
        await fakes.pass_time(2)
        assert [message["params"] for message in await play.hears()] == [{"received": 2}]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_that_its_session_has_not_is_not_found(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(fakes.LIMITS, services={"calculator": calculator}.get)
        play, other = (fakes.Play(calculator, sessions=sessions) for _ in range(2))
        hello = await play.hello()
        session = sessions.find(hello["session"], rest=True)
        listener = Listener.of(session, sessions, fakes.LIMITS, None)

        async def refused(stream: str) -> tuple[str, str]:
            other.says("rpc.hello", {"protocol": 1, "session": hello["session"], "stream": stream, "received": 0})
            (answer,) = await other.hears()
            return code(answer), answer["error"]["data"]["reason"]

        assert await refused("invented") == ("not_found", "stream")
        assert await refused(listener.id) == ("not_found", "stream")
        sessions.suspend(session)
        assert await refused(listener.id) == ("not_found", "stream")
        assert listener.id in session.record.streams
        again = await other.resume(hello, received=0)
        assert again[0]["result"]["resumed"]
        sessions.end_all("done")

    fakes.run(main())
