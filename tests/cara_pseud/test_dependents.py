"""Calls of a peer that name objects in answers, at who answers them: when they begin, and what is no such call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgpack
import pytest

import cara_pseud
from cara_pseud import RpcError, promised, wire
from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.promised import is_not_kept
from tests.cara_pseud.promising import Stage, loaded, stage

Scenario = Callable[[Stage], Coroutine[Any, Any, None]]
NOBODY = b"nobody's call yet"[:16]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(tmp_path_factory.mktemp("numbers"))


def play(module: Any, scenario: Scenario, **arguments: Any) -> None:
    async def main() -> None:
        async with stage(module, **arguments) as made:
            await scenario(made)

    asyncio.run(main())


def read(module: Any, target: Any) -> list[Any]:
    """The arguments of a call that reads a number."""
    method = module.Number.__methods__["read"]
    return [target, method.interface_id, method.id, [], {}]


async def refused(made: Stage, target: Any, options: CallOptions | None = None) -> RpcError:
    with pytest.raises(RpcError) as failed:
        await made.client.request("call", read(made.module, target), {}, options or CallOptions())
    return failed.value


def test_calls_on_one_object_begin_in_the_order_in_which_they_came(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        marks = [first.number.note(mark) for mark in range(5)]
        while not made.begun:
            await asyncio.sleep(0.001)
        made.gate.set()
        number = await first
        await number.note(5)
        await asyncio.gather(*marks)
        assert made.log == [0, 1, 2, 3, 4, 5]

    play(numbers, scenario)


def test_a_call_into_an_answer_that_left_already_begins_before_those_behind_it(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.number(1)
        connection = made.client.connections[0]
        word = promised.written(first.uid, (0,))
        number = await first
        note = numbers.Number.__methods__["note"]
        named = connection.request("call", [word, note.interface_id, note.id, [1], {}], {}, CallOptions())
        await asyncio.gather(named, number.note(2))
        assert made.log == [1, 2]

    play(numbers, scenario)


def test_a_call_that_is_not_known_cannot_be_named(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        assert is_not_kept(await refused(made, promised.written(NOBODY, (0,))))
        first = made.numbers.number(1)
        await first
        assert is_not_kept(await refused(made, promised.written(first.uid, (1,))))
        assert is_not_kept(await refused(made, promised.written(first.uid, ())))
        connection = made.client.connections[0]
        itself = connection._uid_prefix + (connection._counter + 1).to_bytes(8, "big")
        assert is_not_kept(await refused(made, promised.written(itself, (0,))))
        assert await (await first).read() == 1

    play(numbers, scenario)


def test_an_object_that_was_given_back_cannot_be_named(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.number(1)
        cara_pseud.release(await first)
        while not made.released:
            await asyncio.sleep(0.001)
        assert is_not_kept(await refused(made, promised.written(first.uid, (0,))))

    play(numbers, scenario)


@pytest.mark.parametrize("word", [b"", b"\x01", msgpack.packb([b"short", [0]]), msgpack.packb([NOBODY, [[]]])])
def test_a_word_that_is_none_is_refused_and_the_next_call_is_not(numbers: Any, word: bytes) -> None:
    async def scenario(made: Stage) -> None:
        error = await refused(made, msgpack.ExtType(102, word))
        assert "extension type 102" in error.message
        assert await (await made.numbers.number(3)).read() == 3
        assert sum(made.server.dropped.values()) == 1

    play(numbers, scenario)


def test_a_word_stands_for_an_object_only(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.number(1)
        await first
        word = promised.written(first.uid, (0,))
        # Where a number is expected an object is none.
        with pytest.raises(RpcError, match="number"):
            await made.client.request("number", [word], {}, CallOptions())
        # Of another interface it has no such method.
        method = numbers.Number.__methods__["read"]
        with pytest.raises(RpcError) as failed:
            await made.client.request("call", [word, 1, method.id, [], {}], {}, CallOptions())
        assert failed.value.code == "unimplemented"
        # And an id is an id.
        with pytest.raises(RpcError, match="must be integers"):
            await made.client.request("call", read(numbers, msgpack.ExtType(100, msgpack.packb((5, None)))), {})

    play(numbers, scenario)


class OldClient(Client):
    """One from before calls could name answers."""

    def hello(self, version: int) -> Mapping[str, Any]:
        return {key: value for key, value in super().hello(version).items() if key != "pipelines"}


def test_who_did_not_say_so_in_the_greeting_cannot_name_answers(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        old = OldClient(b"server")
        old.connect(made.server.endpoint)
        async with old:
            first = numbers.Numbers(old).number(1)
            await first
            with pytest.raises(RpcError, match="said in the greeting"):
                await old.request("call", read(numbers, promised.written(first.uid, (0,))), {}, CallOptions())

    play(numbers, scenario)


def test_calls_that_wait_count_as_calls_under_way(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        reads = [first.number.read() for _ in range(6)]
        while not made.begun:
            await asyncio.sleep(0.001)
        made.gate.set()
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert results[:4] == [1, 1, 1, 1]
        assert {error.code for error in results[4:] if isinstance(error, RpcError)} == {"resource_exhausted"}
        assert len(results[4:]) == 2

    play(numbers, scenario, max_calls=5)


def test_a_server_that_stops_answers_what_waits(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        value = made.numbers.later(1).number.plus(1).number.read()
        while len(made.server.connections[0].running) < 3:
            await asyncio.sleep(0.001)
        stopped = asyncio.create_task(made.server.stop(grace=5))
        await asyncio.sleep(0)
        made.gate.set()
        assert await value == 2
        await stopped

    play(numbers, scenario)


def test_what_a_call_waited_is_taken_from_its_time(numbers: Any) -> None:
    async def scenario(made: Stage) -> None:
        first = made.numbers.later(1)
        timed = cara_pseud.with_options(made.numbers, timeout=10.0)
        total = timed.sum([{"number": first.number}])
        # The time is what is measured.
        await asyncio.sleep(0.1)
        made.gate.set()
        await total
        assert 9.0 < made.left_s < 9.95

    play(numbers, scenario)


def test_a_third_peer_s_object_is_called_into_through_who_passes_it_on(numbers: Any) -> None:
    async def scenario(home: Stage) -> None:
        home.gate.set()
        async with stage(numbers) as between:
            between.passes = lambda _: home.numbers.number(4)
            passed = await between.numbers.pass_(None)
            home.forget()
            between.forget()
            assert await passed.plus(1).number.plus(1).number.read() == 6
            assert (between.round_trips, home.round_trips) == (1, 1)

    play(numbers, scenario)


def test_the_word_s_type_is_no_other_one() -> None:
    assert promised.EXT_PROMISE not in (wire.EXT_CAPABILITY, wire.EXT_ANY_CAPABILITY, *range(123, 127))
