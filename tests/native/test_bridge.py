"""A bridge between native services and cara's peers: everything that passes, both ways. In C++ and by pycapnp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import cara_pseud
from cara_pseud.errors import RemoteError, RpcError
from tests.native.bridges import WAIT_S, bridged
from tests.native.services import NativeService

Scenario = Callable[[Any, Any], Awaitable[None]]


@pytest.fixture(params=["abacus", "python_abacus"])
def either(request: pytest.FixtureRequest) -> NativeService:
    service: NativeService = request.getfixturevalue(request.param)
    return service


def play(service: NativeService, scenario: Scenario) -> None:
    """Run a scenario with the schema's module and a proxy of the service."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with bridged(service.endpoint, Path(folder)) as (module, trials, _), asyncio.timeout(WAIT_S):
                await scenario(module, trials)

    asyncio.run(run())


async def settled(trials: Any, name: str, value: int) -> None:
    """Wait until the service counts so many."""
    for _ in range(500):
        if (await trials.census())[name] == value:
            return
    assert (await trials.census())[name] == value


def test_calls_with_defaults_and_several_results(either: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        assert dict(await trials.divide(17)) == {"quotient": 5, "remainder": 2}
        assert dict(await trials.divide(dividend=-(2**63), divisor=1)) == {"quotient": -(2**63), "remainder": 0}

    play(either, scenario)


def test_objects_come_back_and_go_along_in_a_struct_in_a_list(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        one = await trials.number(1.5)
        assert (await one.read(), await one.describe()) == (1.5, await one.describe())
        two = await one.plus()
        assert await (await one.add(two)).read() == 4
        assert await trials.ours(two)
        statement = await trials.statement(
            "sum", [{"label": "a", "value": one}, {"label": "b", "value": two, "weight": 2}]
        )
        assert (statement.title, statement.total["entries"]) == ("sum", 2)
        assert await statement.total["value"].read() == 6.5
        assert [await entry.value.read() for entry in statement.entries] == [1.5, 2.5]

    play(abacus, scenario)


def test_objects_of_callers_are_called_during_a_call_and_later(either: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        rows, news = [], asyncio.Event()

        def row(x: int, y: float) -> bool:
            rows.append((x, y))
            return len(rows) < 3

        async def call(numbers: Any) -> float:
            await asyncio.sleep(0)
            return numbers[0] ** 2

        assert await trials.tabulate({"call": call}, 1, 9, row) == 3
        assert rows == [(1, 1), (2, 4), (3, 9)]
        subscription = await trials.watch(lambda text, number: news.set())
        assert await trials.announce("news", 5) == 1
        await news.wait()
        await subscription.cancel()
        assert await trials.announce("none", 0) == 0

    play(either, scenario)


def test_a_chain_of_calls_is_one_round_trip(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        before = await trials.census()
        first = trials.later(1, 50)
        assert await first.plus(2).add(first.value).read() == 4
        after = await trials.census()
        assert after["roundTrips"] - before["roundTrips"] == 2
        assert after["pipelined"] - before["pipelined"] == 3
        with pytest.raises(RpcError) as failed:
            await trials.kept().read()
        assert failed.value.code in ("failed_precondition", "unknown")

    play(abacus, scenario)


def test_own_objects_come_home(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        own = {"read": lambda: 42.0}
        await trials.keep(own)
        assert await (await trials.kept()).read() == 42
        assert not await trials.ours(own)
        before = (await trials.census())["values"]
        await trials.keep(await trials.number(1))
        await settled(trials, "values", before + 1)
        await trials.keep(None)
        await settled(trials, "values", before)

    play(abacus, scenario)


def test_values_of_every_type_come_back_as_they_went(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        value = await trials.number(7)
        sent = {
            "bool": True, "int8": -128, "int16": -(2**15), "int32": 2**31 - 1, "int64": -(2**63), "uint8": 255,
            "uint16": 65535, "uint32": 2**32 - 1, "uint64": 2**64 - 1, "float32": 0.5, "float64": 1e300,
            "text": "Zoë\0x", "bytes": bytes(range(256)), "colour": 2, "next": {"int8": 1}, "nothings": [None] * 3,
            "bools": [True, False, True] * 5, "int8s": [-1, 0, 1], "int64s": [2**62], "uint64s": [2**64 - 1],
            "float32s": [1.5], "float64s": [float("inf")], "texts": ["", "a"], "datas": [b"", b"\0"],
            "colours": [0, 2], "everythings": [{}, {"word": "w"}], "values": [value, value], "grid": [[1, 2], [], [3]],
            "trueByDefault": False, "sevenByDefault": 0, "infinityByDefault": -1.5, "greenByDefault": 0,
            "textByDefault": "", "listByDefault": [], "boxByDefault": {"value": ""}, "boxOfText": {"value": "t"},
            "boxOfBoxes": {"value": {"value": b"d"}}, "pair": {"first": ["p"], "second": value},
            "address": {"street": "s", "number": 3, "place": {"code": "c", "country": 1}},
            "shape": {"square": {"side": 2.5, "colour": 1}}, "either": {"left": "l", "right": b"r"}, "value": value,
        }  # fmt: skip
        back = await trials.echo(sent)
        expected = module.Everything(sent)
        for field in sent:
            if field not in ("value", "values", "pair", "next", "everythings"):
                assert back[field] == expected[field], field
        assert back.next.int8 == 1
        assert [each.which() for each in back.everythings] == ["none", "word"]
        assert await back.value.read() == 7
        assert [await each.read() for each in back["values"]] == [7, 7]
        assert await back.pair.second.read() == 7
        assert back.pair.first == ["p"]

    play(abacus, scenario)


@pytest.mark.parametrize(
    "member", [{"none": None}, {"flag": True}, {"word": "w"}, {"list": [1]}, {"inner": {"list": []}}, {"either": {}}]
)
def test_each_member_of_a_union_stays_the_active_one(abacus: NativeService, member: dict[str, Any]) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        back = await trials.echo(member)
        assert back.which() == next(iter(member))
        if not isinstance(member[back.which()], dict):
            assert back[back.which()] == module.Everything(member)[back.which()]

    play(abacus, scenario)


def test_enumerants_that_the_schema_does_not_know_are_carried_as_numbers(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        colour, colours = 14, 27
        client = trials.__capability__.connection
        back = await client.request("echo", ({colour: 65535, colours: [7, 0]},))
        assert (back[colour], back[colours]) == (65535, (7, 0))

    play(abacus, scenario)


def test_what_an_any_pointer_takes_and_gives(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        value = await trials.number(3)
        assert await (await trials.echoAny(value)).cast(module.Trials.number.results["value"]).read() == 3
        assert await trials.echoAny(None) is None
        named = {"$type": "Everything", "value": {"int8": 5, "value": value}}
        back = await trials.echoAny(named)
        assert list(back) == ["$pointer"]
        assert await trials.echoAny(back) == back
        assert await trials.echoAny("text") != await trials.echoAny("other")
        for wrong, said in (
            (5, "takes a text, an object, null"),
            ([], "takes a text, an object, null"),
            ({"$type": "Everyting", "value": {}}, "did you mean"),
            ({"$type": "Everything", "value": {"int8": 500}}, "$.int8: 500 is out of range"),
            ({"$pointer": "AAAA"}, "must be one whole message"),
            ({"$pointer": "?"}, "is no message in base64"),
        ):
            with pytest.raises(RpcError) as refused:
                await trials.echoAny(wrong)
            assert (refused.value.code, refused.value.details) == ("invalid_argument", {"path": "$.any"})
            assert said in refused.value.message

    play(abacus, scenario)


def test_exceptions_are_told_by_their_kind(either: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        for kind, code in (
            ("failed", "unknown"), ("overloaded", "resource_exhausted"), ("disconnected", "outcome_unknown"),
            ("unimplemented", "unimplemented"),
        ):  # fmt: skip
            with pytest.raises(RpcError) as failed:
                await trials.fail(kind, "the reason")
            # A Python service can raise nothing else than a failure.
            assert failed.value.code == (code if either.path.name == "abacus.sock" else "unknown")
        with pytest.raises(RemoteError) as divided:
            await trials.divide(1, 0)
        assert "Traceback" not in str(divided.value)
        assert ".py" not in str(divided.value)

    play(either, scenario)


def test_a_call_that_is_given_up_is_cancelled_at_the_service(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        before = await trials.census()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await trials.wait(60_000)
        await settled(trials, "cancelled", before.cancelled + 1)
        assert (await trials.census()).waiting == 0

    play(abacus, scenario)


def test_streams_of_both_directions(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        tape = await trials.record(0)
        await asyncio.gather(*[tape.write("line") for _ in range(1000)])
        assert dict(await tape.end()) == {"lines": 1000, "characters": 4000}
        lines: list[str] = []

        played = await trials.play(300, {"write": lines.append, "end": lambda: (len(lines), sum(map(len, lines)))})
        assert dict(played) == {"lines": 300, "characters": sum(map(len, lines))}

    play(abacus, scenario)


def test_nothing_stays_at_the_service_when_nobody_holds_it(abacus: NativeService) -> None:
    async def scenario(module: Any, trials: Any) -> None:
        before = (await trials.census())["values"]
        made = await trials.make(1000)
        assert (await trials.census())["values"] == before + 1000
        assert await made[999].read() == 999
        del made
        await settled(trials, "values", before)

    play(abacus, scenario)


def test_what_a_newer_service_has_more_is_passed_over(abacus: NativeService, tmp_path: Path) -> None:
    """A schema of before: fewer members of a union, fewer fields, fewer methods."""
    old = tmp_path / "old.capnp"
    old.write_text(
        """@0xa27bb4029dfb45d0;
        struct Everything @0xdddddddddddddd01 {
          nothing @0 :Void; bool @1 :Bool; int8 @2 :Int8;
        }
        interface Trials @0xdddddddddddddd02 { }
        """,
        "utf-8",
    )

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with bridged(abacus.endpoint, Path(folder), old) as (_, trials, _):
                with pytest.raises(AttributeError):
                    await trials.census()

    asyncio.run(run())


def test_arguments_that_do_not_fit_are_refused_with_their_place(abacus: NativeService) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with bridged(abacus.endpoint, Path(folder)) as (_, _, bridge):
                client = cara_pseud.Client("server", timeout=WAIT_S)
                client.connect(bridge._served_as.bind)
                async with client:
                    for args, path in (
                        ((1.5,), "$.dividend"),
                        ((2**63,), "$.dividend"),
                        (("1",), "$.dividend"),
                        ((1, None), "$.divisor"),
                    ):
                        with pytest.raises(RpcError) as refused:
                            await client.send_work(b"server", "divide", *args)
                        assert (refused.value.code, refused.value.details) == ("invalid_argument", {"path": path})
                    for thing, path in (
                        ({2: 500}, "$.everything.int8"),
                        ({28: [{}, {14: 70000}]}, "$.everything.everythings[1].colour"),
                        ({12: 5}, "$.everything.text"),
                        ({16: {}}, "$.everything.value"),
                        ([], "$.everything"),
                    ):
                        with pytest.raises(RpcError) as refused:
                            await client.send_work(b"server", "echo", thing)
                        assert (refused.value.code, refused.value.details) == ("invalid_argument", {"path": path})
                    with pytest.raises(RpcError) as refused:
                        await client.send_work(b"server", "divide", nosuch=1)
                    assert refused.value.code == "invalid_argument"

    asyncio.run(run())
