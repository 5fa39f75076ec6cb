"""Calls into answers that have not come, as their callers see them: what a chain costs, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import cara_pseud
from cara_pseud import DeadlineExceeded, RpcError, UnknownField
from cara_pseud.promises import DependentCall
from cara_pseud.proxies import with_options
from tests.cara_pseud.promising import OldServer, Stage, loaded, stage

Scenario = Callable[[Stage], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(tmp_path_factory.mktemp("numbers"))


def play(module: Any, scenario: Scenario, *server: Any, **arguments: Any) -> None:
    async def main() -> None:
        async with stage(module, *server, **arguments) as made:
            await scenario(made)

    asyncio.run(main())


async def let(made: Stage, calls: int = 1) -> None:
    """Let `later` answer once so many calls of it have come."""
    while made.begun < calls:
        await asyncio.sleep(0.001)
    made.gate.set()


def test_a_chain_costs_one_round_trip(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        value = made.numbers.later(1).number.plus(2).number.plus(3).number.read()
        await let(made)
        assert await value == 6
        assert (made.round_trips, made.calls) == (1, 4)
        made.forget()
        # The only result may be left out, as it is when the call is awaited; and answers may come at once.
        assert await made.numbers.number(1).plus().read() == 2
        assert (made.round_trips, made.calls) == (1, 3)

    play(numbers, scenario)


def test_an_object_that_has_not_come_is_an_argument_also_within_one(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        one, two = made.numbers.later(1).number, made.numbers.later(2).number
        both = one.add(two)
        total = made.numbers.sum([{"number": one}, {"number": both.number}, {"number": two}])
        assert await both.read() == 3
        assert await total == 6
        assert (made.round_trips, made.calls) == (1, 5)

    play(numbers, scenario)


def test_objects_are_reached_through_structs_groups_and_several_results(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        page = made.numbers.page()
        values = [
            page.page.best.number.read(), page["page"]["best"]["number"].read(), page.best.number.read(),
            made.numbers.both(8).second.read(), made.numbers.both(8)["first"].read(),
            numbers.Number(made.numbers.any(3).any).read(),
        ]  # fmt: skip
        assert await asyncio.gather(*values) == [5, 5, 5, 9, 8, 3]
        assert made.round_trips == 1

    play(numbers, scenario)


def test_names_that_lead_to_no_object_are_errors_at_once(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        page = made.numbers.page()
        for wrong in (lambda: page.nope, lambda: page.page.title, lambda: page["page"]["all"], lambda: page.best.x):
            with pytest.raises(UnknownField):
                wrong()
        with pytest.raises(AttributeError, match="has no method"):
            _ = page.best.number.nope
        with pytest.raises(AttributeError):
            _ = page._nope
        assert repr(page.best) == "<the result of page.best: promised>"
        await page

    play(numbers, scenario)


@pytest.mark.parametrize("server", [cara_pseud.Server, OldServer])
def test_where_there_is_no_object_the_call_fails(numbers: Any, server: Any) -> None:
    async def scenario(made: Stage) -> None:
        call = made.numbers.page().none.read()
        made.gate.set()
        with pytest.raises(RpcError, match="no object there") as failed:
            await call
        assert failed.value.code == "invalid_argument"

    play(numbers, scenario, server)


@pytest.mark.parametrize("server", [cara_pseud.Server, OldServer])
def test_a_chain_fails_as_its_first_call_does(numbers: Any, server: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.fail()
        chain = first.number.plus(1).number.read()
        made.gate.set()
        for call in (first, chain):
            with pytest.raises(RpcError, match="on purpose") as failed:
                await call
            assert (failed.value.code, failed.value.details) == ("aborted", {"why": "a test"})

    play(numbers, scenario, server)


def test_a_long_error_is_told_once_and_its_code_each_time(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.reason = "x" * 5000
        first = made.numbers.fail()
        chain = first.number.plus(1).number.read()
        made.gate.set()
        with pytest.raises(RpcError, match=r"^x{5000}$"):
            await first
        with pytest.raises(RpcError, match="too long to be repeated") as failed:
            await chain
        assert failed.value.code == "aborted"

    play(numbers, scenario)


def test_a_call_that_names_more_than_the_other_side_waits_for_is_made_later(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        terms = [{"number": made.numbers.later(1).number} for _ in range(300)]
        total = made.numbers.sum(terms)
        await let(made, 300)
        assert await total == 300
        assert made.round_trips == 2

    play(numbers, scenario)


def test_with_a_peer_that_takes_no_names_a_chain_waits(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        value = made.numbers.later(1).number.add(made.numbers.later(2).number).number.read()
        await let(made, 2)
        assert await value == 3
        assert (made.round_trips, made.calls) == (3, 4)

    play(numbers, scenario, OldServer)


def test_a_chain_that_is_made_before_the_greeting_waits_for_its_answers(numbers: Any) -> None:
    async def main() -> None:
        async with stage(numbers) as made:
            made.gate.set()
            async with cara_pseud.Client(b"server") as client:
                value = numbers.Numbers(client).later(1).number.plus(1).number.read()
                client.connect(made.server.endpoint)
                assert await value == 2

    asyncio.run(main())


@pytest.mark.parametrize("server", [cara_pseud.Server, OldServer])
def test_to_give_a_call_up_ends_those_that_name_it(numbers: Any, server: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        middle = first.number.plus(1)
        last = middle.number.read()
        await asyncio.sleep(0)
        middle.cancel()
        with pytest.raises(RpcError) as failed:
            await last
        assert failed.value.code == "cancelled"
        await let(made)
        assert await (await first).read() == 1
        while made.server.connections[0].running:
            await asyncio.sleep(0.001)

    play(numbers, scenario, server)


@pytest.mark.parametrize("server", [cara_pseud.Server, OldServer])
def test_a_call_keeps_its_own_deadline(numbers: Any, server: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        with pytest.raises(DeadlineExceeded):
            await with_options(first.number, timeout=0.05).read()
        await let(made)
        await first
        while made.server.connections[0].running:
            await asyncio.sleep(0.001)

    play(numbers, scenario, server)


def test_a_chain_ends_with_the_connection(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        chain = first.number.plus(1).number.read()
        while not made.begun:
            await asyncio.sleep(0.001)
        await made.server.stop()
        for call in (first, chain):
            with pytest.raises(RpcError) as failed:
                await call
            assert failed.value.code in ("outcome_unknown", "cancelled")

    play(numbers, scenario)


def test_a_call_whose_answer_is_there_is_called_into_like_any_object(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        page = made.numbers.page()
        promised = page.page.best.number
        await page
        assert await promised.read() == 5
        assert await made.numbers.sum([{"number": promised}]) == 5
        assert await page["page"].best.number.plus(1).number.read() == 6

    play(numbers, scenario)


def test_what_the_server_does_not_keep_is_called_when_it_is_known(
    numbers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(made: Stage) -> None:
        monkeypatch.setattr("cara_pseud.kept_answers.MOST_ANSWERS", 1)
        first = made.numbers.number(1)
        others = [made.numbers.number(value) for value in range(10)]
        assert await first.number.plus(1).number.read() == 2
        await asyncio.gather(*others)

    play(numbers, scenario)


def test_a_thousand_calls_in_a_chain(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        call = made.numbers.later(0)
        for _ in range(1000):
            call = call.number.plus(1)
        value = call.number.read()
        await let(made)
        assert await value == 1000
        assert not made.client.connections[0].pending
        assert not made.server.connections[0].running
        assert not made.server.connections[0].dependents

    play(numbers, scenario)


def test_objects_of_a_chain_are_released(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        for _ in range(50):
            assert await made.numbers.later(1).number.plus(1).number.read() == 2
        while made.released < 100:
            await asyncio.sleep(0.001)
        assert not len(made.server.connections[0].exports)

    play(numbers, scenario)


def test_an_object_of_the_caller_s_own_that_comes_home_is_called_where_it_is(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        own = numbers.Number({"read": lambda: 7})
        assert await made.numbers.pass_(own).number.read() == 7

    play(numbers, scenario)


def test_a_dependent_call_is_a_coroutine_too(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        made.gate.set()
        call = made.numbers.later(1).number.read()
        assert isinstance(call, DependentCall)
        assert await asyncio.create_task(call) == 1

    play(numbers, scenario)
