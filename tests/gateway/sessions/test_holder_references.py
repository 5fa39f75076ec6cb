"""Objects of services in a stream: as handles, counted and given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.catalogue import Service


def code(message: Mapping[str, Any]) -> str:
    word: str = message["error"]["data"]["code"]
    return word


def test_an_object_in_an_answer_is_a_handle_that_can_be_called_and_released(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
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
        play, thing = fakes.Play(calculator), fakes.Object()
        play.notifies("calculator.accumulator")
        play.calls[0].reply(thing)
        assert await play.hears() == []
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_cannot_be_sent_takes_its_handles_back(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(addressbook), fakes.Object()
        play.says("addressbook.find", ["Ann"])
        play.calls[0].reply({0: "x" * 20_000, 4: thing})
        (failed,) = await play.hears()
        assert code(failed) == "too_large"
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_breaks_the_schema_takes_its_handles_back(addressbook: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(addressbook), fakes.Object()
        play.says("addressbook.list", [""])
        play.calls[0].reply([{4: thing}, {0: 5}])
        (failed,) = await play.hears()
        assert code(failed) == "internal"
        assert "$.people[1].name" in failed["error"]["message"]

    fakes.run(main())


def test_handles_end_with_a_stream_that_never_said_hello(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        play.says("calculator.accumulator")
        play.calls[0].reply(thing)
        await play.hears()
        play.conversation.channel_closed(play.channel)
        assert thing.released == 1

    fakes.run(main())


def test_an_answer_that_arrived_just_before_the_end_keeps_nothing(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        play.says("calculator.accumulator")
        play.calls[0].reply(thing)
        play.conversation.channel_closed(play.channel)
        await fakes.settle()
        assert thing.released == 1
        assert play.channel.sent == []

    fakes.run(main())


def test_calls_under_way_are_cancelled_when_the_channel_is_gone(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        play.says("calculator.add")
        play.conversation.channel_closed(play.channel)
        assert play.calls[0].cancelled()
        await fakes.settle()
        assert not play.conversation.is_busy
        play.says("calculator.add")
        assert len(play.calls) == 1

    fakes.run(main())
