"""Chains of calls through the bridge and through a gateway: one round trip at the service's own socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cara_pseud import RpcError
from tests.integration.conftest import Web
from tests.native.bridges import bridged, census, gateway_of, trials
from tests.native.services import NativeService

Scenario = Callable[[Any], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def web(abacus: NativeService) -> Iterator[Web]:
    with TemporaryDirectory() as folder, gateway_of(Path(folder), trials("abacus", abacus)) as (_, web, _):
        yield web


def play(service: NativeService, scenario: Scenario) -> None:
    async def main() -> None:
        with TemporaryDirectory() as folder:
            async with asyncio.timeout(20), bridged(service.endpoint, Path(folder)) as (_, trials, _):
                await scenario(trials)

    asyncio.run(main())


async def passed(trials: Any, chain: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, int, int]:
    """What a chain gives; how many round trips and how many pipelined calls it took."""
    before = await trials.census()
    result = await chain()
    after = await trials.census()
    return result, after.roundTrips - before.roundTrips - 1, after.pipelined - before.pipelined


def test_a_chain_three_deep_is_one_round_trip_to_the_service(abacus: NativeService) -> None:
    async def scenario(trials: Any) -> None:
        async def chain() -> Any:
            return await trials.later(1, 30).value.plus(2).value.plus(3).value.read()

        assert await passed(trials, chain) == (6, 1, 3)

    play(abacus, scenario)


def test_objects_that_have_not_come_are_arguments_and_in_structs_in_lists(abacus: NativeService) -> None:
    async def scenario(trials: Any) -> None:
        async def chain() -> Any:
            one, two = trials.later(1, 40).value, trials.later(2, 30).value
            both = one.add(two).value
            entries = [{"label": "both", "value": both, "weight": 2}, {"label": "two", "value": two}]
            return await trials.statement("t", entries).statement.total.value.read()

        assert await passed(trials, chain) == (8, 1, 3)

    play(abacus, scenario)


def test_what_a_union_may_have_is_waited_for(abacus: NativeService) -> None:
    async def scenario(trials: Any) -> None:
        value = await trials.number(9)
        assert await trials.echo({"shape": {"made": value}}).shape.made.read() == 9
        with pytest.raises(RpcError, match="no object there") as failed:
            await trials.echo({"shape": {"label": "text"}}).shape.made.read()
        assert failed.value.code == "invalid_argument"

    play(abacus, scenario)


def test_a_chain_fails_and_ends_as_its_first_call_does(abacus: NativeService) -> None:
    async def scenario(trials: Any) -> None:
        first = trials.evaluate([])
        last = first.value.plus(1).value.read()
        for call in (first, last):
            with pytest.raises(RpcError, match="must leave one number") as failed:
                await call
            assert failed.value.code == "unknown"
        # Not at the service, whose library lets a call go on into which others were made.
        given_up = trials.later(1, 3_000)
        last = given_up.value.plus(1).value.read()
        while not (await trials.census()).waiting:
            await asyncio.sleep(0.01)
        given_up.cancel()
        with pytest.raises(RpcError) as failed:
            await last
        assert failed.value.code == "cancelled"

    play(abacus, scenario)


def test_nothing_is_left_of_chains(abacus: NativeService) -> None:
    async def scenario(trials: Any) -> None:
        before = await trials.census()
        chains = [trials.number(number).value.plus(1).value.plus(1).value.read() for number in range(300)]
        assert await asyncio.gather(*chains) == [number + 2 for number in range(300)]
        del chains
        while (await trials.census())["values"] > before["values"]:
            await asyncio.sleep(0.01)

    play(abacus, scenario)


def test_a_client_s_chain_is_one_round_trip_to_the_service(web: Web) -> None:
    chain = [
        ("abacus.later", {"number": 1, "milliseconds": 30}),
        ("#1.value.plus", {"number": 2}),
        ("#2.value.add", {"other": {"$result": 1, "path": ["value"]}}),
        ("#3.value.read", {}),
    ]
    with web.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        before = census(web)
        socket.send([
            {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
            for id, (method, params) in enumerate(chain, 1)
        ])  # fmt: skip
        answered: dict[int, Any] = {}
        while 4 not in answered:
            message = socket.receive()
            for one in message if isinstance(message, list) else [message]:
                answered[one.get("id")] = one.get("result")
        after = census(web)
    assert answered[4] == {"number": 4}
    assert after["roundTrips"] - before["roundTrips"] == 2, "one for the chain, one for the second census"
    assert after["pipelined"] - before["pipelined"] == 3
