"""Objects of services in a stream: as handles, counted and given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cara_pseud.errors import Unavailable
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.errors import GatewayError
from gateway.sessions.holder_references import HolderReferences
from gateway.sessions.sessions import Sessions


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
        assert (thing.given_back, thing.released) == (1, 1)

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


def test_references_in_a_notification_are_those_of_any_call(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play, tool = fakes.Play(workshop), fakes.Object()
        await play.hello()
        play.says("workshop.tool", id=1)
        play.calls[0].reply(tool)
        token = (await play.hears())[0]["result"]["tool"]["$handle"]
        play.notifies("workshop.use", {"tool": {"$handle": token}})
        play.notifies("workshop.use", {"tool": {"$result": 1, "path": ["tool"]}})
        assert [call.args[1] for call in play.calls[1:]] == [tool, tool]
        play.notifies("workshop.hire", [{"$callback": "c"}])
        assert play.conversation.callbacks.names == ["c"]
        play.roots[0].error = Unavailable()
        play.notifies("workshop.hire", [{"$callback": "d"}])
        assert play.conversation.callbacks.names == ["c"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_an_object_that_comes_for_a_client_that_is_over_is_given_back_once(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(workshop), fakes.Object()
        await play.hello()
        references = HolderReferences(play.conversation, workshop)
        play.conversation.end()
        for use in (lambda: references.handle_out(thing, None), references.make_room):
            with pytest.raises(GatewayError, match="the stream has ended"):
                use()
        assert thing.given_back == 1
        references.take_back()
        play.sessions.end_all("done")

    fakes.run(main())


def test_what_is_taken_back_is_taken_back_once(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(workshop), fakes.Object()
        await play.hello()
        first, second = (HolderReferences(play.conversation, workshop) for _ in range(2))
        for references in (first, second):
            references.handle_out(thing, None)
        for _ in range(2):
            first.take_back()
        assert thing.given_back == 0
        second.take_back()
        assert thing.given_back == 2
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_call_that_may_give_an_object_is_refused_when_its_session_is_full(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        limits = Limits(max_handles_per_session=1)
        play = fakes.Play(calculator, sessions=Sessions(limits))
        await play.hello()
        play.says("calculator.accumulator", id=1)
        play.calls[0].reply(fakes.Object())
        await play.hears()
        play.says("calculator.accumulator", id=2)
        (refused,) = await play.hears()
        assert code(refused) == "resource_exhausted"
        play.notifies("calculator.accumulator")  # whose object nobody keeps
        assert len(play.calls) == 2
        play.sessions.end_all("done")

    fakes.run(main())
