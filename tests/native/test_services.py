"""The services of examples/native, called by the library alone: what is between it and them is tested elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import capnp
import pytest

from tests.native.services import SCHEMAS, NativeService

WAIT_S = 10.0
IMPORTS = [str(Path(capnp.__file__).resolve().parent.parent)]


@pytest.fixture(scope="module")
def parser() -> Any:
    """Kept as long as what it has loaded."""
    return capnp.SchemaParser()


@pytest.fixture(scope="module")
def schemas(parser: Any) -> dict[str, Any]:
    """The modules by name."""
    return {name: parser.load(str(SCHEMAS / f"{name}.capnp"), imports=IMPORTS) for name in ("trials", "abacus", "node")}


Scenario = Callable[[Any], Awaitable[None]]


def play(service: NativeService, interface: Any, scenario: Scenario) -> None:
    """Run a scenario with the service's bootstrap object."""

    async def connected() -> None:
        stream = await capnp.AsyncIoStream.create_unix_connection(str(service.path))
        client = capnp.TwoPartyClient(stream)
        async with asyncio.timeout(WAIT_S):
            await scenario(client.bootstrap().cast_as(interface))
        client.close()

    asyncio.run(capnp.run(connected()))


@pytest.fixture(params=["abacus", "python_abacus"])
def either(request: pytest.FixtureRequest) -> NativeService:
    service: NativeService = request.getfixturevalue(request.param)
    return service


def test_functions_are_capabilities_and_values_are_pipelined(either: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        multiply = (await trials.operation(operation="multiply")).function
        steps = [{"push": 3}, {"push": 4}, {"apply": {"function": multiply, "arguments": 2}}]
        assert (await trials.evaluate(steps=steps).value.plus(number=0.5).value.read()).number == 12.5
        both = trials.number(number=1).value.add(other=trials.number(number=2).value)
        assert (await both.value.read()).number == 3

    play(either, schemas["trials"].Trials, scenario)


def test_callbacks_are_called_during_a_call_and_later(either: NativeService, schemas: dict[str, Any]) -> None:
    abacus = schemas["abacus"]

    async def scenario(trials: Any) -> None:
        rows, announced = [], asyncio.Event()

        class Square(abacus.Function.Server):  # type: ignore[misc, name-defined]
            async def call(self, numbers: Any, _context: Any) -> float:
                return float(numbers[0] ** 2)

        class Rows(abacus.Rows.Server):  # type: ignore[misc, name-defined]
            async def row(self, x: int, y: float, _context: Any) -> bool:
                rows.append((x, y))
                return len(rows) < 3

        class Listener(abacus.Listener.Server):  # type: ignore[misc, name-defined]
            async def announced(self, text: str, number: int, _context: Any) -> None:
                assert text == "news"
                announced.set()

        answer = await trials.tabulate(function=Square(), to=9, rows=Rows())
        assert (answer.count, rows) == (3, [(1, 1), (2, 4), (3, 9)])
        subscription = (await trials.watch(listener=Listener())).subscription
        assert (await trials.announce(text="news", afterMs=10)).listeners == 1
        await announced.wait()
        await subscription.cancel()
        assert (await trials.announce(text="news", afterMs=0)).listeners == 0

    play(either, schemas["trials"].Trials, scenario)


def test_a_pipeline_takes_one_round_trip(abacus: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        before = (await trials.census()).census
        await trials.later(number=1, milliseconds=20).value.plus(number=2).value.plus(number=3).value.read()
        after = (await trials.census()).census
        assert after.pipelined - before.pipelined == 3
        assert after.roundTrips - before.roundTrips == 2, "one for the pipeline, one for the second census"
        for number in (1, 2):
            await (await trials.number(number=number)).value.read()
        apart = (await trials.census()).census
        assert apart.pipelined == after.pipelined
        assert apart.roundTrips - after.roundTrips == 5

    play(abacus, schemas["trials"].Trials, scenario)


def test_what_is_alive_and_what_is_cancelled_is_counted(abacus: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        start = (await trials.census()).census
        values = (await trials.make(count=100)).values
        assert (await trials.ours(value=values[7])).ours
        assert (await trials.census()).census.values == start.values + 100
        del values
        while (await trials.census()).census.values > start.values:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(_wait(trials))
        while not (await trials.census()).census.waiting:
            await asyncio.sleep(0.01)
        waiting.cancel()
        while (await trials.census()).census.cancelled == start.cancelled:
            await asyncio.sleep(0.01)

    async def _wait(trials: Any) -> None:
        await trials.wait(milliseconds=60_000)

    play(abacus, schemas["trials"].Trials, scenario)


def test_a_stream_is_counted_at_its_end(abacus: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        tape = (await trials.record()).tape
        for number in range(1000):
            await tape.write(line=f"line {number}")
        assert (await tape.end()).lines == 1000

        class Tape(schemas["abacus"].Tape.Server):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                self.lines: list[str] = []

            async def write(self, line: str, _context: Any) -> None:
                self.lines.append(line)

            async def end(self, _context: Any) -> tuple[int, int]:
                return len(self.lines), sum(map(len, self.lines))

        played = await trials.play(lines=100, tape=Tape())
        assert (played.lines, played.characters) == (100, 690)

    play(abacus, schemas["trials"].Trials, scenario)


@pytest.mark.parametrize("kind", ["failed", "overloaded", "disconnected", "unimplemented"])
def test_it_fails_in_each_way(kind: str, abacus: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        with pytest.raises(capnp.KjException) as failed:
            await trials.fail(kind=kind, reason="on purpose")
        assert failed.value.type == kind.upper()
        assert "on purpose" in str(failed.value)

    play(abacus, schemas["trials"].Trials, scenario)


def test_everything_comes_back(either: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(trials: Any) -> None:
        value = (await trials.number(number=8)).value
        given = {"int8": -3, "texts": ["a", ""], "next": {"value": value}, "shape": {"point": None}}
        given |= {"either": {"left": "x"}}
        back = (await trials.echo(everything=given)).everything
        assert (back.int8, list(back.texts), back.either.left, back.shape.which()) == (-3, ["a", ""], "x", "point")
        assert back.sevenByDefault == -7
        assert (await back.next.value.read()).number == 8

    play(either, schemas["trials"].Trials, scenario)


def test_the_node_wants_a_thread_of_its_own_in_each_context(node: NativeService, schemas: dict[str, Any]) -> None:
    async def scenario(bootstrap: Any) -> None:
        threads = (await bootstrap.construct()).threadMap
        context = {"thread": (await threads.makeThread("worker")).thread}
        chain = (await bootstrap.makeChain(context=context)).chain
        assert (await chain.getTip(context=context)).block.threadName == "worker"
        connected: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Notifications(schemas["node"].Notifications.Server):  # type: ignore[misc, name-defined]
            async def blockConnected(self, context: Any, block: Any, _context: Any) -> None:
                connected.set_result(block.height)

        handler = (await chain.follow(context=context, notifications=Notifications())).handler
        later = chain.waitForBlock(context=context, height=1, timeoutMs=10_000)
        assert (await chain.mine(context=context)).block.height == 1
        assert (await later).block.height == 1
        assert await connected == 1
        await handler.disconnect(context=context)
        with pytest.raises(capnp.KjException, match="names no thread"):
            await chain.getTip(context={})

        class Thread(schemas["node"].Thread.Server):  # type: ignore[misc, name-defined]
            async def getName(self, _context: Any) -> str:
                return "mine"

        with pytest.raises(capnp.KjException, match="not this side's"):
            await chain.getTip(context={"thread": Thread()})

    play(node, schemas["node"].Node, scenario)
