"""Which calls of a client begin at once, and which wait so that others are served beside them."""

from __future__ import annotations

from typing import Any

from cara_pseud.errors import RpcError
from gateway.catalogue import Service
from tests.clock import MovedClock
from tests.gateway.protocols.jsonrpc.test_slow_client import acknowledges, answer_bytes, asks


def test_so_many_calls_with_long_answers_begin_as_can_be_kept_and_all_are_answered(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        limits = {"max_message_bytes": 50_000, "send_buffer_bytes": 100_000, "max_kept_bytes": 200_000}
        play = fakes.Play(calculator, max_calls_per_session=100, **limits)
        await play.hello()
        asks(play, 0)
        play.calls[0].reply(answer_bytes(40_000))
        await play.hears()
        acknowledges(play, 1)
        asks(play, *range(1, 21))
        play.says("calculator.add", [1, 2], id="small")
        assert len(play.calls) == 1 + 4
        heard: list[Any] = []
        sent = 1
        while len(heard) < 21:
            for call in play.calls:
                if not call.done():
                    call.reply(answer_bytes(40_000) if call.method == "map" else 3)
            answers = [message for message in await play.hears() if "id" in message]
            heard += answers
            sent += len(answers)
            acknowledges(play, sent)
        assert [message["id"] for message in heard] == [*range(1, 21), "small"]
        assert all("result" in message for message in heard)
        assert play.conversation.pace.expected == {}
        play.sessions.end_all("done")

    fakes.run(main())


def test_calls_that_fail_leave_room_for_the_others(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, max_message_bytes=50_000, send_buffer_bytes=50_000, max_kept_bytes=60_000)
        await play.hello()
        asks(play, 0)
        play.calls[0].reply(answer_bytes(40_000))
        await play.hears()
        acknowledges(play, 1)
        asks(play, 1, 2)
        assert len(play.calls) == 2
        play.calls[1].set_exception(RpcError("aborted", "no"))
        await play.hears()
        assert len(play.calls) == 3
        play.notifies("rpc.cancel", {"id": 2})
        await play.hears()
        # One is always begun, and after short answers as many as before.
        for number in range(3, 20):
            asks(play, number)
            play.calls[-1].reply([1])
            await play.hears()
        asks(play, 20, 21, 22)
        assert len(play.calls) == 3 + 17 + 3
        play.sessions.end_all("done")

    fakes.run(main())


def test_quick_calls_are_with_services_by_sixty_fours(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, max_calls_per_session=1000)
        await play.hello()
        for id in range(1, 101):
            play.says("calculator.add", [id, 1], id=id)
        assert len(play.calls) == 64
        other = fakes.Play(calculator, max_calls_per_session=1000)
        other.says("calculator.add", [5, 5])
        other.calls[-1].reply(10)
        assert (await other.hears())[-1]["result"] == {"result": 10}
        play.calls[0].reply(2)
        heard = [message for message in await play.hears() if "id" in message]
        assert [message["id"] for message in heard] == [1]
        assert play.calls[-1].args == [65, 1]
        play.notifies("rpc.cancel", {"id": 100})
        heard = []
        while len(heard) < 99:
            for call in play.calls:
                if not call.done():
                    call.reply(3)
            heard += [message for message in await play.hears() if "id" in message]
        assert sorted(message["id"] for message in heard if "result" in message) == list(range(2, 100))
        assert [message["id"] for message in heard if "error" in message] == [100]
        play.sessions.end_all("done")

    fakes.run(main())


def test_slow_calls_do_not_keep_others_from_beginning(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        clock = MovedClock()
        play = fakes.Play(calculator, max_calls_per_session=1000)
        await play.hello()
        for id in range(1, 151):
            play.says("calculator.add", [id, 1], id=id)
        begun = [len(play.calls)]
        for _ in range(2):
            await clock.advance(0.11)
            begun.append(len(play.calls))
        assert begun == [64, 128, 150]
        assert [call.args[0] for call in play.calls] == list(range(1, 151))
        play.sessions.end_all("done")

    fakes.run(main())
