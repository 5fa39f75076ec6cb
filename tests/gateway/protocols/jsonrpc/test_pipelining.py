"""Calls into answers that have not come, and answers passed on before they came."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest

from cara_pseud.errors import RpcError
from gateway.catalogue import Service
from gateway.errors import GatewayError
from tests.gateway.protocols.jsonrpc.test_conversation import code


def frame(play: Any, *messages: tuple[Any, str, Any]) -> None:
    """Several requests in one message, as a client writes a tick's calls."""
    play.conversation.receive(
        json.dumps(
            [{"jsonrpc": "2.0", "id": id, "method": method, "params": params} for id, method, params in messages]
        )
    )


def test_a_call_into_an_answer_starts_when_it_comes_and_before_it_is_told(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        await play.hello(unbox=True)
        frame(play, (1, "calculator.accumulator", []), (2, "#1.add", [5]), (3, "#1.value", []))
        assert (len(play.calls), thing.calls) == (1, [])
        play.calls[0].reply(thing)
        await fakes.settle()
        assert [(call.method, call.args) for call in thing.calls] == [("add", [5]), ("value", [])]
        (answer,) = await play.hears()
        assert answer["id"] == 1
        thing.calls[0].reply(5)
        thing.calls[1].reply(5)
        assert [message["id"] for message in await play.hears()] == [2, 3]
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize("greeted", [True, False])
def test_the_path_leads_through_names_of_the_answer(addressbook: Service, fakes: Any, greeted: bool) -> None:
    async def main() -> None:
        play, updater = fakes.Play(addressbook), fakes.Object()
        if greeted:
            await play.hello()
        frame(play, ("a-b", "addressbook.find", ["Ann"]), (2, "#a-b.person.updater.delete", []))
        play.calls[0].reply({0: "Ann", 4: updater})
        await fakes.settle()
        assert [call.method for call in updater.calls] == ["delete"]
        updater.calls[0].reply(None)
        heard = await play.hears()
        if not greeted:  # a batch is answered by one array
            (heard,) = heard
        assert sorted(str(message["id"]) for message in heard) == ["2", "a-b"]
        assert not any("error" in message for message in heard)
        play.sessions.end_all("done")

    fakes.run(main())


def test_calls_on_one_object_keep_their_order_behind_one_that_waits(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(workshop), fakes.Object()
        await play.hello(unbox=True)
        frame(
            play,
            (1, "workshop.tool", []),
            (2, "workshop.use", [[1], {"$result": 1}]),
            (3, "workshop.add", [1, 1]),
            (4, "#1.turn", [1]),
        )
        assert [call.method for call in play.calls] == ["tool"]
        play.calls[0].reply(thing)
        await fakes.settle()
        assert [call.method for call in play.calls] == ["tool", "use", "add"]
        assert play.calls[1].args[1] is thing
        assert [call.method for call in thing.calls] == ["turn"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_chain_of_failures_tells_each_call_why(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello(unbox=True)
        frame(play, (1, "calculator.nope", []), (2, "#1.x.add", [5]), (3, "#2.value", []))
        heard = await play.hears()
        assert [message["id"] for message in heard] == [1, 2, 3]
        first = heard[0]["error"]
        for message in heard[1:]:
            assert message["error"]["code"] == first["code"] == -32601
        assert heard[1]["error"]["data"]["cause"] == first["data"]
        # One level deep: a chain tells of the call that failed first.
        assert heard[2]["error"]["data"]["cause"] == first["data"]
        assert heard[2]["error"]["message"] == heard[1]["error"]["message"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_long_chain_of_failures_is_answered_in_short(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator, max_calls_per_session=1000, max_message_bytes=1_000_000)
        await play.hello(unbox=True)
        chain = [(number, f"#{number - 1}.x", []) for number in range(2, 901)]
        frame(play, (1, "calculator.accumulator", []), *chain)
        play.calls[0].set_exception(RpcError("aborted", "y" * 100_000, {"large": "x" * 100_000}))
        heard = [message for message in await play.hears() if "id" in message]
        assert [message["id"] for message in heard] == list(range(1, 901))
        assert {code(message) for message in heard} == {"aborted"}
        assert len(heard[0]["error"]["data"]["details"]["large"]) == 100_000
        assert max(len(json.dumps(message)) for message in heard[1:]) < 5000
        assert heard[-1]["error"]["data"]["cause"]["code"] == "aborted"
        assert "details" not in heard[-1]["error"]["data"]["cause"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_failure_that_can_be_called_into_keeps_nothing_of_where_it_happened(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello()
        frame(play, *((number, "calculator.add", []) for number in range(6)))
        (failed,) = [message for message in await play.hears() if "error" in message]
        kept = [error for error in gc.get_objects() if isinstance(error, GatewayError) and error.detail in str(failed)]
        assert len(kept) == 1
        assert (kept[0].__traceback__, kept[0].__context__) == (None, None)
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_path_to_no_object_is_an_invalid_argument(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello(unbox=True)
        frame(play, (1, "calculator.add", [1, 2]), (2, "#1.value", []), (3, "#1.a%2Eb.0.value", []))
        play.calls[0].reply(3)
        heard = await play.hears()
        assert [(message["id"], code(message)) for message in heard[1:]] == [
            (2, "invalid_argument"), (3, "invalid_argument"),
        ]  # fmt: skip
        assert '"a.b.0"' in heard[2]["error"]["message"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_an_answer_can_be_called_into_until_it_is_acknowledged(workshop: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(workshop), fakes.Object()
        await play.hello(unbox=True)
        play.says("workshop.tool", id="x")
        play.calls[0].reply(thing)
        await play.hears()
        play.says("#x.turn", [1], id=2)
        assert len(thing.calls) == 1
        play.says("workshop.use", [[1], {"$result": "x"}], id=3)
        assert play.calls[1].args[1] is thing
        play.notifies("rpc.ack", {"received": 1})
        play.says("#x.turn", [1], id=4)
        play.says("workshop.use", [[1], {"$result": "x", "path": []}], id=5)
        heard = await play.hears()
        assert [(message["id"], code(message)) for message in heard] == [
            (4, "failed_precondition"), (5, "failed_precondition"),
        ]  # fmt: skip
        assert heard[1]["error"]["data"]["path"] == "$[1]"
        play.sessions.end_all("done")

    fakes.run(main())


def test_without_hello_an_answer_that_was_given_is_gone(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        play.says("calculator.accumulator", id=1)
        play.says("#1.accumulator.add", [1], id=2)
        play.calls[0].reply(thing)
        await play.hears()
        assert len(thing.calls) == 1
        play.says("#1.accumulator.add", [1], id=3)
        (refused,) = await play.hears()
        assert code(refused) == "failed_precondition"
        play.conversation.channel_closed(play.channel)

    fakes.run(main())


def test_a_call_that_waits_can_be_cancelled_and_its_place_is_free(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello(unbox=True)
        frame(
            play,
            (1, "calculator.accumulator", []),
            (2, "calculator.map", [[1], {"$result": 1}]),
            (3, "calculator.add", [1, 1]),
        )
        play.notifies("rpc.cancel", {"id": 2})
        (cancelled,) = await play.hears()
        assert (cancelled["id"], code(cancelled)) == (2, "cancelled")
        assert [call.method for call in play.calls] == ["accumulator", "add"]
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_wait_ends_with_the_calls_own_deadline(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        await play.hello(unbox=True)
        play.says("calculator.accumulator", id=1)
        play.says("#1.value", id=2, meta={"timeout": 2})
        play.says("#1.value", id=3, meta={"timeout": 8})
        await fakes.pass_time(3)
        (expired,) = [message for message in await play.hears() if message.get("method") != "rpc.ack"]
        assert (expired["id"], code(expired)) == (2, "deadline_exceeded")
        play.calls[0].reply(thing)
        await fakes.settle()
        (call,) = thing.calls
        assert 4.5 < call.options.timeout < 5.5
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_call_cannot_refer_to_itself_or_to_one_that_follows(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play = fakes.Play(calculator)
        await play.hello(unbox=True)
        frame(
            play, (1, "#1.value", []), (2, "calculator.map", [[1], {"$result": 2}]), (3, "#4.value", []),
            (4, "#.x", []), (5, "#4.", []), (6, "calculator.map", [[1], {"$result": True}]),
        )  # fmt: skip
        heard = await play.hears()
        assert {message["id"]: code(message) for message in heard} == {
            1: "failed_precondition", 2: "failed_precondition", 3: "failed_precondition", 4: "not_found",
            5: "not_found", 6: "invalid_argument",
        }  # fmt: skip
        assert len(play.calls) == 0
        play.sessions.end_all("done")

    fakes.run(main())


def test_a_stream_bounds_the_calls_that_wait_and_its_end_forgets_them(calculator: Service, fakes: Any) -> None:
    async def main() -> None:
        play, thing = fakes.Play(calculator), fakes.Object()
        await play.hello(unbox=True)
        play.says("calculator.accumulator", id=1)
        for id in range(2, 8):
            play.says("#1.value", id=id)
        (refused,) = await play.hears()
        assert (refused["id"], code(refused)) == (7, "resource_exhausted")
        play.cut(1000)
        await fakes.pass_time(3)
        assert play.calls[0].cancelled()
        assert thing.calls == []
        play.sessions.end_all("done")

    fakes.run(main())
